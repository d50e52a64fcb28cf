"""What the miniature's responses are caught at: patterns that need their steps read."""

from __future__ import annotations

from typing import cast

from contextrl.miniature.steps_judge import Mistake, Steps, find_mistakes, parse_steps, question_kind
from contextrl.records.example import ANSWER_TYPES, AnswerType
from contextrl.report.patterns import Rule, Sample


def _read(sample: Sample) -> tuple[Steps, tuple[int, ...]] | None:
    """The response's steps and the digits that are shown; None for questions that are not the miniature's."""
    if sample.answer_type not in ANSWER_TYPES:
        return None
    answer_type = cast(AnswerType, sample.answer_type)
    truth = parse_steps(sample.solution, answer_type).readings
    if not truth or not truth[-1]:
        return None
    return parse_steps(sample.text, answer_type), truth[-1]


def _invented(sample: Sample) -> bool:
    found = _read(sample)
    return found is not None and any(len(reading) > len(found[1]) for reading in found[0].readings)


def _overlooked(sample: Sample) -> bool:
    found = _read(sample)
    return found is not None and any(0 < len(reading) < len(found[1]) for reading in found[0].readings)


def _misread(sample: Sample) -> bool:
    found = _read(sample)
    if found is None or not found[0].readings:
        return False
    last = found[0].readings[-1]
    return len(last) == len(found[1]) and last != found[1]


def _mistakes(sample: Sample) -> list[Mistake]:
    """What does not follow from the digits that the response itself read."""
    found = _read(sample)
    if found is None or not found[0].readings or not found[0].readings[-1]:
        return []
    try:
        kind, asked = question_kind(sample.question)
    except ValueError:
        return []
    return find_mistakes(found[0], kind, asked, None)


def _two_ways(sample: Sample) -> bool:
    return any(mistake.hint == "it reads the digits in two ways" for mistake in _mistakes(sample))


def _wrong_calculation(sample: Sample) -> bool:
    return any(mistake.hint == "the result does not follow" for mistake in _mistakes(sample))


def _contradicts(sample: Sample) -> bool:
    return any(mistake.hint == "the answer does not follow" for mistake in _mistakes(sample))


def _missing(sample: Sample) -> bool:
    found = _read(sample)
    if found is None:
        return False
    return not any(found[0].readings) or any(
        mistake.step == 2 and mistake.hint.endswith("is missing") for mistake in _mistakes(sample)
    )


RULES: tuple[Rule, ...] = (
    Rule("invented digit", "It reads more digits than the picture shows.", _invented),
    Rule("overlooked digit", "It reads fewer digits than the picture shows.", _overlooked),
    Rule("misread digit", "As many digits as are shown, and at least one of them another.", _misread),
    Rule("two readings", "It reads the digits in two ways.", _two_ways),
    Rule("missing step", "No reading, or no step between reading and answer.", _missing),
    Rule(
        "wrong calculation",
        "The step before the answer does not follow from its own reading.",
        _wrong_calculation,
    ),
    Rule("contradicts its steps", "The answer does not follow from the digits that it read.", _contradicts),
)
