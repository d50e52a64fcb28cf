"""How long prompts are, from texts and the sizes of pictures: no picture is decoded where the processor can count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from contextrl.data.images import image_size
from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import conversation
from contextrl.records.example import Example


@dataclass(frozen=True)
class PromptLength:
    """Tokens of one prompt, and of each of its pictures."""

    tokens: int
    pictures: tuple[int, ...]


def prompt_lengths(
    prompting: Prompting, examples: Sequence[Example], on_row: Callable[[int], None] | None = None
) -> list[PromptLength]:
    """Lengths of stage-1 prompts, pictures' tokens included.

    Args:
        on_row: told of every row.
    """
    count = _counter(prompting.processor)
    lengths = []
    for example in examples:
        lengths.append(_counted(prompting, example, count) if count is not None else _built(prompting, example))
        if on_row is not None:
            on_row(1)
    return lengths


def prompt_text(prompting: Prompting, example: Example) -> str:
    """The prompt as the chat template writes it: a picture is one placeholder in it."""
    return prompting.text(conversation(example, prompting.tokenizer, decoded=False))


def _counter(processor: Any) -> Callable[[tuple[int, int]], int] | None:
    """Tokens of a picture by its (width, height), where a processor can tell."""
    tell = getattr(processor, "_get_num_multimodal_tokens", None)
    if tell is None:
        return None

    @cache
    def count(size: tuple[int, int]) -> int:
        width, height = size
        return int(tell(image_sizes=[(height, width)])["num_image_tokens"][0])

    return count


def _counted(prompting: Prompting, example: Example, count: Callable[[tuple[int, int]], int]) -> PromptLength:
    text = prompting.tokenizer(prompt_text(prompting, example), add_special_tokens=False)["input_ids"]
    pictures = tuple(count(image_size(handle)) for handle in example.images)
    # Each placeholder is one token of the text and becomes as many as its picture has.
    return PromptLength(len(text) - len(pictures) + sum(pictures), pictures)


def _built(prompting: Prompting, example: Example) -> PromptLength:
    """The prompt itself; what its pictures take of it is what the question alone does not."""
    whole = len(prompting.prompts([example]).ids[0])
    if not example.images:
        return PromptLength(whole, ())
    text = len(prompting.tokenizer(prompt_text(prompting, example), add_special_tokens=False)["input_ids"])
    each, rest = divmod(max(whole - text, 0), len(example.images))
    return PromptLength(whole, (each + rest, *[each] * (len(example.images) - 1)))
