"""What is refused before training starts: rows, policies and prompts that would fail later."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from datasets import Dataset

from contextrl.data.images import image_size
from contextrl.data.loading import load_examples, rows_to_examples, undecoded_rows
from contextrl.data.validation import ValidExamples, validate_examples
from contextrl.errors import InputError
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example
from contextrl.trainer.config import ContextRLConfig


def as_examples(dataset: Any, *, vision: bool, where: str = "train_dataset", split: str = "train") -> list[Example]:
    """Examples from Examples, mappings, a `datasets.Dataset` with the columns of Example, or a file; validated.

    Args:
        dataset: a text or a Path is what `data.train` of a configuration may be; `split` is read.
        where: how errors call it.

    Raises:
        InputError: names row and field.
    """
    if isinstance(dataset, ValidExamples):
        return dataset
    examples: list[Example]
    if isinstance(dataset, str | Path):
        examples, where = load_examples(str(dataset), split=split), str(dataset)
    else:
        examples = _to_examples(dataset, where)
    validate_examples(examples, vision=vision, where=where)
    return examples


def _to_examples(dataset: Any, where: str) -> list[Example]:
    if isinstance(dataset, Dataset):
        # Images stay encoded until a rollout needs them.
        return rows_to_examples(undecoded_rows(dataset), where=where, base=None)
    if dataset is None or isinstance(dataset, Mapping):
        found = "none" if dataset is None else f"a mapping of {', '.join(map(str, dataset))}"
        raise InputError("rows, or a data set with the columns of contextrl.Example", found=found, where=where)
    rows = list(dataset)
    if not rows:
        raise InputError("at least one row", found="none", where=where)
    if not all(isinstance(row, Example) for row in rows):
        return rows_to_examples(rows, where=where, base=None)
    seen: set[str] = set()
    for example in rows:
        if example.id in seen:
            raise InputError("a unique id", found=f"{example.id!r} twice", where=f"{where}, field id")
        seen.add(example.id)
    return rows


def check_policy(path: str, args: ContextRLConfig, examples: Sequence[Example]) -> None:
    """The reference model can be loaded, and there are rows for a batch.

    Args:
        path: where the reference model is loaded from (`_name_or_path`), empty for an unsaved model.
    """
    if args.beta != 0.0 and not path:
        raise InputError(
            "a policy that was loaded from a folder or hub id: the reference model is loaded from there again",
            found="a model that was never saved",
            where="model",
            fix="Save it first and load it from there, or set train.beta to 0",
        )
    if len(examples) < (needed := args.generation_batch_size // args.num_generations):
        raise InputError(
            f"at least {needed} rows, the prompts of one generation batch",
            found=str(len(examples)),
            where="data.train",
            fix="Lower train.per_device_train_batch_size or add rows",
        )


def prompt_room(config: Any, new_tokens: int) -> int:
    """Positions that a prompt may take in the language model when `new_tokens` are to follow it."""
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    return (int(limit) if limit else sys.maxsize) - new_tokens


def check_prompts(prompting: Prompting, examples: Sequence[Example], limit: int) -> None:
    """Refuse prompts longer than `limit` tokens, naming the row.

    Only rows that could be too long are tokenised: a byte-level token covers at least one byte, so the bytes of a
    question bound its tokens, and an image's tokens follow from its size, which its header tells.
    """
    processor, tokenizer = prompting.processor, prompting.tokenizer
    overhead = _template_tokens(prompting)

    @cache
    def image_tokens(size: tuple[int, int]) -> int:
        counter = getattr(processor, "_get_num_multimodal_tokens", None)
        if counter is None:
            return limit  # unknown: tokenise to be sure
        width, height = size
        return int(counter(image_sizes=[(height, width)])["num_image_tokens"][0])

    for example in examples:
        images = sum(image_tokens(image_size(handle)) + 4 for handle in example.images)
        if overhead + images + len(example.question.encode()) <= limit:
            continue
        length = len(prompting.prompts([example]).ids[0])
        if length > limit:
            raise InputError(
                f"a prompt of at most {limit} tokens",
                found=f"{length} tokens ({len(tokenizer(example.question)['input_ids'])} of them text)",
                where=f"row {example.id}, fields question and images",
                fix="Shorten it, use smaller images, or raise data.max_prompt_tokens within the model's positions",
            )


def _template_tokens(prompting: Prompting) -> int:
    """Tokens of the chat template around an empty question."""
    probe = Example(id="probe", question="-", solution="-", answer="-")
    return len(prompting.prompts([probe]).ids[0])
