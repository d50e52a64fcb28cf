"""The miniature's policies as files: how the shipped base and its larger reference are made, and how well they read.

What a user of a real model downloads is a folder of this package, so that every machine starts from the same weights.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from contextrl.console import progress_bar
from contextrl.data.images import open_image
from contextrl.disk import free_bytes, sized, why_not_writable, writing
from contextrl.errors import DiskError
from contextrl.judge.protocol import Judge, JudgeRequest
from contextrl.miniature.base import BaseRecipe, fingerprint, train_base
from contextrl.miniature.classes import FAMILIARITIES, Familiarity
from contextrl.miniature.fitting import Fitted
from contextrl.miniature.long_base import LongRecipe, long_fingerprint, train_long
from contextrl.miniature.long_judge import LongStepsJudge
from contextrl.miniature.long_task import long_examples
from contextrl.miniature.policy import greedy_texts
from contextrl.miniature.reference import ReferenceRecipe, reference_fingerprint, train_reference
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.records.evaluation import class_of
from contextrl.records.example import Example
from contextrl.records.files import write_atomically
from contextrl.records.verdict import Verdict
from contextrl.rollout.settings import DEFAULT_INSTRUCTION, WITHOUT_REPORT

WEIGHTS = "model.safetensors"
#: What the base policy and the reference model take on disk, in bytes, with some room to spare.
SIZE, REFERENCE_SIZE = 8_000_000, 16_000_000
#: Development questions that the accuracies are taken on.
MEASURED = 600


@dataclass
class Reading:
    """How questions of one familiarity are answered, greedily.

    Attributes:
        n: questions.
        answer, process: of these, answers that were right; answers that were right by right steps.
        failed: the others, of which each was tried again: `after_report` were then right by right steps when a mistake
            report said what is wrong, `without_report` when they were told only that the answer is.
    """

    n: int = 0
    answer: int = 0
    process: int = 0
    failed: int = 0
    after_report: int = 0
    without_report: int = 0

    def shares(self) -> dict[str, float | int | None]:
        """Rounded to four digits; None where there was nothing to count."""

        def of(count: int, total: int) -> float | None:
            return round(count / total, 4) if total else None

        return {
            "n": self.n,
            "answer_accuracy": of(self.answer, self.n),
            "process_accuracy": of(self.process, self.n),
            "recovered_after_report": of(self.after_report, self.failed),
            "recovered_without_report": of(self.without_report, self.failed),
        }


def build_base(
    recipe: BaseRecipe, folder: Path, *, measured: int = MEASURED, console: Console | None = None
) -> dict[str, Any]:
    """Train the base policy, write it in bfloat16 and measure it.

    Args:
        folder: filled with the model, its processor, `training_log.csv`, `accuracy.json` and `recipe.json`.
        measured: development questions that the accuracies are taken on.

    Returns:
        What `recipe.json` holds: the recipe, the first draws' fingerprint and the weights' SHA-256.

    Raises:
        DiskError: the folder cannot be written; before anything is trained where that can be known.
    """
    made = _Made(recipe, partial(train_base, recipe), fingerprint(recipe), SIZE, ORDINARY)
    return _build(made, folder, measured, console)


def build_long(
    recipe: LongRecipe, folder: Path, *, measured: int = MEASURED, console: Console | None = None
) -> dict[str, Any]:
    """Train the base policy of the longer questions, as `build_base` does the shipped one."""
    made = _Made(recipe, partial(train_long, recipe), long_fingerprint(recipe), SIZE, LONGER)
    return _build(made, folder, measured, console)


def build_reference(
    recipe: ReferenceRecipe, folder: Path, *, measured: int = MEASURED, console: Console | None = None
) -> dict[str, Any]:
    """Train the larger reference model, as `build_base` does the base policy."""
    made = _Made(recipe, partial(train_reference, recipe), reference_fingerprint(recipe), REFERENCE_SIZE, ORDINARY)
    return _build(made, folder, measured, console)


@dataclass(frozen=True)
class _Made:
    """A policy that is made here: how, the fingerprint of its draws, its size in bytes, what it is measured on."""

    recipe: BaseRecipe | ReferenceRecipe
    train: Callable[..., Fitted]
    draws: str
    size: int
    on: Measured


def _build(made: _Made, folder: Path, measured: int, console: Console | None) -> dict[str, Any]:
    problem, free = why_not_writable(folder), free_bytes(folder)
    if problem is None and free < made.size:
        problem = f"no space left for its {sized(made.size)} ({sized(free)} free)"
    if problem is not None:
        raise DiskError(f"{folder} cannot be written: {problem}", fix="Choose another folder")
    with writing(folder, fix="Make room, or choose another folder"):
        fitted = made.train(console=console)
        fitted.model.to(torch.bfloat16)
        fitted.save(folder)
        accuracy = measure(folder, measured, on=made.on, console=console)
        write_atomically(folder / "accuracy.json", json.dumps(accuracy, indent=2) + "\n")
        card = {**asdict(made.recipe), "draws_sha256": made.draws, "weights_sha256": weights_hash(folder)}
        write_atomically(folder / "recipe.json", json.dumps(card, indent=2) + "\n")
    return card


def read_accuracy(folder: Path) -> dict[str, dict[str, Any]]:
    """What `accuracy.json` says, by familiarity; see `Reading`."""
    return dict(json.loads((folder / "accuracy.json").read_text(encoding="utf-8")))


def overall(accuracy: Mapping[str, Mapping[str, Any]]) -> tuple[float, float]:
    """Share of right answers and of right answers by right steps, over all questions of `read_accuracy`."""
    rows = list(accuracy.values())
    total = sum(row["n"] for row in rows)
    answer, process = (
        sum(row["n"] * (row[key] or 0) for row in rows) / total for key in ("answer_accuracy", "process_accuracy")
    )
    return answer, process


def weights_hash(folder: Path) -> str:
    """SHA-256 of the weights' file."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


