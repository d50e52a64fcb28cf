"""A written set: read by the loader as it is, the same bytes every time, counted and listed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from contextrl.building.balance import Balance
from contextrl.building.candidates import Candidate
from contextrl.building.duplicates import Duplicates
from contextrl.building.finish_settings import BalanceSettings, DuplicateSettings, WritingSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline, UnitsStep
from contextrl.building.writing import BuildRecord, write_set
from contextrl.data.images import open_image
from contextrl.data.loading import load_examples
from contextrl.errors import InputError


class Colours(UnitsStep):
    """Questions about pictures of gradients; every fourth is asked twice."""

    name = "import"

    def __init__(self, store: PictureStore) -> None:
        self.store = store

    def identity(self) -> dict[str, Any]:
        return {}

    def units(self) -> list[str]:
        return ["made | *hostile* <b>"]

    def unit(self, name: str, context: Context, start: int) -> Any:
        for n in range(24):
            picture = Image.linear_gradient("L").rotate(90 * (n % 4)).resize((64, 64)).convert("RGB")
            images = (self.store.put(picture, where=name),)
            one = Candidate(
                f"q{n}", f"<image> How dark is corner {n}?", str(n), "number", "perception", name, "mit", images,
                solution=f"It is {n}. Answer: {n}", reference="source", tried=4, right=n % 3, origin={"row": n},
            )  # fmt: skip
            yield one
            if n % 4 == 0:
                yield replace(one, id=f"q{n}-again")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def build(folder: Path, seed: int = 0, rows: int = 12, **settings: Any) -> dict[str, Any]:
    store = PictureStore(folder / "build" / "pictures")
    steps = [
        Colours(store),
        Duplicates(DuplicateSettings(workers=1), folder / "build" / "prints"),
        Balance(BalanceSettings.model_validate({"groups": [{"name": "all", "rows": rows}]})),
    ]
    pipeline = Pipeline(folder / "build", steps, Context(seed, store))
    counts = pipeline.run()
    names = [step.name for step in steps]
    record = BuildRecord(seed, {"made": True}, list(zip(names, counts, strict=True)), folder / "build")
    return write_set(folder / "set", pipeline.outcome, WritingSettings(**settings), store, record)


@pytest.mark.parametrize("pictures", ["embedded", "beside"])
def test_the_loader_reads_it_as_it_is(tmp_path: Path, pictures: str) -> None:
    manifest = build(tmp_path, pictures=pictures, shard_rows=5)
    examples = load_examples(str(tmp_path / "set"))
    assert len(examples) == manifest["rows"] == 12
    assert sorted(path.name for path in (tmp_path / "set").glob("*.parquet")) == [
        f"train-0000{n}.parquet" for n in range(3)
    ]
    for one in examples:
        number = one.id.removeprefix("q")
        assert (one.answer, one.solution, one.answer_type) == (number, f"It is {number}. Answer: {number}", "number")
        assert one.task == "perception"
        assert one.source.startswith("made |")
        assert open_image(one.images[0]).size == (64, 64)
        assert len(one.image_ids) == 1


def test_two_builds_with_one_seed_are_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        build(tmp_path / name, seed, shard_rows=5)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    shards = [files(tmp_path / name / "set")["train-00000.parquet"] for name in ("one", "other")]
    assert shards[0] != shards[1]


def test_written_again_over_another_set(tmp_path: Path) -> None:
    build(tmp_path / "one", rows=12, shard_rows=2, pictures="beside")
    build(tmp_path / "one", rows=6, shard_rows=4)
    build(tmp_path / "two", rows=6, shard_rows=4)
    assert files(tmp_path / "one" / "set") == files(tmp_path / "two" / "set")


@pytest.mark.parametrize("pictures", ["beside", "embedded"])
def test_pictures_of_an_earlier_set_go_and_files_of_others_stay(tmp_path: Path, pictures: str) -> None:
    build(tmp_path / "one", rows=12, pictures="beside")
    folder = tmp_path / "one" / "set" / "pictures"
    assert len(list(folder.rglob("*.png"))) == 4
    some = next(folder.rglob("*.png"))
    (some.parent / f".{some.name}.partial").write_bytes(b"what a kill has left")
    own = [folder / "own.png", some.parent / "own.png", folder / "notes" / "a.txt"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    manifest = build(tmp_path / "one", rows=3, pictures=pictures)
    there = {path for path in folder.rglob("*") if path.is_file()} - set(own)
    assert manifest["pictures"]["files"] < 4
    assert len(there) == (manifest["pictures"]["files"] if pictures == "beside" else 0)
    assert all(path.read_bytes() == b"mine" for path in own)
    for path in own:
        path.unlink()
    (folder / "notes").rmdir()
    build(tmp_path / "one", rows=3, pictures=pictures)
    build(tmp_path / "two", rows=3, pictures=pictures)
    assert files(tmp_path / "one" / "set") == files(tmp_path / "two" / "set")
    assert folder.exists() == (pictures == "beside")


@pytest.mark.parametrize("killed", ["_forget_pictures", "_write_removed", "data_card"])
def test_a_kill_while_another_set_is_written_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    build(tmp_path / "one", rows=12, pictures="beside")
    with monkeypatch.context() as patched:
        patched.setattr(f"contextrl.building.writing.{killed}", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(tmp_path / "one", rows=3, pictures="beside")
    assert not (tmp_path / "one" / "set" / "manifest.json").exists()
    for name in ("one", "two"):
        build(tmp_path / name, rows=3, pictures="beside")
    assert files(tmp_path / "one" / "set") == files(tmp_path / "two" / "set")


def test_manifest_and_list_of_what_was_removed(tmp_path: Path) -> None:
    manifest = build(tmp_path)
    assert manifest == json.loads((tmp_path / "set" / "manifest.json").read_text(encoding="utf-8"))
    assert [(step["name"], step["taken"], step["given"]) for step in manifest["steps"]] == [
        ("import", 30, 30),
        ("duplicates", 30, 24),
        ("balance", 24, 12),
    ]
    assert manifest["counts"]["right"] == {"0": 4, "1": 4, "2": 4}
    for name, one in manifest["files"].items():
        assert hashlib.sha256((tmp_path / "set" / name).read_bytes()).hexdigest() == one["sha256"]
    lines = [json.loads(line) for line in (tmp_path / "set" / "removed.jsonl").read_text().splitlines()]
    twins = {line["id"]: line["detail"] for line in lines if line["step"] == "duplicates"}
    assert twins == {f"q{n}-again": f"q{n} (equal)" for n in range(0, 24, 4)}
    assert sum(line["step"] == "balance" for line in lines) == 12


def test_data_card(tmp_path: Path) -> None:
    build(tmp_path, name="A: set\n---\n<script>", licence="cc-by-4.0")
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == "cc-by-4.0"
    assert header["size_categories"] == ["n<1K"]
    assert "<script>" not in card.split("---\n", 2)[2]
    assert "| made \\| \\*hostile\\* &lt;b&gt; | 12 | 100.0% |" in card
    assert "| duplicates | 30 | 24 | same question and pictures: 6 |" in card


@pytest.mark.parametrize("what", ["none", "no solution", "one id twice"])
def test_what_cannot_be_trained_on_is_not_written(tmp_path: Path, what: str) -> None:
    one = Candidate("a", "?", "1", "number", "reasoning", "s", solution="" if what == "no solution" else "Answer: 1")
    rows = {"none": [], "no solution": [one], "one id twice": [one, one]}[what]
    with pytest.raises(InputError):
        write_set(tmp_path / "set", lambda: iter(rows), WritingSettings(), PictureStore(tmp_path), BuildRecord())
    assert not (tmp_path / "set").exists()


def test_rows_without_pictures(tmp_path: Path) -> None:
    one = Candidate("a", "How much is 1 + 1?", "2", "number", "reasoning", "s", solution="Answer: 2")
    write_set(tmp_path / "set", lambda: iter([one]), WritingSettings(), PictureStore(tmp_path), BuildRecord())
    (read,) = load_examples(str(tmp_path / "set"))
    assert (read.id, tuple(read.images)) == ("a", ())


def test_pictures_beside_are_those_of_the_set_and_of_others(tmp_path: Path) -> None:
    """A picture that a smaller set leaves out is gone; a file that no build wrote stays."""
    build(tmp_path, rows=12, pictures="beside")
    folder = tmp_path / "set" / "pictures"
    (folder / "notes.txt").write_text("mine")
    odd = folder / "ab" / ("0" * 32 + ".png")
    odd.parent.mkdir(exist_ok=True)
    odd.write_bytes(b"of an earlier build")
    manifest = build(tmp_path, rows=1, pictures="beside")
    there = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert manifest["pictures"]["files"] == 1
    assert (len(there), "notes.txt" in there, odd.name in there) == (2, True, False)
