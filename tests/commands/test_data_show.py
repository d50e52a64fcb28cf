"""`contextrl data show`: figures counted by hand, what is wrong, and what a build has left."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from set_rows import built, encoded, lines, picture, row
from typer.testing import CliRunner

from contextrl.building import duplicates
from contextrl.commands import data_gather
from contextrl.commands.data_cli import app
from contextrl.errors import InputError


def shown(*arguments: object) -> Any:
    """What the command prints."""
    done = CliRunner().invoke(app, ["show", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def figures(*arguments: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(shown(*arguments, "--json"))
    return told


def small_set(folder: Path) -> Path:
    picture(1, (256, 256)).save(folder / "square.png")
    picture(2, (512, 384)).save(folder / "wide.png")
    rows = [
        row(1, images=["square.png"], task="perception", source="a", answer_type="number", licence="MIT"),
        row(2, images=["square.png", "wide.png"], source="a", answer_type="number", licence="MIT", right=3, tried=4),
        row(3, source="b", answer="Four.", solution="So: Four.", answer_type="text", right=0, tried=4),
        row(4, answer_type="number", ratings={"clarity": 4, "odd": "x"}),
        row(5, answer_type="number", ratings='{"clarity": 2.5}', reference="sampled", language="zh"),
    ]
    return lines(folder / "set.jsonl", rows)


def test_figures_by_hand(tmp_path: Path) -> None:
    told = figures(small_set(tmp_path))
    assert (told["rows"], told["unreadable_rows"]) == (5, 0)
    assert told["counts"] == {
        "source": {"a": 2, "not stated": 2, "b": 1},
        "task": {"reasoning": 4, "perception": 1},
        "answer_type": {"number": 4, "text": 1},
        "reference": {"sampled": 1},
        "language": {"zh": 1},
        "right": {"0": 1, "3": 1},
    }
    assert told["responses_tried"] == {"4": 2}
    assert told["pictures_of_a_row"] == {"0": 3, "1": 1, "2": 1}
    # Qwen3-VL: 256 x 256 is 8 x 8 = 64 tokens, 512 x 384 is 16 x 12 = 192.
    tokens = told["pictures"]["tokens"]
    assert (tokens["count"], tokens["least"], tokens["most"], tokens["total"]) == (3, 64, 192, 320)
    assert told["pictures"]["tokens_of_a_row"]["p95"] == 64 + 192
    assert told["pictures"]["longest_side"]["mean"] == round((256 + 256 + 512) / 3, 4)
    assert told["pictures"]["processor"] == "Qwen/Qwen3-VL-8B-Instruct (the default)"
    assert told["ratings"] == {"clarity": told["ratings"]["clarity"]}
    assert (told["ratings"]["clarity"]["least"], told["ratings"]["clarity"]["most"]) == (2.5, 4)
    assert told["licences"] == {"MIT": {"a": 2}, "not stated": {"b": 1, "not stated": 2}}
    # "Answer: 2", ... have 9 characters, "So: Four." has 9 too.
    assert told["solution_characters"]["mean"] == 9
    assert told["near_duplicates"] == {"looked_for": "among the rows", "rows_compared": 5, "count": 0, "reasons": {}}
    assert told["build"] is None
    assert not (tmp_path / "set.show.html").exists()


def test_another_processor(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    whole = {"image_processor": {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14, "merge_size": 2}}
    (model / "processor_config.json").write_text(json.dumps(whole), encoding="utf-8")
    told = figures(small_set(tmp_path), "--processor", model)
    # 28 pixels a token: 256 / 28 = 9.1 and 512 x 384 is 18.3 x 13.7.
    assert (told["pictures"]["tokens"]["least"], told["pictures"]["tokens"]["most"]) == (81, 18 * 14)
    assert told["pictures"]["processor"] == str(model)
    told = figures(small_set(tmp_path), "--processor", "miniature")
    assert told["pictures"]["tokens"]["most"] <= 16_384 // 64


@pytest.mark.parametrize("name", ["nowhere", "no/such-model", "./here", "../x/y", "\0"])
def test_a_processor_that_is_nowhere_is_refused_before_rows_are_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="--processor"):
        shown(small_set(tmp_path), "--processor", name)
    assert not (tmp_path / "set.show.html").exists()


def test_sick_rows_are_counted_and_told(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows = [row(1), row(2, answer=None), row(3, images=["broken.png"]), row(4, images=["gone.png", "a.png"])]
    path = lines(tmp_path / "a.jsonl", [*rows, row(5, question="")])
    path.write_text(path.read_text() + "{ no json\n[1]\n", encoding="utf-8")
    told = figures(path)
    assert (told["rows"], told["unreadable_rows"]) == (7, 4)
    assert (told["pictures"]["shown"], told["pictures"]["unreadable"]) == (3, 2)
    assert told["pictures"]["tokens"]["count"] == 1
    assert sum(kind["count"] for kind in told["problems"].values()) == 6
    said = shown(path)
    assert "Not readable: 4 of 7 rows" in said
    assert "2 of 3 pictures" in said
    page = (tmp_path / "a.show.html").read_text(encoding="utf-8")
    assert "line 2" in page
    assert "pictures cannot be shown" in page


def test_a_set_of_sick_rows_alone_has_a_page(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"x": n} for n in range(3)])
    assert "3 of 3 rows" in shown(path)
    assert "No row can be shown" in (tmp_path / "a.show.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_no_rows_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="at least one row"):
        shown(path)
    assert list(tmp_path.iterdir()) == [path]


def test_no_such_file_and_a_build_that_is_not_done(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        shown(tmp_path / "gone.jsonl")
    with pytest.raises(InputError):
        shown(tmp_path)


def test_pictures_outside_the_folder_are_not_looked_at(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    picture(7).save(tmp_path / "private.png")
    path = lines(inner / "a.jsonl", [row(1, images=["../private.png"]), row(2)])
    told = figures(path)
    assert told["pictures"] | {"unreadable": 1, "shown": 1} == told["pictures"]
    assert told["pictures"]["longest_side"] == {"count": 0}
    shown(path)
    page = (inner / "a.show.html").read_text(encoding="utf-8")
    assert 'class="shot"' not in page
    assert figures(path, "--allow-outside")["pictures"]["longest_side"]["count"] == 1


def test_columns_and_parquet(tmp_path: Path) -> None:
    rows = [
        {
            "query": f"{n} things are what number?",
            "img": {"bytes": encoded(picture(n)), "path": None},
            "why": "One.",
            "gt": str(n),
        }
        for n in range(3)
    ]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    columns = [
        "--column",
        "question=query",
        "--column",
        "images=img",
        "--column",
        "solution=why",
        "--column",
        "answer=gt",
    ]
    told = figures(path, *columns)
    assert (told["unreadable_rows"], told["pictures"]["tokens"]["count"]) == (0, 3)
    assert figures(path)["unreadable_rows"] == 3


def test_near_duplicates_of_a_plain_file(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "one.png")
    picture(2).save(tmp_path / "two.png")
    text = "How many of the tall green bottles on the wall stand left of the door, and how many stand right of it?"
    rows = [
        row(1, question=text, images=["one.png"]),
        row(2, question=text.upper(), images=["one.png"], answer="2", solution="Answer: 2"),
        row(3, question=text, images=["two.png"]),
        row(4, question=text + " Tell.", images=["one.png"], answer="2", solution="Answer: 2"),
        row(5),
        {"sick": 1},
        row(6, question=text, images=["two.png"]),
    ]
    path = lines(tmp_path / "a.jsonl", rows)
    found = figures(path)["near_duplicates"]
    assert found["rows_compared"] == 6
    assert found["reasons"] == {duplicates.SAME: 2, duplicates.NEAR: 1}
    shown(path)
    page = (tmp_path / "a.show.html").read_text(encoding="utf-8")
    names = re.findall(r"<h4>(second|first): <bdi>(\w+)</bdi>", page)
    assert names == [("second", "2"), ("first", "1"), ("second", "4"), ("first", "1"), ("second", "6"), ("first", "3")]
    assert figures(path, "--no-duplicates")["near_duplicates"]["looked_for"] is None


def test_only_the_first_rows_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_gather, "MOST_COMPARED", 2)
    path = lines(tmp_path / "a.jsonl", [row(1), row(2), row(1, id="3")])
    found = figures(path)["near_duplicates"]
    assert (found["rows_compared"], found["count"]) == (2, 0)


def test_a_build(tmp_path: Path) -> None:
    folder = built(tmp_path / "set")
    told = figures(folder)
    build = told["build"]
    assert [(step["name"], step["in"], step["out"]) for step in build["steps"]] == [
        ("import", 12, 12),
        ("duplicates", 12, 10),
        ("balance", 10, 8),
    ]
    assert told["near_duplicates"] == {
        "looked_for": "by the build",
        "rows_compared": None,
        "count": 2,
        "reasons": {duplicates.SAME: 1, duplicates.NEAR: 1},
    }
    whole = [row for row in build["balance"] if not row["classes"]]
    assert whole == [
        {"group": "vqa", "classes": {}, "asked": 4, "there": 3, "taken": 3},
        {"group": "math", "classes": {}, "asked": 5, "there": 7, "taken": 5},
    ]
    shown(folder)
    page = (folder / "show.html").read_text(encoding="utf-8")
    assert re.findall(r"<h4>(removed|stays): <bdi>(\w+)</bdi>", page) == [
        ("removed", "again"),
        ("stays", "q0"),
        ("removed", "near"),
        ("stays", "q1"),
    ]
    assert "IN THE FIGURE THE LINE AB" in page  # what was removed is known from the build's own files


def test_a_build_without_its_own_files_and_a_damaged_list(tmp_path: Path) -> None:
    folder = built(tmp_path / "set")
    os.rename(folder / "build", tmp_path / "elsewhere")
    with (folder / "removed.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"half\n')
    said = shown(folder)
    assert "1 damaged lines of removed.jsonl are left out" in said
    page = (folder / "show.html").read_text(encoding="utf-8")
    assert "Only its name is known here." in page
    assert "removed: <bdi>again" in page


@pytest.mark.parametrize(
    "manifest", ["{", "[]", "{}", '{"steps": 5}', '{"steps": [5, {"name": {}, "dropped": 7}], "rows": "x"}']
)
def test_a_strange_manifest_does_not_hide_the_rows(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    lines(tmp_path / "train.jsonl", [row(1), row(2)])
    assert figures(tmp_path)["rows"] == 2
    shown(tmp_path)


def test_the_build_folder_gives_no_pictures_of_elsewhere(tmp_path: Path) -> None:
    folder = built(tmp_path / "set")
    picture(9).save(tmp_path / "private.png")
    part = next((folder / "build" / "steps").glob("01-*/part-*.jsonl"))
    names = re.compile(r'"images": \["[^"]+"\]')
    part.write_text(names.sub('"images": ["../../../private.png"]', part.read_text()), encoding="utf-8")
    shown(folder)
    page = (folder / "show.html").read_text(encoding="utf-8")
    removed = page[page.index("removed: <bdi>again") : page.index("stays: <bdi>q0")]
    assert "<img" not in removed
    assert "IN THE FIGURE" in removed


def test_the_place_of_the_page(tmp_path: Path) -> None:
    path = small_set(tmp_path)
    assert shown(path).splitlines()[-1] == f"Page: {tmp_path / 'set.show.html'}"
    assert shown(path, "--out", tmp_path / "new" / "p.html").splitlines()[-1] == f"Page: {tmp_path / 'new/p.html'}"
    assert json.loads(shown(path, "--json", "--out", tmp_path / "both.html"))["rows"] == 5
    assert (tmp_path / "both.html").is_file()
    with pytest.raises(InputError, match="--out"):
        shown(path, "--out", tmp_path)
    with pytest.raises(InputError, match="--out"):
        shown(path, "--out", path / "below-a-file" / "p.html")


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    path, pipe, link = small_set(tmp_path), tmp_path / "pipe", tmp_path / "link.html"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for place in (pipe, link):
        with pytest.raises(InputError, match="a device or pipe"):
            shown(path, "--out", place)
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_page_that_is_there_already_is_written_again(tmp_path: Path) -> None:
    path, page = small_set(tmp_path), tmp_path / "p.html"
    page.write_text("old", encoding="utf-8")
    shown(path, "--out", page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_rows_are_not_replaced_by_their_page(tmp_path: Path) -> None:
    path = small_set(tmp_path)
    rows = path.read_bytes()
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    for place in (path, tmp_path / "wide.png", tmp_path / "notes"):
        with pytest.raises(InputError, match="--out"):
            shown(path, "--out", place)
    assert path.read_bytes() == rows
    for _ in range(2):  # a page is known by how it begins
        shown(path, "--out", tmp_path / "page")
    assert (tmp_path / "page").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_unknown_answer_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--answer-type"):
        shown(small_set(tmp_path), "--answer-type", "numbre")


def test_a_build_under_way(tmp_path: Path) -> None:
    (tmp_path / "build" / "steps").mkdir(parents=True)
    with pytest.raises(InputError, match="contextrl data build again"):
        shown(tmp_path)


def test_endless_names_are_cut(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [row(1, source="s" * 1_000_000, id="i" * 500_000), row(2)])
    assert set(figures(path)["counts"]["source"]) == {"s" * 200 + "…", "not stated"}
    shown(path)
    assert "s" * 201 not in (tmp_path / "a.show.html").read_text(encoding="utf-8")


def test_strange_further_columns_are_passed_over(tmp_path: Path) -> None:
    rows = [
        row(1, ratings=[1, 2], right="x", licence=7, language=["en"]),
        row(2, ratings="{bad", right=-1, reference={"x": 1}),
        row(3, ratings={"b": 1e300, "c": -3, "": 1}, right=True, tried=float("inf")),
        row(4, ratings={f"r{n}": n for n in range(50)}, right=2.0, tried=2.5, license="MIT"),
    ]
    told = figures(lines(tmp_path / "a.jsonl", rows))
    assert told["unreadable_rows"] == 0
    assert told["counts"]["right"] == {"2": 1}
    assert told["responses_tried"] == {}
    assert told["ratings"].keys() == {"b", "", *(f"r{n}" for n in range(10))}
    shown(tmp_path / "a.jsonl")


def test_samples_are_drawn_by_the_seed(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [row(n, source="rare" if n == 50 else "usual") for n in range(100)])

    def drawn(*options: object) -> list[str]:
        shown(path, "--no-duplicates", "--samples", 4, *options)
        page = (tmp_path / "a.show.html").read_text(encoding="utf-8")
        return re.findall(r'<bdi class="quiet name">(\d+)</bdi>', page)

    assert drawn() == drawn()
    assert len(drawn()) == 4
    assert "50" in drawn()
    assert drawn("--seed", 1) != drawn()


def test_the_command_that_tells_all_faults_reads_the_same_columns(tmp_path: Path) -> None:
    path = tmp_path / "a b.jsonl"
    path.write_text(json.dumps({"q": "1?", "solution": "Answer: 7", "answer": "7"}) + "\n{\n")
    given = ["--column", "question=q", "--column", "images=", "--answer-type", "number"]
    told = CliRunner().invoke(app, ["show", str(path), *given]).stdout
    command = shlex.split(next(line for line in told.splitlines() if "All faults" in line).partition("All faults: ")[2])
    assert command[:3] == ["contextrl", "data", "validate"]
    assert "1 of 2 rows are usable" in CliRunner().invoke(app, [*command[2:], "--workers", "1"]).stdout


def test_pairs_say_whether_their_answers_are_the_same(tmp_path: Path) -> None:
    kinds = (("4", "number"), ("4", "number"), ("5", "number"), ("4", "text"))
    rows = [
        row(n, question="How many lines meet in the middle of the drawing?", answer=answer, answer_type=kind)
        for n, (answer, kind) in enumerate(kinds)
    ]
    assert CliRunner().invoke(app, ["show", str(lines(tmp_path / "a.jsonl", rows))]).exit_code == 0
    page = (tmp_path / "a.show.html").read_text(encoding="utf-8")
    said = re.findall(r'class="quiet">\((equal[^)]*)\)', page)
    assert sorted(said) == ["equal", "equal, with an answer of another type", "equal, with another answer"]
