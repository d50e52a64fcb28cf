"""What `contextrl data validate` says of many faults, and of columns with other names."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from contextrl.commands.column_options import given_columns
from contextrl.commands.data_cli import app
from contextrl.data.columns import typed_columns
from contextrl.data.proposal import propose
from contextrl.errors import InputError


def written(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path.name


def validated(*arguments: str) -> str:
    return CliRunner().invoke(app, ["validate", *arguments, "--workers", "1"]).stdout


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("p.png")
    return tmp_path


def row(number: int, **changes: object) -> dict[str, object]:
    text: dict[str, object] = {"question": f"{number}?", "images": [], "solution": "Answer: 7", "answer": "7"}
    return {"id": f"r{number}", **text, **changes}


def test_missing_pictures_are_one_kind_whatever_their_names(here: Path) -> None:
    name = written(here / "a.jsonl", [row(n, images=[f"p{n}.png"]) for n in range(8)])
    told = validated(name).splitlines()
    assert told[0] == "8 x expected images: an image file"
    assert len(told) == 1 + 5 + 1 + 1  # the kind, its first faults, dots, the sum


def test_what_many_rows_lack_is_said_once_and_columns_are_proposed(here: Path) -> None:
    rows: list[dict[str, object]] = [
        {"query": f"{n}?", "figure": "p.png", "rationale": "Answer: 7", "gold": "7", "qid": n} for n in range(4)
    ]
    name = written(here / "a b.jsonl", [*rows, {**rows[0], "qid": 9, "figure": "https://example.com/p"}])
    told = validated(name)
    assert told.count("found the fields") == 4  # once a field
    assert "the same in line 2; line 3; line 4; line 5" in told
    command = shlex.split(told.rpartition("\n  ")[2])
    assert command[:4] == ["contextrl", "data", "validate", "a b.jsonl"]
    assert validated(*command[3:]).endswith("4 of 5 rows are usable.\n")


def test_rows_without_pictures_and_with_pictures_in_several_columns(here: Path) -> None:
    bare = row(1)
    del bare["images"]
    assert "--column images=" in validated(written(here / "a.jsonl", [bare]))
    assert validated("a.jsonl", "--column", "images=") == "1 of 1 rows are usable.\n"
    two = written(here / "b.jsonl", [{**bare, "one": "p.png", "two": "gone.png"}])
    assert "images[1]" in validated(two, "--column", "images=one", "--column", "images=two")


def test_options_that_name_columns_are_typed_as_they_are_read() -> None:
    given = ["question=my query", "images=a", "images=b", "images=c d", "answer=it's"]
    columns = given_columns(given)
    assert columns == {"question": "my query", "images": ["a", "b", "c d"], "answer": "it's"}
    assert given_columns(shlex.split(typed_columns(columns))[1::2]) == columns
    assert typed_columns({"images": None}) == "--column images="


@pytest.mark.parametrize(
    "given",
    [
        ["question"],
        ["question="],
        ["=a"],
        ["question=a", "question=b"],
        ["images=a", "images="],
        ["images=", "images=a"],
    ],
)
def test_columns_that_cannot_be_meant(given: list[str]) -> None:
    with pytest.raises(InputError, match="--column"):
        given_columns(given)


def test_nothing_usable_is_said_to_be_written_nowhere(here: Path) -> None:
    told = validated(written(here / "a.jsonl", [row(1, answer="8")]), "--fix-to", "good.jsonl")
    assert told.endswith("0 of 1 rows are usable.\nNothing is written to good.jsonl.\n")
    assert not Path("good.jsonl").exists()


def test_pictures_elsewhere_are_told_with_the_folder_and_the_remedy(here: Path) -> None:
    told = validated(written(here / "a.jsonl", [row(1, images=["../../x.png"])]))
    assert f"expected a picture in the folder of the rows ({here}), found ../../x.png. Move" in told
    assert "--allow-outside" in told
    assert "1 x expected images: a picture in the folder of the rows\n" in told


def test_json_holds_whatever_ids_hold(here: Path) -> None:
    (here / "a.jsonl").write_text(json.dumps(row(1, id="\ud800", answer="8")) + "\n")
    done = CliRunner().invoke(app, ["validate", "a.jsonl", "--workers", "1", "--json"])
    assert json.loads(done.stdout)["usable"] == 0


def test_a_proposal_for_rows_of_which_some_are_wrong_names_the_way_out(here: Path) -> None:
    good: dict[str, object] = {"query": "1?", "images": [], "solution": "Answer: 7", "answer": "7"}
    name = written(here / "a b.jsonl", [{**good, "answer": "8"}, good])
    with (here / name).open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    with pytest.raises(InputError, match="2 problems in 3 rows") as caught:
        propose(name, {}, vision=False, limit=None)
    command = shlex.split(str(caught.value).rpartition("usable rows: ")[2].removesuffix("."))
    assert "1 of 3 rows are usable" in validated(*command[3:])
    assert len(propose("usable.jsonl", {}, vision=False, limit=None).examples) == 1


def test_a_proposal_for_rows_that_are_none_says_so(here: Path) -> None:
    (here / "a.jsonl").write_text("{broken\n[]\n", encoding="utf-8")
    with pytest.raises(InputError, match="2 problems in 2 rows"):
        propose("a.jsonl", {}, vision=False, limit=None)
