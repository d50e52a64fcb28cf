"""The miniature's entries in the tables of `contextrl.plugins`. Nothing heavy is imported before a name is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from contextrl.miniature import BASE_POLICY
from contextrl.plugins import DATA, EVALUATIONS, JUDGES, LABELLED, MODELS, NamedEvaluation, NamedJudge

if TYPE_CHECKING:
    from pathlib import Path

    from contextrl.evaluation.judging.labelled import Labelled
    from contextrl.judge.protocol import Judge
    from contextrl.miniature.digits import Images, Split
    from contextrl.miniature.references import References
    from contextrl.records.example import Example
    from contextrl.records.verdict import Disclosure, ReferenceContext

#: Held-out questions are the same for every run and seed, so that runs can be compared.
EVAL_SEED = 20260226
#: Labelled responses where nothing says how many.
LABELLED_ITEMS = 600


def register() -> None:
    """Add the miniature. `miniature` evaluates on the held-out test split; choices are made on `miniature:dev`.

    `miniature:blank` has the questions of `miniature` without their pictures: what remains of an accuracy is guessing.
    `miniature:second-half` trains on the half of the train images that no learned judge has seen.
    """
    MODELS["miniature"] = BASE_POLICY
    DATA["miniature"] = partial(_training_examples, "train")
    DATA["miniature:second-half"] = partial(_training_examples, "second-half")
    JUDGES["steps"] = NamedJudge(_judge, _knows)
    JUDGES["learned"] = NamedJudge(_learned, _knows, folder=True)
    splits: dict[str, Split] = {"miniature": "test", "miniature:test": "test", "miniature:dev": "dev"}
    judge = partial(_judge, "solution", "hint")
    for name, split in splits.items():
        EVALUATIONS[name] = NamedEvaluation(partial(_held_out, split), judge)
    EVALUATIONS["miniature:blank"] = NamedEvaluation(partial(_held_out, "test", blank=True), judge)
    LABELLED["miniature"] = _labelled


def _training_examples(
    images: Images,
    *,
    count: int,
    seed: int,
    voice: str,
    references: References = "whole",
    references_share: float = 1.0,
) -> list[Example]:
    from contextrl.miniature.references import with_references
    from contextrl.miniature.tasks import miniature_examples

    examples = miniature_examples(images, count, seed=seed, voice="foreign" if voice == "foreign" else "own")
    return with_references(examples, references, references_share)


def _held_out(split: Split, count: int, *, blank: bool = False) -> Sequence[Example]:
    from contextrl.miniature.tasks import miniature_examples, with_blank_pictures

    examples = miniature_examples(split, count, seed=EVAL_SEED)
    return with_blank_pictures(examples) if blank else examples


def _judge(context: ReferenceContext, disclose: Disclosure, _: Path | None = None) -> Judge:
    from contextrl.miniature.steps_judge import StepsJudge

    return StepsJudge(context, disclose)


def _learned(context: ReferenceContext, disclose: Disclosure, folder: Path | None = None) -> Judge:
    from contextrl.miniature.learned_judge.judging import LearnedJudge

    assert folder is not None  # the settings see to it
    return LearnedJudge.load(folder, context, disclose)


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
