"""Conversion of units, exactly; runs in a worker, which has the time to load pint."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from typing import Any

import pint

#: Calendar units convert among themselves only: a month has no fixed number of days.
_CALENDAR = re.compile(r"month|year|decade|century|quarter")
_OFFSET = re.compile(r"celsius|fahrenheit")


@cache
def _registry() -> Any:
    return pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)


def handle(request: dict[str, str]) -> str | None:
    """How many of `other` one `unit` is, as text of a fraction; None where that is no fixed factor."""
    unit, other = request["unit"], request["other"]
    if bool(_CALENDAR.search(unit)) != bool(_CALENDAR.search(other)) or _OFFSET.search(unit + other):
        return None
    registry = _registry()
    converted = registry.Quantity(Fraction(1), registry.parse_units(unit)).to(registry.parse_units(other)).magnitude
    return str(Fraction(converted)) if isinstance(converted, int | Fraction) else None


def warm_up() -> None:
    """Load what the first request would wait for."""
    handle({"unit": "kilometer/hour", "other": "meter/second"})
