"""`contextrl init`: what it proposes, that what it writes is read back, and what it refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.commands.config import load_config
from contextrl.commands.shipped_configs import CONFIGS, shipped_configs, what_it_is
from contextrl.commands.sources import run_examples
from contextrl.errors import InputError, ServiceError

ROOT = Path(__file__).parents[2]
#: Of shipped files; the wheel and the source archive name each.
SUFFIXES = {".yaml", ".yml", ".txt", ".sh", ".sbatch"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with forty pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics").mkdir()
    for n in range(40):
        Image.new("RGB", (24, 16), (6 * n, 10, 10)).save(tmp_path / "pics" / f"{n}.png")
    return tmp_path


def rows(name: str, make: Any, count: int = 40) -> None:
    Path(name).write_text("".join(json.dumps(make(n)) + "\n" for n in range(count)))


def init(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["init", *arguments], env={"COLUMNS": "200"})
    if done.exception is not None:
        raise done.exception
    return done.output


def written(name: str) -> dict[str, Any]:
    """The file, and that a run can be made of it."""
    raw = yaml.safe_load(Path(name).read_text())
    config = load_config(name)
    kept, out = run_examples(config, vision=True)
    assert kept
    assert (config.data.evaluated_on is None) == (not out)
    return dict(raw)


SHAPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "named": (
        lambda n: {"question": f"{n} + 2?", "images": [], "solution": f"Answer: {n + 2}", "answer": str(n + 2)},
        {"answer_type": "number"},
    ),
    "other-names": (
        lambda n: {"query": f"{n}?", "image": f"pics/{n}.png", "rationale": f"Answer: {n}", "gt": n},
        {
            "columns": {"question": "query", "solution": "rationale", "answer": "gt"},
            "answer_type": "number",
        },
    ),
    "within-objects": (
        lambda n: {
            **{"uid": n, "media": {"picture": f"pics/{n}.png"}},
            "meta": {"query": f"{n}?", "gold": {"rationale": f"So. Answer: {n}", "label": n}},
        },
        {
            "columns": {
                **{"question": "meta.query", "images": "media.picture", "solution": "meta.gold.rationale"},
                **{"answer": "meta.gold.label", "id": "uid"},
            },
            "answer_type": "number",
        },
    ),
    "conversations": (
        lambda n: {
            "image": f"pics/{n}.png",
            "conversations": [
                {"from": "human", "value": f"<image>\n{n}?"},
                {"from": "gpt", "value": f"So. Answer: {n}"},
            ],
        },
        {
            "columns": {f: f"conversations.{i}.value" for f, i in (("question", 0), ("solution", 1), ("answer", 1))},
            "answer_type": "number",
        },
    ),
    "messages-with-system": (
        lambda n: {
            "images": [f"pics/{n}.png"],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": f"{n}?"}]},
                {"role": "assistant", "content": f"Answer: {n}"},
            ],
        },
        {
            "columns": {f: f"messages.{i}.content" for f, i in (("question", 1), ("solution", 2), ("answer", 2))},
            "answer_type": "number",
        },
    ),
    "solutions-in-answers": (
        lambda n: {"question": f"{n}?", "answer": f"We count from one up to {n}, which takes a while to do.\n#### {n}"},
        {"columns": {"images": None, "solution": "answer"}, "answer_type": "number"},
    ),
    "answers-alone": (
        lambda n: {"problem": f"Which? A. x B. y {n}", "image_path": f"pics/{n}.png", "label": "AB"[n % 2]},
        {
            "columns": {"question": "problem", "images": "image_path", "solution": "label", "answer": "label"},
            "answer_type": "choice",
        },
    ),
    "mixed-types": (
        lambda n: {"prompt": f"{n}?", "image_1": f"pics/{n}.png", "image_2": None, "answer": ("yes", str(n))[n % 2]},
        {
            "columns": {"question": "prompt", "images": ["image_1", "image_2"], "solution": "answer"},
            "answer_type": "auto",
        },
    ),
    "pictures-by-look": (
        lambda n: {
            **{"qid": n, "instruction": f"{n}?", "left": f"pics/{n}.png"},
            **{"explanation": f"Answer: {n}", "target": "x"},
        },
        {"columns": {"id": "qid", "question": "instruction", "images": "left", "solution": "explanation"}},
    ),
    "own-types": (
        lambda n: {
            **{"question": "?", "images": [f"pics/{n}.png"]},
            **{"solution": "Answer: a", "answer": "a", "answer_type": "text"},
        },
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "pictures-by-look"])
def test_a_file_of_any_shape_becomes_a_configuration_that_reads_it(name: str) -> None:
    make, expected = SHAPES[name]
    rows("mine.jsonl", make)
    init("--data", "mine.jsonl", "--model", "miniature", "mine.yaml")
    config = written("mine.yaml")
    assert config["data"] == {"train": "mine.jsonl", "holdout": 4, **expected}
    assert config["model"] == {"path": "miniature"}
    assert config["judge"] == {"kind": "rules"}
    assert config["run_dir"] == "runs/mine"


def test_columns_by_content_and_by_hand() -> None:
    make, _ = SHAPES["pictures-by-look"]
    rows("mine.jsonl", make)
    with pytest.raises(InputError, match="expected the final answer 'x'"):
        init("--data", "mine.jsonl", "mine.yaml")
    assert not Path("mine.yaml").exists()
    init("--data", "mine.jsonl", "--column", "answer=explanation", "mine.yaml")
    columns = written("mine.yaml")["data"]["columns"]
    assert columns == {
        "answer": "explanation",
        "question": "instruction",
        "images": "left",
        "solution": "explanation",
        "id": "qid",
    }


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.json", "with spaces.jsonl"])
def test_other_formats_and_the_default_name(name: str) -> None:
    lines = [{"query": f"{n}?", "image": f"pics/{n}.png", "answer": str(n)} for n in range(25)]
    joint = "\t" if name.endswith("tsv") else ","
    table = [joint.join(lines[0]), *(joint.join(line.values()) for line in lines)]
    as_json = json.dumps({"data": lines}) if name.endswith("json") else "\n".join(json.dumps(line) for line in lines)
    Path(name).write_text("\n".join(table) if name[-3:] in ("csv", "tsv") else as_json)
    init("--data", name)
    assert written(f"{Path(name).stem}.yaml")["data"]["columns"] == {"question": "query", "solution": "answer"}


def test_evaluation_rows_beside_the_file_are_found() -> None:
    make, _ = SHAPES["named"]
    for name in ("geo-train.jsonl", "geo-val.jsonl"):
        rows(name, make, 8)
    assert "8 rows for evaluation" in init("--data", "geo-train.jsonl", "geo.yaml")
    assert written("geo.yaml")["data"] == {"train": "geo-train.jsonl", "answer_type": "number", "eval": "geo-val.jsonl"}
    Path("geo-val.jsonl").write_text('{"a": 1}')
    assert "geo-val.jsonl is not used for evaluation" in init("--data", "geo-train.jsonl", "again.yaml")


def test_few_rows_and_rows_of_one_picture_are_not_split() -> None:
    make, _ = SHAPES["named"]
    rows("few.jsonl", make, 3)
    assert "3 rows are too few" in init("--data", "few.jsonl")
    config = written("few.yaml")
    assert config["data"]["eval"] is None
    assert config["train"]["gradient_accumulation_steps"] == 3
    rows("one.jsonl", lambda n: {**make(n), "images": ["pics/0.png"]})
    assert "all rows show the same pictures" in init("--data", "one.jsonl")


def test_paths_are_from_the_file_that_is_written(here: Path) -> None:
    make, _ = SHAPES["named"]
    (here / "sub").mkdir()
    rows("sub/mine.jsonl", make)
    (here / "model").mkdir()
    vision = {"vision_config": {"depth": 1}, "text_config": {"hidden_size": 2048, "max_position_embeddings": 512}}
    (here / "model" / "config.json").write_text(json.dumps(vision))
    init("--data", "sub/mine.jsonl", "--model", "model", "sub/mine.yaml")
    config = written("sub/mine.yaml")
    assert config["data"]["train"] == "mine.jsonl"
    assert config["model"] == {"path": str(here / "model"), "lora": True}
    assert config["train"]["max_completion_length"] == 256
    init("--data", "sub/mine.jsonl", "--model", "model", "mine.yaml")
    config = written("mine.yaml")
    assert (config["data"]["train"], config["model"]["path"]) == ("sub/mine.jsonl", "./model")


def test_without_a_model_a_hub_id_of_the_family_is_written() -> None:
    rows("mine.jsonl", SHAPES["named"][0])
    init("--data", "mine.jsonl")
    assert written("mine.yaml")["model"]["path"].startswith("Qwen/Qwen3-VL-")


# ---- judges ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server that lists models."""
    names: list[str] = ["the-judge"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"data": [{"id": name} for name in names]}).encode()
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/v1", names
        running.shutdown()
        thread.join()


