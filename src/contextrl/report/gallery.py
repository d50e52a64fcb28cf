"""Groups to look at: a choice that fits the page, with what is repeated written once."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from PIL import Image

from contextrl.data.images import open_image
from contextrl.errors import InputError
from contextrl.report.groups import TAGS, Entry, GroupsSummary, attempts_of, kind_of, read_entries, verdict_of
from contextrl.report.reading import Record, RunData, number
from contextrl.report.text import visible

#: Bytes of JSON for groups and of pictures in a page, all runs together: with charts it stays under 10 MB.
GROUP_BYTES, IMAGE_BYTES = 4_000_000, 3_000_000
#: Longest side of a picture that is one of few, and of one of many.
SIDES = (512, 256, 128)


@dataclass
class Gallery:
    """What the page's script reads.

    Attributes:
        groups: the chosen ones; texts and pictures by their numbers.
        numbers: (run, number of the group) to its place in `groups`.
        chosen, total: how many groups are here and were there.
        side: longest side of pictures, where one had to be scaled down.
        images_left_out: pictures for which there was no room, or that could not be read.
    """

    groups: list[Record] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    chosen: int = 0
    total: int = 0
    side: int | None = None
    images_left_out: int = 0

    def payload(self, runs: Sequence[str]) -> Record:
        return {"groups": self.groups, "texts": self.texts, "images": self.images, "tags": TAGS, "runs": list(runs)}


def build_gallery(
    runs: Sequence[tuple[RunData, GroupsSummary]],
    *,
    group_bytes: int = GROUP_BYTES,
    image_bytes: int = IMAGE_BYTES,
) -> Gallery:
    """Choose groups of every run within the budgets, in the order of their steps.

    Every tag gets its share of the room, and its groups are taken from all over the run.
    """
    gallery, texts = Gallery(), _Table()
    files: list[tuple[Record, list[Path]]] = []
    for place, (run, summary) in enumerate(runs):
        room = group_bytes // len(runs)
        for entry, group in read_entries(_within(spread_over_tags(summary.entries), room)):
            record = _record(group, entry, place, texts)
            files.append((record, _image_files(run, group)))
        gallery.total += len(summary.entries)
    files.sort(key=lambda one: (one[0]["run"], one[0]["step"], one[0]["number"]))
    gallery.groups = [record for record, _ in files]
    gallery.chosen = len(files)
    gallery.numbers = {(g["run"], g["number"]): n for n, g in enumerate(gallery.groups)}
    gallery.texts = texts.values
    _embed_images(gallery, files, image_bytes)
    return gallery


def spread_over_tags(entries: Sequence[Entry]) -> Iterator[Entry]:
    """All entries, each once, so that any number of the first ones has every tag and all of the run in it."""
    seen: set[int] = set()
    by_tag = [_evenly([e for e in entries if tag in e.tags]) for tag in TAGS]
    for turn in zip_longest(*by_tag, _evenly(list(entries))):
        for entry in turn:
            if entry is not None and entry.number not in seen:
                seen.add(entry.number)
                yield entry


def _evenly(entries: list[Entry]) -> Iterator[Entry]:
    """Entries in an order whose beginnings are spread over the whole: at 0, 1/2, 1/4, 3/4, ...; some come twice."""
    bits = max(len(entries) - 1, 1).bit_length()
    for count in range(1 << bits if entries else 0):
        backwards = int(f"{count:0{bits}b}"[::-1], 2)
        yield entries[backwards * len(entries) >> bits]


def _within(entries: Iterator[Entry], room: int) -> list[Entry]:
    """The first entries that fit into the room."""
    chosen = []
    for entry in entries:
        room -= entry.size
        if room < 0:
            break
        chosen.append(entry)
    return chosen


class _Table:
    """Numbers for texts, each kept once."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, text: Any) -> int | None:
        if text is None:
            return None
        shown = visible(str(text))
        if shown not in self._places:
            self._places[shown] = len(self.values)
            self.values.append(shown)
        return self._places[shown]


