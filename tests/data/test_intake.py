"""Rows and pictures as people have them: read where there is one reading, else named with row and remedy."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.data.images import FORMATS, MAX_ASPECT_RATIO, image_key
from contextrl.data.loading import load_examples, rows_to_examples
from contextrl.data.validation import validate_examples
from contextrl.errors import InputError

ROW: dict[str, Any] = {"question": "4 + 8?", "images": [], "solution": "Answer: 12", "answer": "12"}


def encoded(form: str = "PNG", size: tuple[int, int] = (12, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, form)
    return buffer.getvalue()


TEXT = base64.b64encode(encoded()).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`pictures/a b.png` and `b.png` beside the rows."""
    (tmp_path / "pictures").mkdir()
    for name in ("pictures/a b.png", "b.png"):
        (tmp_path / name).write_bytes(encoded())
    return tmp_path


def rows_file(folder: Path, *rows: object, name: str = "rows.jsonl") -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


# ---- pictures ----------------------------------------------------------------------------------------------------

READ: dict[str, Callable[[Path], Any]] = {
    "list": lambda f: ["b.png"],
    "one-alone": lambda f: "b.png",
    "list-of-lists": lambda f: [["b.png"]],
    "list-as-text": lambda f: '["b.png"]',
    "object-alone": lambda f: {"path": "b.png"},
    "file-address": lambda f: [(f / "b.png").as_uri()],
    "file-address-with-spaces": lambda f: [(f / "pictures" / "a b.png").as_uri()],
    "file-address-of-localhost": lambda f: [f"file://localhost{f / 'b.png'}"],
    "backslashes": lambda f: ["pictures\\a b.png"],
    "dot-and-backslash": lambda f: [".\\b.png"],
    "base64": lambda f: [TEXT],
    "base64-without-padding": lambda f: [TEXT.rstrip("=")],
    "base64-in-lines": lambda f: ["\n".join(TEXT[at : at + 20] for at in range(0, len(TEXT), 20))],
    "base64-url-alphabet": lambda f: [TEXT.replace("+", "-").replace("/", "_")],
    "base64-jpeg": lambda f: [base64.b64encode(encoded("JPEG")).decode()],
    "base64-in-bytes": lambda f: [{"bytes": TEXT}],
    "data-address": lambda f: [f"data:image/png;base64,{TEXT}"],
    "data-address-in-capitals": lambda f: [f"DATA:image/PNG;BASE64,{TEXT}"],
}


@pytest.mark.parametrize("place", READ.values(), ids=READ.keys())
@pytest.mark.parametrize("column", ["images", "image"])
def test_a_picture_in_any_form_of_one_reading_is_read(folder: Path, place: Callable[[Path], Any], column: str) -> None:
    row = {**{key: value for key, value in ROW.items() if key != "images"}, column: place(folder)}
    (example,) = load_examples(rows_file(folder, row))
    validate_examples([example], vision=True, where="rows")
    (handle,) = example.images
    expected = encoded("JPEG") if place is READ["base64-jpeg"] else encoded()
    assert image_key(handle) == image_key(Image.open(io.BytesIO(expected)))


