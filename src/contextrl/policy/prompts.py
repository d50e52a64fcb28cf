"""Prompts of examples as token ids with their image features, one per example, repeated only where a model needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import pad

from contextrl.data.images import open_image
from contextrl.data.markers import placed
from contextrl.records.example import Example

# What runs along the prompt, not along its images: `token_type_ids`, `mm_token_type_ids`, ...
_PER_TOKEN = "token_type_ids"


@dataclass(frozen=True)
class ModelInputs:
    """Padded inputs of a forward or a generation: `input_ids`, `attention_mask` [B, P] and image features."""

    tensors: dict[str, torch.Tensor]

    def to(self, device: torch.device | str) -> ModelInputs:
        return ModelInputs({name: tensor.to(device) for name, tensor in self.tensors.items()})


@dataclass(frozen=True)
class Prompts:
    """N prompts, image placeholders expanded.

    Attributes:
        ids: token ids of each prompt, unpadded.
        per_token: lists that run along each prompt (`mm_token_type_ids`, ...).
        features: per prompt, the tensors of its images (`pixel_values`, `image_grid_thw`, ...), empty if it has none;
            their first dimension may count patches, tiles, images or prompts, 1 for this one.
        num_images: images of each prompt.
        images: per prompt, its images in the order in which it shows them, as handles (`open_image` decodes one): what
            an engine is given that processes images itself. Empty where prompts were not built from examples.
        positions: per prompt, its tokens' positions as the model computes them, where an engine has: [p], or [3, p]
            where positions follow the image (M-RoPE); else empty.
    """

    ids: list[list[int]]
    per_token: dict[str, list[list[int]]] = field(default_factory=dict)
    features: list[dict[str, torch.Tensor]] = field(default_factory=list)
    num_images: list[int] = field(default_factory=list)
    images: list[tuple[Any, ...]] = field(default_factory=list)
    positions: list[torch.Tensor] = field(default_factory=list)

    @staticmethod
    def join(parts: Sequence[Prompts]) -> Prompts:
        """Prompts of all parts, one after another."""
        names = dict.fromkeys(name for part in parts for name in part.per_token)
        return Prompts(
            ids=[row for part in parts for row in part.ids],
            # A text-only part may come without the lists that run along prompts with images: nothing there, so 0.
            per_token={
                name: [row for part in parts for row in part.per_token.get(name) or [[0] * len(i) for i in part.ids]]
                for name in names
            },
            features=[row for part in parts for row in part.features],
            num_images=[count for part in parts for count in part.num_images],
            images=[shown for part in parts for shown in part.images] if all(p.images for p in parts) else [],
            positions=[along for part in parts for along in part.positions] if all(p.positions for p in parts) else [],
        )

    def select(self, rows: Sequence[int]) -> Prompts:
        """Prompts `rows` in that order, with repetition: features are shared, not copied."""
        return Prompts(
            ids=[self.ids[r] for r in rows],
            per_token={name: [values[r] for r in rows] for name, values in self.per_token.items()},
            features=[self.features[r] for r in rows],
            num_images=[self.num_images[r] for r in rows],
            images=[self.images[r] for r in rows] if self.images else [],
            positions=[self.positions[r] for r in rows] if self.positions else [],
        )

    def extended(self, ids: Sequence[list[int]]) -> Prompts:
        """The same prompts with longer ids: `ids[r]` begins with `self.ids[r]` and adds text only."""
        return Prompts(
            ids=list(ids),
            per_token={
                name: [row + [0] * (len(new) - len(row)) for row, new in zip(values, ids, strict=True)]
                for name, values in self.per_token.items()
            },
            features=self.features,
            num_images=self.num_images,
            images=self.images,
        )

    def image_tensors(self) -> dict[str, torch.Tensor]:
        """All rows' image features one after another, as a model's forward takes them."""
        names = dict.fromkeys(name for row in self.features for name in row)
        return {name: _joined([row[name] for row in self.features if name in row]) for name in names}

    def padded(self, pad_token_id: int) -> ModelInputs:
        """Left-padded tensors for `generate`."""
        tensors = {
            "input_ids": left_pad(self.ids, pad_token_id),
            "attention_mask": left_pad([[1] * len(row) for row in self.ids], 0),
        }
        tensors |= {name: left_pad(values, 0) for name, values in self.per_token.items()}
        return ModelInputs(tensors | self.image_tensors())


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Rows of all parts, in which smaller images and fewer tiles are padded with zeros, as processors pad a batch."""
    sizes = [max(part.shape[dim] for part in parts) for dim in range(1, parts[0].ndim)]
    missing = [[size - have for size, have in zip(sizes, part.shape[1:], strict=True)] for part in parts]
    # `pad` counts dimensions from the last one.
    return torch.cat(
        [
            pad(part, [n for lack in reversed(lacks) for n in (0, lack)]) if any(lacks) else part
            for part, lacks in zip(parts, missing, strict=True)
        ]
    )


