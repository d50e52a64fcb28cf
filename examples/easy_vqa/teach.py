"""A small judge that reads easy-VQA: the miniature's model, taught to compare step by step and then to decide.

It learns as the miniature's learned judge does, from the miniature's judge prompts and by the same loss, on pictures
that nothing else is taken from. What it is taught about a response follows from what the picture is known to show.

    Truth and said: circle circle right; red teal wrong; yes yes right. Verdict: incorrect
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from fit import Batches, Draw, misread, other, processor_of
from questions import COLOURS, SHAPES, Row

from contextrl import JudgeRequest
from contextrl.judge.llm.prompts import PromptSet, Task
from contextrl.miniature.fitting import Fitted
from contextrl.miniature.learned_judge.training import fit_to, prompt_text
from contextrl.records.example import Example
from contextrl.records.verdict import ReferenceContext
from judge import EasyJudge, steps

#: What it is taught to judge with: the answer in a build, the solution in training.
CONTEXTS: tuple[ReferenceContext, ...] = ("answer", "solution")
PROMPTS = Path(__file__).parents[2] / "configs" / "miniature" / "judge-prompts"
#: Kinds of responses that are wrong, and how often each is drawn. `same_answer` is a false positive. What a judge is
#: not shown a policy finds: an answer of another kind than was asked for, texts that begin anew, a word and no more.
_WRONG = {"same_answer": 22, "misread": 13, "bad_answer": 8, "odd_answer": 8, "malformed": 4, "run_on": 5, "bare": 5}
#: Of ten labelled responses four are right and two are right by wrong steps; the others are wrong in four ways.
_LABELLED = (
    *("right", "same_answer", "misread", "right", "odd_answer"),
    *("right", "same_answer", "bad_answer", "right", "run_on"),
)
_WORDS = (*SHAPES, *COLOURS, "yes", "no")
_MISREAD = (("shape",), ("colour",), ("colour",), ("shape", "colour"))


@dataclass(frozen=True)
class JudgeRecipe:
    """What a judge depends on, beside its rows.

    Attributes:
        batch: lessons of an optimizer step.
        right: how often a right response is drawn, beside others' 65: many make a judge that finds most things right.
        decision_weight: of the words that decide; see `token_weights`.
        hidden, layers, vision_hidden, vision_layers: see `build_model`.
    """

    steps: int
    batch: int = 32
    right: int = 35
    hidden: int = 96
    layers: int = 3
    vision_hidden: int = 64
    vision_layers: int = 2
    decision_weight: float = 5.0
    learning_rate: float = 2e-3
    seed: int = 0


def response_to(row: Row, kind: str, draws: random.Random) -> str:
    """A response of a kind: in the policy's form, but for what is malformed or runs on."""
    if kind == "run_on":
        return _run_on(row, draws)
    if kind == "bare":
        return draws.choice((row.answer, draws.choice(_WORDS)))
    seen = row if kind in ("right", "bad_answer", "odd_answer") else misread(row, draws.choice(_MISREAD), draws)
    answer = row.answer
    if kind == "bad_answer":
        answer = _other_answer(row, draws)
    elif kind == "odd_answer":
        answer = other(_WORDS, row.answer, draws)
    elif kind == "misread":
        # What follows from the misreading, where that can be told; else yes or no.
        follows = {row.shape: seen.shape, row.colour: seen.colour}
        answer = follows.get(row.answer, draws.choice(("yes", "no")))
    text = replace(seen, answer=answer).solution
    if kind != "malformed":
        return text
    sentences = text.split(". ")
    place = draws.randrange(len(sentences))
    return draws.choice((". ".join(sentences[:place] + sentences[place + 1 :]), text[: draws.randrange(3, len(text))]))


def _run_on(row: Row, draws: random.Random) -> str:
    """One response cut off within a word or a sentence, and another behind it."""
    kinds = ("right", "same_answer", "misread", "odd_answer")
    first, second = (response_to(row, draws.choice(kinds), draws) for _ in range(2))
    return first[: draws.randrange(3, len(first))] + second[draws.choice((0, draws.randrange(len(second)))) :]