def test_a_judge_s_name_is_asked_for(server: tuple[str, list[str]]) -> None:
    url, names = server
    rows("mine.jsonl", SHAPES["named"][0])
    init("--data", "mine.jsonl", "--judge", url, "a.yaml")
    judge = {"kind": "llm", "base_url": url, "model": "the-judge", "context": "solution"}
    assert written("a.yaml")["judge"] == judge
    names.append("another")
    with pytest.raises(InputError, match=r"one model, found the-judge, another\. Name the judge with --judge-model"):
        init("--data", "mine.jsonl", "--judge", url, "b.yaml")
    init("--data", "mine.jsonl", "--judge", url, "--judge-model", "another", "b.yaml")
    assert written("b.yaml")["judge"]["model"] == "another"
    with pytest.raises(ServiceError, match=r"404.*--judge-model"):
        init("--data", "mine.jsonl", "--judge", url.removesuffix("/v1"), "c.yaml")
    assert not Path("c.yaml").exists()


# ---- shipped configurations --------------------------------------------------------------------------------------


def test_shipped_configurations_are_the_package_s_and_the_repository_leads_there() -> None:
    assert (ROOT / "configs").resolve() == CONFIGS.resolve()
    patterns = [f"configs/**/*{suffix}" for suffix in SUFFIXES]
    assert all(pattern in (ROOT / "pyproject.toml").read_text() for pattern in patterns)
    assert {path.suffix for path in CONFIGS.rglob("*") if path.is_file()} == SUFFIXES


