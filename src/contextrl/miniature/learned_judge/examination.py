"""What a learned judge's decisions are and what they hang on, on responses whose correctness is known.

Every reply says step by step what is true and what the response says, so that a verdict can be followed to the step it
comes from. Then one thing is changed at a time: the picture, the reference, the wording.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.digits import Split
from contextrl.miniature.facts import Facts, with_facts
from contextrl.miniature.labelled import LabelledResponse, labelled_items
from contextrl.miniature.learned_judge.changes import Change, changes
from contextrl.miniature.learned_judge.judging import LearnedJudge
from contextrl.miniature.learned_judge.lessons import CONTEXTS, FACTS, compare
from contextrl.miniature.learned_judge.writing import Written
from contextrl.miniature.steps_judge import find_mistakes, parse_steps
from contextrl.miniature.tasks import KINDS, Problem
from contextrl.records.verdict import ReferenceContext, Status

#: A letter a verdict, and a letter a label.
VERDICTS: dict[Status, str] = {"correct": "A", "incorrect": "R", "unscored": "U"}
LABELS = {"true_positive": "T", "false_positive": "F", "wrong_answer": "W"}
#: Right responses that are judged again with something changed.
CHANGED = 200
_CHANGES = 4
#: What a judge that reads facts is examined with beside: facts on some digits, and on every digit.
_FACTS: dict[str, Facts] = {"documents-some": "some", "documents-all": "all"}
#: Of confidence, of equal width.
BINS = 10
_COMPARED = re.compile(r"Truth/said: (.*?)\.(?:\s|$)")
_VERDICT = re.compile(r"Verdict:\s*\w")


@dataclass(frozen=True)
class Decision:
    """A verdict and the reply that it was read from.

    Attributes:
        letter: of the verdict.
        steps: whether each step that the reply compares agrees; None where it compares none.
        word: the probability of the token that says the verdict; None where none does.
        path: the probability of everything up to it.
    """

    letter: str
    steps: tuple[bool, ...] | None
    word: float | None
    path: float | None


def parts(judge: LearnedJudge) -> int:
    """Of an examination: a context or a change each."""
    return len(_contexts(judge)) + _CHANGES


def _contexts(judge: LearnedJudge) -> list[str]:
    return [*CONTEXTS, *(_FACTS if FACTS in judge.taught else ())]


def examine(
    judge: LearnedJudge,
    split: Split,
    count: int,
    *,
    seed: int = 0,
    advance: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Everything as JSON: a letter or a number per response, in the same order everywhere.

    Args:
        split: whose images.
        count: labelled responses; see `labelled_items`.
        seed: of the responses and of the changes.
        advance: told of every finished part; see `parts`.
    """
    items = labelled_items(split, count, seed=seed)
    found: dict[str, list[Decision]] = {}
    for name in _contexts(judge):
        found[name] = decide_all(judge, _requests(items, name))
        advance(1)
    right = [item for item in items if item.label == "true_positive"][:CHANGED]
    changed: dict[str, Any] = {}
    for change in changes(right, split, random.Random(f"changed-{split}-{seed}")):
        changed[change.name] = _compared(judge, change)
        advance(1)
    return {
        "split": split,
        "labels": "".join(LABELS[item.label] for item in items),
        "verdicts": {name: "".join(one.letter for one in own) for name, own in found.items()},
        "calibration": {name: _calibration(items, own) for name, own in found.items()},
        "steps": {name: _steps(items, own) for name, own in found.items()},
        "changed": changed,
    }


def _requests(items: Sequence[LabelledResponse], name: str) -> list[JudgeRequest]:
    """Every response under a context, by the name that it has in an examination."""
    facts = _FACTS.get(name, "none")
    context = cast("ReferenceContext", FACTS if name in _FACTS else name)
    examples = with_facts([item.example for item in items], facts)
    return [JudgeRequest(one, item.response, context) for one, item in zip(examples, items, strict=True)]


