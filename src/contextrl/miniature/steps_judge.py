"""The miniature's process verifier: compares what a response says, step by step, with the reference solution.

It reads content, not wording, so that a foreign voice counts as much as the policy's own. What it may use depends on
the reference context: nothing (is the response consistent in itself?), the final answer, or the whole solution. What a
solution does not tell is not judged, and what it tells is believed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from contextrl.answers import check_answer, extract_answer
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.facts import told_digits
from contextrl.miniature.tasks import KINDS, Kind, derived_value, final_answer, parity_word
from contextrl.records.example import AnswerType, Example
from contextrl.records.verdict import Disclosure, ReferenceContext, Verdict, unscored

# Responses are hostile: every repetition is bounded, so that matching stays linear and numbers stay small.
_NUMBER = r"\d{1,4}"
_READING = re.compile(r"(?:\bdigits:|\bshows\b|\bI find\b)((?:[^.;!?\n]|\.(?=\d)){0,80})", re.IGNORECASE)
_DIGIT_LIST = re.compile(r"\d(?:(?:, ?| and )\d){0,15}")
#: What a reference writes in place of a digit that it does not tell.
UNREADABLE = "_"
_PARTIAL_LIST = re.compile(r"[\d_](?:(?:, ?| and )[\d_]){0,15}")
#: The digits that a reference tells, None for one that it leaves out.
Truth = tuple[int | None, ...]
_EQUATION = re.compile(
    rf"({_NUMBER}(?:\s?(?:\+|-|plus|minus)\s?{_NUMBER}){{1,8}})\s?(?:=|makes|leaves)\s?(-?{_NUMBER})(?!\d|\.\d)"
)
_VALUE = re.compile(
    rf"(?:\bLargest: |\bexceeds |\bgreatest one is |\bNumber of \d: |\bappears |\bturns up |"
    rf"\btotal comes to |\bremains is )(-?{_NUMBER})(?!\d|\.\d)"
)
_COUNTED = re.compile(r"\bNumber of (\d):|\bthese, (\d) appears|\bfigure (\d) turns up")
_PARITY = re.compile(r"\b(even|odd)\b")


@dataclass(frozen=True)
class Steps:
    """What a text states: every reading of the digits, every equation, every intermediate value, the answer.

    A reading that is not a plain list of digits is empty, which is never right.
    """

    readings: tuple[tuple[int, ...], ...]
    equations: tuple[tuple[tuple[int, ...], str, int], ...]  # operands, operators, result
    values: tuple[int, ...]
    counted: tuple[int, ...]
    parities: tuple[str, ...]
    answer: str | None


@lru_cache(maxsize=4096)  # samples repeat each other, and verdict and report read the same text
def parse_steps(text: str, answer_type: AnswerType) -> Steps:
    """Read the content of a solution or a response in either voice; unknown sentences are passed over."""
    plain = text.replace("\u2212", "-")
    equations = []
    for left, result in _EQUATION.findall(plain):
        operators = {"plus": "+", "minus": "-"}
        used = {operators.get(o, o) for o in re.findall(r"\+|-|plus|minus", left)}
        equations.append((_digits_in(left), "".join(sorted(used)), int(result)))
    return Steps(
        readings=read_digits(plain),
        equations=tuple(equations),
        values=tuple(map(int, _VALUE.findall(plain))),
        counted=tuple(int("".join(digits)) for digits in _COUNTED.findall(plain)),
        parities=tuple(_PARITY.findall(plain)),
        answer=extract_answer(text, answer_type),
    )


def read_digits(text: str) -> tuple[tuple[int, ...], ...]:
    """Every reading of the digits in a text; empty where one is no plain list of digits."""
    return tuple(_read(segment) for segment in _READING.findall(text))


def _read(segment: str) -> tuple[int, ...]:
    listed = segment.strip()
    return _digits_in(listed) if _DIGIT_LIST.fullmatch(listed) else ()


def reading_span(text: str) -> tuple[int, int] | None:
    """Where the digits of the last reading stand in a text; None where it has none."""
    found = list(_READING.finditer(text))
    return found[-1].span(1) if found else None


def reference_digits(solution: str) -> Truth | None:
    """What a reference says is shown; None where it tells no digit."""
    start, end = reading_span(solution) or (0, 0)
    listed = solution[start:end].strip()
    if not _PARTIAL_LIST.fullmatch(listed) or not re.search(r"\d", listed):
        return None
    return tuple(None if part == UNREADABLE else int(part) for part in re.findall(r"[\d_]", listed))


def _digits_in(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))


@lru_cache(maxsize=256)
def question_kind(question: str) -> tuple[Kind, int]:
    """Kind of a miniature question, and the digit it asks about (0 where it asks about none).

    Raises:
        ValueError: the question is not one of the miniature's.
    """
    for kind, info in KINDS.items():
        pattern = re.escape(info.question).replace(re.escape("{d}"), r"(\d)")
        if match := re.fullmatch(pattern, question):
            return kind, int(match.group(1)) if match.groups() else 0
    raise ValueError(f"the step judge knows only the miniature's questions, found {question!r}")


@dataclass(frozen=True)
class Mistake:
    """One wrong step: where it is, what is wrong with it, what it should say."""

    step: int
    hint: str
    correction: str


def find_mistakes(steps: Steps, kind: Kind, asked: int, truth: Truth | None) -> list[Mistake]:
    """Mistakes in the order of the steps; with `truth` readings are compared too, where it tells the digit."""
    if not steps.readings:
        return [Mistake(1, "it does not say which digits are shown", _reading(truth))]
    mistakes = []
    if len(set(steps.readings)) > 1:
        mistakes.append(Mistake(1, "it reads the digits in two ways", "step 1 should read the digits once"))
    read = steps.readings[-1]
    if truth is not None and read != truth:
        mistakes += misread_digits(read, truth)
    if not read:
        return mistakes or [Mistake(1, "the reading is not a list of digits", _reading(truth))]
    return mistakes + _bad_derivation(steps, kind, asked, read)


def _reading(truth: Truth | None) -> str:
    if not truth:
        return "step 1 should say which digits are shown"
    told = ", ".join(UNREADABLE if digit is None else str(digit) for digit in truth)
    return f"step 1 should say Digits: {told}"


def misread_digits(read: tuple[int, ...], truth: Truth) -> list[Mistake]:
    """What a reading gets wrong of the digits that are told."""
    if len(read) != len(truth):
        return [Mistake(1, "the number of digits is wrong", _reading(truth))]
    return [
        Mistake(1, f"digit {place} is misread", _reading(truth))
        for place, (said, right) in enumerate(zip(read, truth, strict=True), start=1)
        if right is not None and said != right
    ]


def _bad_derivation(steps: Steps, kind: Kind, asked: int, read: tuple[int, ...]) -> list[Mistake]:
    """Does each later step follow from the digits that the response itself read?"""
    value = derived_value(kind, read, asked)
    should = f"step 2 should find {value}"
    mistakes = []
    stated = [result for _, _, result in steps.equations] + list(steps.values)
    if kind in ("sum", "parity", "difference") and not steps.equations:
        mistakes.append(Mistake(2, "the calculation is missing", should))
    elif kind in ("largest", "count") and not steps.values:
        mistakes.append(Mistake(2, "the step before the answer is missing", should))
    elif kind != "read" and (
        any(result != value for result in stated)
        or not all(_calculates(equation, kind, read) for equation in steps.equations)
        or (kind == "parity" and any(word != parity_word(value) for word in steps.parities))
        or (kind == "count" and any(digit != asked for digit in steps.counted))
    ):
        mistakes.append(Mistake(2, "the result does not follow", should))
    if steps.answer is None:
        mistakes.append(Mistake(3, "the final answer is missing", "step 3 should state the answer"))
    elif check_answer(f"Answer: {steps.answer}", final_answer(kind, read, asked), KINDS[kind].answer_type) is not True:
        mistakes.append(Mistake(3, "the answer does not follow", "step 3 should follow from step 2"))
    return mistakes


def _calculates(equation: tuple[tuple[int, ...], str, int], kind: Kind, read: tuple[int, ...]) -> bool:
    """Whether an equation uses the digits that were read with the question's operator; a sum in any order."""
    operands, operator, _ = equation
    if kind == "difference":
        return operator == "-" and operands == read
    return operator == "+" and sorted(operands) == sorted(read)


