"""Facts about the miniature's pictures: what a judge may be shown in place of a solution."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from contextrl.miniature.digits import digit_label
from contextrl.records.example import Example

Facts = Literal["none", "some", "all"]
_PLACES = ("first", "second", "third", "fourth")
_COUNT = re.compile(r"\bshows (\d) digits\b")
_DIGIT = re.compile(rf"\b({'|'.join(_PLACES)}) digit is a (\d)\b")


def with_facts(examples: Sequence[Example], facts: Facts) -> list[Example]:
    """The same rows with documents: how many digits there are and which they are.

    `some` leaves out at least one digit of each picture, and never all; each row by a draw of its own.
    """
    if facts == "none":
        return list(examples)
    told = []
    for example in examples:
        digits = [digit_label(int(name.removeprefix("digit-"))) for name in example.image_ids]
        places = list(range(len(digits)))
        if facts == "some":
            rng = random.Random(f"facts {example.id}")
            places = sorted(rng.sample(places, rng.randint(1, len(places) - 1)))
        told.append(replace(example, documents=stated_facts(digits, places)))
    return told


def stated_facts(digits: Sequence[int], places: Sequence[int]) -> tuple[str, ...]:
    """How many digits a picture shows, and which they are at these places: documents of a row."""
    stated = [f"The {_PLACES[place]} digit is a {digits[place]}." for place in places]
    return (f"The picture shows {len(digits)} digits.", *stated)


def told_digits(documents: Sequence[str]) -> tuple[int | None, ...] | None:
    """The digits that documents state, None where they do not.

    None in place of all if they say nothing of a digit, or contradict each other.
    """
    text = " ".join(documents)
    facts = {(_PLACES.index(place), int(digit)) for place, digit in _DIGIT.findall(text)}
    stated = dict(facts)
    counts = {int(count) for count in _COUNT.findall(text)} or {max(stated, default=0) + 1}
    if not stated or len(stated) < len(facts) or len(counts) > 1 or max(stated) >= max(counts):
        return None
    return tuple(stated.get(place) for place in range(max(counts)))
