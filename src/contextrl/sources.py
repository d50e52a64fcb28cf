"""Where rows come from: the miniature by name, or a file, folder or hub id."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.config import RunConfig
from contextrl.data.example import Example
from contextrl.data.loading import load_examples
from contextrl.data.validation import ValidExamples, validate_examples
from contextrl.errors import InputError
from contextrl.miniature.digits import Split

#: `miniature` evaluates on the held-out test split; our own choices are made on `miniature:dev`.
_MINIATURE_EVAL: dict[str, Split] = {"miniature": "test", "miniature:test": "test", "miniature:dev": "dev"}
#: Held-out questions are the same for every run and seed, so that runs can be compared.
EVAL_SEED = 20260226


def training_examples(config: RunConfig, *, vision: bool) -> ValidExamples:
    """Rows of `data.train`, validated.

    Args:
        vision: whether the policy has a vision tower.

    Raises:
        InputError: names file, row and field.
    """
    if config.data.train == "miniature":
        from contextrl.miniature.tasks import miniature_examples

        examples = miniature_examples("train", config.data.examples, seed=config.seed, voice=config.data.voice)
    elif is_miniature(config.data.train):
        raise InputError("miniature: the other splits are for evaluation", found=config.data.train, where="data.train")
    else:
        examples = load_examples(config.data.train, limit=config.data.limit)
    validate_examples(examples, vision=vision, where=config.data.train)
    return ValidExamples(examples)


def is_miniature(spec: str) -> bool:
    """Whether `spec` names the built-in data: `miniature` or `miniature:<split>`."""
    return spec.partition(":")[0] == "miniature"


def evaluation_examples(spec: str, count: int, *, vision: bool) -> Sequence[Example]:
    """The first `count` rows of an evaluation set; always the same ones."""
    if spec in _MINIATURE_EVAL:
        from contextrl.miniature.tasks import miniature_examples

        return miniature_examples(_MINIATURE_EVAL[spec], count, seed=EVAL_SEED)
    if is_miniature(spec):
        raise InputError(" or ".join(_MINIATURE_EVAL), found=repr(spec), where="data.eval")
    examples = load_examples(spec, split="test", limit=count)
    validate_examples(examples, vision=vision, where=spec)
    return examples
