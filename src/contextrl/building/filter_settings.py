"""Settings of the step that leaves questions out by rule."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from contextrl.building.languages import LANGUAGES
from contextrl.errors import nearest_key
from contextrl.records.example import AnswerType
from contextrl.settings import Section

_Undecided = Literal["keep", "drop"]


class FilterSettings(Section):
    """What a question, its answer and its pictures must be like. Least ratings are each source's own (`ratings`)."""

    without_rating: _Undecided = "drop"
    """What becomes of a question that lacks a rating which its source's `ratings` ask for."""

    without_documents: _Undecided = "keep"
    """What becomes of a question without `documents`: a run with `judge.context: documents` needs them in every row."""

    answer_types: list[AnswerType] = Field(default_factory=lambda: list[AnswerType](get_args(AnswerType)), min_length=1)
    """Types of answers that are kept: choice, number, text, yes_no, math."""

    text_words: int = Field(default=10, ge=1)
    """Words of an answer of type text at most: wording of longer ones is beyond what a rule compares. Two Chinese,
    Japanese or Korean characters count as a word."""

    unverified_solutions: Literal["remove", "drop", "keep"] = "remove"
    """A source's solution that does not end with the answer: `remove` keeps the question without it, so that a
    reference is sampled; `drop` leaves the question out."""

    giveaways: bool = True
    """Leave out questions that give their own answer away."""

    question_characters: tuple[int, int] = (3, 8_000)
    """Characters of a question, options included: least and most."""

    solution_characters: tuple[int, int] = (0, 20_000)
    """Characters of a solution, where there is one: least and most."""

    pictures: tuple[int, int] = (0, 8)
    """Pictures of a question: least and most."""

    least_side: int = Field(default=14, ge=1)
    """Pixels of a picture's shorter side at least."""

    greatest_side: int = Field(default=16_384, ge=1)
    """Pixels of a picture's longer side at most."""

    aspect_ratio: float = Field(default=20, ge=1, le=200)
    """How many times as long as its other side a picture's side may be at most."""

    pixels: tuple[int, int] = (196, 40_000_000)
    """Pixels of a picture in all: least and most."""

    languages: list[str] = Field(default_factory=list)
    """Languages of questions that are kept, as two-letter codes (`[en, zh]`); empty: all. Formulas, names in quotes and
    options do not count."""

    undecided_language: _Undecided = "keep"
    """What becomes of a question whose language cannot be told, such as `Find x.` or two languages in one, where
    `languages` names some. One in a script of other languages only is left out in any case."""

    language_confidence: float = Field(default=0.7, ge=0.3, le=1)
    """Probability from which a language counts as told."""

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: list[str]) -> list[str]:
        for code in languages:
            if code not in LANGUAGES:
                raise ValueError(
                    f"expected codes of {', '.join(LANGUAGES)}, found {code!r}{nearest_key(code, LANGUAGES)}"
                )
        return languages

    @field_validator("question_characters", "solution_characters", "pictures", "pixels")
    @classmethod
    def _in_order(cls, limits: tuple[int, int]) -> tuple[int, int]:
        least, most = limits
        if not 0 <= least <= most:
            raise ValueError(f"expected least and most, in this order, found {least}, {most}")
        return limits

    @model_validator(mode="after")
    def _sides_in_order(self) -> Self:
        if self.least_side > self.greatest_side:
            found = f"{self.least_side} above {self.greatest_side}"
            raise ValueError(f"least_side: expected at most greatest_side, found {found}")
        return self