def test_the_home_folder_is_expanded_and_still_confined(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (inside,) = load_examples(rows_file(folder, {**ROW, "images": ["~/b.png"]}))
    assert inside.images == (folder / "b.png",)
    monkeypatch.setenv("HOME", "/elsewhere")
    with pytest.raises(InputError, match=r"expected a picture in .*found /elsewhere/b\.png"):
        load_examples(rows_file(folder, {**ROW, "images": ["~/b.png"]}))


def test_bytes_and_several_pictures_in_lists_of_lists(folder: Path) -> None:
    row = {**ROW, "images": [[encoded(), ["b.png"]], "pictures/a b.png"]}
    (example,) = rows_to_examples([row], where="rows", base=folder)
    assert [type(handle) is type(folder) for handle in example.images] == [False, True, True]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(["C:\\pics\\a.png"], r"a path of this machine, found C:\\pics.*relative to the rows", id="drive"),
        pytest.param(["C:/pics/a.png"], r"a path of this machine", id="drive-slashes"),
        pytest.param(["\\\\server\\share\\a.png"], r"a path of this machine", id="share"),
        pytest.param(["file:///C:/pics/a.png"], r"a path of this machine", id="file-address-of-a-drive"),
        pytest.param(["file://server/a.png"], r"an address of this machine.*three slashes", id="file-of-a-host"),
        pytest.param(["s3://bucket/a.png"], r"a local path.*Download", id="bucket"),
        pytest.param(["HTTPS://x.org/a.png"], r"a local path.*Download", id="capitals"),
        pytest.param(["data:image/png,abc"], r"base64 in an address", id="data-not-base64"),
        pytest.param([f"data:image/png;base64,{TEXT[:40]}"], r"a complete image", id="cut-data"),
        pytest.param(["data:image/png;base64,!!"], r"as base64 text too, found '!!'", id="no-base64"),
        pytest.param(["a" * 300 + ".png"], r"as base64 text too, found 'aaa.*304 characters", id="long-name"),
        pytest.param(["é" * 200 + ".png"], r"204 characters", id="name-of-many-bytes"),
        pytest.param(["a" * 5000], r"unreadable: it begins like no such file", id="base64-of-nothing"),
        pytest.param(["a\0b.png"], r"as base64 text too", id="nul"),
        pytest.param(["~nobody-of-that-name/a.png"], r"home folder of a user", id="no-such-user"),
        pytest.param(["a\ud800.png"], r"half of one \(surrogate \\ud800\)", id="half-a-character"),
        pytest.param("[a.png, b.png]", r"a list as JSON", id="list-that-is-no-json"),
        pytest.param([True], r"found a boolean", id="boolean"),
        pytest.param([{"bytes": None, "path": None}], r"found null", id="nothing"),
    ],
)
def test_a_picture_of_no_reading_is_named_with_the_remedy(folder: Path, value: object, message: str) -> None:
    with pytest.raises(InputError, match=r"rows\.jsonl, line 2, field 'images.*" + message):
        load_examples(rows_file(folder, {**ROW, "id": "fine"}, {**ROW, "images": value}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", r"b\.png an empty file\. Copy it again", id="empty"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0", r"HEIC\. Convert it to PNG", id="heic"),
        pytest.param(b"\0\0\0\x20ftypisom\0\0\0\0", r"a video\. Save the frames", id="video"),
        pytest.param(b"%PDF-1.7", r"a PDF\. Save its page", id="pdf"),
        pytest.param(b'<?xml version="1.0"?>\n<svg xmlns="x"/>', r"SVG\. Save it as PNG", id="svg"),
        pytest.param(b"<!DOCTYPE html><html>", r"a web page\. Download the picture itself", id="page"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", r"Git LFS\. Run git lfs pull", id="lfs"),
        pytest.param(encoded()[:40], r"unreadable.*save it again", id="cut"),
        pytest.param(encoded(size=(1, 201)), r"200 times as long.*found .*1x201 pixels\. Crop it", id="tall"),
        pytest.param(encoded(size=(4004, 20)), r"200 times as long.*found .*4004x20 pixels", id="wide"),
    ],
)
def test_a_file_that_is_no_picture_is_named_with_the_remedy(folder: Path, content: bytes, message: str) -> None:
    (folder / "b.png").write_bytes(content)
    examples = load_examples(rows_file(folder, {**ROW, "id": "x", "images": ["b.png"]}))
    with pytest.raises(InputError, match=r"row 'x', field 'images\[0\]': .*" + message):
        validate_examples(examples, vision=True, where="rows")
    if content:
        raw = [{**ROW, "id": "x", "images": [content]}]
        with pytest.raises(InputError, match=r"images\[0\]"):
            validate_examples(rows_to_examples(raw, where="rows", base=None), vision=True, where="rows")


def test_the_longest_picture_that_processors_take_is_taken(folder: Path) -> None:
    (folder / "b.png").write_bytes(encoded(size=(20 * MAX_ASPECT_RATIO, 20)))
    examples = load_examples(rows_file(folder, {**ROW, "images": ["b.png"]}))
    validate_examples(examples, vision=True, where="rows")


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow has no AVIF")
def test_avif_is_read(folder: Path) -> None:
    (folder / "b.avif").write_bytes(encoded("AVIF"))
    examples = load_examples(rows_file(folder, {**ROW, "images": ["b.avif"]}))
    validate_examples(examples, vision=True, where="rows")


