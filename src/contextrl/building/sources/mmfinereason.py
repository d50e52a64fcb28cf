"""MMFineReason (OpenDataArena, arXiv 2601.21821): questions of many sets with solutions by Qwen3-VL-235B-Thinking.

The columns differ by part: a short `answer` (null in places), a longer `original_answer`, the set's own `solution`;
`image`, `id`, `source` or `data_source`; where responses were checked, `pass_rate` (of Qwen3-VL-4B) and
`is_consistent`. `qwen3vl_235b_thinking_response` is `<think>...</think>` and a solution that ends with
`<answer>C</answer>`: the solution is taken where it ends with the row's own answer. Schemas: the dataset's cards;
parts: table 6 of the paper.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.answers import check_answer
from contextrl.answers.extraction import after_thinking
from contextrl.building.sources.listed import with_letter
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import (
    EMPTY_QUESTION,
    is_only,
    marked,
    numbers_of,
    pictures_of,
    stated,
    text_of,
)
from contextrl.data.answer_types import guessed_type
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError, nearest_key

NAME = "mmfinereason"
NO_ANSWER = "no final answer in answer or solution"
_RESPONSE = "qwen3vl_235b_thinking_response"
_OWNER = "OpenDataArena"
#: Parts of the full set: configurations on the hub.
_PARTS = (
    *("BMMR", "Euclid30K", "FineVision-ai2d_merged", "FineVision-geo170k(qa)", "FineVision-geometry3k(mathv360k)"),
    *("FineVision-raven", "FineVision-scienceqa", "FineVision-tqa", "FineVision-visualwebinstruct(filtered)"),
    *("GameQA-140K", "LLaVA-CoT", "MMK12", "MMR1", "PuzzleQA", "ViRL39K", "VisualSphinx", "WaltonColdStart"),
    *("WeMath2-Pro", "WeMath2-SFT", "WeMath2-Standard", "Zebra-CoT-Physics", "mmopenr1-8k"),
)
#: Selections from all parts: sets of their own, with `source` as a column.
_SELECTIONS = ("1.8M", "SFT-586K", "SFT-123K")


class MMFineReason(Source):
    """One part of the full set, or a selection from all of them.

    Args:
        config: which.
    """

    licence = "apache-2.0"

    def __init__(self, config: str) -> None:
        selected = config in _SELECTIONS
        self.config = "" if selected else config
        self.hub = f"{_OWNER}/MMFineReason-{config if selected else 'Full-2.3M'}-Qwen3-VL-235B-Thinking"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        images = pictures_of(row, "image" if "image" in row.columns else "images")
        question = marked(text_of(row, "question"), len(images))
        own = text_of(row, "solution", empty=True)
        answer = _answer(row, own)
        if not question or answer is None:
            yield Sick(EMPTY_QUESTION if answer is not None else NO_ANSWER)
            return
        # A letter first: responses end with one where the question lists options.
        asked = with_letter(Found(question, answer, images))
        if isinstance(asked, Sick):
            yield asked
            return
        said = (after_thinking(text_of(row, _RESPONSE, empty=True)) or "").strip()
        worked = "" if is_only(own, answer) else own
        solution = next((one for one in (said, worked) if one and _ends_with(one, asked)), "")
        origin = {
            # An id counts within the set that the row is from.
            "id": text_of(row, "id", empty=True),
            "set": text_of(row, "source", empty=True) or text_of(row, "data_source", empty=True) or self.config,
            "solution": "" if not solution else _RESPONSE if solution == said else "solution",
        }
        ratings = {name: row.columns.get(name) for name in ("pass_rate", "is_consistent")}
        yield Found(
            question,
            asked.answer,
            images,
            solution,
            asked.answer_type,
            ratings=numbers_of({name: int(v) if isinstance(v, bool) else v for name, v in ratings.items()}),
            origin={name: value for name, value in origin.items() if value},
        )


def _answer(row: RawRow, solution: str) -> str | None:
    """The short one, or what the longer ones end with."""
    if answer := text_of(row, "answer", empty=True):
        found = stated(answer)
        return answer if found is None else found[1]
    longer = (text_of(row, "original_answer", empty=True), solution)
    return next((found[1] for text in longer if text and (found := stated(text)) is not None), None)


def _ends_with(solution: str, asked: Found) -> bool:
    kind = asked.answer_type or guessed_type(asked.answer, asked.question, solution)
    return check_answer(solution, asked.answer, kind) is True


def mmfinereason(config: str) -> MMFineReason:
    """A part, or a selection.

    Raises:
        InputError: it is neither.
    """
    known = (*_PARTS, *_SELECTIONS)
    if config not in known:
        found = f"{config!r}{nearest_key(config, known)}" if config else "none"
        where = "sources.config of kind mmfinereason"
        raise InputError(
            f"a part ({', '.join(_PARTS)}) or a selection ({', '.join(_SELECTIONS)})", found=found, where=where
        )
    return MMFineReason(config)
