"""Alternations that are compiled otherwise match as they are written."""

from __future__ import annotations

import random
import re

import pytest

from contextrl.rollout.word_patterns import alternatives, from_words

PATTERN = r"""
    \bre(?:port|view)s?\b | (?:^|[.!]\s*)(?:my\s+)?apologies\b | \byou\s+(?:said|[|)(]told)\b
    | []|^]x | 错[误|了] | \b(?:the|a)\s+hint\b(?!\s+of) | \bstep\|two
"""


def test_alternatives_are_told_from_what_groups_and_classes_hold() -> None:
    found = [one.strip() for one in alternatives(PATTERN)]
    assert found == [
        r"\bre(?:port|view)s?\b",
        r"(?:^|[.!]\s*)(?:my\s+)?apologies\b",
        r"\byou\s+(?:said|[|)(]told)\b",
        "[]|^]x",
        "错[误|了]",
        r"\b(?:the|a)\s+hint\b(?!\s+of)",
        r"\bstep\|two",
    ]
    assert list(alternatives("a")) == ["a"]
    assert list(alternatives("a|")) == ["a", ""]


@pytest.mark.parametrize("flags", [re.VERBOSE, re.VERBOSE | re.IGNORECASE])
def test_matches_are_at_the_same_places(flags: re.RegexFlag) -> None:
    plain, quick = re.compile(PATTERN, flags), from_words(PATTERN, flags)
    words = [
        "report",
        "reviews",
        "Apologies.",
        "my apologies!",
        "you said",
        "you (told",
        "]x",
        "|x",
        "错误",
        "the hint",
    ]
    words += ["a hint of", "step|two", "unreported", "prereview", "thehint", "xyou said", ".", "! ", "^x", "step"]
    rng, found = random.Random(0), 0
    for _ in range(500):
        text = rng.choice(("", " ", "\n")).join(rng.choice(words) for _ in range(rng.randint(1, 12)))
        spans = [match.span() for match in plain.finditer(text)]
        assert [match.span() for match in quick.finditer(text)] == spans
        found += len(spans)
    assert found > 500


def test_an_alternation_without_boundaries_stays_one() -> None:
    assert from_words("a|b", re.RegexFlag(0)).findall("abc") == ["a", "b"]
