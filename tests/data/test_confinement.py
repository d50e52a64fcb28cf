"""A row cannot make a picture of another folder go to the judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.data.confinement import is_inside
from contextrl.data.loading import load_examples
from contextrl.data.problems import RowsError
from contextrl.errors import InputError
from contextrl.evaluation.judging.response_rows import read_response_rows
from contextrl.evaluation.judging.sets import load_labelled

ROW = {"question": "?", "solution": "Answer: 1", "answer": "1", "answer_type": "number", "response": "Answer: 1"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data beside a private one."""
    for folder in ("data/pictures", "private"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("data/pictures/a.png", "data/b.png", "private/scan.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / file)
    (tmp_path / "data" / "linked.png").symlink_to(tmp_path / "private" / "scan.png")
    (tmp_path / "data" / "folder").symlink_to(tmp_path / "private")
    (tmp_path / "data" / "inner.png").symlink_to(tmp_path / "data" / "b.png")
    return tmp_path / "data"


def write(data: Path, image: Any) -> Path:
    file = data / "rows.jsonl"
    file.write_text(json.dumps({**ROW, "images": [image]}) + "\n")
    return file


OUTSIDE: dict[str, Callable[[Path], Any]] = {
    "relative": lambda data: "../private/scan.png",
    "through-a-folder": lambda data: "pictures/../../private/scan.png",
    "absolute": lambda data: str(data.parent / "private" / "scan.png"),
    "link": lambda data: "linked.png",
    "linked-folder": lambda data: "folder/scan.png",
    "mapping": lambda data: {"path": str(data.parent / "private" / "scan.png")},
    "missing": lambda data: "../private/none.png",
    "the-folder-above": lambda data: "..",
}
INSIDE: dict[str, Callable[[Path], Any]] = {
    "relative": lambda data: "b.png",
    "below": lambda data: "pictures/a.png",
    "up-and-down": lambda data: "pictures/../b.png",
    "absolute": lambda data: str(data / "b.png"),
    "link-within": lambda data: "inner.png",
    "mapping": lambda data: {"path": "b.png"},
}


@pytest.mark.parametrize("place", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_pictures_from_outside_are_refused(data: Path, place: Callable[[Path], Any]) -> None:
    file = write(data, place(data))
    with pytest.raises(InputError, match=r"images\[0\].*expected a picture in") as refused:
        load_examples(str(file))
    assert "data.allow_outside" in str(refused.value)
    with pytest.raises(InputError, match=r"line 1, field 'images\[0\]': expected a picture in"):
        read_response_rows(file, "solution")


@pytest.mark.parametrize("place", INSIDE.values(), ids=INSIDE.keys())
def test_pictures_from_inside_are_taken(data: Path, place: Callable[[Path], Any]) -> None:
    file = write(data, place(data))
    assert len(load_examples(str(file))) == 1
    assert len(read_response_rows(file, "solution")) == 1


def test_who_trusts_the_rows_says_so(data: Path, tmp_path: Path) -> None:
    file = write(data, "../private/scan.png")
    assert len(load_examples(str(file), allow_outside=True)) == 1
    arguments = ["judge", "verify", "--input", str(file), "--output", str(tmp_path / "out.jsonl"), "--judge", "rules"]
    refused = CliRunner().invoke(app, [*arguments, "--context", "answer"])
    assert isinstance(refused.exception, InputError)
    assert not (tmp_path / "out.jsonl").exists()
    done = CliRunner().invoke(app, [*arguments, "--context", "answer", "--allow-outside"], catch_exceptions=False)
    assert done.exit_code == 0


def test_a_labelled_set_is_confined_too(data: Path) -> None:
    file = data / "labelled.jsonl"
    row = {**ROW, "images": ["../private/scan.png"], "answer_correct": True, "process_correct": True}
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match="expected a picture in"):
        load_labelled(str(file))
    assert len(load_labelled(str(file), allow_outside=True).items) == 1


def test_a_data_folder_that_is_itself_a_link_is_a_folder(data: Path, tmp_path: Path) -> None:
    write(data, "b.png")
    (tmp_path / "link").symlink_to(data)
    assert len(load_examples(str(tmp_path / "link" / "rows.jsonl"))) == 1


def test_rows_are_confined_whatever_is_wrong_with_others(data: Path) -> None:
    """What is left of a file with wrong rows may be shown to a judge: no picture from elsewhere is in it."""
    rows = [
        {**ROW, "id": "outside", "images": ["../private/scan.png"]},
        {**ROW, "id": "inside", "images": ["b.png"]},
        {**ROW, "id": "wrong", "images": [], "answer": None, "task": "guess"},
    ]
    path = data / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RowsError, match=r"(?s)3 problems in 3 rows.*data\.allow_outside") as caught:
        load_examples(str(path))
    assert [example.id for example in caught.value.usable] == ["inside"]
    assert "line 1, row 'outside', field 'images[0]'" in caught.value.problems[2]
    with pytest.raises(RowsError, match="2 problems in 3 rows") as caught:
        load_examples(str(path), allow_outside=True)
    assert [example.id for example in caught.value.usable] == ["outside", "inside"]


def test_a_link_to_itself_is_a_missing_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    assert is_inside(tmp_path / "a.png", [tmp_path.resolve()])
