"""`data.columns`, splits, revisions and rows that are held out, as a run reads them."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.commands.config import RunConfig, parse_config
from contextrl.commands.sources import evaluation_examples, run_examples, training_examples
from contextrl.data.holding_out import held_out
from contextrl.errors import InputError
from contextrl.records.example import Example

FOREIGN = {"query": "4 + 8?", "rationale": "4 + 8 = 12. Answer: 12", "gold": 12}
COLUMNS: dict[str, Any] = {"question": "query", "solution": "rationale", "answer": "gold", "images": None}


def rows(folder: Path, name: str, *lines: dict[str, Any]) -> str:
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(folder / name)


def config(**data: Any) -> RunConfig:
    return parse_config({"data": data, "judge": {"kind": "rules"}})


def test_a_run_reads_other_columns_for_both_sets(tmp_path: Path) -> None:
    plain = {"question": "1 + 1?", "images": [], "solution": "Answer: 2", "answer": "2"}
    train, dev = rows(tmp_path, "train.jsonl", FOREIGN), rows(tmp_path, "dev.jsonl", FOREIGN, plain)
    kept, out = run_examples(config(train=train, eval=dev, columns=COLUMNS, answer_type="auto"), vision=False)
    assert [(e.question, e.answer, e.answer_type) for e in kept] == [("4 + 8?", "12", "number")]
    assert [(e.question, e.answer, e.answer_type) for e in out] == [
        ("4 + 8?", "12", "number"),
        ("1 + 1?", "2", "number"),
    ]
    own = config(train=train, eval=dev, columns=COLUMNS, eval_columns={})
    with pytest.raises(InputError, match=r"dev\.jsonl, line 1: expected a field"):
        run_examples(own, vision=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"train": "x.jsonl", "columns": {"qestion": "query"}},
            "before the colon, found 'qestion', did you mean question?",
        ),
        ({"train": "x.jsonl", "columns": {"query": "question"}}, "found 'query'; write {question: query}"),
        ({"train": "x.jsonl", "columns": {"answer": None}}, "answer: expected one column, found None"),
        ({"train": "x.jsonl", "columns": {"question": ["a", "b"]}}, "question: expected one column"),
        ({"train": "miniature", "columns": {"question": "query"}}, "columns: expected rows of your own in train"),
        ({"train": "miniature", "holdout": 5}, "holdout: expected rows of your own in train"),
        ({"train": "x.jsonl", "eval": "y.jsonl", "holdout": 5}, "expected eval or holdout, found both"),
        ({"train": "x.jsonl", "holdout": 2.5}, "a whole number of rows or a share below 1, found 2.5"),
        ({"train": "x.jsonl", "holdout": 0}, "data.holdout"),
        ({"train": "x.jsonl", "answer_type": "numeric"}, "data.answer_type"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        config(**data)
    assert message in str(caught.value)


class FakeHub(types.ModuleType):
    """Stands in for datasets and records what is asked."""

    def __init__(self) -> None:
        super().__init__("datasets")
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def load_dataset(self, name: str, config: str | None, **options: Any) -> Any:
        self.asked.append((name, options))
        return self

    def with_format(self, form: str) -> FakeHub:
        return self

    def iter(self, batch_size: int) -> list[FakeHub]:
        return [self]

    def decode(self, wanted: bool) -> list[dict[str, Any]]:
        return self.to_pylist()

    def to_pylist(self) -> list[dict[str, Any]]:
        return [{**FOREIGN, "id": str(number)} for number in range(3)]


@pytest.mark.parametrize(
    ("data", "train", "evaluation"),
    [
        ({}, ("train", None), None),
        ({"split": "train_v2", "revision": "abc"}, ("train_v2", "abc"), None),
        ({"eval": "owner/name", "revision": "abc"}, ("train", "abc"), ("test", "abc")),
        ({"eval": "owner/name:other", "eval_split": "dev", "revision": "abc"}, ("train", "abc"), ("dev", "abc")),
        ({"eval": "other/name", "revision": "abc"}, ("train", "abc"), ("test", None)),
        ({"eval": "other/name", "eval_revision": "v2"}, ("train", None), ("test", "v2")),
        ({"eval": "owner/name", "revision": "abc", "eval_revision": "v2"}, ("train", "abc"), ("test", "v2")),
    ],
)
def test_splits_and_revisions_of_each_set(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: dict[str, Any],
    train: tuple[str, str | None],
    evaluation: tuple[str, str | None] | None,
) -> None:
    hub = FakeHub()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", hub)
    run_examples(config(train="owner/name", columns=COLUMNS, **data), vision=False)
    asked = [(options["split"], options.get("revision")) for _, options in hub.asked]
    assert asked == [train] + ([] if evaluation is None else [evaluation])


# ---- rows that are held out --------------------------------------------------------------------------------------


def examples(count: int) -> list[Example]:
    return [Example(f"r{n}", f"{n} + 0?", f"Answer: {n}", str(n), "number") for n in range(count)]


def ids(rows: list[Example]) -> list[str]:
    return [row.id for row in rows]


@pytest.mark.parametrize(("amount", "out"), [(1, 1), (7, 7), (0.1, 2), (0.5, 10), (0.01, 1), (19, 19)])
def test_as_many_rows_as_wanted_are_held_out(amount: float, out: int) -> None:
    kept, held = held_out(examples(20), amount, where="data.holdout")
    assert len(held) == out
    assert sorted(ids(kept) + ids(held)) == sorted(ids(examples(20)))
    assert ids(kept) == [name for name in ids(examples(20)) if name in ids(kept)]


def test_the_choice_depends_on_ids_alone_and_grows() -> None:
    rows = examples(50)
    few, many = (set(ids(held_out(rows, amount, where="")[1])) for amount in (5, 10))
    assert few < many
    assert set(ids(held_out(rows[::-1], 5, where="")[1])) == few
    assert set(ids(held_out(rows[:30], 5, where="")[1])) != set(ids(rows[:5]))


def test_no_picture_and_no_question_is_on_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    encoded = [Image.new("RGB", (4, 4), (n, 0, 0)) for n in range(10)]
    rows = [
        Example(f"p{n}", "?", "Answer: 1", "1", images=[encoded[n // 3], path] if n > 26 else [encoded[n // 3]])
        for n in range(30)
    ]
    rows += [Example(f"q{n}", "Same  question" if n % 2 else "Same question", "Answer: 1", "1") for n in range(6)]
    kept, held = held_out(rows, 9, where="data.holdout")
    assert len(held) == 9
    groups = [
        {row.id[0] + (str(int(row.id[1:]) // 3) if row.id[0] == "p" else "") for row in part} for part in (kept, held)
    ]
    assert not groups[0] & groups[1]


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(InputError, match=r"data\.holdout: expected fewer than the 5 rows that there are, found 5"):
        held_out(examples(5), 5, where="data.holdout")
    same = [Example(f"r{n}", "Same?", "Answer: 1", "1") for n in range(5)]
    with pytest.raises(InputError, match=r"1 rows whose pictures no other row shows"):
        held_out(same, 1, where="data.holdout")


def test_a_run_keeps_them_apart_and_eval_finds_them_again(tmp_path: Path) -> None:
    lines = [{"question": f"{n} + 0?", "images": [], "solution": f"Answer: {n}", "answer": str(n)} for n in range(20)]
    run = config(train=rows(tmp_path, "mine.jsonl", *lines), holdout=5)
    kept, out = run_examples(run, vision=False)
    assert (len(kept), len(out)) == (15, 5)
    assert list(training_examples(run, vision=False)) == list(kept)
    assert run.data.evaluated_on == f"{tmp_path}/mine.jsonl, held out"
    assert evaluation_examples(run.data.evaluated_on, 1000, run.data, vision=False) == out
    # Another file in its place is read whole.
    assert len(evaluation_examples(run.data.train, 1000, run.data, vision=False)) == 20
