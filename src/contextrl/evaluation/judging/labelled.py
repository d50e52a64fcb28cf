"""Responses whose correctness is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from contextrl.evaluation.judging.measures import Label
from contextrl.records.example import Example


@dataclass(frozen=True)
class Labelled:
    """A response whose correctness is known.

    Attributes:
        example: question, images and whatever reference there is (`answer` and `solution` may be empty).
        response: what is judged.
        label: its class.
    """

    example: Example
    response: str
    label: Label

    @property
    def question_key(self) -> str:
        """The same for all responses to one question: its text and its images."""
        shown = self.example.image_ids or [str(handle) for handle in self.example.images if isinstance(handle, Path)]
        return " ".join([self.example.question, *shown])


def with_reference(item: Labelled, answer: str, solution: str) -> Labelled:
    """The item with what is given of a reference."""
    example = item.example
    return replace(
        item, example=replace(example, answer=answer or example.answer, solution=solution or example.solution)
    )
