"""Loading examples: every source, and errors that name file, row and field."""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.data.loading import load_examples, rows_to_examples
from contextrl.data.problems import RowsError, by_kind
from contextrl.errors import InputError, ServiceError

ROW: dict[str, Any] = {"question": "4 + 8?", "images": [], "solution": "Answer: 12", "answer": "12"}


def write_jsonl(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def dataset_with_image() -> Any:
    datasets = importlib.import_module("datasets")
    features = {name: datasets.Value("string") for name in ("question", "solution", "answer")}
    features["images"] = datasets.List(datasets.Image())
    image = Image.new("RGB", (3, 2), (255, 0, 0))
    rows = {name: [ROW[name]] * 2 for name in ("question", "solution", "answer")}
    return datasets.Dataset.from_dict({**rows, "images": [[image], []]}, datasets.Features(features))


def test_jsonl_fills_defaults_and_keeps_paths(tmp_path: Path) -> None:
    full = {
        **ROW,
        "id": 7,
        "images": ["a/b.png"],
        "answer_type": "number",
        "task": "perception",
        "source": "mine",
    }
    first, second = load_examples(write_jsonl(tmp_path / "rows.jsonl", ROW, full))
    assert (first.id, first.answer_type, first.task, first.source) == ("rows-1", "text", "reasoning", "")
    assert (first.question, first.solution, first.answer, first.images) == ("4 + 8?", "Answer: 12", "12", ())
    assert (second.id, second.answer_type, second.task, second.source) == (
        "7",
        "number",
        "perception",
        "mine",
    )
    assert second.images == (tmp_path / "a/b.png",)  # not decoded: there is no such file


@pytest.mark.parametrize(
    ("given", "documents"),
    [
        pytest.param(["a fact", " another "], ("a fact", "another"), id="list"),
        pytest.param("one alone", ("one alone",), id="text"),
        pytest.param(["", " "], (), id="empty"),
        pytest.param(None, (), id="null"),
    ],
)
def test_documents_are_texts(tmp_path: Path, given: object, documents: tuple[str, ...]) -> None:
    (row,) = load_examples(write_jsonl(tmp_path / "rows.jsonl", {**ROW, "documents": given}))
    assert row.documents == documents
    file = write_jsonl(tmp_path / "rows.jsonl", {**ROW, "facts": given})
    (row,) = load_examples(file, columns={"documents": "facts"})
    assert row.documents == documents


@pytest.mark.parametrize("given", [3, [3], {"a": "b"}, [["a"]]])
def test_documents_that_are_no_texts_are_refused(tmp_path: Path, given: object) -> None:
    with pytest.raises(InputError, match=r"field 'documents'.*expected a list of texts"):
        load_examples(write_jsonl(tmp_path / "rows.jsonl", {**ROW, "documents": given}))


def test_blank_lines_and_bom_do_not_shift_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\n" + json.dumps(ROW).encode() + b"\n\n" + json.dumps(ROW).encode())
    assert [example.id for example in load_examples(str(path))] == ["rows-2", "rows-4"]


def test_json_list(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ROW, {**ROW, "images": ["x.png"]}]), encoding="utf-8")
    first, second = load_examples(str(path))
    assert (first.id, second.id, second.images) == ("rows-1", "rows-2", (tmp_path / "x.png",))


def test_absolute_paths_stay(tmp_path: Path) -> None:
    (example,) = load_examples(
        write_jsonl(tmp_path / "rows.jsonl", {**ROW, "images": ["/data/x.png"]}), allow_outside=True
    )
    assert example.images == (Path("/data/x.png"),)


def test_limit_reads_no_further(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW) + "\n{broken", encoding="utf-8")
    assert len(load_examples(str(path), limit=2)) == 2
    with pytest.raises(InputError, match=r"rows\.jsonl, line 3"):
        load_examples(str(path))
    with pytest.raises(InputError, match="limit"):
        load_examples(str(path), limit=0)