def write_report(mistakes: Sequence[Mistake], disclose: Disclosure, example: Example) -> str:
    """A mistake report at the given level of disclosure (see `Disclosure`)."""
    if disclose == "location":
        return f"Mistake: step {mistakes[0].step} is wrong."
    if disclose == "hint":
        return f"Mistake: {', '.join(dict.fromkeys(m.hint for m in mistakes))}."
    # A later step that only follows from a wrong reading is put right by the reading.
    first = [m for m in mistakes if m.step == mistakes[0].step]
    corrections = f"Mistake: {', '.join(dict.fromkeys(m.correction for m in first))}."
    return corrections if disclose == "correction" else f"{corrections} The answer is {example.answer}."


def verdict_of(mistakes: list[Mistake], request: JudgeRequest, disclose: Disclosure) -> Verdict:
    """What mistakes come to, with a report where one is wanted; a wrong answer is one too."""
    example = request.example
    answer_correct = None
    if request.context != "none":
        answer_correct = check_answer(request.response, example.answer, example.answer_type) is True
    if answer_correct is False and not mistakes:
        mistakes = [Mistake(1, "the final answer is wrong", "look at each digit again")]
    verdict = Verdict(
        status="incorrect" if mistakes else "correct",
        answer_correct=answer_correct,
        process_correct=not mistakes,
    )
    if mistakes and request.wants_report:
        # A judge that may not see the answer cannot give it away.
        level = "correction" if request.context == "none" and disclose == "answer" else disclose
        report = write_report(mistakes, level, example)
        return replace(verdict, mistake_report=report, mistake_step=mistakes[0].step)
    return verdict


