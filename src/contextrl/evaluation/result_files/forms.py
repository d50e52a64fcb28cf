"""What one row of a file of results says: which question, and the answer or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contextrl.data.raw_rows import describe
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Response
from contextrl.evaluation.result_files.tables import EXCEL_CELL, ResultRow

Form = Literal["contextrl", "lmms-eval", "vlmevalkit"]
#: Whose form it is, in words.
TITLES: Mapping[Form, str] = {"contextrl": "plain", "lmms-eval": "lmms-eval's", "vlmevalkit": "VLMEvalKit's"}
#: By form: the column that names the question, and those of which one holds the answer.
_COLUMNS: Mapping[Form, tuple[str, tuple[str, ...]]] = {
    "contextrl": ("id", ("response",)),
    "lmms-eval": ("doc_id", ("filtered_resps", "resps")),
    "vlmevalkit": ("index", ("prediction",)),
}
#: What VLMEvalKit writes where a model gave no answer: from its API classes, and (followed by the error) with SKIP_ERR.
FAILURE = "Failed to obtain answer via API."
_FAILURES = ("Failed to obtain answer via API", "Failed to obtain answer:")


@dataclass(frozen=True)
class Told:
    """What a row says.

    Attributes:
        key: of the question: an id, the position of its row, or an index.
        answer: the response, or why there is none.
        reference: the right answer as the file has it; empty where it has none.
        remark: what was noticed about the answer.
    """

    key: str
    answer: Response | str
    reference: str = ""
    remark: str = ""


def form_of(columns: Mapping[str, object], where: str) -> Form:
    """Whose form a row has, told by its columns.

    Raises:
        InputError: none, or more than one.
    """
    found = [
        form for form, (key, answers) in _COLUMNS.items() if key in columns and any(name in columns for name in answers)
    ]
    if len(found) == 1:
        return found[0]
    each = [f"{key} and {answers[0]} ({TITLES[form]})" for form, (key, answers) in _COLUMNS.items()]
    if found:
        others = ", ".join(f"{TITLES[form]} ({', '.join(_present(form, columns))})" for form in found)
        fix = "Leave only one pair of columns in it"
        raise InputError(f"columns {'; '.join(each)}: one pair", found=f"those of {others}", where=where, fix=fix)
    names = ", ".join(str(name)[:40] for name in list(columns)[:12])
    raise InputError(f"columns {'; '.join(each)}", found=names or "none", where=where)


def _present(form: Form, columns: Mapping[str, object]) -> list[str]:
    key, answers = _COLUMNS[form]
    return [name for name in (key, *answers) if name in columns]


def read_row(row: ResultRow, form: Form) -> Told:
    """What a row of a form says.

    Raises:
        InputError: its question or its answer is of no kind that the form has.
    """
    key = _key(row, _COLUMNS[form][0])
    if form == "contextrl":
        return Told(key, _plain_answer(row))
    if form == "lmms-eval":
        return _lmms_eval(row, key)
    return _vlmevalkit(row, key)


def _key(row: ResultRow, column: str) -> str:
    value = row.columns.get(column)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes integers beside missing ones floats
    text = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value).strip()
    if not text:
        raise InputError(f"a question's {column}", found=describe(value), where=row.where)
    return text


def _plain_answer(row: ResultRow) -> Response | str:
    value = row.columns.get("response")
    if value is None and not row.cells:
        error = row.columns.get("error")
        return f"no answer: {error}" if isinstance(error, str) and error else "no answer"
    return Response(_text(value, row, "response"), truncated=_flag(row))


def _flag(row: ResultRow) -> bool:
    """Whether an answer was cut off: column `truncated`, where there is one."""
    value = row.columns.get("truncated")
    if value is None or isinstance(value, bool):
        return bool(value)
    words = {"true": True, "false": False, "1": True, "0": False}
    if (told := words.get(str(value).strip().lower())) is None:
        raise InputError("true or false in column truncated", found=describe(value), where=row.where)
    return told


def _lmms_eval(row: ResultRow, key: str) -> Told:
    """lmms-eval's samples: a text since 0.7, lists around it before; `resps` only where a filter changed the answer."""
    columns = row.columns
    name = "filtered_resps" if "filtered_resps" in columns else "resps"
    value = _only_one(columns[name], row, name)
    raw = columns.get("resps")
    changed = raw is not None and name != "resps" and _inner(raw) != value
    answer = "no answer" if value is None else Response(_text(value, row, name))
    target = columns.get("target")
    remark = "changed by a filter of lmms-eval" if changed else ""
    return Told(key, answer, target if isinstance(target, str) else "", remark)


def _inner(value: object) -> object:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _only_one(value: object, row: ResultRow, column: str) -> object:
    """The answer within its lists.

    Raises:
        InputError: there are several.
    """
    value = _inner(value)
    if isinstance(value, list) and not value:
        return None
    if isinstance(value, list):
        answers = [_inner(each) for each in value]
        if any(answer != answers[0] for answer in answers):
            fix = "Run lmms-eval without repeats, or leave one in"
            raise InputError(f"one answer in {column}", found=str(len(answers)), where=row.where, fix=fix)
        return answers[0]
    return value


def _vlmevalkit(row: ResultRow, key: str) -> Told:
    value = row.columns.get("prediction")
    reference = row.columns.get("answer")
    told = str(reference).strip() if isinstance(reference, str | int | float) else ""
    if not row.cells and (value is None or (isinstance(value, float) and math.isnan(value))):
        return Told(key, "no prediction", told)
    text = _text(value, row, "prediction")
    if text.strip().startswith(_FAILURES):
        return Told(key, f"VLMEvalKit: {text.strip()[:200]}", told)
    if row.excel and len(text) >= EXCEL_CELL:
        return Told(key, Response(text, truncated=True), told, f"cut by Excel at {EXCEL_CELL:,} characters")
    if not text.strip() or text.strip() == "nan":
        return Told(key, Response(text), told, "empty or 'nan': pandas makes 'None' and 'N/A' that")
    return Told(key, Response(text), told)


def _text(value: object, row: ResultRow, column: str) -> str:
    if value is None and row.cells:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"an answer's text in {column}", found=describe(value), where=row.where)
    return str(value)
