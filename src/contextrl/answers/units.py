"""Units of measurement by their names and symbols in English and Chinese (CLDR, through babel)."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_LOCALES = ("zh", "en_GB", "en")
#: Abbreviations and irregular spellings that CLDR leaves out.
_ALSO = {
    "h": "hour",
    "hrs": "hour",
    "s": "second",
    "secs": "second",
    "mins": "minute",
    "kph": "kilometer-per-hour",
    "kmh": "kilometer-per-hour",
    "lbs": "pound",
    "kgs": "kilogram",
    "cms": "centimeter",
    "l": "liter",
    "ml": "milliliter",
    "cc": "cubic-centimeter",
    "公里": "kilometer",
    "°": "degree",
    "千米": "kilometer",
    "度": "degree",
    "km²": "square-kilometer",
    "°c": "celsius",
    "°f": "fahrenheit",
    "℃": "celsius",
    "℉": "fahrenheit",
    "kilo": "kilogram",
    "kilos": "kilogram",
    "kilograms": "kilogram",
    "mm²": "square-millimeter",
    "units": "unit",
    "unit": "unit",
    "hz": "hertz",
    "kn": "kilonewton",
}
#: "5 pm" is a time, "3 quarters" a fraction, "5T" a trillion: names that mean something else more often.
_NO_UNITS = re.compile(
    "pm|am|pts?|points?|dots?|parts?|items?|project|nights?|ems?|%.*|per.*|sun|portion.*|of.*|karats?|ct|rd|st|nd|th|b"
    "|[GBcTHSF]|tn|ac|ch|bu|dr|pn|mc|gr|fw|kt|mp|MP|cd|CD|da|Da|pb|PB|dec|qtrs?|quarters?|fur|fth|smi|mils?|light"
    "|grays?|henrys?|chains?|drops?|pinch(?:es)?|stones?|jiggers?|grains?|drams?|slugs?|rods?|revs?|pp[mb]"
    "|[点份项转级滴光晚节季撮‰‱]"
)
_PARTS = re.compile(r"\s*(?:/|÷|\bper\b|每)\s*", re.IGNORECASE)
_FACTOR = re.compile(
    r"(?P<prefix>(?:sq\.?|square|cubic|cu\.?)\s+)?(?P<name>[^\W\d_]{1,20}|[°℃℉][CFcf]?|µ[a-zA-Z]{1,3})\.?"
    r"\s*(?:\^?\s*\{?\(?(?P<power>-?[1-4])\)?\}?|(?P<word>squared|cubed))?",
    re.IGNORECASE,
)
_MAX_UNIT_CHARS = 40


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """CLDR's long and short names to its unit ids, exact and (where it is nobody else's) in lower case."""
    data: Any = importlib.import_module("babel.localedata")
    names: dict[str, str] = {}
    for locale in _LOCALES:
        for unit, patterns in data.LocaleDataDict(data.load(locale))["unit_patterns"].items():
            plain = unit.partition("-")[2].removesuffix("-person")
            for pattern in _patterns(patterns):
                names[pattern] = plain
    lowered: dict[str, set[str]] = {}
    for name, unit in names.items():
        lowered.setdefault(name.lower(), set()).add(unit)
    alone = {name: min(units) for name, units in lowered.items() if len(units) == 1 and len(name) > 2}
    return {**alone, **names, **_ALSO}


def _patterns(patterns: Any) -> Iterator[str]:
    for length in ("long", "short"):
        for count in ("one", "other"):
            name = str(patterns.get(length, {}).get(count, "")).replace("\u00a0", " ")
            if name.startswith("{0}") and (name := name.removeprefix("{0}").strip()) and not _NO_UNITS.fullmatch(name):
                yield name


@lru_cache(maxsize=4_096)
def unit_of(text: str) -> str | None:
    """Return a canonical name of the unit that `text` is, such as `meter/second**2`; None if it is none."""
    text = " ".join(text.split()).strip(" .")
    if not text or len(text) > _MAX_UNIT_CHARS:
        return None
    whole = _lookup(text)
    if whole is not None:
        return _expression(whole)
    above, *below = _PARTS.split(text)
    factors = [_product(part) for part in (above, *below)]
    return None if None in factors else "/".join(filter(None, factors))


def _product(text: str) -> str | None:
    words = re.split(r"\s*[·*⋅×]\s*", text)
    found = [_factor(word) for word in words]
    if None in found and len(words) == 1:
        words = text.split(" ")
        found = [_factor(word) for word in words] if len(words) == 2 else [None]
    return None if None in found else "*".join(filter(None, found))


def _factor(text: str) -> str | None:
    whole = _lookup(text)
    if whole is not None:
        return _expression(whole)
    match = _FACTOR.fullmatch(text.strip())
    unit = _lookup(match["name"]) if match else None
    if match is None or unit is None or "-per-" in unit:
        return None
    prefix = (match["prefix"] or "").lower()
    power = int(match["power"] or 1) * (2 if prefix.startswith("s") else 3 if prefix else 1)
    power *= {"squared": 2, "cubed": 3}.get((match["word"] or "").lower(), 1)
    name = _expression(unit)
    return name if power == 1 else f"{name}**{power}"


def _lookup(name: str) -> str | None:
    name = name.strip()
    if _NO_UNITS.fullmatch(name) or (len(name) > 1 and _NO_UNITS.fullmatch(name.lower())):
        return None
    names = _names()
    return names.get(name) or names.get(name.replace("^2", "²").replace("^3", "³")) or _plain_lookup(name)


def _plain_lookup(name: str) -> str | None:
    """A longer name in any case; of short symbols only the case that is written: mW is not MW."""
    return _names().get(name.lower()) if len(name) > 3 or (name.lower() in _ALSO and len(name) > 1) else None


def _expression(unit: str) -> str:
    """`meter-per-square-second` as `meter/second**2`."""
    above, *below = unit.split("-per-")
    return "/".join(_powered(part) for part in (above, *below))


def _powered(part: str) -> str:
    for prefix, power in (("square-", 2), ("cubic-", 3)):
        if part.startswith(prefix):
            return f"{part.removeprefix(prefix).replace('-', '_')}**{power}"
    return part.replace("-", "_")