def _record(group: Record, entry: Entry, run: int, texts: _Table) -> Record:
    return {
        "run": run,
        "number": entry.number,
        "step": entry.step,
        "tags": list(entry.tags),
        "kind": texts.add(kind_of(group)),
        "id": texts.add(group.get("example_id")),
        "task": texts.add(group.get("task")),
        "question": texts.add(group.get("question")),
        "solution": texts.add(group.get("solution")),
        "answer": texts.add(group.get("answer")),
        "refilled": group.get("refilled") is True,
        "trained": group.get("trained") is not False,
        "images": [],
        "missing": 0,
        "attempts": [_attempt(attempt, texts) for attempt in attempts_of(group)],
    }


def _attempt(attempt: Record, texts: _Table) -> Record:
    """Fields that say nothing are left out: the script reads what is not there as null."""
    verdict = verdict_of(attempt)
    fields = {
        "stage": 2 if attempt.get("stage") == 2 else 1,
        "parent": _rounded(attempt.get("parent")),
        "text": texts.add(attempt.get("text")),
        "seen": texts.add(attempt.get("seen")),
        "status": texts.add(verdict.get("status")),
        "answer": _flag(verdict.get("answer_correct")),
        "process": _flag(verdict.get("process_correct")),
        "report": texts.add(verdict.get("mistake_report")),
        "error": texts.add(verdict.get("error")),
        "audit": texts.add(_audit(verdict_of(attempt, "audit"))),
        "truncated": attempt.get("truncated") is True or None,
        "kept": attempt.get("kept") is True or None,
        "rejection": texts.add(attempt.get("rejection")),
        "trained": attempt.get("in_mixed_group") is True or None,
        "reward": _rounded(attempt.get("reward")),
        "advantage": _rounded(attempt.get("advantage")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _audit(verdict: Record) -> str | None:
    if not verdict:
        return None
    answer, process = (
        {True: "right", False: "wrong"}.get(verdict.get(name), "not looked at")  # type: ignore[arg-type]
        for name in ("answer_correct", "process_correct")
    )
    return f"answer {answer}, process {process}"


def _rounded(value: Any) -> float | None:
    found = number(value)
    return None if found is None else round(found, 3)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


# ---- pictures ------------------------------------------------------------------------------------------------------


def _image_files(run: RunData, group: Record) -> list[Path]:
    """A group's pictures within the run's own folder; a line that names others is not obeyed."""
    named = group.get("images")
    folder = (run.path / "images").resolve()
    paths = [(run.path / str(name)).resolve() for name in named] if isinstance(named, list) else []
    return [path if path.is_relative_to(folder) else folder / "outside" for path in paths]


def _embed_images(gallery: Gallery, files: Sequence[tuple[Record, list[Path]]], budget: int) -> None:
    """Put each picture into the page once, at the largest side at which all of them fit."""
    paths = list(dict.fromkeys(path for _, own in files for path in own))
    encoded: dict[Path, str] = {}
    for side in SIDES:
        encoded, scaled, room = {}, False, budget
        for path in paths:
            uri, was_scaled = _data_uri(path, side)
            scaled |= was_scaled
            room -= len(uri)
            if room < 0:
                break
            encoded[path] = uri
        gallery.side = side if scaled else None
        if room >= 0:
            break
    places = {path: n for n, (path, uri) in enumerate((p, u) for p, u in encoded.items() if u)}
    gallery.images = [uri for uri in encoded.values() if uri]
    gallery.images_left_out = len(paths) - len(places)
    for record, own in files:
        record["images"] = [places[path] for path in own if path in places]
        record["missing"] = sum(path not in places for path in own)


def _data_uri(path: Path, side: int) -> tuple[str, bool]:
    """A picture encoded anew, so that what is in the page is a picture; empty if there is none. Whether it shrank."""
    try:
        image = open_image(path)
    except InputError:
        return "", False
    shrank = max(image.size) > side
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    kind = "png"
    if buffer.tell() > 8_000:
        buffer, kind = io.BytesIO(), "jpeg"
        image.save(buffer, format="JPEG", quality=80)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}", shrank


def as_script_data(value: Any) -> str:
    """JSON that nothing in it can end: it stands within a script element, where HTML has no escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
