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


def fit_policy(rows: Sequence[Row], recipe: Recipe, folder: Path) -> Fitted:
    """Fit a policy to rows and save it, as any model: weights, processor, tokenizer."""
    texts = [text for row in rows[:200] for text in (row.question, row.solution)]
    reports = [
        f"{text} {DEFAULT_INSTRUCTION}" for text in ("Mistake: the shape is wrong.", "Mistake: the colour is wrong.")
    ]
    tokenizer = build_tokenizer((*texts, *reports, WITHOUT_REPORT, "user\n", "assistant\n"))
    pictures = Qwen2VLImageProcessorPil(
        patch_size=PATCH, merge_size=MERGE, temporal_patch_size=2, min_pixels=64, max_pixels=SIDE * SIDE
    )
    processor = ImageOnlyQwen3VLProcessor(pictures, tokenizer, chat_template=CHAT_TEMPLATE)
    sampler = _Sampler(processor, rows, recipe.seed)

    def backward(model: Any) -> float:
        total = 0.0
        for share, draw in ((1 - _RETRIES, sampler.direct), (_RETRIES, sampler.retry)):
            loss = model(**sampler.batch([draw() for _ in range(round(_BATCH * share))])).loss * share
            loss.backward()
            total += float(loss.detach())
        return total

    fitted = fit(processor, backward, recipe, title=f"Fitting {folder.name}")
    fitted.save(folder)
    return fitted


@dataclass(frozen=True)
class _Draw:
    """Prompt ids, of which nothing is to be learned, and the solution that is."""

    row: Row
    prompt: list[int]


class _Sampler:
    """Draws questions, and failed attempts with a report on them; what is to be learned is the solution."""

    def __init__(self, processor: Any, rows: Sequence[Row], seed: int) -> None:
        self.processor, self.rows, self.tokenizer = processor, rows, processor.tokenizer
        self.random = random.Random(seed)
        self.pixels = cache(self._pixels)
        self.retries = RetryPrompt(self.tokenizer, self._render, DEFAULT_INSTRUCTION, 1024)

    def direct(self) -> _Draw:
        row = self.random.choice(self.rows)
        return _Draw(row, self.tokenizer(self._prompt(row.question))["input_ids"])

    def retry(self) -> _Draw:
        """After an attempt that has seen another shape, another colour, or both."""
        draw = self.direct()
        row, wrong = draw.row, self.random.choice((("shape",), ("colour",), ("shape", "colour")))
        shape = self._other(SHAPES, row.shape) if "shape" in wrong else row.shape
        colour = self._other(COLOURS, row.colour) if "colour" in wrong else row.colour
        attempt = self.tokenizer(replace(row, shape=shape, colour=colour).solution)["input_ids"]
        report = f"Mistake: the {' and '.join(wrong)} {'are' if len(wrong) > 1 else 'is'} wrong."
        prompt = self.retries.build(draw.prompt, [*attempt, self.tokenizer.eos_token_id], report)
        assert prompt is not None, "it is far below the limit"
        return replace(draw, prompt=prompt)

    def _other(self, words: Sequence[str], word: str) -> str:
        return self.random.choice([other for other in words if other != word])

    def batch(self, draws: Sequence[_Draw]) -> dict[str, torch.Tensor]:
        """Right-padded ids, mask and labels [B, L]; pixels of the B pictures one after another."""
        tokenizer = self.tokenizer
        targets = [[*tokenizer(draw.row.solution)["input_ids"], tokenizer.eos_token_id] for draw in draws]
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

    def _render(self, messages: list[dict[str, Any]]) -> str:
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def _prompt(self, question: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": question}]
        text = self._render([{"role": "user", "content": content}])
        return text.replace("<|image_pad|>", "<|image_pad|>" * (SIDE // PATCH // MERGE) ** 2)

    def _pixels(self, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
        with Image.open(path) as picture:
            out = self.processor.image_processor(images=[picture.convert("RGB")], return_tensors="pt")
        return out["pixel_values"], out["image_grid_thw"][0]
