"""Groups to look at: a choice that fits the page, with what is repeated written once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from contextrl.records.jsonl import number
from contextrl.records.run_data import Record, RunData
from contextrl.records.secrets import without_credentials
from contextrl.report.groups import TAGS, Entry, GroupsSummary, attempts_of, kind_of, read_entries, verdict_of
from contextrl.report.pictures import embed_pictures, image_files
from contextrl.report.text import for_page

#: Bytes of JSON for groups and of pictures in a page of 10 MB, all runs together; charts need the rest.
GROUP_BYTES, IMAGE_BYTES = 5_000_000, 2_500_000
#: A page cannot be smaller: its charts and their library.
LEAST_MEGABYTES, MEGABYTES = 3, 10


def budgets(megabytes: float) -> dict[str, int]:
    """`build_gallery`'s budgets for a page of at most so many megabytes."""
    share = (megabytes - LEAST_MEGABYTES + 1) / (MEGABYTES - LEAST_MEGABYTES + 1)
    return {"group_bytes": int(share * GROUP_BYTES), "image_bytes": int(share * IMAGE_BYTES)}


@dataclass
class Gallery:
    """What the page's script reads.

    Attributes:
        groups: the chosen ones; texts and pictures by their numbers.
        numbers: (run, number of the group) to its place in `groups`.
        total: how many groups there were.
        side: longest side of pictures, where one had to be scaled down.
        images_left_out: pictures for which there was no room, or that could not be read.
    """

    groups: list[Record] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    total: int = 0
    side: int | None = None
    images_left_out: int = 0

    @property
    def chosen(self) -> int:
        """How many groups are here."""
        return len(self.groups)

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
    files: list[tuple[int, Record, list[Path]]] = []
    for place, (run, summary) in enumerate(runs):
        chosen = _within(spread_over_tags(summary.entries), group_bytes // len(runs))
        rank = {entry.number: n for n, entry in enumerate(chosen)}
        for entry, group in read_entries(chosen):
            files.append((rank[entry.number], _record(group, entry, place, texts), image_files(run, group)))
        gallery.total += len(summary.entries)
    # What was chosen first has the first pictures, of every run.
    files.sort(key=lambda chosen: chosen[0])
    pictures = embed_pictures([paths for _, _, paths in files], image_bytes)
    gallery.images, gallery.side, gallery.images_left_out = pictures.uris, pictures.side, pictures.left_out
    for _, record, paths in files:
        record["images"] = pictures.places_of(paths)
        record["missing"] = len(paths) - len(record["images"])
    gallery.groups = sorted((record for _, record, _ in files), key=lambda g: (g["run"], g["step"], g["number"]))
    gallery.numbers = {(g["run"], g["number"]): n for n, g in enumerate(gallery.groups)}
    gallery.texts = texts.values
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
    """The first entries that fit into the room, one after another; one that is too large leaves it to the next."""
    chosen = []
    for entry in entries:
        if entry.size <= room:
            room -= entry.size
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
        shown = for_page(str(text))
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
        "whole": False if verdict.get("self_consistent") is False else None,
        "report": texts.add(verdict.get("mistake_report")),
        "error": texts.add(_error(verdict)),
        "audit": texts.add(_audit(verdict_of(attempt, "audit"))),
        "truncated": attempt.get("truncated") is True or None,
        "kept": attempt.get("kept") is True or None,
        "rejection": texts.add(attempt.get("rejection")),
        "trained": attempt.get("in_mixed_group") is True or None,
        "reward": _rounded(attempt.get("reward")),
        "advantage": _rounded(attempt.get("advantage")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _error(verdict: Record) -> str | None:
    error = verdict.get("error")
    return None if error is None else without_credentials(str(error))


def _audit(verdict: Record) -> str | None:
    if not verdict:
        return None
    words = {True: "right", False: "wrong", None: "not looked at"}
    answer, process = (words[_flag(verdict.get(name))] for name in ("answer_correct", "process_correct"))
    return f"answer {answer}, process {process}"


def _rounded(value: Any) -> float | None:
    finite = number(value)
    return None if finite is None else round(finite, 3)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
