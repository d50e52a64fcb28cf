"""FineVision (HuggingFaceM4/FineVision): 185 sets in one form.

A row has `images`, `texts` (turns of `user` and `assistant`), `source`, and for each of four ratings of 1 to 5 a list
by turn (`relevance_ratings`, `image_correspondence_ratings`, `visual_dependency_ratings`, `formatting_ratings`) and the
least of them (`relevance_min`, ...). Each turn is a question of its own. Its `<image>` markers stand where the sets
that it was made from had them, or nowhere: all are left out, and pictures come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contextrl.building.sources.finevision_sets import SETS
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import (
    list_of,
    numbers_of,
    pictures_of,
    text_of,
    without_markers,
)
from contextrl.building.sources.turns import NO_TURN, asked_in
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError, nearest_key
from contextrl.records.example import Task

NAME = "finevision"
_RATINGS = ("relevance", "image_correspondence", "visual_dependency", "formatting")
#: Sets whose questions are of perception: what is seen says it. All others count as reasoning.
_PERCEPTION = (
    *(
        "aokvqa",
        "cocoqa",
        "docvqa",
        "iconqa",
        "infographic_vqa",
        "ocrvqa",
        "st_vqa",
        "textvqa",
        "vision_flan(filtered)",
    ),
    *(
        "visual7w",
        "vqav2",
        "vsr",
        "arxivqa",
        "ai2d_merged",
        "chartqa",
        "dvqa",
        "figureqa",
        "plotqa",
        "mapqa",
        "tallyqa",
        "vizwiz(mathv360k)",
    ),
)


class FineVision(Source):
    """One of its configurations.

    Args:
        config: `arxivqa`, `ai2d_merged`, `geoqa+(mathv360k)`, ...
    """

    hub = "HuggingFaceM4/FineVision"
    revision = "3c380a731a3429c1d04693d6ec16d7e683def84c"

    def __init__(self, config: str) -> None:
        self.config = config
        self.task: Task = "perception" if config in _PERCEPTION else "reasoning"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        images = pictures_of(row, "images")
        turns = list_of(row, "texts")
        origin = {"set": text_of(row, "source", empty=True) or self.config}
        if not turns:
            yield Sick(NO_TURN)
        for number, turn in enumerate(turns):
            name = str(number + 1) if len(turns) > 1 else ""
            if not isinstance(turn, Mapping) or not all(
                isinstance(turn.get(key), str) for key in ("user", "assistant")
            ):
                yield Sick(NO_TURN, id=name)
                continue
            asked = without_markers(turn["user"])
            yield asked_in((asked, turn["assistant"]), images, name, _ratings(row, number), origin)


def _ratings(row: RawRow, number: int) -> dict[str, float]:
    """A turn's own, or the row's least where there are none by turn."""
    values: dict[str, Any] = {}
    for rating in _RATINGS:
        by_turn = row.columns.get(f"{rating}_ratings")
        if isinstance(by_turn, Sequence) and not isinstance(by_turn, str) and number < len(by_turn):
            values[rating] = by_turn[number]
        else:
            values[rating] = row.columns.get(f"{rating}_min")
    return numbers_of(values)


def finevision(config: str) -> FineVision:
    """One of its configurations.

    Raises:
        InputError: none is named, or one that it does not have.
    """
    if config not in SETS:
        found = f"{config!r}{nearest_key(config, SETS)}" if config else "none"
        fix = "Name one, such as arxivqa, ai2d_merged, geoqa+(mathv360k)"
        where = "sources.config of kind finevision"
        raise InputError(f"one of its {len(SETS)} configurations", found=found, where=where, fix=fix)
    return FineVision(config)
