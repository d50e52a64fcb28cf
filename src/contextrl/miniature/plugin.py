"""The miniature's entries in the tables of `contextrl.plugins`. Nothing heavy is imported before a name is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from contextrl.plugins import DATA, EVALUATIONS, JUDGES, LABELLED, MODELS, NamedEvaluation, NamedJudge

if TYPE_CHECKING:
    from rich.console import Console

    from contextrl.evaluation.judging.labelled import Labelled
    from contextrl.judge.protocol import Judge
    from contextrl.miniature.digits import Split
    from contextrl.records.example import Example
    from contextrl.records.verdict import Disclosure, ReferenceContext

#: Held-out questions are the same for every run and seed, so that runs can be compared.
EVAL_SEED = 20260226
#: Labelled responses where nothing says how many.
LABELLED_ITEMS = 600


def register() -> None:
    """Add the miniature. `miniature` evaluates on the held-out test split; choices are made on `miniature:dev`."""
    MODELS["miniature"] = _model
    DATA["miniature"] = _training_examples
    JUDGES["steps"] = NamedJudge(_judge, _knows)
    splits: dict[str, Split] = {"miniature": "test", "miniature:test": "test", "miniature:dev": "dev"}
    for name, split in splits.items():
        EVALUATIONS[name] = NamedEvaluation(partial(_held_out, split), lambda: _judge("solution", "correction"))
    LABELLED["miniature"] = _labelled


def _model(console: Console | None) -> Path:
    from contextrl.miniature.base import base_policy

    return base_policy(console=console)


def _training_examples(*, count: int, seed: int, voice: str) -> list[Example]:
    from contextrl.miniature.tasks import miniature_examples

    return miniature_examples("train", count, seed=seed, voice="foreign" if voice == "foreign" else "own")


def _held_out(split: Split, count: int) -> Sequence[Example]:
    from contextrl.miniature.tasks import miniature_examples

    return miniature_examples(split, count, seed=EVAL_SEED)


def _judge(context: ReferenceContext, disclose: Disclosure) -> Judge:
    from contextrl.miniature.steps_judge import StepsJudge

    return StepsJudge(context, disclose)


def _knows(example: Example) -> str | None:
    from contextrl.miniature.steps_judge import question_kind

    try:
        question_kind(example.question)
    except ValueError as error:
        return str(error)
    return None


def _labelled(count: int | None, seed: int) -> list[Labelled]:
    from contextrl.miniature.labelled import labelled_items

    return list(labelled_items("test", count or LABELLED_ITEMS, seed=seed))
