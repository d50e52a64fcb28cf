"""easy-VQA as rows: which shape of which colour a picture shows, and what is asked about it.

The package `easy-vqa` has 4,000 pictures to train on and 1,000 to test on, with questions and answers and without
solutions. What a picture shows follows from its own questions.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import easy_vqa

SHAPES = ("circle", "rectangle", "triangle")
COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
Split = Literal["train", "test"]


@dataclass(frozen=True)
class Row:
    """A question about a picture.

    Attributes:
        picture: number of the picture within its split.
        shape, colour: what it shows.
    """

    question: str
    answer: str
    picture: int
    path: Path
    shape: str
    colour: str

    @property
    def solution(self) -> str:
        """As the policy is taught to write it."""
        return f"Shape: {self.shape}. Colour: {self.colour}. Answer: {self.answer}"


def rows(split: Split) -> list[Row]:
    """All questions about pictures whose shape and colour are known."""
    if split == "train":
        questions, paths = easy_vqa.get_train_questions(), easy_vqa.get_train_image_paths()
    else:
        questions, paths = easy_vqa.get_test_questions(), easy_vqa.get_test_image_paths()
    asked = list(zip(*questions, strict=True))
    shown: dict[int, dict[str, str]] = defaultdict(dict)
    for question, answer, picture in asked:
        shown[picture] |= _told(question, answer)
    return [
        Row(question, answer, picture, Path(paths[picture]), shown[picture]["shape"], shown[picture]["colour"])
        for question, answer, picture in asked
        if len(shown[picture]) == 2
    ]


def _told(question: str, answer: str) -> dict[str, str]:
    """What a question and its answer say about the picture."""
    told = {}
    for name, words in (("shape", SHAPES), ("colour", COLOURS)):
        named = [word for word in words if re.search(rf"\b{word}\b", question)]
        if answer in words:
            told[name] = answer
        elif named and (answer not in ("yes", "no") or (answer == "yes") == _affirms(question)):
            told[name] = named[0]
    return told


def _affirms(question: str) -> bool:
    return re.search(r"\b(?:no|not)\b", question) is None


def parts(all_rows: Sequence[Row], sizes: Mapping[str, int], seed: int = 0) -> dict[str, list[Row]]:
    """Parts that share no picture.

    Args:
        sizes: pictures of each.
    """
    pictures = sorted({row.picture for row in all_rows})
    random.Random(seed).shuffle(pictures)
    of: dict[int, str] = {}
    for name, size in sizes.items():
        chosen, pictures = pictures[:size], pictures[size:]
        of |= dict.fromkeys(chosen, name)
    return {name: [row for row in all_rows if of.get(row.picture) == name] for name in sizes}
