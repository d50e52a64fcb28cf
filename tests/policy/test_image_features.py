"""Whose images are whose, and how rows of different images stand side by side."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from contextrl.policy.prompts import Prompts, build_prompts
from contextrl.policy.vision import VisionInputs
from contextrl.records.example import Example


class Tokenizer:
    added_tokens_decoder: dict[int, Any] = {}  # noqa: RUF012


class Processor:
    """Gives each call the features that it was told to; a prompt is padded to eight tokens, as some do."""

    tokenizer = Tokenizer()

    def __init__(self, *features: dict[str, torch.Tensor]) -> None:
        self.features = list(features)
        self.calls: list[list[Any]] = []

    def apply_chat_template(self, conversations: list[Any], **_: Any) -> dict[str, torch.Tensor]:
        self.calls.append(conversations)
        length = len(conversations[0][0]["content"][-1]["text"])
        real = torch.tensor([[0] * (8 - length) + [1] * length])
        ids = torch.arange(8)[None]
        types = {"token_type_ids": real * 5} if self.features[0] else {}
        return {"input_ids": ids, "attention_mask": real, **types, **self.features.pop(0)}


def prompts(*features: dict[str, torch.Tensor], texts: tuple[str, ...] = ("abc", "abcde", "a")) -> Prompts:
    rows = [Example(str(n), text, "s", "s") for n, text in zip(range(len(features)), texts, strict=False)]
    return build_prompts(Processor(*features), rows)


def test_each_prompt_has_what_its_own_call_gave() -> None:
    first, second = {"pixel_values": torch.ones(7, 4)}, {"pixel_values": torch.zeros(2, 4)}
    built = prompts(first, {}, second)
    assert built.features == [first, {}, second]
    assert built.ids == [[5, 6, 7], [3, 4, 5, 6, 7], [7]], "a processor's own padding is left out"
    assert built.per_token == {"token_type_ids": [[5, 5, 5], [0] * 5, [5]]}, "text is of type 0 where nothing says so"


def test_no_examples_are_no_prompts() -> None:
    assert build_prompts(Processor(), []) == Prompts([])


@pytest.mark.parametrize(
    ("shapes", "joined"),
    [
        ([(12, 96), (4, 96)], (16, 96)),  # Qwen: patches
        ([(2, 3, 8, 8), (1, 3, 8, 8)], (3, 3, 8, 8)),  # Gemma, LLaVA: images; InternVL: tiles
        ([(1, 3, 3, 8, 8), (2, 5, 3, 8, 8)], (3, 5, 3, 8, 8)),  # LLaVA-NeXT: images in tiles
        ([(1, 4, 3, 8, 8), (1, 2, 3, 8, 8)], (2, 4, 3, 8, 8)),  # Idefics, SmolVLM: a row per prompt
        ([(1, 3, 8, 12), (2, 3, 10, 4)], (3, 3, 10, 12)),  # Pixtral: images of their own size
        ([(1,), (1,)], (2,)),  # LLaVA-OneVision: numbers of images
    ],
    ids=["patches", "images", "tiles-of-images", "rows-of-images", "sizes", "counts"],
)
def test_rows_side_by_side_keep_their_values(shapes: list[tuple[int, ...]], joined: tuple[int, ...]) -> None:
    parts = [torch.randn(shape) + 5 for shape in shapes]
    together = prompts(*({"pixel_values": part} for part in parts)).image_tensors()["pixel_values"]
    assert together.shape == joined
    assert int((together != 0).sum()) == sum(part.numel() for part in parts), "padding is zero, and nothing else is"
    start = 0
    for part in parts:
        corner = together[start : start + len(part)][tuple(slice(0, size) for size in part.shape)]
        assert torch.equal(corner, part)
        start += len(part)


def test_repeated_and_reordered_rows_take_their_images_along() -> None:
    built = prompts(*({"pixel_values": torch.full((n + 1, 2), float(n))} for n in range(3)))
    selected = built.select([2, 0, 0])
    assert selected.image_tensors()["pixel_values"][:, 0].tolist() == [2, 2, 2, 0, 0]
    joined = Prompts.join([built, built.select([1])])
    assert joined.image_tensors()["pixel_values"][:, 0].tolist() == [0, 1, 1, 2, 2, 2, 1, 1]


def test_types_of_tokens_are_padded_with_their_row() -> None:
    inputs = VisionInputs(prompts({"pixel_values": torch.ones(1, 2)}, {}), torch.device("cpu")).inputs(5, 2)
    assert inputs["token_type_ids"].tolist() == [[0, 0, 5, 5, 5, 0, 0], [0] * 7]