class StepsJudge:
    """Process verifier for the miniature's questions.

    Args:
        context: what it may use of the reference.
        disclose: how much its mistake reports give away.
    """

    name = "steps"

    def __init__(self, context: ReferenceContext = "solution", disclose: Disclosure = "hint") -> None:
        self.context: ReferenceContext = context
        self.disclose: Disclosure = disclose

    @staticmethod
    def reads(question: str) -> object:
        """What a question is.

        Raises:
            ValueError: it is not one of those that the judge can verify.
        """
        return question_kind(question)

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        return [self._judge(request) for request in requests]

    def _judge(self, request: JudgeRequest) -> Verdict:
        example = request.example
        try:
            self.reads(example.question)
        except ValueError as error:
            return unscored("unsupported", str(error))
        truth: Truth | None = None
        if request.context == "solution":
            truth = reference_digits(example.solution)
            if truth is None:
                return unscored("unsupported", f"the solution of {example.id} does not say which digits are shown")
        if request.context == "documents":
            truth = told_digits(example.documents)
            if truth is None:
                return unscored("unsupported", f"the documents of {example.id} do not say which digits are shown")
        return verdict_of(self.mistakes(request, truth), request, self.disclose)

    def mistakes(self, request: JudgeRequest, truth: Truth | None) -> list[Mistake]:
        """What is wrong with a response to a question that it reads."""
        kind, asked = question_kind(request.example.question)
        steps = parse_steps(request.response, request.example.answer_type)
        return find_mistakes(steps, kind, asked, truth)
