"""Reading examples from files, saved datasets and the hub, with errors that name the row and the field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from contextrl.data.columns import Columns, Renaming
from contextrl.data.confinement import check_confined
from contextrl.data.json_rows import json_objects
from contextrl.data.problems import LoadedExamples, RowsError, one_problem, problems_error, sifted
from contextrl.data.raw_rows import RawRow, numbered, quoted, raised
from contextrl.data.row_files import Source, file_rows, undecoded_rows
from contextrl.data.rows import RowReader, fault_lines, faults_of
from contextrl.errors import InputError
from contextrl.records.example import Example

__all__ = [
    "file_objects",
    "jsonl_objects",
    "load_examples",
    "row_to_example",
    "rows_to_examples",
    "undecoded_rows",
]


def load_examples(
    spec: str,
    *,
    split: str = "train",
    limit: int | None = None,
    allow_outside: bool = False,
    revision: str | None = None,
    columns: Columns | None = None,
    lenient_columns: bool = False,
    answer_type: str = "text",
) -> Sequence[Example]:
    """Load examples from wherever `spec` points.

    Args:
        spec: a `.jsonl`, `.json`, `.parquet`, `.csv` or `.tsv` file; a folder of such files or a glob pattern; a
            folder written by `datasets.save_to_disk`; or a hub id, `owner/name[:config]`.
        split: which split of a saved dataset dictionary, a hub dataset, a folder of files named by split, or a JSON
            object with a list for each. Other files have none.
        limit: load only the first rows; a hub dataset is then streamed.
        allow_outside: take pictures from anywhere; by default from the folder of the file, or of the hub's cache, only.
        revision: commit, tag or branch of a hub dataset.
        columns: which column holds which field, where it is not the one of the field's name; `meta.question` leads
            into an object. Images may be in several columns, or, with None, nowhere. Where `answer` and `solution`
            are one column, the answer is what the solution ends with.
        lenient_columns: a row without a column is read by the field's own name, where it has that.
        answer_type: of rows that name none; `auto` goes by the look of each answer.

    Returns:
        At least one example. Image paths are relative to the folder of the file and stay paths, not decoded.

    Raises:
        InputError: nothing is there, or rows are wrong: all of them in one error, each with file, row (1-based; in
            JSONL the line) and field.
        ServiceError: the hub cannot be reached.
    """
    if limit is not None and limit < 1:
        raise InputError("a positive number of rows", found=str(limit), where="limit")
    source = Source(spec, split, revision, limit)
    rows = source.rows()
    reader = RowReader(Renaming(columns, lenient=lenient_columns), answer_type)

    def read() -> Sequence[Example]:
        examples = _examples(rows if limit is None else islice(rows, limit), reader, spec)
        if not examples:
            raise InputError("at least one row", found="an empty dataset", where=spec)
        return examples

    # Rows are confined whatever is wrong with others: those that are left may be shown to a judge.
    checks = () if allow_outside else (partial(check_confined, folders=source.folders, where=spec),)
    return sifted(read, *checks, where=spec)


def rows_to_examples(rows: Iterable[Mapping[str, object]], *, where: str, base: Path | None) -> list[Example]:
    """Build examples from rows with the columns of `Example`.

    Args:
        rows: `question, images, solution, answer` are needed; `id` (default: stem of `where`, row number),
            `answer_type` (text), `task` (reasoning), `source`, `image_ids`, `tolerance` are optional; others are
            ignored. An image is a path, a PIL image, bytes, base64 text, or the `{"bytes": ..., "path": ...}` of
            datasets; one alone may be in a column `image`.
        where: how errors name the rows: a file or dataset.
        base: the folder that image paths are relative to; None leaves them as they are.

    Raises:
        InputError: naming `where`, the row (1-based) and the field.
    """
    return _examples(numbered(rows, where, base), RowReader(), where)


def row_to_example(columns: Mapping[str, object], *, where: str, default_id: str, base: Path | None) -> Example:
    """Build one example; see `rows_to_examples`.

    Args:
        where: how errors name the row: file and line.
        default_id: its id if it has none.
    """
    return RowReader().example(RawRow(where, default_id, base, columns))


def file_objects(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(place, raw row) of a file, for rows that are no examples.

    Raises:
        InputError: as `load_examples`, but for the fields.
    """
    for row in raised(file_rows(path, str(path))):
        yield row.where, row.columns


def jsonl_objects(path: Path, spec: str) -> Iterator[tuple[int, dict[str, object]]]:
    """(line number, object) of a JSON lines file; empty lines are passed over.

    Raises:
        InputError: a line is no JSON object, naming it.
    """
    return json_objects(path, spec)


def _examples(rows: Iterable[RawRow | InputError], reader: RowReader, where: str) -> LoadedExamples:
    """All examples, or one error with all that is wrong."""
    examples = LoadedExamples()
    errors: list[InputError] = []
    lines: list[str] = []
    first_seen: dict[str, str] = {}
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the number of rows is told
        try:
            if isinstance(row, InputError):
                raise row
            example = reader.example(row)
            if example.id in first_seen:
                found = f"{quoted(example.id)}, already the id of {first_seen[example.id]}"
                raise InputError("a unique id", found=found, where=f"{row.where}, field 'id'")
            first_seen[example.id] = row.where
            examples.append(example)
        except InputError as error:
            faults = faults_of(error)
            errors += faults
            lines += fault_lines(faults, row, reader)
    examples.places = first_seen
    if errors:
        wrong = _rows_error(errors, lines, count, where)
        wrong.usable, wrong.rows = examples, count
        raise wrong
    return examples


def _rows_error(errors: Sequence[InputError], lines: Sequence[str], count: int, where: str) -> RowsError:
    """All errors of a file as one; a column that no row has is said once."""
    if len(errors) == 1:
        return one_problem(errors[0], lines[0])
    first = errors[0]
    absent = first.expected.startswith(("a column ", "a field "))
    if not absent or len(errors) < count or any(error.expected != first.expected for error in errors):
        return problems_error(lines, total=f"{count} rows", where=where)
    found = f"{first.found} (all {count} rows)"
    wrong = RowsError(first.expected, found=found, where=first.where, fix=first.fix)
    wrong.problems = lines
    return wrong
