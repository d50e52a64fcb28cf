"""Our answers and marks as the files that other harnesses read."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from contextrl.disk import writing
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response
from contextrl.evaluation.result_files.forms import FAILURE
from contextrl.evaluation.result_files.tables import EXCEL_CELL
from contextrl.records.files import scratch_name, write_atomically

#: VLMEvalKit's name of each benchmark: a file of its answers is `<model>_<this>.tsv`.
VLMEVALKIT_NAMES: Mapping[str, str] = {
    "simplevqa": "SimpleVQA",
    "mmstar": "MMStar",
    "hallusionbench": "HallusionBench",
    "hrbench8k": "HRBench8K",
    "mme-realworld-lite": "MME-RealWorld-Lite",
    "mathverse": "MathVerse_MINI",
    "mathvista": "MathVista_MINI",
    "logicvista": "LogicVista",
    "we-math": "WeMath",
    "charxiv-rq": "CharXiv_reasoning_val",
    "dynamath": "DynaMath",
}
#: The columns in which VLMEvalKit's own files of marks have the score, what was read of the answer, and a note on it.
_MARK_COLUMNS: Mapping[str, tuple[str, str, str]] = {
    "hallusionbench": ("score", "extracted", "log"),
    "mme-realworld-lite": ("score", "extracted", "log"),
    "mathverse": ("score", "extract", "log_score"),
    "mathvista": ("hit", "res", "log"),
    "logicvista": ("hit", "res", "log"),
    "charxiv-rq": ("score", "extracted_answer", "log"),
    "dynamath": ("correct", "extracted", "log"),
}
_OTHERS = ("hit", "extracted", "log")
Cell = str | int | float | None


@dataclass(frozen=True)
class Exported:
    """A question and its answer.

    Attributes:
        answer: the response, or why there is none.
        mark: how it was scored; None writes no marks.
        position: of the question's row among the benchmark's, from 0; lmms-eval's `doc_id`.
        index: VLMEvalKit's; the question's id where it is empty.
        reference: the right answer, as lmms-eval writes it.
    """

    item: Item
    answer: Response | str
    mark: Mark | None = None
    position: int | None = None
    index: str = ""
    reference: str = ""


def export_plain(path: Path, rows: Sequence[Exported]) -> None:
    """Lines of `{"id", "response", "truncated"}`, or CSV with these columns, told by the file's ending.

    A question without an answer has null and `error`; CSV has no null, and leaves it out.

    Raises:
        InputError: another ending.
    """
    suffix = _suffix(path, (".jsonl", ".csv"))
    if suffix == ".csv":
        answered = [(row.item.id, row.answer) for row in rows if isinstance(row.answer, Response)]
        cells: list[list[Cell]] = [[name, told.text, str(told.truncated).lower()] for name, told in answered]
        write_atomically(path, _delimited(["id", "response", "truncated"], cells, ","))
        return
    write_atomically(path, "".join(json.dumps(_plain_line(row), ensure_ascii=False) + "\n" for row in rows))


def _plain_line(row: Exported) -> dict[str, object]:
    if isinstance(row.answer, str):
        return {"id": row.item.id, "response": None, "error": row.answer}
    return {"id": row.item.id, "response": row.answer.text, "truncated": row.answer.truncated}


def export_lmms_eval(path: Path, rows: Sequence[Exported]) -> None:
    """Samples as lmms-eval 0.7 writes them: `doc_id`, `target`, `filtered_resps`, and our mark as `score`.

    lmms-eval has no row for a question without an answer: it is left out. `doc_hash` is of a row as lmms-eval has it,
    which we do not: it is left out too, and lmms-eval's own readers do not ask for it.

    Raises:
        InputError: another ending than .jsonl, or a row whose position nobody knows.
    """
    _suffix(path, (".jsonl",))
    lines = []
    for row in rows:
        if row.position is None:
            raise InputError("the position of each row of the benchmark", found="none", where=f"question {row.item.id}")
        if isinstance(row.answer, Response):
            line: dict[str, object] = {"doc_id": row.position, "target": row.reference}
            line["filtered_resps"] = row.answer.text
            if row.mark is not None and row.mark.score is not None:
                line["score"] = row.mark.score
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_atomically(path, "".join(lines))


def export_vlmevalkit(path: Path, rows: Sequence[Exported], benchmark: str) -> None:
    """A table as VLMEvalKit writes it: `index`, the question's columns, `prediction`, and our marks.

    A question without an answer gets VLMEvalKit's mark of one, so that it is asked there again. Excel cuts texts at
    32,767 characters: a longer answer is refused there, TSV and JSON take it (VLMEvalKit: `PRED_FORMAT=tsv`).

    Args:
        path: ends in .xlsx, .tsv or .json.
        benchmark: whose names of columns the marks get.

    Raises:
        InputError: another ending, or an answer that a workbook cannot hold.
    """
    suffix = _suffix(path, (".tsv", ".json", ".xlsx"))
    records = [_vlmevalkit_record(row, benchmark) for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record)) or ["index", "prediction"]
    table = [[record.get(name) for name in names] for record in records]
    if suffix == ".json":
        write_atomically(path, json.dumps([dict(zip(names, row, strict=True)) for row in table], indent=4) + "\n")
    elif suffix == ".tsv":
        write_atomically(path, _delimited(names, table, "\t"))
    else:
        _write_workbook(path, names, table)


def _vlmevalkit_record(row: Exported, benchmark: str) -> dict[str, Cell]:
    record: dict[str, Cell] = {"index": _number(row.index or row.item.id)}
    record |= {name: _cell(value) for name, value in row.item.columns.items() if name not in ("index", "image")}
    record["prediction"] = row.answer.text if isinstance(row.answer, Response) else FAILURE
    if row.mark is not None:
        score, extracted, note = _MARK_COLUMNS.get(benchmark, _OTHERS)
        record[score] = None if row.mark.score is None else _number(f"{row.mark.score:g}")
        record[extracted] = row.mark.extracted or ""
        record[note] = f"{row.mark.how}: {row.mark.detail}" if row.mark.detail else row.mark.how
    return record


def _number(text: str) -> Cell:
    """VLMEvalKit compares indices as pandas reads them: whole numbers as such."""
    return int(text) if text.isascii() and text.isdigit() and str(int(text)) == text else text


def _cell(value: object) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # neither JSON nor a workbook has it
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, ensure_ascii=False)


def _delimited(names: Sequence[str], rows: Sequence[Sequence[Cell]], delimiter: str) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([names, *rows])
    return buffer.getvalue()


def _write_workbook(path: Path, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    import xlsxwriter

    long = next((row for row in rows if any(isinstance(cell, str) and len(cell) > EXCEL_CELL for cell in row)), None)
    if long is not None:
        found = f"a longer one in the row of index {str(long[0])[:60]}"
        expected = f"texts of at most {EXCEL_CELL:,} characters, which Excel holds"
        raise InputError(expected, found=found, where=str(path), fix="Write .tsv or .json")
    buffer = io.BytesIO()
    # Texts stay texts: what begins with = is no formula, what looks like an address no link.
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet()
    for number, row in enumerate([names, *rows]):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(number, column, cell.encode("utf-8", "replace").decode("utf-8"))
            elif cell is not None:
                sheet.write_number(number, column, cell)
    book.close()
    scratch = path.with_name(scratch_name(path.name))
    with writing(path):
        try:
            scratch.write_bytes(buffer.getvalue())
            scratch.replace(path)
        except BaseException:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            raise


def _suffix(path: Path, known: tuple[str, ...]) -> str:
    suffix = path.suffix.lower()
    if suffix not in known:
        raise InputError(f"a file name ending in {' or '.join(known)}", found=path.name, where=str(path))
    return suffix
