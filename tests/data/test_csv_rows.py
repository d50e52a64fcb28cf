"""Tables of text: what is wrong in one row costs that row alone, and memory does not hold the file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from contextrl.data.csv_rows import csv_rows
from contextrl.data.raw_rows import RawRow
from contextrl.data.rows import documents_of
from contextrl.errors import InputError


def read(folder: Path, lines: list[str]) -> tuple[dict[str, object], list[str]]:
    """Second cells by the row's place, and the places of what is wrong."""
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = list(csv_rows(path, "rows.csv"))
    good = {row.where.removeprefix("rows.csv, line "): row.columns["b"] for row in rows if isinstance(row, RawRow)}
    return good, [row.where.removeprefix("rows.csv, line ") for row in rows if isinstance(row, InputError)]


HEAD, AFTER = ["a,b", "1,one"], ["4,four", "5,five", "6,six"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param('3,"three', id="never-closed"),
        pytest.param('3,"three"s', id="closed-too-early"),
        pytest.param('"3,three', id="closed-nowhere"),
    ],
)
def test_a_wrong_quote_costs_its_own_line(tmp_path: Path, wrong: str) -> None:
    good, bad = read(tmp_path, [*HEAD, wrong, *AFTER])
    assert bad == ["3"]
    assert good == {"2": "one", "4": "four", "5": "five", "6": "six"}


def test_two_open_quotes_cost_two_lines(tmp_path: Path) -> None:
    good, bad = read(tmp_path, [*HEAD, '3,"three', "4,four", '5,"fi"ve', "6,six", '7,"seven', "8,eight"])
    assert bad == ["3", "5", "7"]
    assert list(good) == ["2", "4", "6", "8"]


def test_cells_of_several_lines_are_one_row_and_lines_are_those_of_the_file(tmp_path: Path) -> None:
    good, bad = read(tmp_path, ["a,b", '1,"one\nand ""two"""', "", "2,x,y", "3,three"])
    assert bad == ["5"]
    assert good == {"2": 'one\nand "two"', "6": "three"}


def test_a_head_with_an_open_quote_names_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, ['a,"b', "1,one"]) == ({}, ["1"])


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"

    def peak(rows: int) -> int:
        path.write_text("a,b\n" + "".join(f"{n},{'x' * 500}\n" for n in range(rows)), encoding="utf-8")
        tracemalloc.start()
        assert sum(1 for _ in csv_rows(path, "rows.csv")) == rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(8_000) < 1.5 * peak(1_000) < 2**20


@pytest.mark.parametrize(
    ("cell", "documents"),
    [
        ('["A 7 has a bar.", " A 1 has none. "]', ("A 7 has a bar.", "A 1 has none.")),
        ("[1] Smith, On digits", ("[1] Smith, On digits",)),
        ("Plain.", ("Plain.",)),
    ],
)
def test_a_cell_may_hold_a_list_of_documents(cell: str, documents: tuple[str, ...]) -> None:
    assert documents_of(RawRow("here", "id", None, {"documents": cell}, cells=True)) == documents
    assert documents_of(RawRow("here", "id", None, {"documents": cell})) == (cell,), "of JSON rows a text is a text"