def _other_answer(row: Row, draws: random.Random) -> str:
    for words in (SHAPES, COLOURS, ("yes", "no")):
        if row.answer in words:
            return other(words, row.answer, draws)
    raise ValueError(f"no answer to easy-VQA: {row.answer}")


def example_of(row: Row, name: str) -> Example:
    """A row as a judge gets it."""
    return Example(name, row.question, row.solution, row.answer, "text", "perception", (row.path,))


def reply_about(row: Row, response: str, task: Task) -> str | None:
    """What the judge should reply; None where there is nothing to report."""
    truth, said = steps(row.solution), steps(response)
    pairs = [(truth[name], said.get(name, "none")) for name in ("shape", "colour", "answer")]
    compared = "; ".join(f"{a} {b} {'right' if a == b else 'wrong'}" for a, b in pairs)
    verdict = EasyJudge().verdict(JudgeRequest(example_of(row, ""), response, "solution"))
    report = f"Mistake report: {verdict.mistake_report}"
    if task == "report":
        return None if verdict.mistake_report is None else f"Truth and said: {compared}. {report}"
    reply = f"Truth and said: {compared}. Verdict: {verdict.status}"
    return f"{reply}. {report}" if task == "verify_and_report" and verdict.mistake_report is not None else reply


class _Lessons:
    """Draws what the judge is shown and what it should reply."""

    def __init__(self, processor: Any, prompts: PromptSet, rows: Sequence[Row], recipe: JudgeRecipe) -> None:
        self.processor, self.prompts, self.rows, self.right = processor, prompts, rows, recipe.right
        self.random, self.batches = random.Random(recipe.seed), Batches(processor)

    def draw(self) -> Draw:
        while True:
            row = self.random.choice(self.rows)
            request, task, reply = lesson(row, self.random, self.right)
            if reply is not None:
                text = prompt_text(self.processor, self.prompts, request, task)
                return Draw(row, self.batches.prompt_ids(text), reply)


def lesson(row: Row, draws: random.Random, right: int = 35) -> tuple[JudgeRequest, Task, str | None]:
    """A response to a row with what is asked about it and what should be replied, where anything should.

    Args:
        right: see `JudgeRecipe`.
    """
    tasks: tuple[Task, ...] = get_args(Task)
    task = draws.choices(tasks, [6, 3, 1])[0]
    kinds = {"right": right, **_WRONG}
    (kind,) = draws.choices(list(kinds), list(kinds.values()))
    response = response_to(row, kind, draws)
    request = JudgeRequest(example_of(row, ""), response, draws.choice(CONTEXTS), task != "verify")
    return request, task, reply_about(row, response, task)


def fit_judge(rows: Sequence[Row], recipe: JudgeRecipe, folder: Path) -> Fitted:
    """Fit a judge to rows and save it, as any model."""
    prompts = PromptSet.load(PROMPTS)
    draws = random.Random(0)
    texts = []
    for row in draws.choices(rows, k=200):
        request, task, reply = lesson(row, draws)
        texts += [part["text"] for part in prompts.messages(task, request)[-1]["content"]]
        texts.append(reply or "")
    # What is compared are words: each is one token, in question, reference, response and reply.
    processor = processor_of(texts, words=True)
    lessons = _Lessons(processor, prompts, rows, recipe)

    def draw() -> Any:
        return lessons.batches.of([lessons.draw() for _ in range(recipe.batch)])

    fitted = fit_to(processor, draw, recipe, title=f"Teaching {folder.name}")
    fitted.save(folder)
    return fitted


def write_labelled(rows: Sequence[Row], count: int, path: Path, seed: int = 0) -> None:
    """Responses whose correctness is known, about rows in turn, as `contextrl judge bench` reads them."""
    draws = random.Random(seed)
    lines = []
    for number in range(count):
        row, kind = rows[number % len(rows)], _LABELLED[number % len(_LABELLED)]
        example, response = example_of(row, f"labelled-{number}"), response_to(row, kind, draws)
        verdict = EasyJudge().verdict(JudgeRequest(example, response, "solution"))
        fields = {name: getattr(example, name) for name in ("id", "question", "solution", "answer", "answer_type")}
        known = {"answer_correct": verdict.answer_correct, "process_correct": verdict.process_correct}
        lines.append(json.dumps({**fields, "images": [str(row.path)], "response": response, **known}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
