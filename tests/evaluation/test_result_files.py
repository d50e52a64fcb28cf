"""Answers of other harnesses come in whole, with what does not match told, and go out as those harnesses read them."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, failed
from contextrl.evaluation.result_files.exporting import (
    VLMEVALKIT_NAMES,
    Exported,
    export_lmms_eval,
    export_plain,
    export_vlmevalkit,
)
from contextrl.evaluation.result_files.importing import ImportedAnswers, ItemKeys, import_answers

#: Three questions in rows 0, 1 and 3; row 2 is not scored.
KEYS = ItemKeys(
    ids=["q-a", "q-b", "q-c"],
    by_position=["q-a", "q-b", None, "q-c"],
    by_index={"10": "q-a", "11": "q-b", "VD_video_1": "q-c"},
)


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = "\t") -> Path:
    """As pandas writes it, every cell in quotes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def workbook(path: Path, rows: Sequence[Sequence[Any]], *, formulas: bool = False) -> Path:
    """As VLMEvalKit writes it."""
    book = xlsxwriter.Workbook(path, {"strings_to_formulas": formulas})
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    return path


def texts(found: ImportedAnswers) -> dict[str, str]:
    return {identity: response.text for identity, response in found.responses.items()}


HOSTILE = 'None\n=1+1\tN/A, "B" <b>[red]答案\\frac{1}{2}\r\n\'😀'


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "0.7",
            [{"doc_id": 0, "target": "A", "filtered_resps": "A", "score": 1.0}, {"doc_id": 3, "filtered_resps": "C"}],
        ),
        (
            "before 0.7",
            [{"doc_id": 0, "filtered_resps": ["A"], "resps": [["A"]]}, {"doc_id": 3, "filtered_resps": ["C"]}],
        ),
        ("only resps", [{"doc_id": 0, "resps": [["A"]]}, {"doc_id": 3, "resps": "C"}]),
        (
            "equal repeats",
            [{"doc_id": 0, "filtered_resps": ["A", "A"]}, {"doc_id": "3", "filtered_resps": [["C"], ["C"]]}],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lmms_eval_samples_are_matched_by_the_position_of_their_row(
    tmp_path: Path, name: str, rows: list[dict[str, Any]]
) -> None:
    found = import_answers(lines(tmp_path / "x_samples_t.jsonl", *rows), KEYS)
    assert (found.form, texts(found), found.missing) == ("lmms-eval", {"q-a": "A", "q-c": "C"}, ["q-b"])


def test_what_a_filter_of_lmms_eval_changed_is_told(tmp_path: Path) -> None:
    rows = [
        {"doc_id": 0, "filtered_resps": "B", "resps": "<think>A?</think>B"},
        {"doc_id": 1, "filtered_resps": ["B"], "resps": [["B"]]},
    ]
    found = import_answers(lines(tmp_path / "a.jsonl", *rows), KEYS)
    assert texts(found) == {"q-a": "B", "q-b": "B"}
    assert found.noticed == {"changed by a filter of lmms-eval": 1}


def test_several_different_answers_to_one_question_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one answer in filtered_resps, found 2.*without repeats"):
        import_answers(lines(tmp_path / "a.jsonl", {"doc_id": 0, "filtered_resps": ["A", "B"]}), KEYS)


@pytest.mark.parametrize("kind", ["tsv", "csv", "json", "xlsx", "tsv without a name"])
def test_vlmevalkit_tables_are_read_as_text(tmp_path: Path, kind: str) -> None:
    """pandas would read None, N/A and nothing as missing; formulas in answers are text."""
    answers = {"10": HOSTILE, "11": "N/A", "VD_video_1": "=SUM(A1)"}
    rows = [{"index": index, "question": "?", "answer": "A", "prediction": text} for index, text in answers.items()]
    if kind == "json":
        path = tmp_path / "m_MMStar.json"
        path.write_text(json.dumps(rows, indent=4), encoding="utf-8")
    elif kind == "xlsx":
        cells = [list(rows[0]), *([*row.values()] for row in rows)]
        path = workbook(tmp_path / "m_MMStar.xlsx", [[int(c) if str(c).isdigit() else c for c in row] for row in cells])
    elif kind == "csv":
        path = table(tmp_path / "m_MMStar.csv", rows, ",")
    else:
        path = table(tmp_path / ("m_MMStar.tsv" if kind == "tsv" else "answers"), rows)
    found = import_answers(path, KEYS)
    assert (found.form, found.missing, found.strangers) == ("vlmevalkit", [], [])
    assert texts(found) == {"q-a": HOSTILE, "q-b": "N/A", "q-c": "=SUM(A1)"}


def test_a_failed_request_of_vlmevalkit_is_no_answer(tmp_path: Path) -> None:
    rows = [
        {"index": 10, "prediction": "Failed to obtain answer via API."},
        {"index": 11, "prediction": "Failed to obtain answer: <class 'RuntimeError'> out of memory"},
        {"index": "VD_video_1", "prediction": "I failed to obtain answer via API documentation, so B"},
    ]
    found = import_answers(table(tmp_path / "a.tsv", rows), KEYS)
    assert texts(found) == {"q-c": "I failed to obtain answer via API documentation, so B"}
    assert sorted(found.failed) == ["q-a", "q-b"]
    assert "2 without an answer" in "\n".join(found.remarks())
    assert found.missing == [], "their rows are there"


def test_answers_that_excel_cut_are_cut_answers(tmp_path: Path) -> None:
    rows = [["index", "prediction"], [10, "x" * 32_767], [11, "x" * 32_766]]
    found = import_answers(workbook(tmp_path / "a.xlsx", rows), KEYS)
    assert found.responses["q-a"].truncated
    assert not found.responses["q-b"].truncated
    assert found.noticed == {"cut by Excel at 32,767 characters": 1}
    same_in_text = table(tmp_path / "a.tsv", [{"index": 10, "prediction": "x" * 32_767}])
    assert not import_answers(same_in_text, KEYS).responses["q-a"].truncated


def test_of_a_formula_its_stored_value_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["index", "prediction"])
    sheet.write(1, 0, 10)
    sheet.write_formula(1, 1, '=WEBSERVICE("http://localhost/")', None, "stored")
    book.close()
    assert texts(import_answers(path, KEYS)) == {"q-a": "stored"}


