"""The built-in miniature: real handwritten digits, a tiny Qwen3-VL and a step judge, trainable on two CPU cores.

`digits` holds the images and their split, `tasks` the questions and their reference solutions, `steps_judge` the
process verifier, `policy` the model and its processor, `classes` what the base policy misreads, `base` how it comes to
be, `shipped` the weights that come with the package.
"""

from __future__ import annotations

from pathlib import Path

#: Folder of the base policy that the package carries; see `shipped`.
BASE_POLICY = Path(__file__).parent / "base_policy"
