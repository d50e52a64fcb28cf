"""What is refused before training starts: rows, policies and prompts that would fail later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import PeftConfig
from PIL import Image

from contextrl.data.images import image_size
from contextrl.data.loading import load_examples, rows_to_examples, undecoded_rows
from contextrl.data.problems import problems_error
from contextrl.data.validation import ValidExamples, load_valid_examples
from contextrl.errors import InputError
from contextrl.policy.loading import positions
from contextrl.policy.processor import check_processor
from contextrl.policy.prompting import Prompting
from contextrl.policy.vision import check_features
from contextrl.records.example import Example
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.refusals import architecture, check_run
from contextrl.trainer.vllm_prompts import check_vllm_prompts


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
    if isinstance(dataset, str | Path):
        where = str(dataset)

    def load() -> Sequence[Example]:
        return load_examples(where, split=split) if isinstance(dataset, str | Path) else _to_examples(dataset, where)

    return list(load_valid_examples(load, vision=vision, where=where))


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


class FittingExamples(ValidExamples):
    """Examples whose prompts `check_prompts` has passed too: nobody needs to measure them a second time."""


def check_policy(
    model: Any,
    config: Any,
    args: ContextRLConfig,
    examples: Sequence[Example],
    prompting: Prompting,
    peft_config: PeftConfig | None,
) -> None:
    """The policy can be trained as told on what its processor gives, its reference loaded, a batch filled with rows.

    Args:
        model: policy, or its path or hub id.
        config: its transformers config.
        examples: what is trained on.
        prompting: how its prompts are made.
        peft_config: adapters to train.
    """
    check_run(model, config, args, prompting.processor, peft_config)
    # The reference model is loaded from there; empty for a model that was never saved.
    path = model if isinstance(model, str) else config._name_or_path
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
    _check_processed(model, config, examples, prompting)
    check_vllm_prompts(args, config, prompting, examples)


def _check_processed(model: Any, config: Any, examples: Sequence[Example], prompting: Prompting) -> None:
    """A row with images and one without can be rendered, and the policy takes what comes of them."""
    found = [next((e for e in examples if bool(e.images) == images), None) for images in (False, True)]
    shown = [example for example in found if example is not None]
    try:
        prompts = prompting.prompts(shown)
    except ValueError as error:  # whatever a family's processor has to say
        raise InputError(
            "a processor whose chat template renders the rows and shows their images",
            found=" ".join(str(error).split()),
            where="model.path",
            fix="Use the processor and chat template of the model's vision-language version",
        ) from error
    check_features(architecture(model, config), config, prompts)


def prompt_room(config: Any, new_tokens: int) -> int:
    """Positions that a prompt may take in the language model when `new_tokens` are to follow it."""
    return positions(config) - new_tokens


def check_prompts(prompting: Prompting, examples: Sequence[Example], limit: int) -> None:
    """Refuse prompts longer than `limit` tokens, naming the row.

    Only rows that could be too long are tokenised: a byte-level token covers at least one byte, so the bytes of a
    question bound its tokens, and an image's tokens follow from its size, which its header tells.
    """
    check_processor(prompting.processor)
    overhead = _template_tokens(prompting)
    counter = _image_counter(prompting, overhead) if any(example.images for example in examples) else None

    @cache
    def image_tokens(size: tuple[int, int]) -> int:
        return limit if counter is None else counter(size)  # unknown: tokenise to be sure

    long: list[tuple[str, str]] = []
    for example in examples:
        images = sum(image_tokens(image_size(handle)) for handle in example.images)
        if overhead + images + len(example.question.encode()) <= limit:
            continue
        length = len(prompting.prompts([example]).ids[0])
        if length > limit:
            text = len(prompting.tokenizer(example.question)["input_ids"])
            long.append((example.id, f"{length} tokens ({text} of them text)"))
    if long:
        raise _too_long(long, limit, len(examples))


def _too_long(long: Sequence[tuple[str, str]], limit: int, rows: int) -> InputError:
    """One error for all prompts that do not fit: (row, found)."""
    fix = "Shorten them, use smaller images, or raise data.max_prompt_tokens within the model's positions"
    expected = f"a prompt of at most {limit} tokens"
    if len(long) == 1:
        row, found = long[0]
        return InputError(expected, found=found, where=f"row {row}, fields question and images", fix=fix)
    problems = [f"row {row!r}, field 'question': expected {expected}, found {found}" for row, found in long]
    return problems_error(problems, total=f"{rows} rows", where="fields question and images", fix=fix)


def _template_tokens(prompting: Prompting, *images: Image.Image) -> int:
    """Tokens of the chat template around an empty question."""
    probe = Example(id="probe", question="-", solution="-", answer="-", images=images)
    return len(prompting.prompts([probe]).ids[0])


def _image_counter(prompting: Prompting, overhead: int) -> Callable[[tuple[int, int]], int] | None:
    """An upper bound of what an image of (width, height) adds to a prompt; None where a family does not say.

    Families count an image's features; what they write around them, and between tiles, is measured on a few images.
    """
    count = getattr(prompting.processor, "_get_num_multimodal_tokens", None)
    if count is None:
        return None

    def counted(size: tuple[int, int]) -> int:
        return int(count(image_sizes=[(size[1], size[0])])["num_image_tokens"][0])

    written = {size: _template_tokens(prompting, Image.new("RGB", size)) - overhead for size in _SIZES}
    most = max(tokens / max(1, counted(size)) for size, tokens in written.items())
    return lambda size: ceil(most * counted(size)) + 4


#: A thumbnail, a picture, a strip and a column, which tiles cut differently.
_SIZES = ((64, 64), (1024, 1024), (1536, 256), (256, 1536))
