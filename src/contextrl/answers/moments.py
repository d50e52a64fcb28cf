"""Dates and times in other notations (read by dateutil), with every reading that their digits allow."""

from __future__ import annotations

import importlib
import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from typing import Any

_MAX_CHARS = 48
_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_DAYS = "mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
_WORD = re.compile(
    rf"(?:{_MONTHS}|{_DAYS}|am|pm|a\.m|p\.m|st|nd|rd|th|of|at|the|t|z|o'clock|noon|midnight|oclock)", re.IGNORECASE
)
_LOOKS_LIKE_ONE = re.compile(
    rf"\b(?:{_MONTHS})\b\.?,?\s*\d|\d(?:st|nd|rd|th)?\s*(?:of\s+)?\b(?:{_MONTHS})\b|\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}"
    r"|\d{1,2}:\d{2}|\d\s*(?:[ap]\.?m\b|o'?clock)|^noon$|^midnight$",
    re.IGNORECASE,
)
_CHINESE = re.compile(r"(?:(\d{4})年)?(?:(\d{1,2})月(?:(\d{1,2})[日号])?)?|")
_CHINESE_TIME = re.compile(r"(上午|早上|凌晨|下午|晚上|中午)?\s*(\d{1,2})[点时:](?:(\d{1,2})分?|(半)|整)?")
_HALF_DAY = re.compile(r"(?<![a-z])([ap])\.?m\.?(?![a-z])", re.IGNORECASE)
#: Differ in every field: what a text leaves open shows.
_DEFAULTS = datetime(2000, 1, 1), datetime(2004, 12, 28, 13, 59, 58)
_FIELDS = ("year", "month", "day", "hour", "minute", "second")

Reading = tuple[int | None, ...]


def moments_equal(response: str, reference: str) -> bool | str | None:
    """Compare two dates or times; None where one says more or has two readings, `""` where one is neither."""
    sides = readings(response), readings(reference)
    if not sides[0] or not sides[1]:
        return ""
    if sides[0] == sides[1]:
        days = {reading[:3] for reading in sides[0]}
        digits = [[int(number) for number in re.findall(r"\d{1,9}", text)] for text in (response, reference)]
        return True if len(days) == 1 or digits[0] == digits[1] else None  # 5/6/2020 and 6/5/2020
    outcomes = {_reading_equal(one, other) for one in sides[0] for other in sides[1]}
    return outcomes.pop() if len(outcomes) == 1 else None


def _reading_equal(one: Reading, other: Reading) -> bool | None:
    common = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if any(a != b for a, b in common):
        return False
    return True if [a is None for a in one] == [b is None for b in other] else None


@lru_cache(maxsize=2_048)
def readings(text: str) -> tuple[Reading, ...]:
    """Every (year, month, day, hour, minute, second) that a text may mean, None for what it leaves open."""
    text = " ".join(unicodedata.normalize("NFKC", text).split()).strip(" .。")
    if not text or len(text) > _MAX_CHARS:
        return ()
    if re.search("[年月点时]", text) or re.search("[上下]午", text):
        return _chinese(text)
    words = re.findall(r"[A-Za-z][A-Za-z.']*", text)
    if not _LOOKS_LIKE_ONE.search(text) or not all(_WORD.fullmatch(word.rstrip(".")) for word in words):
        return ()
    text = re.sub(r"\b(?:of|the|at)\b", " ", text, flags=re.IGNORECASE)
    text = re.sub(
        r"^noon$", "12:00 pm", re.sub(r"^midnight$", "00:00", text.strip(), flags=re.IGNORECASE), flags=re.IGNORECASE
    )
    text = re.sub(r"(\d)\s*o'?clock", r"\1:00", text, flags=re.IGNORECASE)
    found = {reading for order in _orders(text) if (reading := _parsed(text, *order)) is not None}
    return tuple(sorted(_half_days(text, found), key=str))


def _orders(text: str) -> list[tuple[bool, bool]]:
    """(day first, year first): all orders of three short numbers; a year of four digits settles its place."""
    if re.search(r"\d{4}", text):
        return [(False, False)] if re.match(r"\d{4}", text) else [(False, False), (True, False)]
    return [(False, False), (True, False), (False, True)]


def _parsed(text: str, day_first: bool, year_first: bool) -> Reading | None:
    parse: Any = importlib.import_module("dateutil.parser").parse
    try:
        both = [parse(text, default=default, dayfirst=day_first, yearfirst=year_first) for default in _DEFAULTS]
    except Exception:  # ParserError, OverflowError and whatever else unusual text provokes
        return None
    values = [[getattr(moment, field) for field in _FIELDS] for moment in both]
    known = [a if a == b else None for a, b in zip(*values, strict=True)]
    has_time = re.search(r"\d:\d|[ap]\.?m\b", text, re.IGNORECASE) is not None
    clock = [0 if known[3] is not None and value is None else value for value in known[3:]]
    return (*known[:3], *(clock if has_time else (None, None, None)))


def _half_days(text: str, found: set[Reading]) -> set[Reading]:
    """10:30 is in the morning or in the evening."""
    if _HALF_DAY.search(text):
        return found
    later = {(*one[:3], (one[3] + 12) % 24, *one[4:]) for one in found if one[3] is not None and 1 <= one[3] <= 12}
    return found | later


def _chinese(text: str) -> tuple[Reading, ...]:
    text = text.replace(" ", "")
    date = _CHINESE.match(text)
    rest = text[date.end() :] if date else text
    day = [int(value) if value else None for value in (date.groups() if date else (None, None, None))]
    if not rest:
        return ((*day, None, None, None),) if any(day) else ()
    clock = _CHINESE_TIME.fullmatch(rest)
    if clock is None:
        return ()
    half, hour, minute, half_hour = clock.groups()
    hours = {int(hour)}
    if half in ("下午", "晚上") and int(hour) < 12:
        hours = {int(hour) + 12}
    elif half is None and 1 <= int(hour) <= 12:
        hours |= {(int(hour) + 12) % 24}
    minutes = 30 if half_hour else int(minute or 0)
    return tuple((*day, value, minutes, 0) for value in sorted(hours))