def test_cells_that_a_person_typed_are_text(tmp_path: Path) -> None:
    rows = [["index", "prediction", "note"], [10.0, 42, ""], [11, 3.5, ""], ["", "", ""], ["VD_video_1", "", "x"]]
    found = import_answers(workbook(tmp_path / "a.xlsx", rows), KEYS)
    assert texts(found) == {"q-a": "42", "q-b": "3.5", "q-c": ""}
    assert sum(found.noticed.values()) == 1, "an empty answer is told"


def test_a_missing_prediction_in_json_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '[{"index": 10, "prediction": NaN}, {"index": 11, "prediction": null}, {"index": 10.5, "prediction": "A"}]'
    )
    found = import_answers(path, KEYS)
    assert (sorted(found.failed), found.responses) == (["q-a", "q-b"], {})
    assert len(found.unreadable) == 1, "10.5 is no index"


@pytest.mark.parametrize("kind", ["jsonl", "csv", "semicolons", "json list", "unnamed", "utf-16"])
def test_plain_files_of_answers(tmp_path: Path, kind: str) -> None:
    rows = [{"id": "q-a", "response": HOSTILE}, {"id": "q-b", "response": "B"}]
    path = (
        tmp_path / f"answers{'.csv' if kind in ('csv', 'semicolons') else '.json' if kind == 'json list' else '.jsonl'}"
    )
    if kind == "json list":
        path.write_text(json.dumps(rows))
    elif kind in ("csv", "semicolons"):
        table(path, rows, "," if kind == "csv" else ";")
    elif kind == "utf-16":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-16")
    else:
        path = lines(path if kind == "jsonl" else tmp_path / "answers", *rows)
    found = import_answers(path, KEYS)
    assert (found.form, texts(found), found.missing) == ("contextrl", {"q-a": HOSTILE, "q-b": "B"}, ["q-c"])


