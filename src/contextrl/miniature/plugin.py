"""The miniature's entries in the tables of `contextrl.plugins`. Nothing heavy is imported before a name is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from contextrl.errors import InputError
from contextrl.miniature import BASE_POLICY
from contextrl.plugins import DATA, EVALUATIONS, JUDGES, LABELLED, MODELS, PATTERNS, NamedEvaluation, NamedJudge

if TYPE_CHECKING:
    from pathlib import Path

    from contextrl.evaluation.judging.labelled import Labelled
    from contextrl.judge.protocol import Judge
    from contextrl.miniature.digits import Images, Split
    from contextrl.miniature.facts import Facts
    from contextrl.miniature.references import References
    from contextrl.records.example import Example
    from contextrl.records.verdict import Disclosure, ReferenceContext
    from contextrl.report.patterns import Rule

#: Held-out questions are the same for every run and seed, so that runs can be compared.
EVAL_SEED = 20260226
#: Labelled responses where nothing says how many.
LABELLED_ITEMS = 600
#: What becomes of the pictures; the references stay those of the questions' own.
Control = Literal["blank", "shuffled"]
_CONTROLS: tuple[Control, ...] = get_args(Control)


def register() -> None:
    """Add the miniature. `miniature` evaluates on the held-out test split; choices are made on `miniature:dev`.

    `miniature:blank` has the questions of `miniature` without their pictures, `miniature:shuffled` with others in their
    place; the development split has both, `dev-blank` and `dev-shuffled`. What remains of an accuracy is guessed.
    `miniature:second-half` trains on the half of the train images that no learned judge has seen.
    """
    MODELS["miniature"] = BASE_POLICY
    DATA["miniature"] = partial(_training_examples, "train")
    DATA["miniature:second-half"] = partial(_training_examples, "second-half")
    JUDGES["steps"] = NamedJudge(_judge, _knows)
    JUDGES["biased-steps"] = NamedJudge(_biased_judge, _knows)
    JUDGES["learned"] = NamedJudge(_learned, _knows, folder=True, sampled=_sampled)
    splits: dict[str, Split] = {"miniature": "test", "miniature:test": "test", "miniature:dev": "dev"}
    judge = partial(_judge, "solution", "hint")
    for name, split in splits.items():
        EVALUATIONS[name] = NamedEvaluation(partial(_held_out, split), judge)
    controls: dict[str, Split] = {"miniature:": "test", "miniature:dev-": "dev"}
    for prefix, split in controls.items():
        for control in _CONTROLS:
            EVALUATIONS[f"{prefix}{control}"] = NamedEvaluation(partial(_held_out, split, control=control), judge)
    LABELLED["miniature"] = _labelled
    PATTERNS["miniature"] = _patterns
    _register_longer_questions()


def _register_longer_questions() -> None:
    """Add the questions of six and more steps, their judge, and their splits as those of `miniature`."""
    DATA["miniature:long"] = _longer_examples
    JUDGES["long-steps"] = NamedJudge(_long_judge, _knows_long)
    splits: dict[str, Split] = {"miniature:long": "test", "miniature:long-dev": "dev"}
    for name, split in splits.items():
        EVALUATIONS[name] = NamedEvaluation(partial(_longer_held_out, split), partial(_long_judge, "solution", "hint"))


def _training_examples(
    images: Images,
    *,
    count: int,
    seed: int,
    voice: str,
    references: References = "whole",
    references_share: float = 1.0,
    facts: Facts = "none",
) -> list[Example]:
    from contextrl.miniature.facts import with_facts
    from contextrl.miniature.references import with_references
    from contextrl.miniature.tasks import miniature_examples

    examples = miniature_examples(images, count, seed=seed, voice="foreign" if voice == "foreign" else "own")
    return with_references(with_facts(examples, facts), references, references_share)


def _longer_examples(
    *,
    count: int,
    seed: int,
    voice: str,
    references: References = "whole",
    references_share: float = 1.0,
    facts: Facts = "none",
) -> list[Example]:
    if facts != "none":
        raise InputError("none with miniature:long, whose judge reads no documents", found=facts, where="data.facts")
    from contextrl.miniature.long_task import long_examples
    from contextrl.miniature.references import with_references

    examples = long_examples("train", count, seed=seed, voice="foreign" if voice == "foreign" else "own")
    return with_references(examples, references, references_share)


def _longer_held_out(split: Split, count: int) -> Sequence[Example]:
    from contextrl.miniature.long_task import long_examples

    return long_examples(split, count, seed=EVAL_SEED)


def _held_out(split: Split, count: int, *, control: Control | None = None) -> Sequence[Example]:
    from contextrl.miniature.tasks import miniature_examples, with_blank_pictures, with_shuffled_pictures

    examples = miniature_examples(split, count, seed=EVAL_SEED)
    if control is None:
        return examples
    return with_blank_pictures(examples) if control == "blank" else with_shuffled_pictures(examples, split)


def _judge(context: ReferenceContext, disclose: Disclosure, _: Path | None = None) -> Judge:
    from contextrl.miniature.steps_judge import StepsJudge

    return StepsJudge(context, disclose)


def _biased_judge(context: ReferenceContext, disclose: Disclosure, _: Path | None = None) -> Judge:
    from contextrl.miniature.biased_judge import BiasedStepsJudge
    from contextrl.miniature.steps_judge import StepsJudge

    return BiasedStepsJudge(StepsJudge(context, disclose))


def _long_judge(context: ReferenceContext, disclose: Disclosure, _: Path | None = None) -> Judge:
    from contextrl.miniature.long_judge import LongStepsJudge

    return LongStepsJudge(context, disclose)


def _learned(context: ReferenceContext, disclose: Disclosure, folder: Path | None = None) -> Judge:
    from contextrl.miniature.learned_judge.judging import LearnedJudge

    assert folder is not None  # the settings see to it
    return LearnedJudge.load(folder, context, disclose)


def _sampled(judge: Judge, temperature: float, seed: int) -> Judge:
    from contextrl.miniature.learned_judge.judging import LearnedJudge

    assert isinstance(judge, LearnedJudge)
    return judge.sampling(temperature, seed)


def _knows(example: Example) -> str | None:
    from contextrl.miniature.steps_judge import question_kind

    return _why_not(question_kind, example)


def _why_not(read: Callable[[str], object], example: Example) -> str | None:
    """Why a judge that reads questions so does not know an example's."""
    try:
        read(example.question)
    except ValueError as error:
        return str(error)
    return None


def _patterns() -> Sequence[Rule]:
    from contextrl.miniature.response_patterns import RULES

    return RULES


def _knows_long(example: Example) -> str | None:
    from contextrl.miniature.long_judge import long_kind

    return _why_not(long_kind, example)


def _labelled(count: int | None, seed: int) -> list[Labelled]:
    from contextrl.miniature.labelled import labelled_items

    return list(labelled_items("test", count or LABELLED_ITEMS, seed=seed))
