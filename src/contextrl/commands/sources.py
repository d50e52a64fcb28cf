"""Where rows come from: a plug-in's by name, or a file, folder or hub id."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.commands.config import RunConfig
from contextrl.commands.data_config import DataConfig
from contextrl.data.holding_out import held_out
from contextrl.data.loading import load_examples
from contextrl.data.validation import ValidExamples, load_valid_examples, validate_examples
from contextrl.errors import InputError
from contextrl.judge.protocol import Judge
from contextrl.judge.rules import RulesJudge
from contextrl.plugins import DATA, EVALUATIONS, named
from contextrl.records.example import Example


def is_named(spec: str) -> bool:
    """Whether `spec` names a plug-in's data, `miniature` or `miniature:<split>`, and no file or hub id."""
    return spec.partition(":")[0] in DATA


def run_examples(config: RunConfig, *, vision: bool) -> tuple[ValidExamples, list[Example]]:
    """Rows that a run trains on, and those that it is evaluated on, none where it is not; validated.

    Args:
        vision: whether the policy has a vision tower.

    Raises:
        InputError: names file, row and field.
    """
    data = config.data
    if data.holdout is not None:
        kept, out = _train_and_held_out(data, vision=vision)
        return ValidExamples(kept), out[: config.eval.most]
    train = training_examples(config, vision=vision)
    return train, held_out_examples(config, vision=vision)


def held_out_examples(config: RunConfig, *, vision: bool) -> list[Example]:
    """Rows that a run is evaluated on, none where it is not; see `run_examples`, which reads a file once for both."""
    spec = config.data.evaluated_on
    return [] if spec is None else list(evaluation_examples(spec, config.eval.most, config.data, vision=vision))


def training_examples(config: RunConfig, *, vision: bool) -> ValidExamples:
    """Rows of `data.train` without those that are held out, validated.

    Args:
        vision: whether the policy has a vision tower.

    Raises:
        InputError: names file, row and field.
    """
    data = config.data
    if data.train in DATA:
        examples = DATA[data.train](count=data.examples, seed=config.seed, **data.own_to_plug_ins())
        validate_examples(examples, vision=vision, where=data.train)
    elif is_named(data.train):
        name = data.train.partition(":")[0]
        raise InputError(f"{name}: the other splits are for evaluation", found=data.train, where="data.train")
    else:
        examples, _ = _train_and_held_out(data, vision=vision)
    return ValidExamples(examples)


def _train_and_held_out(data: DataConfig, *, vision: bool) -> tuple[list[Example], list[Example]]:
    def load() -> Sequence[Example]:
        return load_examples(data.train, limit=data.limit, **data.reading(evaluation=False))

    examples = list(load_valid_examples(load, vision=vision, where=data.train))
    return (examples, []) if data.holdout is None else held_out(examples, data.holdout, where="data.holdout")


def evaluation_examples(spec: str, count: int, data: DataConfig, *, vision: bool) -> Sequence[Example]:
    """The first `count` rows of an evaluation set; always the same ones.

    Args:
        spec: a plug-in's set, `data.evaluated_on`, or a source of its own.
        data: how its rows are read.
    """
    if is_named(spec):
        return named(EVALUATIONS, spec, where="data.eval").examples(count)
    if spec.startswith("eval_dataset ("):
        fix = "Give them as --data FILE"
        raise InputError("rows in a file", found="rows that the run was given in Python", where="data.eval", fix=fix)
    if data.holdout is not None and spec == data.evaluated_on:
        return _train_and_held_out(data, vision=vision)[1][:count]

    def load() -> Sequence[Example]:
        return load_examples(spec, limit=count, revision=data.revision_of(spec), **data.reading(evaluation=True))

    return load_valid_examples(load, vision=vision, where=spec)


def evaluation_judge(spec: str) -> Judge:
    """Who counts accuracy: a plug-in's process verifier for its own data, rules for other data."""
    return named(EVALUATIONS, spec, where="data.eval").judge() if is_named(spec) else RulesJudge()
