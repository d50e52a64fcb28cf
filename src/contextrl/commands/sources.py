"""Where rows come from: a plug-in's by name, or a file, folder or hub id."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.commands.config import RunConfig
from contextrl.data.loading import load_examples
from contextrl.data.validation import ValidExamples, validate_examples
from contextrl.errors import InputError
from contextrl.judge.protocol import Judge
from contextrl.judge.rules import RulesJudge
from contextrl.plugins import DATA, EVALUATIONS, named
from contextrl.records.example import Example


def is_named(spec: str) -> bool:
    """Whether `spec` names a plug-in's data, `miniature` or `miniature:<split>`, and no file or hub id."""
    return spec.partition(":")[0] in DATA


def training_examples(config: RunConfig, *, vision: bool) -> ValidExamples:
    """Rows of `data.train`, validated.

    Args:
        vision: whether the policy has a vision tower.

    Raises:
        InputError: names file, row and field.
    """
    data = config.data
    if data.train in DATA:
        examples = DATA[data.train](count=data.examples, seed=config.seed, voice=data.voice)
    elif is_named(data.train):
        name = data.train.partition(":")[0]
        raise InputError(f"{name}: the other splits are for evaluation", found=data.train, where="data.train")
    else:
        examples = load_examples(data.train, limit=data.limit, allow_outside=data.allow_outside)
    validate_examples(examples, vision=vision, where=data.train)
    return ValidExamples(examples)


def evaluation_examples(spec: str, count: int, *, vision: bool, allow_outside: bool = False) -> Sequence[Example]:
    """The first `count` rows of an evaluation set; always the same ones."""
    if is_named(spec):
        return named(EVALUATIONS, spec, where="data.eval").examples(count)
    if spec.startswith("eval_dataset ("):
        fix = "Give them as --data FILE"
        raise InputError("rows in a file", found="rows that the run was given in Python", where="data.eval", fix=fix)
    examples = load_examples(spec, split="test", limit=count, allow_outside=allow_outside)
    validate_examples(examples, vision=vision, where=spec)
    return examples


def evaluation_judge(spec: str) -> Judge:
    """Who counts accuracy: a plug-in's process verifier for its own data, rules for other data."""
    return named(EVALUATIONS, spec, where="data.eval").judge() if is_named(spec) else RulesJudge()