@pytest.mark.parametrize(
    "content",
    [
        {"q-a": {"response": "A"}, "q-b": {"response": "B"}},
        {"rows": [{"id": "q-a", "response": "A"}, {"id": "q-b", "response": "B"}]},
    ],
    ids=["by id", "a list within"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_rows_within_one_object(tmp_path: Path, content: dict[str, Any], indent: int | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content, indent=indent))
    assert texts(import_answers(path, KEYS)) == {"q-a": "A", "q-b": "B"}


def test_whether_an_answer_was_cut_off_may_be_told(tmp_path: Path) -> None:
    rows = [{"id": "q-a", "response": "x", "truncated": True}, {"id": "q-b", "response": "x"}]
    assert [r.truncated for r in import_answers(lines(tmp_path / "a.jsonl", *rows), KEYS).responses.values()] == [1, 0]
    cells = [{"id": "q-a", "response": "x", "truncated": "TRUE"}, {"id": "q-b", "response": "x", "truncated": ""}]
    found = import_answers(table(tmp_path / "a.csv", cells, ","), KEYS)
    assert [r.truncated for r in found.responses.values()] == [True, False]


def test_a_null_response_is_no_answer(tmp_path: Path) -> None:
    rows = [{"id": "q-a", "response": None, "error": "timeout"}, {"id": "q-b", "response": ""}]
    found = import_answers(lines(tmp_path / "a.jsonl", *rows), KEYS)
    assert found.failed == {"q-a": "no answer: timeout"}
    assert texts(found) == {"q-b": ""}


def test_what_does_not_match_is_counted_and_told(tmp_path: Path) -> None:
    rows = [
        {"doc_id": 0, "filtered_resps": "A"},
        {"doc_id": 2, "filtered_resps": "a row that is not scored"},
        {"doc_id": 4, "filtered_resps": "no such row"},
        {"doc_id": -1, "filtered_resps": "no such row"},
        {"doc_id": 1, "filtered_resps": {"no": "text"}},
    ]
    found = import_answers(lines(tmp_path / "a.jsonl", *rows), KEYS)
    told = "\n".join(found.remarks())
    assert texts(found) == {"q-a": "A"}
    assert (len(found.strangers), found.unasked, len(found.unreadable)) == (2, 1, 1)
    assert found.missing == ["q-b", "q-c"]
    for part in (
        "2 questions have no row: q-b, q-c",
        "2 rows match no question: line 3 (4)",
        "1 rows could not be read",
    ):
        assert part in told


def test_a_limit_leaves_rows_of_other_questions_aside(tmp_path: Path) -> None:
    rows = [{"index": 10, "prediction": "A"}, {"index": 11, "prediction": "B"}]
    keys = ItemKeys(["q-b"], KEYS.by_position, KEYS.by_index)
    found = import_answers(lines(tmp_path / "a.jsonl", *rows), keys)
    assert (texts(found), found.unasked, found.strangers, found.missing) == ({"q-b": "B"}, 1, [], [])


def test_a_damaged_line_stops_no_other(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"id": "q-a", "response": "A"}, {"id": "q-b", "response": "B"})
    path.write_text(path.read_text() + '{"id": "q-c", "respo')
    found = import_answers(path, KEYS)
    assert (texts(found), found.missing) == ({"q-a": "A", "q-b": "B"}, ["q-c"])
    assert "line 3" in found.unreadable[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "q-a", "response": "x", "doc_id": 0, "filtered_resps": "A"}], "one pair, found those of plain"),
        ([{"index": 10, "prediction": "x", "id": "q-b", "response": "y"}], "one pair"),
        ([{"question": "q-a", "answer": "A"}], "found question, answer"),
        (
            [{"id": "q-a", "response": "x"}, {"id": "q-a", "response": "x"}],
            "one row a question, found 'q-a', already in line 1",
        ),
        ([{"index": 10, "prediction": "x"}, {"index": "10", "prediction": "y"}], "one row a question"),
        ([{"id": "z", "response": "x"}], "results of this benchmark, found no row of its: line 1"),
        ([{"index": 99, "prediction": "x"}], "results of this benchmark"),
        ([{"id": True, "response": "x"}], "a question's id"),
        ([{"id": "9" * 5000, "response": "x"}], "results of this benchmark"),
        ([{"results": {"mmstar": {"acc": 1}}, "date": "today"}], "found results, date"),
    ],
)
def test_what_is_refused(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_answers(lines(tmp_path / "a.jsonl", *rows), KEYS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\x80\x04\x95\x00", "a pickle, which runs code"),
        (b"PK\x03\x04nothing", "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "UTF-8 text"),
        (b"just some words\nand more", "columns id and response"),
        (b"[1, 2]", "a JSON object"),
        (b'{"a": 1}', "columns id and response"),
        (b"id,response,id\n1,2,3", "twice"),
    ],
)
def test_files_that_hold_no_results(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m_MMStar.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_answers(path, KEYS)
    with pytest.raises(InputError, match=r"no such file|a folder"):
        import_answers(tmp_path, KEYS)


def test_a_zip_that_is_no_workbook(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as packed:
        packed.writestr("a.txt", "x")
    with pytest.raises(InputError, match="an Excel workbook"):
        import_answers(tmp_path / "a.xlsx", KEYS)


def in_order(count: int, shift: int = 0, wrong: int = 0) -> tuple[list[dict[str, Any]], ItemKeys]:
    """Rows whose targets are A, B, C, D in turn, `shift` rows off, some of them of other letters."""
    references = {f"q{n}": "ABCD"[n % 4] for n in range(count)}
    rows = [{"doc_id": n, "target": "ABCD"[(n + shift + (n < wrong)) % 4], "filtered_resps": "A"} for n in range(count)]
    return rows, ItemKeys(list(references), list(references), references=references)


def test_rows_in_another_order_are_refused(tmp_path: Path) -> None:
    """lmms-eval's doc_id is a position: of another version of the data it is another question's."""
    rows, keys = in_order(40, shift=1)
    with pytest.raises(InputError, match="rows in their order, found 40 of 40 right answers"):
        import_answers(lines(tmp_path / "a.jsonl", *rows), keys)
    for rows, keys in (in_order(40), in_order(40, wrong=4), in_order(9, shift=1)):
        assert len(import_answers(lines(tmp_path / "a.jsonl", *rows), keys).responses) == len(rows)
    otherwise = [{**row, "target": f"({row['target']})"} for row in in_order(40, shift=1)[0]]
    assert import_answers(lines(tmp_path / "a.jsonl", *otherwise), in_order(40)[1]).strangers == []


def exported() -> list[Exported]:
    def item(name: str) -> Item:
        columns = {"question": HOSTILE, "answer": "A", "choices": ["x", "y"], "index": "old", "level": 2}
        return Item(name, {**columns, "unit": None, "precision": float("nan"), "hard": True})

    return [
        Exported(item("q-a"), Response(HOSTILE), Mark(1.0, "A"), 0, "10", "A"),
        Exported(item("q-b"), Response(""), Mark(0.0, None, "unresolved"), 1, "11", "B"),
        Exported(item("q-c"), "timeout", failed("no answer"), 3, "VD_video_1", "C"),
    ]


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.csv", "s_samples_t.jsonl", "m_MMStar.tsv", "m_MMStar.json", "m_MMStar.xlsx"]
)
def test_what_goes_out_comes_in_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if "samples" in name:
        export_lmms_eval(path, exported())
    elif "MMStar" in name:
        export_vlmevalkit(path, exported(), "mmstar")
    else:
        export_plain(path, exported())
    found = import_answers(path, KEYS)
    assert texts(found) == {"q-a": HOSTILE, "q-b": ""}
    left_out = "samples" in name or name == "a.csv"
    assert (list(found.failed), found.missing) == (([], ["q-c"]) if left_out else (["q-c"], []))
    assert sorted(file.name for file in tmp_path.iterdir()) == [name], "nothing is left beside it"


def test_vlmevalkit_gets_its_columns(tmp_path: Path) -> None:
    for benchmark, score in (
        ("mmstar", "hit"),
        ("mathverse", "score"),
        ("dynamath", "correct"),
        ("charxiv-rq", "score"),
    ):
        export_vlmevalkit(tmp_path / "a.json", exported(), benchmark)
        rows = json.loads((tmp_path / "a.json").read_text())
        assert [row[score] for row in rows] == [1, 0, None]
        assert [row["index"] for row in rows] == [10, 11, "VD_video_1"]
        assert rows[0]["choices"] == '["x", "y"]'
        assert rows[2]["prediction"] == "Failed to obtain answer via API."
    bare = [Exported(row.item, row.answer) for row in exported()]
    export_vlmevalkit(tmp_path / "a.tsv", bare, "mmstar")
    header = (tmp_path / "a.tsv").read_text(encoding="utf-8").partition("\n")[0]
    assert header == '"index"\t"question"\t"answer"\t"choices"\t"level"\t"unit"\t"precision"\t"hard"\t"prediction"'
    assert len(set(VLMEVALKIT_NAMES.values())) == 11


def test_lmms_eval_gets_its_fields(tmp_path: Path) -> None:
    export_lmms_eval(tmp_path / "a.jsonl", exported())
    first, second = map(json.loads, (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines())
    assert first == {"doc_id": 0, "target": "A", "filtered_resps": HOSTILE, "score": 1.0}
    assert second["score"] == 0.0
    with pytest.raises(InputError, match="position"):
        export_lmms_eval(tmp_path / "b.jsonl", [Exported(Item("q", {}), Response("x"))])


def test_what_excel_would_cut_is_refused_there(tmp_path: Path) -> None:
    row = [Exported(Item("q-a", {}), Response("x" * 32_768))]
    with pytest.raises(InputError, match=r"at most 32,767 characters.*Write .tsv or .json"):
        export_vlmevalkit(tmp_path / "a.xlsx", row, "mmstar")
    assert list(tmp_path.iterdir()) == []
    export_vlmevalkit(tmp_path / "a.tsv", row, "mmstar")
    with pytest.raises(InputError, match="ending in"):
        export_plain(tmp_path / "a.parquet", row)
