"""MMFineReason (OpenDataArena, arXiv 2601.21821): questions of many sets with solutions by Qwen3-VL-235B-Thinking.

Its columns differ by part: the answer is in `original_answer` or `answer`, a worked solution of the set's own in
`solution`, the model's in `qwen3vl_235b_thinking_response`; `image` holds the picture, `caption` its description where
there is one. The model's solution is taken where it ends with the answer that the row has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from contextrl.answers import check_answer
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import pictures_of, stated, text_of, without_markers
from contextrl.data.answer_types import guessed_type
from contextrl.data.raw_rows import RawRow

NAME = "mmfinereason"
NO_ANSWER = "no final answer in answer or solution"
_RESPONSE = "qwen3vl_235b_thinking_response"
_THOUGHT = re.compile(r"^.*</think>", re.DOTALL)


class MMFineReason(Source):
    """The full set, or one of its parts.

    Args:
        config: the part; empty: the set's only one.
    """

    hub = "OpenDataArena/MMFineReason-Full-2.3M-Qwen3-VL-235B-Thinking"
    licence = "apache-2.0"

    def __init__(self, config: str) -> None:
        self.config = config

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        question = without_markers(text_of(row, "question"))
        own = text_of(row, "solution", empty=True)
        answer = _answer(row, own)
        if not question or answer is None:
            yield Sick("an empty question" if answer is not None else NO_ANSWER)
            return
        said = _THOUGHT.sub("", text_of(row, _RESPONSE, empty=True)).strip()
        solution = next((one for one in (said, own) if one and _ends_with(one, answer, question)), "")
        origin = {"set": text_of(row, "source", empty=True), "solution": _RESPONSE if solution == said else "solution"}
        yield Found(
            question,
            answer,
            pictures_of(row, "image") if "image" in row.columns else pictures_of(row, "images"),
            solution,
            row_id=text_of(row, "id", empty=True),
            origin={name: value for name, value in origin.items() if value and (name != "solution" or solution)},
        )


def _answer(row: RawRow, solution: str) -> str | None:
    for field in ("original_answer", "answer"):
        if (text := text_of(row, field, empty=True)) and (found := stated(text)) is not None:
            return found[1]
    found = stated(solution) if solution else None
    return None if found is None else found[1]


def _ends_with(solution: str, answer: str, question: str) -> bool:
    kind = guessed_type(answer, question, solution)
    return check_answer(solution, answer, kind) is True


def mmfinereason(config: str) -> MMFineReason:
    """The set, or a part of it; one that is not there is found when its rows are read."""
    return MMFineReason(config)