def left_pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """[B, longest] with `value` before each row."""
    width = max(len(row) for row in rows)
    return torch.tensor([[value] * (width - len(row)) + list(row) for row in rows])


def neutralise_special_tokens(text: str, tokenizer: Any) -> str:
    """Break every special token's spelling in untrusted text, so that it is read as plain characters.

    Only special tokens: what a model merely added to its vocabulary (`<think>`, HTML tags) is text.
    """
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    for token in sorted(special, key=len, reverse=True):
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def conversation(
    example: Example, tokenizer: Any, system_prompt: str | None = None, *, decoded: bool = True
) -> list[dict[str, Any]]:
    """The stage-1 conversation: the question as plain text whatever it spells, images where its markers stand.

    Args:
        system_prompt: stands before it, as it is: it is the user's own.
        decoded: with the images themselves, not only their places.
    """
    content: list[dict[str, Any]] = [
        {"type": "image"} | ({"image": open_image(example.images[part])} if decoded else {})
        if isinstance(part, int)
        else {"type": "text", "text": neutralise_special_tokens(part, tokenizer)}
        for part in placed(example.question, len(example.images))
    ]
    asked = {"role": "user", "content": content}
    return [asked] if system_prompt is None else [system_turn(system_prompt), asked]


def system_turn(text: str) -> dict[str, Any]:
    """The turn that stands before a conversation."""
    return {"role": "system", "content": [{"type": "text", "text": text}]}


def plain_contents(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same turns with their texts joined: a text-only template may take strings only."""
    return [{**turn, "content": "".join(part["text"] for part in turn["content"])} for turn in messages]


def build_prompts(
    processor: Any, examples: Sequence[Example], *, system_prompt: str | None = None, **template_kwargs: Any
) -> Prompts:
    """Render, tokenise and process N examples; each image is decoded and processed once.

    Args:
        processor: a processor, or a tokenizer where no example has images.
        system_prompt: see `conversation`.
        template_kwargs: passed to the chat template.
    """
    return Prompts.join([_build_prompt(processor, example, system_prompt, template_kwargs) for example in examples])


def _build_prompt(
    processor: Any, example: Example, system_prompt: str | None, template_kwargs: dict[str, Any]
) -> Prompts:
    """One example by itself, so that all the features are its own.

    A batch's tensors run along patches, tiles, images or prompts, as each family has it, padded to what else is there.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    messages = conversation(example, tokenizer, system_prompt)
    if processor is tokenizer:
        messages = plain_contents(messages)
    encoded = processor.apply_chat_template(
        [messages], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", **template_kwargs
    )
    real = encoded["attention_mask"][0].bool()
    per_token: dict[str, list[list[int]]] = {}
    features: dict[str, torch.Tensor] = {}
    for name, values in encoded.items():
        if name.endswith(_PER_TOKEN):
            per_token[name] = [values[0][real].tolist()]
        elif name not in ("input_ids", "attention_mask"):
            features[name] = torch.as_tensor(values)
    shown = tuple(
        example.images[part] for part in placed(example.question, len(example.images)) if isinstance(part, int)
    )
    return Prompts([encoded["input_ids"][0][real].tolist()], per_token, [features], [len(example.images)], [shown])
