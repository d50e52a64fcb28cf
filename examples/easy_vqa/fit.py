"""Small policies that read easy-VQA: the miniature's model, fitted to a part that nothing else is taken from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from questions import COLOURS, SHAPES, Row
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2VLImageProcessorPil

from contextrl.miniature.fitting import Fitted, fit
from contextrl.miniature.policy import CHAT_TEMPLATE, MERGE, PATCH, build_tokenizer
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.settings import DEFAULT_INSTRUCTION, WITHOUT_REPORT

#: Pictures are scaled down to so many pixels a side: 16 tokens.
SIDE = 32
#: Sequences of a step, and the share of them that are retries.
_BATCH, _RETRIES = 32, 1 / 4


@dataclass(frozen=True)
class Recipe:
    """What a policy depends on, beside its rows.

    Attributes:
        steps: of the optimizer: few make one that often sees another colour.
    """

    steps: int
    learning_rate: float = 1.5e-3
    seed: int = 0


def processor_of(texts: Sequence[str], *, words: bool = False) -> ImageOnlyQwen3VLProcessor:
    """A tokenizer that has learned these texts, and pictures of `SIDE`; `words` as for `build_tokenizer`."""
    pictures = Qwen2VLImageProcessorPil(
        patch_size=PATCH, merge_size=MERGE, temporal_patch_size=2, min_pixels=64, max_pixels=SIDE * SIDE
    )
    tokenizer = build_tokenizer((*texts, "user\n", "assistant\n"), words=words)
    return ImageOnlyQwen3VLProcessor(pictures, tokenizer, chat_template=CHAT_TEMPLATE)


def fit_policy(rows: Sequence[Row], recipe: Recipe, folder: Path) -> Fitted:
    """Fit a policy to rows and save it, as any model: weights, processor, tokenizer."""
    texts = [text for row in rows[:200] for text in (row.question, row.solution)]
    reports = [
        f"{text} {DEFAULT_INSTRUCTION}" for text in ("Mistake: the shape is wrong.", "Mistake: the colour is wrong.")
    ]
    processor = processor_of((*texts, *reports, WITHOUT_REPORT))
    sampler = _Sampler(processor, rows, recipe.seed)

    def backward(model: Any) -> float:
        total = 0.0
        for share, draw in ((1 - _RETRIES, sampler.direct), (_RETRIES, sampler.retry)):
            loss = model(**sampler.batches.of([draw() for _ in range(round(_BATCH * share))])).loss * share
            loss.backward()
            total += float(loss.detach())
        return total

    fitted = fit(processor, backward, recipe, title=f"Fitting {folder.name}")
    fitted.save(folder)
    return fitted


@dataclass(frozen=True)
class Draw:
    """One sequence: prompt ids, of which nothing is to be learned, and the text that is, about a row's picture."""

    row: Row
    prompt: list[int]
    target: str


class Batches:
    """Sequences as a model's inputs; each picture is prepared once."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer
        self.pixels = cache(self._pixels)

    def prompt_ids(self, text: str) -> list[int]:
        """Of a rendered conversation that has one placeholder for its picture."""
        image = self.processor.image_token
        return list(self.tokenizer(text.replace(image, image * (SIDE // PATCH // MERGE) ** 2))["input_ids"])

    def of(self, draws: Sequence[Draw]) -> dict[str, torch.Tensor]:
        """Right-padded ids, mask and labels [B, L]; pixels of the B pictures one after another."""
        tokenizer = self.tokenizer
        targets = [[*tokenizer(draw.target)["input_ids"], tokenizer.eos_token_id] for draw in draws]
        pairs = [(draw.prompt, target) for draw, target in zip(draws, targets, strict=True)]
        ids = [torch.tensor(prompt + target) for prompt, target in pairs]
        labels = [torch.tensor([-100] * len(prompt) + target) for prompt, target in pairs]
        input_ids = pad_sequence(ids, batch_first=True, padding_value=tokenizer.pad_token_id)
        lengths = torch.tensor([len(row) for row in ids])
        pictures = [self.pixels(draw.row.path) for draw in draws]
        return {
            "input_ids": input_ids,
            "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
            "mm_token_type_ids": (input_ids == self.processor.image_token_id).long(),
            "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
            "pixel_values": torch.cat([patches for patches, _ in pictures]),
            "image_grid_thw": torch.stack([grid for _, grid in pictures]),
        }

    def _pixels(self, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
        with Image.open(path) as picture:
            out = self.processor.image_processor(images=[picture.convert("RGB")], return_tensors="pt")
        return out["pixel_values"], out["image_grid_thw"][0]


def other(words: Sequence[str], word: str, draws: random.Random) -> str:
    """One of these words, and not this one."""
    return draws.choice([one for one in words if one != word])


def misread(row: Row, wrong: Sequence[str], draws: random.Random) -> Row:
    """The row as somebody sees it who takes its `shape`, its `colour` or both for others."""
    shape = other(SHAPES, row.shape, draws) if "shape" in wrong else row.shape
    colour = other(COLOURS, row.colour, draws) if "colour" in wrong else row.colour
    return replace(row, shape=shape, colour=colour)


class _Sampler:
    """Draws questions, and failed attempts with a report on them; what is to be learned is the solution."""

    def __init__(self, processor: Any, rows: Sequence[Row], seed: int) -> None:
        self.processor, self.rows, self.tokenizer = processor, rows, processor.tokenizer
        self.random = random.Random(seed)
        self.batches = Batches(processor)
        self.retries = RetryPrompt(self.tokenizer, self._render, DEFAULT_INSTRUCTION, 1024)

    def direct(self) -> Draw:
        row = self.random.choice(self.rows)
        content = [{"type": "image"}, {"type": "text", "text": row.question}]
        return Draw(row, self.batches.prompt_ids(self._render([{"role": "user", "content": content}])), row.solution)

    def retry(self) -> Draw:
        """After an attempt that has seen another shape, another colour, or both."""
        draw = self.direct()
        wrong = self.random.choice((("shape",), ("colour",), ("shape", "colour")))
        attempt = self.tokenizer(misread(draw.row, wrong, self.random).solution)["input_ids"]
        report = f"Mistake: the {' and '.join(wrong)} {'are' if len(wrong) > 1 else 'is'} wrong."
        prompt = self.retries.build(draw.prompt, [*attempt, self.tokenizer.eos_token_id], report)
        assert prompt is not None, "it is far below the limit"
        return replace(draw, prompt=prompt)

    def _render(self, messages: list[dict[str, Any]]) -> str:
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
