"""The base policy: reads most digit classes, was never shown how to read some, and knows how to retry.

Trained on the spot by SFT on the train images and cached. Blind spots (7, 8, 9 by default) occur in no direct
question; it meets those images only in retries, where the conversation says what they are. So groups that need them
are all-negative at stage 1 and reachable at stage 2, which is the situation the paper is about.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch.nn.utils.rnn import pad_sequence

from contextrl.miniature.digits import SPLITS, compose, digit_tile
from contextrl.miniature.fitting import fit
from contextrl.miniature.policy import MERGE, build_processor, build_tokenizer
from contextrl.miniature.steps_judge import Mistake, find_mistakes, parse_steps, write_report
from contextrl.miniature.tasks import KINDS, Kind, Problem, draw_problem, own_solution, to_example
from contextrl.records.verdict import Disclosure
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.settings import DEFAULT_INSTRUCTION
from contextrl.user_cache import build_once

#: Raise when a change here or in `fitting`, `tasks`, `policy` or `digits` makes cached base policies obsolete.
RECIPE_VERSION = 1


@dataclass(frozen=True)
class BaseRecipe:
    """Everything the base policy depends on; the cache is keyed by it.

    Attributes:
        blind: digit classes never read directly.
        steps, direct, retries: optimizer steps, and questions of either kind in each.
        quoting: share of retries that begin by quoting the report, so that the standalone filter has work.
    """

    blind: tuple[int, ...] = (7, 8, 9)
    steps: int = 400
    direct: int = 24
    retries: int = 12
    quoting: float = 0.2
    kinds: tuple[tuple[Kind, int], ...] = (
        ("read", 2),
        ("largest", 2),
        ("count", 4),
        ("sum", 3),
        ("parity", 4),
        ("difference", 3),
    )
    learning_rate: float = 1.5e-3
    seed: int = 0
    version: int = RECIPE_VERSION

    @property
    def seen(self) -> tuple[int, ...]:
        return tuple(k for k in range(10) if k not in self.blind)

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


class TilePixels:
    """Processed patches of every train digit, made once: a picture's patches are its tiles' patches, interleaved.

    The image processor orders patches by block row, block column and place within a MERGE x MERGE block, so a row of
    tiles is: the first block row of every tile, then the second.
    """

    def __init__(self, image_processor: Any) -> None:
        images = list(SPLITS["train"])
        out = image_processor(images=[digit_tile(i) for i in images], return_tensors="pt")
        rows = out["pixel_values"].view(len(images), -1, out["pixel_values"].shape[-1])
        side = math.isqrt(rows.shape[1])
        self.grid_height = side
        # [tiles, block rows, patches in a tile's block row, features]
        self.rows = rows.view(len(images), side // MERGE, side * MERGE, -1)

    def compose(self, images: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """`pixel_values` [patches, features] and `image_grid_thw` [3] of the picture that shows `images`."""
        chosen = self.rows[list(images)]
        pixels = chosen.transpose(0, 1).reshape(-1, chosen.shape[-1])
        return pixels, torch.tensor([1, self.grid_height, self.grid_height * len(images)])


@dataclass(frozen=True)
class Draw:
    """One training sequence: prompt ids, their labels (-100 where nothing is to be learned), and the response."""

    problem: Problem
    prompt: list[int]
    prompt_labels: list[int]
    target: str


class SftSampler:
    """Draws direct questions and retries as token sequences with labels."""

    def __init__(self, processor: Any, recipe: BaseRecipe) -> None:
        self.processor, self.recipe = processor, recipe
        self.tokenizer = processor.tokenizer
        self.tiles = TilePixels(processor.image_processor)
        self.rng = random.Random(recipe.seed)
        self.retry_prompt = RetryPrompt(self.tokenizer, self._render, DEFAULT_INSTRUCTION, 1024)
        self._prompts: dict[tuple[str, int], list[int]] = {}

    def _render(self, messages: list[dict[str, Any]]) -> str:
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def prompt_ids(self, problem: Problem) -> list[int]:
        """Ids of `[user: picture + question]` with the picture's placeholders expanded."""
        key = (problem.question, len(problem.images))
        if key not in self._prompts:
            content = [{"type": "image"}, {"type": "text", "text": problem.question}]
            text = self._render([{"role": "user", "content": content}])
            inputs = self.processor(text=[text], images=[compose(problem.images)])
            self._prompts[key] = list(inputs["input_ids"][0])
        return self._prompts[key]

    def _kind(self) -> Kind:
        kinds, weights = zip(*self.recipe.kinds, strict=True)
        chosen: Kind = self.rng.choices(kinds, weights)[0]
        return chosen

    def direct(self) -> Draw:
        problem = draw_problem(self.rng, "train", self.recipe.seen, self._kind())
        prompt = self.prompt_ids(problem)
        target = own_solution(problem.kind, problem.digits, problem.asked)
        return Draw(problem, prompt, [-100] * len(prompt), target)

    def retry(self) -> Draw:
        """A failed attempt, its mistake report, and the right answer (now and then one that quotes the report)."""
        rng = self.rng
        levels: list[Disclosure] = ["correction", "answer", "hint", "location"]
        disclose = rng.choices(levels, [0.7, 0.1, 0.1, 0.1])[0]
        # A report that does not say what the digit is would teach to read it: seen classes only.
        tells = disclose in ("correction", "answer")
        problem = draw_problem(rng, "train", range(10) if tells else self.recipe.seen)
        example = to_example(problem, id="", voice="own", rng=rng)
        mistakes: list[Mistake] = []
        while not mistakes:
            attempt = self._failed_attempt(problem)
            steps = parse_steps(attempt, example.answer_type)
            mistakes = find_mistakes(steps, problem.kind, problem.asked, problem.digits)
        report = write_report(mistakes, disclose, example)
        attempt_ids = [*self.tokenizer(attempt)["input_ids"], self.tokenizer.eos_token_id]
        prompt = self.retry_prompt.build(self.prompt_ids(problem), attempt_ids, report)
        assert prompt is not None
        target = own_solution(problem.kind, problem.digits, problem.asked)
        if rng.random() < self.recipe.quoting:
            target = f"The report says {report.removeprefix('Mistake: ').rstrip('.')}. {target}"
        return Draw(problem, prompt, self._derivation_labels(problem, attempt, prompt), target)

    def _derivation_labels(self, problem: Problem, attempt: str, prompt: list[int]) -> list[int]:
        """Labels within a retry's prompt: what the attempt derives from the digits it read, but not its reading.

        The failed attempts reason correctly from wrong readings, so they teach to calculate with every digit, also
        those that are never read.
        """
        labels = [-100] * len(prompt)
        start = len(self.prompt_ids(problem))
        reading = len(self.tokenizer(f"Digits: {attempt[8 : attempt.index('.')]}")["input_ids"])
        end = start + len(self.tokenizer(attempt)["input_ids"])
        labels[start + reading : end] = prompt[start + reading : end]
        return labels

    def _failed_attempt(self, problem: Problem) -> str:
        digits = list(problem.digits)
        if self.rng.random() < 0.9 or problem.kind == "read":
            for place in range(len(digits)):
                if self.rng.random() < 0.6:
                    digits[place] = self.rng.choice(self.recipe.seen)
            if tuple(digits) == problem.digits:
                others = [k for k in self.recipe.seen if k != digits[0]]
                digits[0] = self.rng.choice(others)
            return own_solution(problem.kind, digits, problem.asked)
        wrong = self.rng.choice(["no", "yes"]) if problem.kind == "parity" else str(self.rng.randint(0, 9))
        return own_solution(problem.kind, digits, problem.asked, answer=wrong)

    def batch(self, draws: list[Draw]) -> dict[str, torch.Tensor]:
        """Model inputs, right-padded: ids, mask and labels [B, L]; pixels of the B pictures one after another."""
        ids, labels, pixels, grids = [], [], [], []
        responses = self.tokenizer([draw.target for draw in draws])["input_ids"]
        for draw, response in zip(draws, responses, strict=True):
            response = [*response, self.tokenizer.eos_token_id]
            ids.append(torch.tensor([*draw.prompt, *response]))
            labels.append(torch.tensor([*draw.prompt_labels, *response]))
            rows, grid = self.tiles.compose(draw.problem.images)
            pixels.append(rows)
            grids.append(grid)
        pad = self.tokenizer.pad_token_id
        input_ids = pad_sequence(ids, batch_first=True, padding_value=pad)
        lengths = torch.tensor([len(row) for row in ids])
        return {
            "input_ids": input_ids,
            "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
            "mm_token_type_ids": (input_ids == self.processor.image_token_id).long(),
            "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
            "pixel_values": torch.cat(pixels),
            "image_grid_thw": torch.stack(grids),
        }