def test_images_as_pil_bytes_and_paths(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    red = Image.new("RGB", (3, 2), (255, 0, 0))
    red.save(path)
    values = [
        red,
        {"bytes": path.read_bytes(), "path": "x.png"},
        {"bytes": None, "path": "red.png"},
        Path("red.png"),
    ]
    (example,) = rows_to_examples([{**ROW, "images": values}], where="rows", base=tmp_path)
    pil, from_bytes, from_dict, from_path = example.images
    assert pil is red
    assert isinstance(from_bytes, Image.Image)
    assert from_bytes.size == (3, 2)
    assert from_dict == from_path == path


def test_parquet_file_written_by_datasets(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    dataset_with_image().to_parquet(str(path))
    first, second = load_examples(str(path))
    assert (first.id, second.id, second.images) == ("rows-1", "rows-2", ())
    assert isinstance(first.images[0], Image.Image)
    assert first.images[0].getpixel((0, 0)) == (255, 0, 0)


def test_parquet_folder_keeps_splits_apart(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        dataset_with_image().to_parquet(str(tmp_path / f"{name}.parquet"))
    ids = [example.id for example in load_examples(str(tmp_path))]
    assert ids == [f"train-0000{shard}-of-00002-{row}" for shard in (0, 1) for row in (1, 2)]
    assert len(load_examples(str(tmp_path), split="test")) == 2
    assert len(load_examples(str(tmp_path / "train-*.parquet"), limit=3)) == 3
    with pytest.raises(InputError, match=r"split 'validation', found files of test, train"):
        load_examples(str(tmp_path), split="validation")


def test_parquet_error_names_the_row(tmp_path: Path) -> None:
    datasets = importlib.import_module("datasets")
    path = tmp_path / "rows.parquet"
    datasets.Dataset.from_dict({**{k: [v, v] for k, v in ROW.items()}, "answer": ["1", ""]}).to_parquet(str(path))
    with pytest.raises(InputError, match=r"rows\.parquet, row 2, field 'answer'"):
        load_examples(str(path))


def test_saved_dataset_and_its_splits(tmp_path: Path) -> None:
    datasets = importlib.import_module("datasets")
    dataset_with_image().save_to_disk(str(tmp_path / "plain"))
    first, second = load_examples(str(tmp_path / "plain"))
    assert (first.id, second.id) == ("plain-1", "plain-2")
    assert isinstance(first.images[0], Image.Image)
    datasets.DatasetDict(train=dataset_with_image()).save_to_disk(str(tmp_path / "splits"))
    assert len(load_examples(str(tmp_path / "splits"), limit=1)) == 1
    with pytest.raises(InputError, match="a split named 'test', found train"):
        load_examples(str(tmp_path / "splits"), split="test")


class FakeHub(types.ModuleType):
    """Stands in for datasets: records what is asked, and returns or raises what it is given."""

    def __init__(self, outcome: object) -> None:
        super().__init__("datasets")
        self.outcome = outcome
        self.asked: list[tuple[object, ...]] = []

    def load_dataset(self, name: str, config: str | None, **kwargs: object) -> object:
        self.asked = [(name, config, *sorted(kwargs.items()))]
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_hub_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hub = FakeHub(dataset_with_image())
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert [example.id for example in load_examples("owner/name.v2", split="test")] == [
        "name.v2-1",
        "name.v2-2",
    ]
    assert hub.asked == [("owner/name.v2", None, ("split", "test"), ("streaming", False))]


def test_hub_dataset_is_streamed_under_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hub = FakeHub(dataset_with_image().to_iterable_dataset())
    monkeypatch.setitem(sys.modules, "datasets", hub)
    (example,) = load_examples("owner/name:geo170k(qa)", limit=1)
    assert isinstance(example.images[0], Image.Image)
    assert hub.asked == [("owner/name", "geo170k(qa)", ("split", "train"), ("streaming", True))]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        pytest.param(ConnectionError("no route"), ServiceError, id="network"),
        pytest.param(FileNotFoundError("Dataset 'owner/name' doesn't exist"), InputError, id="unknown"),
        pytest.param(ValueError('Unknown split "dev"'), InputError, id="split"),
    ],
)
def test_hub_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", FakeHub(raised))
    with pytest.raises(expected, match="owner/name"):
        load_examples("owner/name")


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in ROW.items() if key != field}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param(without("images"), r"a field 'images'.*images: \[\]", id="images-missing"),
        pytest.param({**ROW, "images": None}, r"'images'.*a list, found null.*images: \[\]", id="images-null"),
        pytest.param({**ROW, "images": 3}, r"'images'.*a list, found a number", id="images-number"),
        pytest.param({**ROW, "images": [3]}, r"'images\[0\]'.*found a number \('3'\)", id="image-number"),
        pytest.param({**ROW, "images": ["a.png", ""]}, r"'images\[1\]'", id="image-empty"),
        pytest.param({**ROW, "images": [{"path": None}]}, r"'images\[0\]'.*found null", id="image-dict-empty"),
        pytest.param({**ROW, "images": ["https://x.org/a.png"]}, r"a local path, found https", id="image-url"),
        pytest.param(without("solution"), r"a field 'solution', found the fields question", id="missing"),
        pytest.param({**without("solution"), "soluton": "x"}, r"Rename 'soluton' to 'solution'", id="missing-near"),
        pytest.param({**ROW, "question": " "}, r"'question': expected text, found an empty", id="question-empty"),
        pytest.param({**ROW, "question": "<image>"}, r"'question'.*only <image> markers", id="question-marker"),
        pytest.param({**ROW, "solution": ""}, r"'solution'.*empty", id="solution-empty"),
        pytest.param({**ROW, "answer": "\n"}, r"'answer'.*empty", id="answer-empty"),
        pytest.param({**ROW, "answer": 12}, r"'answer'.*found a number \('12'\).*quotes", id="answer-number"),
        pytest.param({**ROW, "answer": True}, r"'answer'.*found a boolean", id="answer-boolean"),
        pytest.param({**ROW, "question": ["x"]}, r"'question'.*found a list", id="question-list"),
        pytest.param({**ROW, "id": True}, r"'id'.*found a boolean", id="id-boolean"),
        pytest.param({**ROW, "id": ""}, r"'id'.*empty", id="id-empty"),
        pytest.param({**ROW, "answer_type": "numeric"}, r"'numeric'.*Did you mean 'number'\?", id="answer-type"),
        pytest.param({**ROW, "answer_type": "YES_NO"}, r"Did you mean 'yes_no'\?", id="answer-type-case"),
        pytest.param({**ROW, "task": "reason"}, r"'task'.*Did you mean 'reasoning'\?", id="task"),
        pytest.param({**ROW, "image_ids": ["a"]}, r"1 ids for 0 images", id="image-ids"),
    ],
)
def test_a_wrong_row_is_named_with_its_field(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    spec = write_jsonl(tmp_path / "rows.jsonl", {**ROW, "id": "fine"}, row)
    with pytest.raises(InputError, match=r"rows\.jsonl, line 2.*" + message):
        load_examples(spec)


def test_corrupt_image_bytes_name_the_row() -> None:
    rows = [ROW, {**ROW, "images": [{"bytes": b"junk", "path": None}]}]
    with pytest.raises(InputError, match=r"mine, row 2, field 'images\[0\]'"):
        rows_to_examples(rows, where="mine", base=None)


def test_duplicate_id_names_both_rows(tmp_path: Path) -> None:
    spec = write_jsonl(tmp_path / "rows.jsonl", {**ROW, "id": "x"}, ROW, {**ROW, "id": "x"})
    with pytest.raises(InputError, match=r"line 3, field 'id'.*'x', already the id of .*line 1"):
        load_examples(spec)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.jsonl", b"", "an empty file", id="empty"),
        pytest.param("a.jsonl", b"\n \n", "an empty dataset", id="blank"),
        pytest.param("a.json", b"[]", "an empty dataset", id="empty-list"),
        pytest.param("a.jsonl", b'{"question": 1,}', r"a\.jsonl, line 1: expected valid JSON", id="syntax"),
        pytest.param("a.jsonl", b"[1]", "line 1: expected a JSON object, found a list", id="no-object"),
        pytest.param("a.jsonl", b'{"a": "\xff"}', "UTF-8 text, found byte 0xff", id="encoding"),
        pytest.param("a.json", b'{"a": 1}', "a JSON list of rows, found an object", id="no-list"),
        pytest.param("a.json", b"[1]", "row 1: expected a JSON object, found a number", id="row-no-object"),
        pytest.param("a.json", b'[\n{"a" 1}]', "line 2, column", id="json-place"),
        pytest.param("a.parquet", b"PAR1junk", r"a\.parquet: expected a parquet file", id="parquet"),
        pytest.param("a.txt", b"x", r"ending in \.jsonl, \.json, \.parquet, \.csv, \.tsv, found a\.txt", id="suffix"),
        pytest.param("a.jsonl.gz", b"x", r"found a\.jsonl\.gz\. Unpack it: gunzip a\.jsonl\.gz", id="packed"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_examples(str(path))


@pytest.mark.parametrize("spec", ["gone.jsonl", "./gone", "a/b/c", "data/gone.parquet", "", "what is this"])
def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        load_examples(spec)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="save_to_disk"):
        load_examples(str(tmp_path))


def test_folders_of_the_hubs_layouts(tmp_path: Path) -> None:
    """`train/metadata.jsonl` beside its pictures, with the split in the folder's name."""
    for split, answer in (("train", "a"), ("test", "b")):
        (tmp_path / split).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / split / "0.png")
        row = {"file_name": "0.png", "question": "Q?", "solution": f"Answer: {answer}", "answer": answer}
        write_jsonl(tmp_path / split / "metadata.jsonl", row)
    for split, answer in (("train", "a"), ("test", "b")):
        examples = load_examples(str(tmp_path), split=split, columns={"images": "file_name"})
        assert [example.answer for example in examples] == [answer]
        assert Path(str(examples[0].images[0])) == tmp_path / split / "0.png"
    with pytest.raises(InputError, match="files of split 'dev'"):
        load_examples(str(tmp_path), split="dev")


