"""Questions about pictures of digits, with worked reference solutions in two voices.

Perception (read, largest, count) and reasoning (sum, parity, difference). A right answer with misread digits is a
natural false positive: parity is full of them. The policy's *own* voice is terse; the *foreign* voice is prose in
several templates with another order of steps, as real references come from other hands than the policy's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image

from contextrl.data.images import open_image
from contextrl.miniature.classes import familiarity
from contextrl.miniature.digits import Images, compose, digit_label, images_by_class
from contextrl.records.example import AnswerType, Example, Task

Kind = Literal["read", "largest", "count", "sum", "parity", "difference"]
Voice = Literal["own", "foreign"]


@dataclass(frozen=True)
class KindInfo:
    question: str
    task: Task
    answer_type: AnswerType
    digits: tuple[int, ...]  # how many digits a picture may show, each equally likely


KINDS: dict[Kind, KindInfo] = {
    "read": KindInfo("Which digits are shown?", "perception", "text", (2, 2, 3, 4)),
    "largest": KindInfo("Which digit is the largest?", "perception", "number", (2, 2, 3)),
    "count": KindInfo("How often does {d} occur?", "perception", "number", (2, 2, 3)),
    "sum": KindInfo("What is the sum of the digits?", "reasoning", "number", (2, 2, 2, 3)),
    "parity": KindInfo("Is the sum of the digits even?", "reasoning", "yes_no", (2,)),
    "difference": KindInfo("What is left minus right?", "reasoning", "number", (2,)),
}


@dataclass(frozen=True)
class Problem:
    """A question before it becomes an Example: which images, which kind, which digit is asked about (count)."""

    kind: Kind
    images: tuple[int, ...]
    digits: tuple[int, ...]
    asked: int = 0

    @property
    def question(self) -> str:
        return KINDS[self.kind].question.replace("{d}", str(self.asked))

    @property
    def answer(self) -> str:
        return final_answer(self.kind, self.digits, self.asked)


def join(digits: Sequence[int], by: str = ", ") -> str:
    return by.join(map(str, digits))


def final_answer(kind: Kind, digits: Sequence[int], asked: int) -> str:
    """The answer that follows from `digits`."""
    if kind == "read":
        return join(digits)
    if kind == "parity":
        return "yes" if sum(digits) % 2 == 0 else "no"
    return str(derived_value(kind, digits, asked))


def derived_value(kind: Kind, digits: Sequence[int], asked: int) -> int:
    """The number that the intermediate step of a solution states (for `read`, how many digits there are)."""
    if kind == "largest":
        return max(digits)
    if kind == "count":
        return sum(digit == asked for digit in digits)
    if kind in ("sum", "parity"):
        return sum(digits)
    if kind == "difference":
        return digits[0] - digits[-1]
    return len(digits)


def parity_word(value: int) -> str:
    return "even" if value % 2 == 0 else "odd"


def own_solution(kind: Kind, digits: Sequence[int], asked: int, answer: str | None = None) -> str:
    """A solution as the policy writes it: `Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12`."""
    value = derived_value(kind, digits, asked)
    step = {
        "read": "",
        "largest": f" Largest: {value}.",
        "count": f" Number of {asked}: {value}.",
        "sum": f" Sum: {join(digits, ' + ')} = {value}.",
        "parity": f" Sum: {join(digits, ' + ')} = {value}, {parity_word(value)}.",
        "difference": f" Difference: {join(digits, ' - ')} = {value}.",
    }[kind]
    return f"Digits: {join(digits)}.{step} Answer: {answer or final_answer(kind, digits, asked)}"


_SEEN = (
    "From left to right the picture shows {list}.",
    "Reading the image, I find {list}.",
    "It shows {list}.",
)
_FOREIGN_STEP: dict[Kind, tuple[str, str]] = {
    # (step after the reading, the same step put first)
    "read": ("That is all there is.", "Everything in the picture is to be read."),
    "largest": ("None of them exceeds {value}.", "The greatest one is {value}."),
    "count": ("Among these, {asked} appears {value} times.", "The figure {asked} turns up {value} times."),
    "sum": ("Adding up, {plus} makes {value}.", "The total comes to {value}, since {plus} makes {value}."),
    "parity": (
        "Together, {plus} makes {value}, {parity}.",
        "The total is {parity}, since {plus} makes {value}.",
    ),
    "difference": (
        "Taking away, {minus} leaves {value}.",
        "What remains is {value}, since {minus} leaves {value}.",
    ),
}


def foreign_solution(kind: Kind, digits: Sequence[int], asked: int, rng: random.Random) -> str:
    """The same content in prose, by a template that `rng` draws, sometimes with the result before the reading."""
    listed = f"{join(digits[:-1])} and {digits[-1]}"
    words = {
        "{list}": listed,
        "{plus}": join(digits, " plus "),
        "{minus}": join(digits, " minus "),
        "{value}": str(derived_value(kind, digits, asked)),
        "{asked}": str(asked),
        "{parity}": parity_word(derived_value(kind, digits, asked)),
    }
    result_first = rng.random() < 0.5
    reading, step = rng.choice(_SEEN), _FOREIGN_STEP[kind][result_first]
    text = f"{step} {reading}" if result_first else f"{reading} {step}"
    for placeholder, value in words.items():
        text = text.replace(placeholder, value)
    return f"{text} Answer: {final_answer(kind, digits, asked)}"


def draw_problem(
    rng: random.Random, split: Images, classes: Sequence[int] = range(10), kind: Kind | None = None
) -> Problem:
    """A problem with digits drawn uniformly from `classes`, images from `split` (a split or a half)."""
    pool = images_by_class(split)
    chosen = rng.choice(list(KINDS)) if kind is None else kind
    digits = tuple(rng.choice(list(classes)) for _ in range(rng.choice(KINDS[chosen].digits)))
    images = tuple(rng.choice(pool[digit]) for digit in digits)
    # Half of the counting questions ask about a digit that is there: "0" would be right too often otherwise.
    asked = rng.choice(digits) if rng.random() < 0.5 else rng.choice(list(classes))
    return Problem(chosen, images, digits, asked if chosen == "count" else 0)


def to_example(problem: Problem, *, id: str, voice: Voice, rng: random.Random) -> Example:
    info = KINDS[problem.kind]
    arguments = (problem.kind, problem.digits, problem.asked)
    solution = own_solution(*arguments) if voice == "own" else foreign_solution(*arguments, rng)
    return Example(
        id=id,
        question=problem.question,
        images=(compose(problem.images),),
        solution=solution,
        answer=problem.answer,
        answer_type=info.answer_type,
        task=info.task,
        source=f"miniature/{problem.kind}/{familiarity(problem.digits)}",
        image_ids=tuple(f"digit-{image}" for image in problem.images),
    )


def miniature_examples(split: Images, count: int, *, seed: int = 0, voice: Voice = "own") -> list[Example]:
    """`count` examples of `split` (or a half); the same arguments always give the same examples."""
    rng = random.Random(f"{split}-{seed}")
    problems = [draw_problem(rng, split) for _ in range(count)]
    examples = []
    for number, problem in enumerate(problems):
        name = f"miniature-{split}-{seed}-{number:05d}"
        # A generator of its own, so that an example does not change with how many are drawn.
        examples.append(to_example(problem, id=name, voice=voice, rng=random.Random(name)))
    return examples


def with_blank_pictures(examples: Sequence[Example]) -> list[Example]:
    """The same questions under grey pictures of the same sizes: the control for guessing."""
    blanked = []
    for example in examples:
        sizes = [open_image(image).size for image in example.images]
        blanked.append(replace(example, images=tuple(Image.new("RGB", size, (128, 128, 128)) for size in sizes)))
    return blanked


def with_shuffled_pictures(examples: Sequence[Example], split: Images) -> list[Example]:
    """The same questions under pictures of the same sizes that show other digits, drawn from `split`.

    References stay: what is right all the same is guessed. A question's picture does not depend on how many there are.
    """
    pool = images_by_class(split)
    shuffled = []
    for example in examples:
        rng = random.Random(f"{example.id}-shuffled")
        own = [digit_label(int(name.removeprefix("digit-"))) for name in example.image_ids]
        shown = own
        while shown == own:
            shown = [rng.randrange(10) for _ in own]
        images = (compose([rng.choice(pool[digit]) for digit in shown]),)
        shuffled.append(replace(example, images=images))
    return shuffled