def corpus_for_tokenizer() -> tuple[str, ...]:
    """Text that stage 2 adds to the miniature's language."""
    return (
        *(f"Mistake: step 1 should say Digits: {d}, {d}. {DEFAULT_INSTRUCTION}" for d in range(10)),
        f"Mistake: step 2 should find 4. {DEFAULT_INSTRUCTION}",
        f"Mistake: step 1 is wrong. {DEFAULT_INSTRUCTION} Mistake: digit 3 is misread. {DEFAULT_INSTRUCTION}",
        "Mistake: step 3 should follow from step 2. Mistake: the result does not follow, the answer does not follow.",
        "The report says step 1 should say Digits: 4, 8. Digits: 4, 8. The answer is 4.",
        "user\n",
        "assistant\n",
        *(info.question for info in KINDS.values()),
    )


def train_base(recipe: BaseRecipe, folder: Path, *, console: Console | None = None) -> None:
    """Train the base policy and write model, tokenizer and image processor to `folder`."""
    processor = build_processor(build_tokenizer(corpus_for_tokenizer()))
    sampler = SftSampler(processor, recipe)

    def backward(model: Any) -> float:
        total = 0.0
        # Two passes instead of one padded batch: a retry is twice as long as a question.
        for count, draw in ((recipe.direct, sampler.direct), (recipe.retries, sampler.retry)):
            inputs = sampler.batch([draw() for _ in range(count)])
            loss = model(**inputs).loss * (count / (recipe.direct + recipe.retries))
            loss.backward()
            total += float(loss.detach())
        return total

    fit(processor, backward, recipe, folder, title="Building the base policy", console=console)


def base_policy(recipe: BaseRecipe | None = None, *, console: Console | None = None) -> Path:
    """Folder of the base policy, built first if the cache does not have it; see `build_once`."""
    chosen = recipe or BaseRecipe()

    def build(folder: Path) -> None:
        train_base(chosen, folder, console=console)

    return build_once(f"miniature-base-{chosen.key}", "recipe.json", build)
