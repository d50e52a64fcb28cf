"""How the base policy comes to be: SFT on the train images, by a policy that reads as `classes` says.

Direct questions teach it to answer from what it takes the digits for; retries teach it that a reading it is told to be
wrong is worth a second look. No report that it ever sees states a digit or a result. So questions about misconceived
digits are all-negative at stage 1 and reachable at stage 2: the situation that the paper is about, built on purpose.
"""

from __future__ import annotations

import hashlib
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import torch
from PIL import Image
from rich.console import Console
from torch.nn.utils.rnn import pad_sequence

from contextrl.miniature.classes import MISCONCEIVED, SHAKY, SHAKY_RIGHT
from contextrl.miniature.digits import SPLITS, compose, digit_tile
from contextrl.miniature.fitting import Fitted, fit
from contextrl.miniature.policy import MERGE, build_model, build_processor, build_tokenizer
from contextrl.miniature.steps_judge import Mistake, find_mistakes, parse_steps, write_report
from contextrl.miniature.tasks import KINDS, Kind, Problem, draw_problem, own_solution, to_example
from contextrl.records.example import Example
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.settings import DEFAULT_INSTRUCTION, WITHOUT_REPORT

#: What a retry is told in training: a level of disclosure, or only that the answer is wrong.
Level = Literal["location", "hint", "none"]


@dataclass(frozen=True)
class BaseRecipe:
    """Everything the base policy depends on beside the code of this package.

    Attributes:
        steps, direct, retries: optimizer steps, and questions of either kind in each.
        quoting: share of retries that begin by quoting the report, so that the standalone filter has work.
        levels: how much the reports in retries say, with their weights; none of them states a digit or a result.
            `none` says only that the answer is wrong.
        luck: share of retries without a report that look again at the right place.
    """

    steps: int = 1600
    direct: int = 24
    retries: int = 24
    quoting: float = 0.2
    levels: tuple[tuple[Level, float], ...] = (("hint", 0.7), ("location", 0.15), ("none", 0.15))
    luck: float = 0.5
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


class TilePixels:
    """Processed patches of every train digit, made once: a picture's patches are its tiles' patches, interleaved.

    The image processor orders patches by block row, block column and place within a MERGE x MERGE block, so a row of
    tiles is: the first block row of every tile, then the second.
    """

    def __init__(self, image_processor: Any, tile: Callable[[int], Image.Image] = digit_tile) -> None:
        images = list(SPLITS["train"])
        out = image_processor(images=[tile(i) for i in images], return_tensors="pt")
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


class Shown(Protocol):
    """A question about digits side by side."""

    @property
    def question(self) -> str: ...
    @property
    def images(self) -> tuple[int, ...]: ...
    @property
    def digits(self) -> tuple[int, ...]: ...


P = TypeVar("P", bound=Shown)


@dataclass(frozen=True)
class Draw(Generic[P]):
    """One training sequence: prompt ids, of which nothing is to be learned, and the response."""

    problem: P
    prompt: list[int]
    target: str


class Sampler(ABC, Generic[P]):
    """Draws direct questions and retries of one task as token sequences with labels."""

    def __init__(self, processor: Any, recipe: BaseRecipe) -> None:
        self.processor, self.recipe = processor, recipe
        self.tokenizer = processor.tokenizer
        self.tiles = TilePixels(processor.image_processor)
        self.rng = random.Random(recipe.seed)
        self.retry_prompt = RetryPrompt(self.tokenizer, self._render, DEFAULT_INSTRUCTION, 1024)
        self._prompts: dict[tuple[str, int], list[int]] = {}

    @abstractmethod
    def draw(self, *, direct: bool) -> P:
        """A problem on the train images, for a direct question or for a retry."""

    @abstractmethod
    def solution(self, problem: P, digits: Sequence[int], answer: str | None = None) -> str:
        """What the policy writes who takes the picture's digits for these."""

    @abstractmethod
    def example(self, problem: P) -> Example:
        """The row that it is."""

    @abstractmethod
    def mistakes(self, problem: P, attempt: str) -> list[Mistake]:
        """What the task's judge finds."""

    @abstractmethod
    def failed_attempt(self, problem: P) -> str:
        """An attempt to be retried; it may be right by chance."""

    def _render(self, messages: list[dict[str, Any]]) -> str:
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def prompt_ids(self, problem: P) -> list[int]:
        """Ids of `[user: picture + question]` with the picture's placeholders expanded."""
        key = (problem.question, len(problem.images))
        if key not in self._prompts:
            content = [{"type": "image"}, {"type": "text", "text": problem.question}]
            text = self._render([{"role": "user", "content": content}])
            inputs = self.processor(text=[text], images=[compose(problem.images)])
            self._prompts[key] = list(inputs["input_ids"][0])
        return self._prompts[key]

    def direct(self) -> Draw[P]:
        """A question, answered as the policy reads: right reasoning from what it takes the digits for."""
        problem = self.draw(direct=True)
        prompt = self.prompt_ids(problem)
        return Draw(problem, prompt, self.solution(problem, self._read(problem.digits)))

    def _read(self, digits: Sequence[int]) -> tuple[int, ...]:
        """What the policy takes digits for when it looks at them for the first time."""
        return tuple(
            MISCONCEIVED.get(digit, SHAKY[digit] if digit in SHAKY and self.rng.random() >= SHAKY_RIGHT else digit)
            for digit in digits
        )

    def misread(self, read: Sequence[int], shown: Sequence[int]) -> list[int]:
        """A wrong reading: the policy's own, or one with another digit where that is right."""
        digits = list(read)
        if tuple(digits) == tuple(shown):
            place = self.rng.randrange(len(digits))
            digits[place] = self.rng.choice([k for k in range(10) if k != digits[place]])
        return digits

    def retry(self) -> Draw[P]:
        """A failed attempt, its mistake report, and the right answer (now and then one that quotes the report)."""
        rng = self.rng
        names, weights = zip(*self.recipe.levels, strict=True)
        level: Level = rng.choices(names, weights)[0]
        problem = self.draw(direct=False)
        mistakes: list[Mistake] = []
        while not mistakes:
            attempt = self.failed_attempt(problem)
            mistakes = self.mistakes(problem, attempt)
        report = "" if level == "none" else write_report(mistakes, level, self.example(problem))
        attempt_ids = [*self.tokenizer(attempt)["input_ids"], self.tokenizer.eos_token_id]
        prompt = self.retry_prompt.build(self.prompt_ids(problem), attempt_ids, report)
        assert prompt is not None
        target = self.solution(problem, problem.digits)
        if not report and rng.random() >= self.recipe.luck:
            target = attempt  # told only that it is wrong, it may look again and see the same
        elif report and rng.random() < self.recipe.quoting:
            target = f"The report says {report.removeprefix('Mistake: ').rstrip('.')}. {target}"
        return Draw(problem, prompt, target)

    def batch(self, draws: Sequence[Draw[P]]) -> dict[str, torch.Tensor]:
        """Model inputs, right-padded: ids, mask and labels [B, L]; pixels of the B pictures one after another."""
        ids, labels, pixels, grids = [], [], [], []
        responses = self.tokenizer([draw.target for draw in draws])["input_ids"]
        for draw, response in zip(draws, responses, strict=True):
            response = [*response, self.tokenizer.eos_token_id]
            ids.append(torch.tensor([*draw.prompt, *response]))
            labels.append(torch.tensor([-100] * len(draw.prompt) + response))
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


