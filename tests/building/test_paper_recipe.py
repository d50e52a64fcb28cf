"""The paper's recipe: its sources are ones that there are, pinned, and imported from rows of their schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from benchmarks.made_rows import png, stored

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.finish_settings import BalanceSettings
from contextrl.building.import_settings import SourceSettings
from contextrl.building.importing import Import
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline
from contextrl.building.sources.registry import source_of
from contextrl.commands.data_build import load_recipe
from contextrl.commands.shipped_configs import shipped_config, shipped_files, what_it_is
from contextrl.errors import ServiceError
from contextrl.settings import validated

RECIPE = shipped_config("data/paper")
#: What an assistant of FineVision says, by configuration: choices, bare answers, worked solutions.
SAID = {
    "arxivqa": "B",
    "ai2d_merged": "Answer: C",
    "geoqa+(mathv360k)": "The answer is A",
    "unigeo(mathv360k)": "12",
    "geo170k(qa)": "As AB is 5 and BC is 7, AC is 12.\nAnswer: B",
    "geomverse": "The sides are 3 and 4. Therefore the final answer is 5.",
}


def raw() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    return loaded


def sources() -> list[SourceSettings]:
    return [validated(SourceSettings, one, where="sources") for one in raw()["sources"]]


def made_row(settings: SourceSettings, number: int) -> dict[str, Any]:
    """A row as the set has it."""
    question = f"<image>What is x in figure {number} of {settings.unit}?"
    if settings.kind == "finevision":
        ratings = {f"{name}_ratings": [4] for name in ("relevance", "visual_dependency", "formatting")}
        turn = {"user": question, "assistant": SAID[settings.config]}
        return {"images": [stored(number)], "texts": [turn], "source": settings.config, **ratings}
    if settings.kind == "mmk12":
        return {"id": f"k{number}", "question": question, "answer": "$\\frac{1}{2}$", "subject": "math"} | {
            "image": stored(number)
        }
    if settings.kind == "thinklite":
        return {"id": str(number), "image": png(number), "problem": question, "answer": "7"}
    assert settings.kind == "geometry3k"
    return {"images": [stored(number)], "problem": question, "answer": "23 \\sqrt { 2 }"}


def copies(folder: Path, rows: int) -> Path:
    """Copies of all sources as `hf download` leaves them."""
    for settings in sources():
        source = source_of(settings)
        inner = folder / source.hub / (source.config or "data")
        inner.mkdir(parents=True)
        made = [made_row(settings, number) for number in range(rows)]
        pq.write_table(pa.Table.from_pylist(made), inner / "train-00000-of-00001.parquet")
    return folder


def test_it_is_shipped_and_is_no_run() -> None:
    assert shipped_files()["data/paper.yaml"] == RECIPE
    assert "250K candidates" in what_it_is(RECIPE)


def test_sources_are_pinned_and_divided_among_the_groups() -> None:
    units = [one.unit for one in sources()]
    assert len(set(units)) == len(units) == 9
    assert all(len(source_of(one).revision or "") == 40 for one in sources())
    balance = validated(BalanceSettings, raw()["balance"], where="balance")
    assert sorted(name for group in balance.groups for name in group.sources) == sorted(units)
    assert [(group.name, group.rows) for group in balance.groups] == [("VQA", 16_000), ("math", 14_000)]
    tasks = {one.unit: one.task for one in sources()}
    for group, task in zip(balance.groups, ("perception", "reasoning"), strict=True):
        assert {tasks[name] for name in group.sources} == {task}


def test_steps_are_the_paper_s() -> None:
    recipe = load_recipe(RECIPE)
    assert recipe.filter is not None
    assert recipe.duplicates is not None
    assert recipe.difficulty is not None
    assert recipe.references is not None
    assert (recipe.difficulty.attempts, recipe.difficulty.drop) == (4, None)
    assert recipe.difficulty.policy.model == "Qwen/Qwen3-VL-8B-Instruct"
    for judge in (recipe.difficulty.judge, recipe.references.judge):
        assert (judge.kind, judge.model, judge.context) == ("llm", "Qwen/Qwen3-VL-32B-Instruct", "answer")
    assert recipe.references.model.model == "Qwen/Qwen3-VL-32B-Instruct"
    assert recipe.references.trusted == "none"
    assert recipe.balance is not None
    assert recipe.balance.by == recipe.balance.exact == ["right"]


def test_numbers_in_its_table_add_up() -> None:
    table = [line.split() for line in RECIPE.read_text(encoding="utf-8").splitlines() if line.startswith("#   ")]
    questions = {words[1]: int(words[3].replace(",", "")) for words in table if words[2:] and words[2][0].isdigit()}
    assert list(questions) == [one.unit for one in sources()]
    assert round(sum(questions.values()), -2) == 250_400


def test_rows_of_every_schema_become_candidates_and_the_same_bytes(tmp_path: Path) -> None:
    local = copies(tmp_path / "copies", rows=4)

    def run(name: str) -> list[bytes]:
        step = Import(sources(), local=local, limit=3)
        step.check()
        pipeline = Pipeline(tmp_path / name, [step], Context(0, PictureStore(tmp_path / name / "pictures")))
        (counts,) = pipeline.run()
        assert (counts.taken, counts.given, counts.dropped) == (27, 27, {})
        return [path.read_bytes() for path in sorted((tmp_path / name / "steps").rglob("*.jsonl"))]

    first = run("one")
    assert run("two") == first
    candidates = [json.loads(line) for part in first for line in part.splitlines()]
    kinds = {one["source"]: (one["answer"], one["answer_type"], bool(one["solution"])) for one in candidates}
    assert kinds == {
        "arxivqa": ("B", "choice", False),
        "thinklite": ("7", "number", False),
        "ai2d": ("C", "choice", False),
        "mmk12": ("$\\frac{1}{2}$", "number", False),
        "geoqa": ("A", "choice", False),
        "unigeo": ("12", "number", False),
        "geo170k": ("B", "choice", True),
        "geomverse": ("5", "number", True),
        "geometry3k": ("23 \\sqrt { 2 }", "math", False),
    }
    assert {one["ratings"].get("visual_dependency") for one in candidates} == {4.0, None}


def test_commented_sources_are_ones_that_there_are() -> None:
    """Lines that are there to be uncommented."""
    lines = [line.strip().removeprefix("# - ") for line in RECIPE.read_text(encoding="utf-8").splitlines()]
    given = [yaml.safe_load(line) for line in lines if line.startswith("{kind: ")]
    assert [one["kind"] for one in given] == ["arxivqa", "mm_math", "mmfinereason", "finevision", "finevision"]
    for one in given:
        assert source_of(validated(SourceSettings, one, where="sources")).hub


def test_without_a_network_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    local = copies(tmp_path / "copies", rows=1)
    for gone in ("FanqingM", "russwang"):
        (local / gone).rename(tmp_path / gone)
    step = Import(sources(), local=local)
    with pytest.raises(ServiceError) as caught:
        step.check()
    message = str(caught.value)
    assert "for 2 of the sources" in message
    for source in (source_of(one) for one in sources() if one.kind in ("mmk12", "thinklite")):
        remedy = f"hf download {source.hub} --repo-type dataset --revision {source.revision}"
        assert f"{remedy} --local-dir COPIES/{source.hub}" in message


def test_a_sick_row_of_each_source_stops_no_other(tmp_path: Path) -> None:
    local = tmp_path / "copies"
    for settings in sources():
        source = source_of(settings)
        inner = local / source.hub / (source.config or "data")
        inner.mkdir(parents=True)
        good, bad = made_row(settings, 0), made_row(settings, 1)
        pictures = next(name for name in ("images", "image") if name in bad)
        torn = b"\x89PNG\r\n\x1a\n rest is missing"
        as_before = bad[pictures]
        bad[pictures] = torn if isinstance(as_before, bytes) else {"bytes": torn, "path": None}
        bad[pictures] = [bad[pictures]] if isinstance(as_before, list) else bad[pictures]
        pq.write_table(pa.Table.from_pylist([bad, good]), inner / "train-00000-of-00001.parquet")
    step = Import(sources(), local=local)
    context = Context(0, PictureStore(tmp_path / "pictures"))
    for name in step.units():
        sick, fine = step.unit(name, context, 0)
        assert isinstance(sick, Dropped)
        assert sick.reason == "a picture that cannot be read"
        assert isinstance(fine, Candidate)
