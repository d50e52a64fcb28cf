"""Right answers that a run has sampled, as SFT data: by right steps, and as many by wrong steps as are asked for.

The paper trains on such rows to see what false positives do (arXiv 2602.22623, table 3), and finds that a policy's own
positives are better SFT data than references.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from contextrl.errors import InputError

T = TypeVar("T")
JudgedBy = Literal["judge", "audit"]


@dataclass(frozen=True)
class Sampled:
    """A response with a right answer.

    Attributes:
        example_id: of the question.
        step, attempt: where it is in the run: the optimizer step, and its place in its group, from 0.
        stage: 2 for a retry that was kept.
        process_correct: False: a false positive.
        judged_by: whose verdict says so.
    """

    example_id: str
    step: int
    attempt: int
    stage: int
    text: str
    process_correct: bool
    judged_by: JudgedBy


@dataclass
class Positives:
    """Responses with a right answer, each text once per question.

    Attributes:
        right, wrong: by right steps, and false positives.
        left_out: how many attempts are neither, by why.
    """

    right: list[Sampled] = field(default_factory=list)
    wrong: list[Sampled] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def positives(groups: Iterable[Mapping[str, Any]]) -> Positives:
    """The right answers among a run's groups.

    An audit that looked at the steps decides, else the rewarded judge. Retries count where they were kept: they stand
    alone. What was cut at the length limit does not.

    Args:
        groups: lines of groups.jsonl.
    """
    found, seen = Positives(), set[tuple[str, str]]()
    for group in groups:
        for place, attempt in enumerate(_objects(group.get("attempts"))):
            one = _sampled(group, place, attempt)
            if isinstance(one, str):
                found.left_out[one] += 1
            elif (one.example_id, one.text) in seen:
                found.left_out["said before"] += 1
            else:
                seen.add((one.example_id, one.text))
                (found.right if one.process_correct else found.wrong).append(one)
    return found


def _sampled(group: Mapping[str, Any], place: int, attempt: Mapping[str, Any]) -> Sampled | str:
    """A right answer, or why it is none."""
    text, example_id, step = attempt.get("text"), group.get("example_id"), group.get("step")
    if not isinstance(text, str) or not isinstance(example_id, str) or not isinstance(step, int):
        return "damaged"
    retry = attempt.get("stage") != 1
    if retry and attempt.get("kept") is not True:
        return "a retry that was not kept"
    if attempt.get("truncated") is not False:
        return "cut at the length limit"
    verdict, by = _verdict(attempt)
    if verdict.get("answer_correct") is not True:
        return "a wrong answer" if verdict.get("answer_correct") is False else "not judged"
    process = verdict.get("process_correct")
    if not isinstance(process, bool):
        return "nobody looked at the steps"
    return Sampled(example_id, step, place, 2 if retry else 1, text.strip(), process, by)


def _verdict(attempt: Mapping[str, Any]) -> tuple[Mapping[str, Any], JudgedBy]:
    audit, verdict = attempt.get("audit"), attempt.get("verdict")
    if isinstance(audit, Mapping) and isinstance(audit.get("process_correct"), bool):
        return audit, "audit"
    return (verdict, "judge") if isinstance(verdict, Mapping) else ({}, "judge")


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (part for part in value if isinstance(part, Mapping)) if isinstance(value, list) else ()


def draw_rows(found: Positives, rows: int | None, share: float, seed: int) -> list[Sampled]:
    """Responses in mixed order, `share` of them false positives.

    Questions take turns, so that none has two rows more than another of its kind that still had one to give. With one
    seed a smaller set of a kind is part of a larger one: sets of different shares differ in as few rows as they can.

    Args:
        rows: how many; None for as many as there are at this share.
        share: of false positives, 0 to 1.

    Raises:
        InputError: there are too few of either kind; it says how many there are.
    """
    size = _most(found, share) if rows is None else rows
    false = round(size * share)
    for what, wanted, there, fix in (
        ("false positives", false, found.wrong, "Ask for fewer --rows or a smaller share, or train a longer run"),
        ("right answers by right steps", size - false, found.right, "Ask for fewer --rows, or train a longer run"),
    ):
        if wanted > len(there):
            why = ", ".join(f"{count:,} {reason}" for reason, count in found.left_out.most_common(4))
            seen = f"{len(there):,} with texts of their own" + (f" (left out: {why})" if why else "")
            raise InputError(f"at least {wanted:,} {what}", found=seen, where="the run's groups", fix=fix)
    if not size:
        raise InputError("at least one row", found="none", where="the run's groups", fix="Train a longer run")
    chosen = [
        *_in_turns(found.right, size - false, random.Random(f"{seed}-right")),
        *_in_turns(found.wrong, false, random.Random(f"{seed}-wrong")),
    ]
    random.Random(seed).shuffle(chosen)
    return chosen


def _most(found: Positives, share: float) -> int:
    limits = [len(found.right) / (1 - share)] if share < 1 else []
    limits += [len(found.wrong) / share] if share > 0 else []
    size = int(min(limits))
    # Rounding the number of false positives may ask for one more than there is.
    while size and (round(size * share) > len(found.wrong) or size - round(size * share) > len(found.right)):
        size -= 1
    return size


def _in_turns(responses: Sequence[Sampled], count: int, rng: random.Random) -> list[Sampled]:
    """The first of every question, in drawn order, then the second of those that have one, and so on."""
    by_question: defaultdict[str, list[Sampled]] = defaultdict(list)
    for one in responses:
        by_question[one.example_id].append(one)
    turns = [_shuffled(own, rng) for own in _shuffled(list(by_question.values()), rng)]
    longest = max(map(len, turns), default=0)
    ordered = [own[turn] for turn in range(longest) for own in turns if turn < len(own)]
    return ordered[:count]


def _shuffled(values: list[T], rng: random.Random) -> list[T]:
    return rng.sample(values, len(values))