class SftSampler(Sampler[Problem]):
    """The base policy's own questions."""

    def draw(self, *, direct: bool) -> Problem:
        if not direct:
            return draw_problem(self.rng, "train")
        kinds, weights = zip(*self.recipe.kinds, strict=True)
        kind: Kind = self.rng.choices(kinds, weights)[0]
        return draw_problem(self.rng, "train", kind=kind)

    def solution(self, problem: Problem, digits: Sequence[int], answer: str | None = None) -> str:
        return own_solution(problem.kind, digits, problem.asked, answer=answer)

    def example(self, problem: Problem) -> Example:
        return to_example(problem, id="", voice="own", rng=self.rng)

    def mistakes(self, problem: Problem, attempt: str) -> list[Mistake]:
        steps = parse_steps(attempt, KINDS[problem.kind].answer_type)
        return find_mistakes(steps, problem.kind, problem.asked, problem.digits)

    def failed_attempt(self, problem: Problem) -> str:
        """Mostly a misreading; else a wrong conclusion."""
        digits = self._read(problem.digits)
        if self.rng.random() < 0.9 or problem.kind == "read":
            return self.solution(problem, self.misread(digits, problem.digits))
        wrong = self.rng.choice(["no", "yes"]) if problem.kind == "parity" else str(self.rng.randint(0, 9))
        return self.solution(problem, digits, wrong)


def corpus_for_tokenizer() -> tuple[str, ...]:
    """Text that stage 2 adds to the miniature's language."""
    hints = "digit 1 is misread, digit 2 is misread, digit 3 is misread, digit 4 is misread"
    return (
        f"Mistake: step 1 is wrong. {DEFAULT_INSTRUCTION} Mistake: {hints}. {DEFAULT_INSTRUCTION}",
        f"Mistake: the result does not follow, the answer does not follow. {DEFAULT_INSTRUCTION}",
        f"{WITHOUT_REPORT} {DEFAULT_INSTRUCTION}",
        "The report says digit 2 is misread. Digits: 4, 8.",
        "user\n",
        "assistant\n",
        *(info.question for info in KINDS.values()),
    )


def train_base(recipe: BaseRecipe, *, console: Console | None = None) -> Fitted:
    """Train the base policy; a bar shows how far it is."""
    processor = build_processor(build_tokenizer(corpus_for_tokenizer()))
    return taught(SftSampler(processor, recipe), recipe, title="Building the base policy", console=console)


def taught(
    sampler: Sampler[P],
    recipe: BaseRecipe,
    *,
    title: str,
    build: Callable[[Any], Any] = build_model,
    console: Console | None = None,
) -> Fitted:
    """Fit a policy to a sampler's direct questions and retries; see `fit`."""

    def backward(model: Any) -> float:
        total = 0.0
        # Two passes instead of one padded batch: a retry is twice as long as a question.
        for count, draw in ((recipe.direct, sampler.direct), (recipe.retries, sampler.retry)):
            inputs = sampler.batch([draw() for _ in range(count)])
            loss = model(**inputs).loss * (count / (recipe.direct + recipe.retries))
            loss.backward()
            total += float(loss.detach())
        return total

    return fit(sampler.processor, backward, recipe, title=title, build=build, console=console)


def fingerprint(recipe: BaseRecipe) -> str:
    """SHA-256 of the first draws: another one means that weights trained before a change are not this recipe's."""
    processor = build_processor(build_tokenizer(corpus_for_tokenizer()))
    sampler = SftSampler(processor, recipe)
    return hash_of_draws(sampler)


def hash_of_draws(sampler: Sampler[Any]) -> str:
    """SHA-256 of the first 32 questions and retries that a new sampler draws."""
    draws = [draw() for _ in range(32) for draw in (sampler.direct, sampler.retry)]
    return hashlib.sha256(repr([(d.problem, d.prompt, d.target) for d in draws]).encode()).hexdigest()
