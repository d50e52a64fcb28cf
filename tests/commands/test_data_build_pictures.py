"""Pictures that change, come or go between two runs of a build."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from contextrl.building import pipeline
from contextrl.building.pictures import PictureStore
from contextrl.commands.cli import main

RECIPE = "sources: [{path: rows, name: own}]\nfilter: false\nduplicates: {workers: 1}\n"


def paint(path: Path, shade: int) -> None:
    Image.new("RGB", (32, 32), (shade, 255 - shade, 40)).save(path, "BMP")


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    made(tmp_path, "rows")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["contextrl", "data", "build", "recipe.yaml", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


def made(folder: Path, name: str, pictures: int = 6) -> None:
    """Rows that show one picture each; all questions are others."""
    (folder / name).mkdir()
    with (folder / name / "rows.jsonl").open("w", encoding="utf-8") as file:
        for n in range(6):
            row = {"id": str(n), "question": f"<image>How many {'abcdef'[n] * 9} are there?", "images": [f"{n}.bmp"]}
            file.write(json.dumps(row | {"answer": str(n), "solution": f"I count. Answer: {n}"}) + "\n")
    for n in range(pictures):
        paint(folder / name / f"{n}.bmp", 40 * n)


def shown(out: Path) -> dict[str, bytes]:
    rows = pq.read_table(out / "train-00000.parquet").to_pylist()
    return {row["id"]: row["images"][0]["bytes"] for row in rows}


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_a_picture_that_was_missing_is_read_when_it_is_there(build: Any, tmp_path: Path) -> None:
    pictures = [tmp_path / "rows" / f"{n}.bmp" for n in range(6)]
    for path in pictures:
        path.unlink()
    code, error = build("--out", "set")
    assert (code, "a picture that cannot be read" in error) == (2, True)
    paint(pictures[2], 80)
    assert build("--out", "set") == (0, "")
    assert list(shown(tmp_path / "set")) == ["own-2"]
    for n, path in enumerate(pictures):
        paint(path, 40 * n)
    assert build("--out", "set") == (0, "")
    assert build("--out", "other") == (0, "")
    assert files(tmp_path / "set") == files(tmp_path / "other")


@pytest.mark.parametrize("same_time", [True, False])
def test_a_picture_that_was_replaced_is_in_the_set(build: Any, tmp_path: Path, same_time: bool) -> None:
    """Its size may be the same, or its time."""
    assert build("--out", "set")[0] == 0
    path = tmp_path / "rows" / "3.bmp"
    before = path.stat()
    if same_time:
        Image.new("RGB", (40, 32), (9, 9, 200)).save(path, "BMP")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        paint(path, 7)
        assert path.stat().st_size == before.st_size
    assert build("--out", "set")[0] == 0
    assert shown(tmp_path / "set")["own-3"] == path.read_bytes()
    assert build("--out", "other")[0] == 0
    assert files(tmp_path / "set") == files(tmp_path / "other")


def test_a_picture_that_is_gone_costs_its_row(build: Any, tmp_path: Path) -> None:
    assert build("--out", "set")[0] == 0
    (tmp_path / "rows" / "3.bmp").unlink()
    assert build("--out", "set")[0] == 0
    assert sorted(shown(tmp_path / "set")) == [f"own-{n}" for n in (0, 1, 2, 4, 5)]


def test_nothing_is_read_again_that_is_as_it_was(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[str] = []
    keep = PictureStore.put

    def noted(self: PictureStore, handle: Any, *, where: str) -> str:
        put.append(Path(str(handle)).name)
        return keep(self, handle, where=where)

    monkeypatch.setattr(PictureStore, "put", noted)
    assert build("--out", "set")[0] == 0
    assert len(put) == 6
    paint(tmp_path / "rows" / "another.bmp", 3)
    for _ in range(2):
        assert build("--out", "set")[0] == 0
    assert len(put) == 6, "nobody shows the other one"
    paint(tmp_path / "rows" / "3.bmp", 7)
    for _ in range(3):
        assert build("--out", "set")[0] == 0
    assert len(put) == 12, "once"


def test_times_and_folders_make_no_difference_to_a_set(build: Any, tmp_path: Path) -> None:
    assert build("--out", "set")[0] == 0
    before = files(tmp_path / "set")
    for path in (tmp_path / "rows").glob("*.bmp"):
        os.utime(path, (1, 1))
    assert build("--out", "set")[0] == 0
    assert build("--out", "other")[0] == 0
    assert files(tmp_path / "set") == files(tmp_path / "other") == before


def test_pictures_that_are_moved_with_their_build_have_not_changed(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build("--out", "set")[0] == 0
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("rows", "set", "recipe.yaml"):
        shutil.move(tmp_path / name, moved / name)
    monkeypatch.chdir(moved)
    assert build("--out", "set")[0] == 0
    assert not list((moved / "set" / "build").rglob("*.generation"))


@pytest.mark.parametrize("cut", [0, 10])
def test_a_kill_between_pictures_loses_none_of_what_is_known(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """The second run begins after the part that is there, and its pictures are known from the first."""
    monkeypatch.setattr(pipeline, "PART", 2)
    keep = PictureStore.put

    def dies(self: PictureStore, handle: Any, *, where: str) -> str:
        if "4.bmp" in str(handle):
            raise KeyboardInterrupt
        return keep(self, handle, where=where)

    with monkeypatch.context() as patched:
        patched.setattr(PictureStore, "put", dies)
        build("--out", "set")
    [listing] = (tmp_path / "set" / "build" / "seen-pictures").glob("*.jsonl")
    assert len(list((tmp_path / "set" / "build" / "steps" / "01-import").glob("part-*"))) == 2
    if cut:
        listing.write_bytes(listing.read_bytes()[:-cut])
    assert build("--out", "set")[0] == 0
    for n in (0, 4):
        paint(tmp_path / "rows" / f"{n}.bmp", 7 + n)
        assert build("--out", "set")[0] == 0
        assert shown(tmp_path / "set")[f"own-{n}"] == (tmp_path / "rows" / f"{n}.bmp").read_bytes()