def test_they_are_listed_with_a_word_each() -> None:
    text = init("--list")
    for name, path in shipped_configs().items():
        assert name in text
        assert len(what_it_is(path)) > 20
        assert what_it_is(path).endswith(".")


@pytest.mark.parametrize(
    ("arguments", "source", "out"),
    [
        (["miniature"], "miniature/contextrl.yaml", "miniature.yaml"),
        (["miniature/grpo"], "miniature/grpo.yaml", "miniature-grpo.yaml"),
        (["configs/qwen3-vl-8b/sft.yaml", "mine.yml"], "qwen3-vl-8b/sft.yaml", "mine.yml"),
        (["qwen3-vl-8b", "new/folder/a.yaml"], "qwen3-vl-8b/contextrl.yaml", "new/folder/a.yaml"),
    ],
)
def test_a_copy_is_the_same(arguments: list[str], source: str, out: str) -> None:
    init(*arguments)
    assert Path(out).read_bytes() == (CONFIGS / source).read_bytes()
    assert load_config(out) == load_config(CONFIGS / source)


# ---- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data FILE, or the name of a shipped configuration, found neither"),
        (["miniatur"], "did you mean miniature"),
        (["mine.jsonl"], "contextrl init --data mine.jsonl"),
        (["miniature", "taken.yaml"], "taken.yaml: expected a new file, found one that is there"),
        (["miniature", "a.json"], "a file ending in .yaml, found a.json"),
        (["miniature", "a.yaml", "b.yaml"], "one file to write, found a.yaml b.yaml"),
        (["--data", "mine.jsonl", "taken.yaml"], "expected a new file"),
        (["--data", "gone.jsonl"], "an existing file or folder"),
        (["--data", "miniature"], "rows of your own, found miniature. contextrl init miniature"),
        (["--data", "strange.jsonl"], "the question, found the columns foo, bar. Say which: --column question=NAME"),
        (["--data", "long.jsonl"], "one question and one answer a row, found 3 turns"),
        (["--data", "mine.jsonl", "--column", "question"], "--column: expected FIELD=COLUMN"),
        (["--data", "mine.jsonl", "--column", "qustion=a"], "did you mean question?"),
        (["--data", "mine.jsonl", "--column", "question=a"], "a column 'a' for 'question'"),
        (["--data", "mine.jsonl", "--model", "./gone"], "a folder with a model, or a hub id, found no such folder"),
        (["--data", "mine.jsonl", "--model", "My Model"], "a folder with a model, or a hub id, found no such folder"),
        (["--data", "mine.jsonl", "--model", "pics"], "found no config.json in it"),
        (["--data", "mine.jsonl", "--judge", "host:8000"], "--judge: expected a server's address"),
        (["--data", "mine.jsonl", "--judge", "http://u:secret@h/v1"], "must hold no secret"),
        (["--model", "miniature"], "--data FILE beside these options"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_and_nothing_written(here: Path, arguments: list[str], message: str) -> None:
    rows("mine.jsonl", SHAPES["named"][0])
    rows("strange.jsonl", lambda n: {"foo": 1, "bar": 2})
    rows("long.jsonl", lambda n: {"conversations": [{"from": "human", "value": "?"}] * 3, "images": []})
    Path("taken.yaml").write_text("seed: 7\n")
    before = sorted(here.rglob("*"))
    with pytest.raises(InputError) as caught:
        init(*arguments)
    assert message in str(caught.value)
    assert "secret@" not in str(caught.value)
    assert sorted(here.rglob("*")) == before
    assert Path("taken.yaml").read_text() == "seed: 7\n"