def test_every_fault_of_a_row_is_told_with_its_id(tmp_path: Path) -> None:
    rows = [
        {"id": "good", "question": "Q?", "images": [], "solution": "Answer: a", "answer": "a"},
        {"id": "bad", "question": "", "images": [], "solution": "Answer: a", "answer": None, "answer_type": "txt"},
        {"question": "Q?", "images": "none", "solution": 3, "answer": "a", "task": "guess", "tolerance": -1},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(RowsError) as caught:
        load_examples(str(path))
    lines = [line.removeprefix(f"{path}, ") for line in caught.value.problems]
    assert [line.partition(":")[0] for line in lines] == [
        "line 2, row 'bad', field 'question'",
        "line 2, row 'bad', field 'answer'",
        "line 2, row 'bad', field 'answer_type'",
        "line 3, field 'solution'",
        "line 3, field 'task'",
        "line 3, field 'tolerance'",
    ]
    assert [example.id for example in caught.value.usable] == ["good"]


def test_faults_are_told_apart_by_what_is_expected_of_which_field() -> None:
    problems = [
        "a.jsonl, line 3, row 'q', field 'images[0]': expected an image file, found nothing at one.png",
        "a.jsonl, line 4, field 'answer': expected text, found null",
        "a.jsonl, line 5, field 'images[2]': expected an image file, found nothing at C:\\two.png",
        "row 'x, y', field 'solution': expected the final answer '5' (number), found '3' at its end",
        "row 'z', field 'solution': expected the final answer 'field of view' (text), found 'a' at its end",
    ]
    problems += [f"d e/a, b.jsonl, line {n}: expected a field 'solution', found the fields id" for n in (8, 9, 12)]
    problems += ["C:\\a.jsonl, line 9: expected a field 'answer', found the fields id, solution"]
    problems += [f"a.jsonl, line {n}: expected valid JSON, found Expecting value at column {n}" for n in (7, 9)]
    kinds = {kind: len(lines) for kind, lines in by_kind(problems).items()}
    assert kinds == {
        "a field 'solution'": 3,
        "images: an image file": 2,
        "solution: the final answer": 2,
        "valid JSON": 2,
        "answer: text": 1,
        "a field 'answer'": 1,
    }
