"""One question with its reference solution: the row that every part of the method passes along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from PIL import Image

AnswerType = Literal["choice", "number", "text", "yes_no", "math"]
Task = Literal["perception", "reasoning"]

ANSWER_TYPES: tuple[str, ...] = get_args(AnswerType)
TASKS: tuple[str, ...] = get_args(Task)

#: An image as it travels through the data loader: a path (decoded when the rollout needs it) or a decoded image.
ImageHandle = Path | Image.Image


@dataclass(frozen=True)
class Example:
    """A training or evaluation row.

    Attributes:
        id: unique within its dataset.
        question: what the policy is asked; together with `images` the whole of its prompt.
        images: handles of the images, in the order in which the prompt shows them; empty for a text-only row.
        solution: the full reference, reasoning included. It never reaches the policy's prompt.
        answer: the final answer; the end of `solution` states the same.
        answer_type: how two answers are compared.
        task: which family the question belongs to, for reports.
        source: where the row comes from (dataset, config, licence tag: free text).
        image_ids: what tells images apart when intervals are bootstrapped by image; the images' own where given.
        documents: passages or facts that a judge may be shown in place of the solution. They never reach the policy.
        tolerance: how far a numerical answer may be from `answer`: a number (or its text) in the answer's own unit, or
            text relative to it ("1%"). None: exact values compare exactly, and only further digits may be rounded away.
    """

    id: str
    question: str
    solution: str
    answer: str
    answer_type: AnswerType = "text"
    task: Task = "reasoning"
    images: Sequence[ImageHandle] = ()
    source: str = ""
    image_ids: Sequence[str] = ()
    tolerance: float | str | None = None
    documents: Sequence[str] = ()
