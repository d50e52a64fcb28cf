"""Right responses with one thing changed: what a judge should notice, and what it should not."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contextrl.miniature.digits import Split, compose, images_by_class
from contextrl.miniature.labelled import LabelledResponse, other_digits
from contextrl.miniature.tasks import foreign_solution, own_solution
from contextrl.records.verdict import ReferenceContext


@dataclass(frozen=True)
class Change:
    """A change of right responses.

    Attributes:
        name: of what is changed.
        contexts: in which it can be noticed.
        pairs: each response before and after it.
    """

    name: str
    contexts: tuple[ReferenceContext, ...]
    pairs: Sequence[tuple[LabelledResponse, LabelledResponse]]


def changes(items: Sequence[LabelledResponse], split: Split, rng: random.Random) -> Iterator[Change]:
    """What is done to right responses, one thing at a time.

    `picture`: as many digits, each another one, so that the response is wrong and its reference too. `reference`: a
    solution from other digits with the same answer. `wording`: the response in the policy's voice, then in a foreign
    one. `reference_wording`: the same for the reference.
    """
    every: tuple[ReferenceContext, ...] = ("none", "answer", "solution")
    yield Change("picture", every, [(item, _other_picture(item, split, rng)) for item in items])
    misled = [(item, other) for item in items if (other := _other_reference(item, rng)) is not None]
    yield Change("reference", ("solution",), misled)
    voices = [_in_both_voices(item, rng) for item in items]
    worded = [(replace(item, response=own), replace(item, response=foreign)) for item, (own, foreign) in voices]
    yield Change("wording", every, worded)
    read = [(_with(item, solution=own), _with(item, solution=foreign)) for item, (own, foreign) in voices]
    yield Change("reference_wording", ("solution",), read)


def _with(item: LabelledResponse, **columns: Any) -> LabelledResponse:
    return replace(item, example=replace(item.example, **columns))


def _other_picture(item: LabelledResponse, split: Split, rng: random.Random) -> LabelledResponse:
    digits = [rng.choice([k for k in range(10) if k != digit]) for digit in item.problem.digits]
    images = [rng.choice(images_by_class(split)[digit]) for digit in digits]
    return _with(item, images=(compose(images),), image_ids=tuple(f"digit-{image}" for image in images))


def _other_reference(item: LabelledResponse, rng: random.Random) -> LabelledResponse | None:
    """None where no other digits have the same answer."""
    digits = other_digits(item.problem, rng, same_answer=True)
    if digits is None:
        return None
    return _with(item, solution=own_solution(item.problem.kind, digits, item.problem.asked))


def _in_both_voices(item: LabelledResponse, rng: random.Random) -> tuple[LabelledResponse, tuple[str, str]]:
    arguments = (item.problem.kind, item.problem.digits, item.problem.asked)
    return item, (own_solution(*arguments), foreign_solution(*arguments, rng))
