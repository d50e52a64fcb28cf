"""All that `contextrl data show` knows of a set: its rows, what its build has left, near-duplicates."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from contextrl.building.build_story import BuildStory, read_story
from contextrl.building.candidates import Candidate
from contextrl.building.found_duplicates import FoundPair, RowDuplicates
from contextrl.building.removed_pairs import RemovedPairs, candidates_before, removed_pairs
from contextrl.building.row_figures import RowFigures
from contextrl.building.row_pass import KeptRow, Pass, pass_over, rows_at
from contextrl.building.tallies import Samples, Tally
from contextrl.building.writing import MANIFEST, REMOVED
from contextrl.commands.data_processor import rule_of
from contextrl.console import progress_bar, status
from contextrl.data.examination import Reading
from contextrl.errors import InputError

#: Rows of a file in which near-duplicates are looked for, and pairs that are shown.
MOST_COMPARED, PAIRS = 10_000, 12
#: The folder of a build's own files, within the set's.
WORK = "build"


@dataclass(frozen=True)
class ShowOptions:
    """What the user typed.

    Attributes:
        out: the page; None: beside the rows.
        samples: rows that are shown, drawn by `seed`.
        processor: whose tokens are counted; empty: Qwen3-VL's.
        duplicates: look for near-duplicates where no build has.
        page: whether one is written.
    """

    reading: Reading
    out: Path | None = None
    samples: int = 24
    seed: int = 0
    processor: str = ""
    duplicates: bool = True
    page: bool = True


@dataclass
class Pairs:
    """Near-duplicates.

    Attributes:
        total: how many there are; `reasons`: by reason.
        compared: rows among which they were looked for; None where a build has done it, or nobody.
        removed: of a build, with the rows that are known by id.
        found: among the rows, with these by their place.
    """

    total: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    compared: int | None = None
    removed: RemovedPairs | None = None
    candidates: dict[str, Candidate] = field(default_factory=dict)
    found: list[FoundPair] = field(default_factory=list)
    places: dict[int, KeptRow] = field(default_factory=dict)


@dataclass
class Gathered:
    """All that is known of a set.

    Attributes:
        folder: of a build; None: the rows are of no build.
        notices: what else is wrong, in words.
    """

    rows: Pass
    pairs: Pairs
    story: BuildStory | None = None
    folder: Path | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def figures(self) -> RowFigures:
        return self.rows.figures


def gather(options: ShowOptions, console: Console) -> Gathered:
    """Read a set's rows, and what its build has left.

    Raises:
        InputError: there are no rows, or the processor is none whose tokens can be counted.
    """
    rule = rule_of(options.processor)
    folder, story, notices = _built(options.reading)
    pairs, wanted = Pairs(), set[str]()
    if folder is not None and story is not None and story.looked_for_duplicates:
        pairs.removed = removed_pairs(folder / REMOVED, PAIRS, options.seed)
        pairs.total, pairs.reasons, wanted = pairs.removed.total, pairs.removed.reasons, pairs.removed.ids
        if pairs.removed.damaged:
            notices.append(f"{pairs.removed.damaged:,} damaged lines of {REMOVED} are left out")
        with status(console, "Looking for what was removed"):
            pairs.candidates = candidates_before(folder / WORK, wanted)
    with ExitStack() as stack:
        near = None
        if pairs.removed is None and options.duplicates:
            near = stack.enter_context(RowDuplicates(MOST_COMPARED))
        total = None if story is None else story.rows
        advance = stack.enter_context(progress_bar(console, "Reading rows", total))
        rows = pass_over(
            options.reading,
            rule,
            samples=options.samples,
            seed=options.seed,
            wanted=wanted,
            near=near,
            advance=advance,
        )
        if not rows.figures.rows:
            raise InputError("at least one row", found="none", where=options.reading.spec)
        if near is not None:
            _find(near, pairs, options)
    if story is not None and story.rows not in (None, rows.figures.rows):
        notices.append(f"{MANIFEST} says {story.rows:,} rows, and there are {rows.figures.rows:,}")
    return Gathered(rows, pairs, story, folder, notices)


def _built(reading: Reading) -> tuple[Path | None, BuildStory | None, list[str]]:
    """The folder of a build with its story, if rows are of one."""
    folder = reading.source.path
    if (folder / WORK / "steps").is_dir() and not (folder / MANIFEST).exists() and not any(folder.glob("*.parquet")):
        fix = "Run contextrl data build again: it goes on where it was"
        raise InputError("a build that is done", found="one that has written no rows yet", where=str(folder), fix=fix)
    if not folder.is_dir() or not (folder / MANIFEST).is_file():
        return None, None, []
    try:
        return folder, read_story(folder), []
    except InputError as error:
        return None, None, [f"{MANIFEST} is not that of a build: {error}"]


def _find(near: RowDuplicates, pairs: Pairs, options: ShowOptions) -> None:
    """Look for near-duplicates; some pairs of every kind are read again to be shown."""
    every, reasons, drawn = near.found(), Tally(), Samples[FoundPair](PAIRS, options.seed)
    for one in every:
        reasons.add(one.reason)
        drawn.add(one, [f"{one.reason} {one.how.partition(' ')[0]}"])
    pairs.total, pairs.reasons, pairs.compared = len(every), reasons.by_count(), near.rows
    pairs.found = drawn.chosen()
    if pairs.found and options.page:
        wanted = {place for one in pairs.found for place in (one.place, one.partner)}
        pairs.places = rows_at(options.reading, wanted)