def decide_all(judge: LearnedJudge, requests: Sequence[JudgeRequest]) -> list[Decision]:
    """Verdicts as the judge gives them, with what it wrote."""
    verdicts = judge.judge(requests)
    # Replies are remembered: this reads them again.
    replies = judge.writer.write(requests)
    decisions = []
    for verdict, written in zip(verdicts, replies, strict=True):
        word, path = _chances(written)
        decisions.append(Decision(VERDICTS[verdict.status], compared_steps(written.text), word, path))
    return decisions


def compared_steps(text: str) -> tuple[bool, ...] | None:
    """Whether each step agrees, as a reply's comparison says: all of its elements are right."""
    match = _COMPARED.search(text)
    if match is None:
        return None
    steps = [[element.rpartition(" ")[2] for element in step.split(", ")] for step in match[1].split("; ")]
    if any(mark not in ("right", "wrong") for step in steps for mark in step):
        return None
    return tuple(all(mark == "right" for mark in step) for step in steps)


def _chances(written: Written) -> tuple[float | None, float | None]:
    text = ""
    for place, piece in enumerate(written.pieces):
        text += piece
        if _VERDICT.search(text):
            return written.chances[place], prod(written.chances[: place + 1])
    return None, None


def _calibration(items: Sequence[LabelledResponse], found: Sequence[Decision]) -> dict[str, list[list[float]]]:
    """By measure of confidence, for ten bins of it: verdicts, their confidences' sum, and how many of them are right.

    Of right answers alone: on wrong ones a rule decides where the context has the answer.
    """
    counts: dict[str, list[list[float]]] = {name: [[0, 0.0, 0] for _ in range(BINS)] for name in ("word", "path")}
    for item, one in zip(items, found, strict=True):
        if item.label == "wrong_answer" or one.letter == VERDICTS["unscored"]:
            continue
        right = one.letter == VERDICTS["correct" if item.label == "true_positive" else "incorrect"]
        for name, value in (("word", one.word), ("path", one.path)):
            if value is not None:
                cell = counts[name][min(BINS - 1, int(value * BINS))]
                cell[0] += 1
                cell[1] = round(cell[1] + value, 4)
                cell[2] += right
    return counts


def _steps(items: Sequence[LabelledResponse], found: Sequence[Decision]) -> dict[str, int]:
    """`compared`, `agreed`: steps of all responses, and those that it sees as they are. `rejected`, `same_first`: wrong
    responses that it rejects by their steps, and those whose first wrong step is the step judge's."""
    counts = dict.fromkeys(("compared", "agreed", "rejected", "same_first"), 0)
    for item, one in zip(items, found, strict=True):
        truth = compared_steps(f"{compare(item.problem, item.response)[0]} ")
        if one.steps is None or truth is None or len(truth) != len(one.steps):
            continue
        counts["compared"] += len(truth)
        counts["agreed"] += sum(a == b for a, b in zip(truth, one.steps, strict=True))
        first = _first_mistake(item)
        if one.letter == VERDICTS["incorrect"] and first is not None and not all(one.steps):
            counts["rejected"] += 1
            place = one.steps.index(False)
            counts["same_first"] += _names(item.problem, len(truth))[place] == first
    return counts


def _names(problem: Problem, steps: int) -> list[int]:
    """Numbers of the steps that a comparison has: to read digits needs no second one."""
    return [1, 3] if problem.kind == "read" else [1, 2, 3][:steps]


def _first_mistake(item: LabelledResponse) -> int | None:
    steps = parse_steps(item.response, KINDS[item.problem.kind].answer_type)
    mistakes = find_mistakes(steps, item.problem.kind, item.problem.asked, item.problem.digits)
    return mistakes[0].step if mistakes else None


def _compared(judge: LearnedJudge, change: Change) -> dict[ReferenceContext, dict[str, int]]:
    """By context, how many there are, how many are accepted before and after, and where the verdict differs."""
    counts: dict[ReferenceContext, dict[str, int]] = {}
    for context in change.contexts:
        first, second = (
            [one.status for one in judge.judge([JudgeRequest(item.example, item.response, context) for item in side])]
            for side in ([before for before, _ in change.pairs], [after for _, after in change.pairs])
        )
        counts[context] = {
            "n": len(change.pairs),
            "before": first.count("correct"),
            "after": second.count("correct"),
            "flipped": sum(one != other for one, other in zip(first, second, strict=True)),
        }
    return counts