# ---- files -------------------------------------------------------------------------------------------------------

TWO = [{**ROW, "id": "a"}, {**ROW, "id": "b", "question": "½ · 24?"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TWO)
CSV = 'id,question,images,solution,answer\na,4 + 8?,,Answer: 12,12\nb,"½ · 24?",,"Well,\nAnswer: 12",12\n'
COLUMN = {key: [row[key] for row in TWO] for key in TWO[0]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("rows.json", LINES.encode(), id="lines-named-json"),
        pytest.param("rows.jsonl", json.dumps(TWO).encode(), id="list-named-jsonl"),
        pytest.param("rows.jsonl", json.dumps(TWO, indent=1).encode(), id="indented-list-named-jsonl"),
        pytest.param("rows.json", "\n".join(json.dumps(r, indent=2) for r in TWO).encode(), id="objects-over-lines"),
        pytest.param("rows.jsonl", "\n".join(json.dumps(r, indent=2) for r in TWO).encode(), id="objects-in-jsonl"),
        pytest.param("rows.json", json.dumps({"data": TWO}).encode(), id="data"),
        pytest.param("rows.json", json.dumps({"version": 1, "rows": TWO}, indent=1).encode(), id="rows-and-version"),
        pytest.param("rows.json", json.dumps({"test": TWO[:1], "train": TWO}).encode(), id="splits"),
        pytest.param("rows.json", json.dumps({row["id"]: ROW for row in TWO}).encode(), id="by-id"),
        pytest.param("rows.json", json.dumps(COLUMN).encode(), id="by-column"),
        pytest.param("rows.jsonl", b"\xef\xbb\xbf" + LINES.encode(), id="mark"),
        pytest.param("rows.json", b"\xef\xbb\xbf" + json.dumps(TWO).encode(), id="list-with-mark"),
        pytest.param("rows.jsonl", LINES.encode("utf-16"), id="utf-16"),
        pytest.param("rows.jsonl", b"\xfe\xff" + LINES.encode("utf-16-be"), id="utf-16-big"),
        pytest.param("rows.json", json.dumps(TWO).encode("utf-16"), id="list-utf-16"),
        pytest.param("rows.jsonl", LINES.replace("\n", "\r\n").encode(), id="carriage-returns"),
        pytest.param("rows.csv", CSV.encode(), id="csv"),
        pytest.param("rows.CSV", CSV.encode("utf-8-sig"), id="csv-with-mark"),
        pytest.param("rows.csv", CSV.replace(",", ";").replace("Well;", "Well,").encode(), id="csv-semicolons"),
        pytest.param("rows.csv", CSV.encode("utf-16"), id="csv-utf-16"),
        pytest.param("rows.tsv", CSV.replace(",", "\t").replace("Well\t", "Well,").encode(), id="tsv"),
    ],
)
def test_files_are_read_by_what_they_hold(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    examples = load_examples(str(folder / name))
    assert [example.id for example in examples] == ["a", "b"]
    assert [example.images for example in examples] == [(), ()]
    assert examples[1].question in (
        "½ · 24?",
        "4 + 8?" if "by-id" in content.decode("latin-1") else "½ · 24?",
        "4 + 8?",
    )


def test_one_row_is_a_file_too(folder: Path) -> None:
    for name in ("rows.json", "rows.jsonl"):
        assert len(load_examples(rows_file(folder, ROW, name=name))) == 1
    (folder / "rows.json").write_text(json.dumps(ROW, indent=2))
    with pytest.raises(InputError, match="a JSON list of rows, found an object"):
        load_examples(str(folder / "rows.json"))


def test_cells_name_pictures_and_keep_their_lines(folder: Path) -> None:
    lines = ["question,images,solution,answer", "A,b.png,Answer: 1,1", "B,b.png; pictures/a b.png,Answer: 1,1"]
    (folder / "rows.csv").write_text("\n".join([*lines, 'C,"[""b.png""]",Answer: 1,1', "D,,Answer: 1,1"]))
    examples = load_examples(str(folder / "rows.csv"))
    assert [len(example.images) for example in examples] == [1, 2, 1, 0]
    assert [example.id for example in examples] == ["rows-2", "rows-3", "rows-4", "rows-5"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.csv", b"question,answer\n1,2,3\n", r"line 2: expected at most 2 cells, found 3", id="cells"),
        pytest.param("a.csv", b"question,question\n1,2\n", r"line 1: .*'question' twice", id="names"),
        pytest.param("a.csv", b'question,images\n"open,\n', r"line \d: expected a row of a table", id="quotes"),
        pytest.param("a.csv", b"question,solution\nx,y\n", r"line 2: expected a field 'images'", id="no-column"),
        pytest.param("a.csv", b"question,images,solution\nx,,\n", r"line 2, field 'solution'.*null", id="empty-cell"),
        pytest.param("a.csv", b"question\ncaf\xe9", r"UTF-8 text, found byte 0xe9 in line 2", id="latin"),
        pytest.param("a.jsonl", b'{"question": "caf\xe9"}\n{}', r"line 1: .*UTF-8.*Save the file as", id="latin-lines"),
        pytest.param("a.jsonl", LINES.encode("utf-16-le"), r"line 1", id="utf-16-without-mark"),
        pytest.param("a.json", b'{"dev": [{"a": 1}], "test": [{"a": 1}]}', r"lists named dev, test", id="split"),
        pytest.param("a.json", json.dumps(TWO).encode()[:-9], r"a\.json: expected valid JSON", id="cut-list"),
    ],
)  # fmt: skip
def test_files_of_no_reading_are_named(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_examples(str(folder / name))


def test_a_folder_of_files_named_by_split(folder: Path) -> None:
    for name in ("train.jsonl", "test.jsonl"):
        rows_file(folder, {**ROW, "id": name, "images": ["b.png"]}, name=name)
    assert [example.id for example in load_examples(str(folder))] == ["train.jsonl"]
    assert [example.id for example in load_examples(str(folder), split="test")] == ["test.jsonl"]
    rows_file(folder, ROW, name="more.jsonl")
    (folder / "train.jsonl").unlink()
    (folder / "test.jsonl").rename(folder / "other.jsonl")
    with pytest.raises(InputError, match=r"one file of rows.*found more\.jsonl, other\.jsonl"):
        load_examples(str(folder))


# ---- rows --------------------------------------------------------------------------------------------------------


def test_half_a_character_in_the_ids_of_images(folder: Path) -> None:
    with pytest.raises(InputError, match=r"line 1, field 'image_ids': .*surrogate"):
        load_examples(rows_file(folder, {**ROW, "images": ["b.png"], "image_ids": ["\ud800"]}))


@pytest.mark.parametrize("field", ["question", "solution", "answer", "id", "source"])
def test_half_a_character_is_refused_by_row_and_field(folder: Path, field: str) -> None:
    broken = {**ROW, "id": "x", "source": "mine", field: "Answer: 12 \ud83d"}
    with pytest.raises(InputError, match=rf"line 1, field '{field}': .*surrogate \\ud83d\) at position 11.*halves"):
        load_examples(rows_file(folder, broken))


def test_both_halves_are_a_character(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(json.dumps({**ROW, "question": "😀?"}))
    assert "\\ud83d\\ude00" in (folder / "rows.jsonl").read_text()
    assert load_examples(str(folder / "rows.jsonl"))[0].question == "😀?"


def test_all_wrong_rows_are_told_at_once(folder: Path) -> None:
    spec = rows_file(
        folder, ROW, {**ROW, "answer": 3}, {**ROW, "question": ""}, 7, {**ROW, "id": "x"}, {**ROW, "id": "x"}
    )
    with pytest.raises(InputError) as caught:
        load_examples(spec)
    text = str(caught.value)
    assert "4 problems in 6 rows" in text
    assert [f"line {line}" in text for line in (2, 3, 4, 6)] == [True] * 4


def test_messages_as_a_question(folder: Path) -> None:
    content = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    for question in ([{"role": "user", "content": content}], content):
        (example,) = load_examples(rows_file(folder, {**ROW, "question": question, "images": ["b.png"]}))
        assert example.question == "What is it?"
