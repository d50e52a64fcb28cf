"""A judge that has learned to judge: the base policy's architecture, trained by SFT to compare and then decide.

It reads its own short prompts (configs/miniature/judge-prompts), in the reference contexts that it is taught and for
every task, and is saved as an ordinary checkpoint for a server. Without a reference it reads the digits from the
picture, so the contexts differ where reading is hard.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from rich.console import Console
from torch.nn.functional import cross_entropy

from contextrl.disk import writing
from contextrl.judge.llm.prompts import Message, PromptSet, Task
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.base import BaseRecipe, Draw, SftSampler
from contextrl.miniature.digits import Images
from contextrl.miniature.fitting import Fitted, Recipe, fit
from contextrl.miniature.learned_judge.lessons import CONTEXTS, FACTS, Lesson, draw_lesson
from contextrl.miniature.policy import MERGE, build_model, build_processor, build_tokenizer
from contextrl.miniature.tasks import Problem
from contextrl.records.verdict import Disclosure, ReferenceContext
from contextrl.user_cache import build_once

Size = Literal["small", "large"]

#: Raise when a change here, in `lessons`, `base`, `fitting`, `tasks`, `policy` or `digits` makes cached judges old.
RECIPE_VERSION = 4
#: Folder within a judge's, of the prompts that it was taught.
PROMPTS = "prompts"
#: Batches that are drawn at once and sorted by length.
SORTED_BATCHES = 4
#: Words of a reply that decide something; all else in it is read or copied.
DECISIONS = ("right", "wrong", "correct")


@dataclass(frozen=True)
class JudgeRecipe:
    """Everything but its prompts that the learned judge depends on.

    Attributes:
        images: whose pictures it learns from.
        hidden, layers, vision_hidden, vision_layers: see `build_model`.
        steps, batch: optimizer steps, and lessons in each.
        decision_weight: how much more than other tokens those count that say right, wrong, correct or incorrect. With
            1 the copying that surrounds them is learned first, and comparing hundreds of steps later.
        contexts: what it is taught to judge with, each as often.
    """

    images: Images = "train"
    hidden: int = 128
    layers: int = 4
    vision_hidden: int = 96
    vision_layers: int = 3
    steps: int = 700
    batch: int = 32
    decision_weight: float = 5.0
    learning_rate: float = 1.5e-3
    seed: int = 0
    version: int = RECIPE_VERSION
    contexts: tuple[ReferenceContext, ...] = CONTEXTS

    def with_facts(self) -> JudgeRecipe:
        """The same judge taught to read facts too, with as many lessons in each of the other contexts."""
        steps = round(self.steps * (1 + 1 / len(CONTEXTS)))
        return replace(self, contexts=(*CONTEXTS, FACTS), steps=steps)

    def key(self, prompts: PromptSet) -> str:
        """Names the cache folder: another recipe or another prompt is another judge."""
        text = json.dumps([asdict(self), dict(prompts.texts)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


#: What `contextrl miniature judge` trains. Their images are one half of `train`, the other is a policy's.
SIZES: dict[Size, JudgeRecipe] = {
    "small": JudgeRecipe("first-half", hidden=96, layers=3, vision_hidden=32, vision_layers=2, steps=800),
    "large": JudgeRecipe("first-half", steps=1000),
}


class LessonSampler:
    """Draws lessons as token sequences, prompts exactly as a server will render them."""

    def __init__(self, processor: Any, prompts: PromptSet, recipe: JudgeRecipe) -> None:
        self.processor, self.prompts, self.recipe = processor, prompts, recipe
        self.rng = random.Random(recipe.seed)
        self._sft = SftSampler(processor, BaseRecipe(seed=recipe.seed))

    def batches(self, count: int) -> Iterator[dict[str, torch.Tensor]]:
        """Model inputs of `count` lessons, endlessly, right-padded: ids, mask, labels [B, L]; pixels joined.

        Lessons of similar length stand together, which saves a quarter of the time.
        """
        while True:
            draws = [self.draw(self._lesson()) for _ in range(count * SORTED_BATCHES)]
            draws.sort(key=lambda draw: len(draw.prompt) + len(draw.target) // 2)
            starts = list(range(0, len(draws), count))
            self.rng.shuffle(starts)
            for start in starts:
                yield self._sft.batch(draws[start : start + count])

    def _lesson(self) -> Lesson:
        return draw_lesson(self.rng, self.recipe.images, self.recipe.contexts)

    def draw(self, lesson: Lesson) -> Draw[Problem]:
        """A lesson's prompt, nothing of it to be learned, and its reply."""
        _, grid = self._sft.tiles.compose(lesson.problem.images)
        text = prompt_text(self.processor, self.prompts, lesson.request, lesson.task, lesson.disclose)
        image_token = self.processor.image_token
        text = text.replace(image_token, image_token * (int(grid.prod()) // MERGE**2))
        prompt = list(self.processor.tokenizer(text)["input_ids"])
        return Draw(lesson.problem, prompt, lesson.reply)


def prompt_text(
    processor: Any, prompts: PromptSet, request: JudgeRequest, task: Task, disclose: Disclosure = "hint"
) -> str:
    """The conversation through the chat template, one placeholder per image."""
    urls = [""] * len(request.example.images)
    messages = prompts.messages(task, request, images=urls, disclose=disclose)
    shown = [{"role": message["role"], "content": _parts(message)} for message in messages]
    return str(processor.apply_chat_template(shown, add_generation_prompt=True, tokenize=False))


def _parts(message: Message) -> list[dict[str, str]]:
    """A message's content as servers hand it to a template: text parts, and images without their data."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part if part["type"] == "text" else {"type": "image"} for part in content]


def corpus_for_tokenizer(prompts: PromptSet, contexts: Sequence[ReferenceContext] = CONTEXTS) -> tuple[str, ...]:
    """Text that judging adds to the miniature's language: some lessons, prompts and replies alike."""
    rng = random.Random(0)
    lessons = [draw_lesson(rng, contexts=contexts) for _ in range(60)]
    texts = []
    for lesson in lessons:
        messages = prompts.messages(lesson.task, lesson.request, disclose=lesson.disclose)
        texts += [part["text"] for message in messages for part in _parts(message)]
    return (*texts, *(lesson.reply for lesson in lessons), "system\n", "user\n", "assistant\n")


def train_judge(recipe: JudgeRecipe, prompts: PromptSet, *, console: Console | None = None) -> Fitted:
    """Train a judge for `prompts`; a bar shows how far it is."""
    processor = build_processor(build_tokenizer(corpus_for_tokenizer(prompts, recipe.contexts)))
    batches = LessonSampler(processor, prompts, recipe).batches(recipe.batch)
    return fit_to(processor, partial(next, batches), recipe, title="Training the judge", console=console)


class TaughtRecipe(Recipe, Protocol):
    """What a judge fitted to lessons depends on, whatever they are about."""

    @property
    def decision_weight(self) -> float:
        """See `token_weights`."""

    @property
    def hidden(self) -> int:
        """See `build_model`, as the next three."""

    @property
    def layers(self) -> int:
        """Of the decoder."""

    @property
    def vision_hidden(self) -> int:
        """Of the vision tower."""

    @property
    def vision_layers(self) -> int:
        """Of the vision tower."""


def fit_to(
    processor: Any,
    draw: Callable[[], dict[str, Any]],
    recipe: TaughtRecipe,
    *,
    title: str,
    console: Console | None = None,
) -> Fitted:
    """A judge fitted to lessons, with the weight that a recipe gives to tokens that decide.

    Args:
        draw: a batch of lessons, as a model takes it, with `labels`.
        title: of the bar.
    """
    weights = token_weights(processor.tokenizer, recipe.decision_weight)

    def backward(model: Any) -> float:
        inputs = draw()
        labels = inputs.pop("labels")
        loss = weighted_loss(model(**inputs).logits, labels, weights)
        torch.autograd.backward(loss)
        return float(loss.detach())

    shape = partial(
        build_model,
        hidden=recipe.hidden,
        layers=recipe.layers,
        vision_hidden=recipe.vision_hidden,
        vision_layers=recipe.vision_layers,
    )
    return fit(processor, backward, recipe, title=title, build=shape, console=console)


def token_weights(tokenizer: Any, decision_weight: float) -> torch.Tensor:
    """[V]: `decision_weight` for tokens that say whether something is right, 1 for the others."""
    texts = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    decides = torch.tensor([any(word in text for word in DECISIONS) for text in texts])
    return torch.where(decides, decision_weight, 1.0)


def weighted_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of the next token, each by the weight of what it should be.

    Args:
        logits: [B, L, V].
        labels: [B, L], -100 where nothing is learned.
        weights: [V].
    """
    return cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), weight=weights, ignore_index=-100)


def write_judge(recipe: JudgeRecipe, prompts: PromptSet, folder: Path, *, console: Console | None = None) -> Fitted:
    """Train a judge and write its checkpoint to `folder`, with the prompts that it was taught in `prompts/`.

    Raises:
        DiskError: the folder cannot be written.
    """
    fitted = train_judge(recipe, prompts, console=console)
    texts = folder / PROMPTS
    with writing(folder, fix="Make room, or choose another folder"):
        texts.mkdir(parents=True, exist_ok=True)
        for name, text in prompts.texts.items():
            (texts / name).write_text(text, encoding="utf-8")
        fitted.save(folder)
    return fitted


def learned_judge(prompts: PromptSet, recipe: JudgeRecipe | None = None, *, console: Console | None = None) -> Path:
    """Folder of the judge, trained first if the cache does not have it; see `build_once`."""
    chosen = recipe or JudgeRecipe()

    def build(folder: Path) -> None:
        write_judge(chosen, prompts, folder, console=console)

    return build_once(f"miniature-judge-{chosen.key(prompts)}", "recipe.json", build)
