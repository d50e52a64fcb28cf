"""Large JSON lists are read an item at a time, and say what small ones say."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from contextrl.data import json_lists
from contextrl.data.json_lists import is_large_list, list_items
from contextrl.data.json_rows import json_rows
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError

TEXT = 'x, ] } [ \\ " é\u2028'
ITEMS: list[Any] = [{"a": 1, "b": TEXT}, {"a": [1, {"c": []}]}, {}, 12345, "text", None, [[]], -1.5e10, -1.25, 1e-7]


@pytest.fixture(params=[1, 2, 3, 7, 2**20])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(json_lists, "_PIECE", size)
    return size


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("items", [ITEMS, ITEMS[::-1], [], [7]])
def test_items_are_those_of_the_whole_wherever_pieces_end(tmp_path: Path, items: list[Any], indent: int | None) -> None:
    path = tmp_path / "a.json"
    path.write_text("\ufeff \n" + json.dumps(items, indent=indent, ensure_ascii=False) + " \n", encoding="utf-8")
    assert list(list_items(path, "a.json")) == items


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize(
    ("text", "rows", "found"),
    [
        ('[{"a": 1}, {"a": 2}', 2, "expected , or ] after it, after 2 rows"),
        ('[{"a": 1}, {"a": 2', 1, "after 1 rows"),
        ('[{"a": 1} {"a": 2}]', 1, "expected , or ] after it, after 1 rows"),
        ('[{"a": 1},]', 1, "Expecting value, after 1 rows"),
        ("[1] 2", 1, "text after the list"),
        ("[1, nope]", 1, "Expecting value, after 1 rows"),
        ("[" * 200 + "]" * 200, 0, "nesting beyond any row's"),
    ],
)
def test_what_is_no_list_is_told_after_what_comes_before(tmp_path: Path, text: str, rows: int, found: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    items = list_items(path, "a.json")
    assert len([next(items) for _ in range(rows)]) == rows
    with pytest.raises(InputError) as caught:
        next(items)
    assert found in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"a": "caf\xe9"}]')
    with pytest.raises(InputError, match="byte 0xe9"):
        list(list_items(path, "a.json"))


def test_rows_of_a_large_list_are_those_of_a_small_one_in_flat_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.json"

    def rows(count: int) -> tuple[list[str], int]:
        path.write_text(json.dumps([{"id": str(n), "text": "x" * 1000} for n in range(count - 1)] + ["no row"]))
        tracemalloc.start()
        kinds = [type(row).__name__ + row.where for row in json_rows(path, "rows.json", "train")]
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return kinds, most

    small, _ = rows(20)
    assert not is_large_list(path)
    monkeypatch.setattr(json_lists, "LARGE", 1000)
    monkeypatch.setattr(json_lists, "_PIECE", 2**16)
    large, _ = rows(20)
    assert is_large_list(path)
    assert large == small
    assert small[0] == f"{RawRow.__name__}rows.json, row 1"
    assert small[-1] == f"{InputError.__name__}rows.json, row 20"
    assert rows(20_000)[1] < 20_000 * 1000 / 4
