"use strict";

draw();