@dataclass(frozen=True)
class Measured:
    """What a policy is measured on.

    Attributes:
        examples: the first so many development questions.
        judge: of their steps, with reports of level `hint`.
        longest: an answer, in tokens.
    """

    examples: Callable[[int], list[Example]]
    judge: Judge
    longest: int


ORDINARY = Measured(lambda count: miniature_examples("dev", count, seed=1), StepsJudge("solution", "hint"), 48)
LONGER = Measured(lambda count: long_examples("dev", count, seed=1), LongStepsJudge("solution", "hint"), 80)


def measure(
    folder: Path, count: int = MEASURED, *, on: Measured = ORDINARY, console: Console | None = None
) -> dict[Familiarity, dict[str, float | int | None]]:
    """How a policy reads each kind of digits on the first `count` development questions."""
    model, processor = load_policy(str(folder)), load_processor(str(folder), policy_config(str(folder)))
    model.eval()
    examples = on.examples(count)

    def answers(
        rows: Sequence[Example], talks: Sequence[list[dict[str, Any]]], on_batch: Callable[[int], None] | None = None
    ) -> list[tuple[str, Verdict]]:
        texts = _answers(model, processor, rows, talks, on.longest, on_batch)
        requests = [JudgeRequest(e, text, "solution", wants_report=True) for e, text in zip(rows, texts, strict=True)]
        return list(zip(texts, on.judge.judge(requests), strict=True))

    readings: defaultdict[Familiarity, Reading] = defaultdict(Reading)
    with progress_bar(console or Console(stderr=True), "Measuring", count) as advance:
        first = answers(examples, [_question(example) for example in examples], advance)
    failed = []
    for example, (response, verdict) in zip(examples, first, strict=True):
        reading = readings[_familiarity(example)]
        reading.n += 1
        reading.answer += verdict.answer_correct is True
        reading.process += verdict.status == "correct"
        if verdict.status == "incorrect":
            reading.failed += 1
            failed.append((example, response, str(verdict.mistake_report)))
    again = [example for example, _, _ in failed]
    for name in ("after_report", "without_report"):
        talks = [_retry(e, r, report if name == "after_report" else WITHOUT_REPORT) for e, r, report in failed]
        for example, (_, verdict) in zip(again, answers(again, talks), strict=True):
            reading = readings[_familiarity(example)]
            setattr(reading, name, getattr(reading, name) + (verdict.status == "correct"))
    return {name: readings[name].shares() for name in FAMILIARITIES}


def _familiarity(example: Example) -> Familiarity:
    return next(name for name in FAMILIARITIES if name == class_of(example.source))


def _question(example: Example) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": example.question}]}]


def _retry(example: Example, attempt: str, report: str) -> list[dict[str, Any]]:
    """The conversation of stage 2; see `rollout.recovery`."""
    return [
        *_question(example),
        {"role": "assistant", "content": attempt},
        {"role": "user", "content": f"{report} {DEFAULT_INSTRUCTION}"},
    ]


def _answers(
    model: Any,
    processor: Any,
    examples: Sequence[Example],
    conversations: Sequence[list[dict[str, Any]]],
    longest: int,
    on_batch: Callable[[int], None] | None = None,
) -> list[str]:
    texts = [processor.apply_chat_template(c, add_generation_prompt=True, tokenize=False) for c in conversations]
    images = [[open_image(image) for image in example.images] for example in examples]
    return greedy_texts(model, processor, texts, images, max_new_tokens=longest, on_batch=on_batch)
