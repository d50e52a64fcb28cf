"""One pass over a set's rows: figures of all of them, and some of the rows themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from contextrl.building.found_duplicates import RowDuplicates
from contextrl.building.picture_tokens import TokenRule
from contextrl.building.row_figures import RowFigures
from contextrl.building.tallies import Samples, cut
from contextrl.data.columns import Renaming
from contextrl.data.confinement import outside
from contextrl.data.examination import Reading
from contextrl.data.raw_rows import RawRow
from contextrl.data.rows import RowReader, fault_lines, faults_of
from contextrl.errors import InputError
from contextrl.records.example import Example

#: Columns that are shown beside a row's own fields, where it has them.
_SHOWN = ("licence", "license", "reference", "right", "tried", "language", "ratings", "origin")


@dataclass(frozen=True)
class KeptRow:
    """A row with what else its file says of it.

    Attributes:
        confined: its pictures are where they may be.
    """

    example: Example
    columns: Mapping[str, object]
    confined: bool = True


@dataclass
class Pass:
    """What a pass over the rows gave.

    Attributes:
        samples: drawn rows, in their order.
        by_id: rows of ids that were wanted.
    """

    figures: RowFigures
    samples: list[KeptRow] = field(default_factory=list)
    by_id: dict[str, KeptRow] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sick:
    """A row that cannot be read: what is wrong with it, a line each."""

    lines: list[str]


@dataclass(frozen=True)
class _Read:
    row: KeptRow
    where: str
    wrong: list[str]


def pass_over(
    reading: Reading,
    rule: TokenRule,
    *,
    samples: int,
    seed: int,
    wanted: Collection[str] = (),
    near: RowDuplicates | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Pass:
    """Read all rows.

    Args:
        rule: how pictures become tokens.
        samples: rows that are drawn, by `seed`: of each source, task and answer type first.
        wanted: ids of rows that are kept besides.
        near: is shown the rows.
        advance: told of every row.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    done, drawn = Pass(RowFigures(rule)), Samples[KeptRow](samples, seed)
    for one in _rows(reading):
        advance(1)
        if isinstance(one, _Sick):
            done.figures.add_sick(one.lines)
            continue
        example = one.row.example
        for line in one.wrong:
            done.figures.problem(line)
        done.figures.add(example, one.row.columns, one.where, pictures=one.row.confined)
        if near is not None:
            near.add(example, pictures=one.row.confined)
        drawn.add(one.row, [f"source {cut(example.source)}", f"task {example.task}", f"type {example.answer_type}"])
        if example.id in wanted:
            done.by_id.setdefault(example.id, one.row)
    done.samples = drawn.chosen()
    return done


def rows_at(reading: Reading, places: Collection[int]) -> dict[int, KeptRow]:
    """Rows by their number, from 0, among those that can be read."""
    found: dict[int, KeptRow] = {}
    readable = (one.row for one in _rows(reading) if isinstance(one, _Read))
    for place, row in enumerate(readable):
        if len(found) == len(set(places)):
            break
        if place in places:
            found[place] = row
    return found


def _rows(reading: Reading) -> Iterator[_Sick | _Read]:
    reader = RowReader(Renaming(reading.columns), reading.answer_type)
    folders = [] if reading.allow_outside else reading.source.folders
    allowed = [folder.resolve() for folder in folders]
    for row in reading.source.rows():
        if isinstance(row, InputError):
            yield _Sick(fault_lines([row], row, reader))
            continue
        try:
            example = reader.example(row)
        except InputError as error:
            yield _Sick(fault_lines(faults_of(error), row, reader))
            continue
        strange = [] if reading.allow_outside else list(outside(example, allowed, folders))
        wrong = [f"{row.where}, row {example.id!r}, {line}" for line in strange]
        yield _Read(KeptRow(example, _shown(row), not strange), row.where, wrong)


def _shown(row: RawRow) -> dict[str, object]:
    return {name: row.columns[name] for name in _SHOWN if row.columns.get(name) is not None}
