"""`contextrl data build` as users run it: a recipe, a policy and a better model behind HTTP, a set that trains."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.made_rows import stored
from chat_models import Asked, ChatModel, chat_model

from contextrl.commands.cli import main
from contextrl.data.loading import load_examples
from contextrl.data.validation import validate_examples

RECIPE = """
sources:
  - {name: sums, path: sums.parquet, licence: mit}
filter: {pixels: [16, 100000]}
difficulty:
  policy: {base_url: POLICY, model: m, max_retries: 0, patience: 1}
  judge: {kind: rules}
references:
  model: {base_url: BETTER, model: m, max_retries: 0, patience: 1}
  judge: {kind: rules}
  choose: first
balance: {}
"""


def number_in(text: str) -> int:
    found = re.search(r"sum of (\d+) and 1", text)
    assert found is not None
    return int(found[1])


def policy_says(asked: Asked) -> str:
    """Right for one in `n % 5` seeds of four."""
    number = number_in(asked.text)
    return f"I guess.\nAnswer: {number + 1 if asked.seed % 4 < number % 5 else 999}"


def better_says(asked: Asked) -> str:
    number = number_in(asked.text)
    return f"The sum of {number} and 1 is {number + 1}.\nAnswer: {number + 1}"


@pytest.fixture
def policy() -> Iterator[ChatModel]:
    with chat_model(policy_says) as model:
        yield model


@pytest.fixture
def better() -> Iterator[ChatModel]:
    with chat_model(better_says) as model:
        yield model


@pytest.fixture
def recipe(tmp_path: Path, policy: ChatModel, better: ChatModel) -> Path:
    rows = [
        {"id": str(n), "question": f"What is the sum of {n} and 1?", "answer": str(n + 1), "images": [stored(n)]}
        for n in range(40)
    ]
    rows.append({**rows[3], "id": "again"})
    rows.append({**rows[5], "id": "told", "question": "What is the sum of 5 and 1? The answer is 6."})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "sums.parquet")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace("POLICY", policy.url).replace("BETTER", better.url), encoding="utf-8")
    return path


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["contextrl", "data", "build", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: run(monkeypatch, capsys, *map(str, arguments))


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


def test_from_questions_to_rows_that_train(recipe: Path, build: Any, tmp_path: Path) -> None:
    code, out, error = build(recipe, "--out", tmp_path / "set")
    assert code == 0, error
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text(encoding="utf-8"))
    steps = {step["name"]: step for step in manifest["steps"]}
    assert list(steps) == ["import", "filter", "duplicates", "difficulty", "references", "balance"]
    assert (steps["import"]["given"], steps["filter"]["given"], steps["duplicates"]["given"]) == (42, 41, 40)
    assert sum(steps["difficulty"]["dropped"].values()) >= 8, "all right: n % 5 = 4"
    right = manifest["counts"]["right"]
    assert len(set(right.values())) == 1, "classes by number right are of one size"
    assert "Steps" in out
    assert f"{manifest['rows']:,} rows" in out
    examples = load_examples(str(tmp_path / "set"))
    assert len(examples) == manifest["rows"]
    assert all(example.solution.endswith(f"Answer: {example.answer}") for example in examples)
    assert set(manifest["counts"]["reference"]) == {"sampled"}
    removed = [
        json.loads(line) for line in (tmp_path / "set" / "removed.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {line["id"]: line["step"] for line in removed if line["id"] in ("sums-again", "sums-told")} == {
        "sums-again": "duplicates",
        "sums-told": "filter",
    }


def test_the_same_recipe_gives_the_same_bytes_and_asks_nothing_twice(
    recipe: Path, build: Any, tmp_path: Path, policy: ChatModel, better: ChatModel
) -> None:
    assert build(recipe, "--out", tmp_path / "one")[0] == 0
    asked = len(policy.asked), len(better.asked)
    assert build(recipe, "--out", tmp_path / "one")[0] == 0
    assert (len(policy.asked), len(better.asked)) == asked
    assert build(recipe, "--out", tmp_path / "two")[0] == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert build(recipe, "--out", tmp_path / "two", "--set", "seed=1")[0] == 0
    assert files(tmp_path / "one") != files(tmp_path / "two")


def test_a_server_that_is_gone_costs_nothing_that_is_done(
    recipe: Path, build: Any, tmp_path: Path, policy: ChatModel
) -> None:
    gone = "http://127.0.0.1:9/v1"
    code, _, error = build(recipe, "--out", tmp_path / "set", "--set", f"references.model.base_url={gone}")
    assert code == 3, "before anything is read or asked"
    assert "references.model" in error
    assert policy.asked == []
    with chat_model(lambda asked: 500 if number_in(asked.text) > 10 else better_says(asked)) as failing:
        url = f"references.model.base_url={failing.url}"
        code, _, error = build(
            recipe, "--out", tmp_path / "set", "--set", url, "--set", "references.model.max_failures=2"
        )
        assert code == 3, error
        assert len(failing.asked) > 0
    asked = len(policy.asked)
    assert build(recipe, "--out", tmp_path / "set")[0] == 0
    assert len(policy.asked) == asked, "the policy has been tried"
    assert build(recipe, "--out", tmp_path / "straight")[0] == 0
    assert files(tmp_path / "set") == files(tmp_path / "straight")


def test_tasks_of_datatrove_make_the_same_set(recipe: Path, build: Any, tmp_path: Path) -> None:
    """The policy is tried by two tasks at once."""
    (tmp_path / "local.yaml").write_text("{kind: local, tasks: 2}\n", encoding="utf-8")
    rows = [
        {"question": f"What is the sum of {n} and 1?", "answer": str(n + 1), "solution": f"So. Answer: {n + 1}"}
        for n in range(20)
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    changes = [f"sources.0.path={tmp_path / 'own.jsonl'}", "filter=false", "duplicates=false", "references=false"]
    words = [word for change in changes for word in ("--set", change)]
    assert build(recipe, "--out", tmp_path / "alone", *words)[0] == 0
    code, out, error = build(recipe, "--out", tmp_path / "shared", *words, "--executor", tmp_path / "local.yaml")
    assert code == 0, error
    assert "rows and" in out
    assert files(tmp_path / "shared") == files(tmp_path / "alone")


def test_without_models_what_has_a_solution_is_kept(recipe: Path, build: Any, tmp_path: Path) -> None:
    rows = [{"question": f"Sum of {n} and 1?", "answer": "2", "solution": "1 + 1 = 2. Answer: 2"} for n in range(3)]
    rows.append({"question": "Sum of 9 and 1?", "answer": "10", "solution": ""})
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    changes = [f"sources.0.path={tmp_path / 'own.jsonl'}"]
    changes += [f"{name}=false" for name in ("duplicates", "difficulty", "references", "balance")]
    words = [word for change in changes for word in ("--set", change)]
    code, out, error = build(recipe, "--out", tmp_path / "set", *words, "--limit", "4", "--json")
    assert code == 0, error
    manifest = json.loads(out)
    assert manifest["rows"] == 3
    assert {step["name"]: step["dropped"] for step in manifest["steps"]}["solved"] == {"no reference solution": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sources.0.kind=mmk", "did you mean mmk12"),
        ("sorces=[]", "did you mean sources"),
        ("balance.groups=[{name: a, rows: 0}]", "rows"),
        ("difficulty.policy.base_url=nowhere", "http"),
        ("difficulty.judge.kind=setps", "did you mean steps"),
        ("references.trusted=[nowhere]", "references.trusted: expected names of sources, found nowhere"),
        ("references.prompts=nowhere", "no such folder"),
        ("difficulty.prompt=nowhere.txt", "difficulty.prompt"),
        ("sources.0.path=nowhere.parquet", "no such file"),
    ],
)
def test_mistakes_are_refused_before_anything_is_done(
    change: str, message: str, recipe: Path, build: Any, tmp_path: Path, policy: ChatModel
) -> None:
    code, _, error = build(recipe, "--out", tmp_path / "set", "--set", change)
    assert code == 2, error
    assert message in error
    assert "Traceback" not in error
    assert policy.asked == []
    assert not (tmp_path / "set").exists()


def test_a_recipe_that_is_none(build: Any, tmp_path: Path) -> None:
    assert build(tmp_path / "nowhere.yaml")[0] == 2
    (tmp_path / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    code, _, error = build(tmp_path / "rows.jsonl")
    assert code == 2
    assert "a file of rows" in error


@pytest.mark.parametrize("duplicates", ["{}", "false"])
def test_a_picture_that_is_cut_costs_its_rows_and_nothing_else(build: Any, tmp_path: Path, duplicates: str) -> None:
    """Its header says nothing of it; whichever step decodes it leaves out all rows that show it."""
    whole = stored(1)["bytes"]
    pictures = [whole, whole[:-20], whole[:-20], stored(2)["bytes"]]
    rows = [
        {"question": f"What is {n} and {n * 7}?", "answer": "5", "solution": "Answer: 5", "images": [{"bytes": data}]}
        for n, data in enumerate(pictures)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"sources: [{{path: rows.parquet}}]\nfilter: false\nduplicates: {duplicates}\n", encoding="utf-8")
    code, out, error = build(recipe, "--out", tmp_path / "set", "--json")
    assert code == 0, error
    manifest = json.loads(out)
    dropped = {step["name"]: step["dropped"] for step in manifest["steps"]}
    assert manifest["rows"] == 2
    step = "import" if duplicates == "false" else "duplicates"
    assert dropped[step] == {"a picture that cannot be read": 2}
    assert len(load_examples(str(tmp_path / "set"))) == 2
    validate_examples(load_examples(str(tmp_path / "set")), vision=True, where="set")


def test_no_solution_that_a_run_would_refuse_gets_into_a_set(build: Any, tmp_path: Path) -> None:
    """Also where no filter has looked at it."""
    rows = [
        {"question": "What is 2 + 3?", "answer": "5", "solution": "Two and three. Answer: 5"},
        {"question": "What is 2 + 4?", "answer": "6", "solution": "Two and four. Answer: 7"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("sources: [{path: rows.jsonl}]\nfilter: false\n", encoding="utf-8")
    code, out, error = build(recipe, "--out", tmp_path / "set", "--json")
    assert code == 0, error
    manifest = json.loads(out)
    assert {step["name"]: sum(step["dropped"].values()) for step in manifest["steps"]}["solved"] == 1
    validate_examples(load_examples(str(tmp_path / "set")), vision=True, where="set")
