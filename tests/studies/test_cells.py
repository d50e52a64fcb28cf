"""Cells are kept, never mixed up, and never computed twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contextrl.errors import InputError
from contextrl.studies.cells import Cell, CellStore, Items, outcome, settings_hash

CELL = Cell("grpo", 0, "abc", 80, 61.24, {"sampled": 10}, {"rho_r": 0.5}, {"recovered": 3}, 0.25, {"test": "RFWU"})


def record(id: str, source: str = "digits/sum/known", **verdict: object) -> dict[str, object]:
    return {"id": id, "source": source, "status": "correct", "answer_correct": True, "process_correct": True, **verdict}


@pytest.mark.parametrize(
    ("verdict", "letter"),
    [
        ({}, "R"),
        ({"status": "incorrect", "process_correct": False}, "F"),
        ({"status": "incorrect", "answer_correct": False, "process_correct": True}, "W"),
        ({"status": "incorrect", "answer_correct": None}, "W"),
        ({"status": "incorrect", "process_correct": None}, "F"),
        ({"status": "unscored", "answer_correct": None, "process_correct": None}, "U"),
    ],
)
def test_outcomes(verdict: dict[str, object], letter: str) -> None:
    assert outcome(record("a", **verdict)) == letter


def test_a_cell_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    assert store.read("grpo", 0) is None
    store.write(CELL)
    assert store.read("grpo", 0) == CELL
    assert store.read("grpo", 0, "abc") == CELL
    assert store.seeds("grpo", range(3)) == [CELL]


def test_a_cell_of_other_settings_or_of_another_version_is_made_again(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(CELL)
    assert store.read("grpo", 0, "other") is None
    path = tmp_path / "cells" / "grpo" / "seed-0.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 0}))
    assert store.read("grpo", 0) is None


@pytest.mark.parametrize("text", ["{", "[]", "\udc80", '{"version": 1}', '{"version": 1, "arm": "grpo", "more": 1}'])
def test_a_file_that_is_no_cell_is_named(tmp_path: Path, text: str) -> None:
    store = CellStore(tmp_path)
    store.write(CELL)
    path = tmp_path / "cells" / "grpo" / "seed-0.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=r"seed-0\.json"):
        store.read("grpo", 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"outcomes": None},
        {"outcomes": {"test": 5}},
        {"outcomes": {"test": "RFW?"}},
        {"outcomes": {"set": "RFW"}},
        {"tokens": None},
        {"tokens": {"sampled": "many"}},
        {"entropy": "x"},
        {"entropy": float("nan")},
        {"measures": {"processor": float("inf")}},
        {"measures": []},
        {"seed": "0"},
        {"steps": 1.5},
    ],
    ids=str,
)
def test_a_cell_with_another_value_than_it_should_have_is_named(tmp_path: Path, changed: dict[str, object]) -> None:
    store = CellStore(tmp_path)
    store.write(CELL)
    store.keep_items("set", [record("a"), record("b")])
    path = tmp_path / "cells" / "grpo" / "seed-0.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(InputError, match=r"seed-0\.json: expected .* Remove it"):
        store.read("grpo", 0)


def test_a_cell_that_was_copied_counts_as_no_other_run(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.write(CELL)
    for arm, seed in (("grpo", 1), ("dapo", 0)):
        path = tmp_path / "cells" / arm / f"seed-{seed}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text((tmp_path / "cells" / "grpo" / "seed-0.json").read_text())
        with pytest.raises(InputError, match=rf"the cell of {arm}, seed {seed}, found that of grpo, seed 0"):
            store.read(arm, seed)


@pytest.mark.parametrize("text", ["{", "[]", '{"ids": ["a"]}', '{"ids": ["a"], "sources": []}', '{"ids": 3}'])
def test_items_that_are_none_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "items" / "set-dev.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError, match=r"set-dev\.json"):
        CellStore(tmp_path).items("set:dev")


def test_items_are_kept_once_and_cells_over_others_refused(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    rows = [record("a"), record("b", "digits/sum/shaky", status="unscored")]
    assert store.keep_items("set:dev", rows) == "RU"
    assert store.keep_items("set:dev", rows) == "RU"
    assert store.items("set:dev") == Items(("a", "b"), ("digits/sum/known", "digits/sum/shaky"))
    with pytest.raises(InputError, match="2 items of earlier cells"):
        store.keep_items("set:dev", rows[:1])


def test_places_of_a_class() -> None:
    items = Items(("a", "b", "c"), ("digits/sum/known", "digits/read/shaky", "plain"))
    assert [items.of_class(name) for name in ("known", "shaky", "plain")] == [[0], [1], []]


def test_the_hash_is_of_the_settings_not_of_their_order() -> None:
    assert settings_hash({"a": 1, "b": [1, 2]}) == settings_hash({"b": [1, 2], "a": 1})
    assert settings_hash({"a": 1}) != settings_hash({"a": 2})
    assert replace(CELL, seed=1) != CELL
