"""Whether a mistake report gives the final answer away."""

from __future__ import annotations

import re
import unicodedata

from contextrl.data.example import Example

# "step 2", "digit 2 is", "2nd", "line 2": places, not values.
_PLACES = re.compile(
    r"\b(?:step|digit|line|part|item|figure|number|option|row|column|place|position)s?\s*#?\d+|\b\d+(?:st|nd|rd|th)\b",
    re.IGNORECASE,
)


def leaks_answer(report: str, example: Example, response: str) -> bool:
    """Whether `report` states `example.answer` as a value of its own.

    Ordinals and step numbers are no values, and what the response or the question already says is no secret.

    Args:
        report: the judge's mistake report.
        response: the policy's attempt that it is about.
    """
    answer = _plain(example.answer)
    if _states(_plain(response), answer) or _states(_plain(example.question), answer):
        return False
    return _states(_PLACES.sub(" ", _plain(report)), answer)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).replace("\u2212", "-").casefold().split())


def _states(text: str, value: str) -> bool:
    """`value` between characters that cannot belong to it: "12" is in neither "112", "1.12" nor "12.5"."""
    return re.search(rf"(?<![\w.-]){re.escape(value)}(?!\w|\.\d)", text) is not None


def cut_to_location(report: str, step: int | None = None) -> str:  # noqa: ARG001
    return "Mistake: one of the steps is wrong." if step is None else f"Mistake: step {step} is wrong."
