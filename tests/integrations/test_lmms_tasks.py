"""The task files for lmms-eval: what it reads in them, and what it gets from the functions that they name."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import datasets
import pytest
import yaml
from made_benchmark import Made
from PIL import Image

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import CONFIG
from contextrl.evaluation.benchmarks.items import Mark, Source
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.evaluation.benchmarks.steps import Ask
from contextrl.evaluation.paper_figures import PAPER_COLUMNS
from contextrl.integrations.lmms_eval import judging, utils
from contextrl.integrations.lmms_eval.judging import KEY, MODEL, URL, mark_of

FOLDER = Path(utils.__file__).parent
NAMES = list(dict.fromkeys(column.benchmark for columns in PAPER_COLUMNS.values() for column in columns))


def task(name: str) -> dict[str, Any]:
    """A task file and what it includes, as lmms-eval joins them; `!function` gives the name of the function."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    own = yaml.load((FOLDER / f"{name.replace('-', '_')}.yaml").read_text(), Loader)
    shared = yaml.load((FOLDER / own.pop("include")).read_text(), Loader)
    return {**shared, **own}


def functions(config: Any) -> Iterator[str]:
    if isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from functions(part)
    elif isinstance(config, str) and config.startswith("utils."):
        yield config.removeprefix("utils.")


def test_there_is_a_task_for_each_benchmark() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {name.replace("-", "_") for name in NAMES}
    assert len(NAMES) == 11


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_what_lmms_eval_expects(name: str) -> None:
    config = task(name)
    plain = name.replace("-", "_")
    assert config["task"] == f"contextrl_{plain}"
    assert (config["output_type"], config["test_split"]) == ("generate_until", "test")
    assert list(config["dataset_kwargs"]["split"]) == ["test"]
    assert config["process_results_use_image"] is True, "items have pictures"
    metrics = {one["metric"]: one["aggregation"] for one in config["metric_list"]}
    columns = [column.metric for columns in PAPER_COLUMNS.values() for column in columns if column.benchmark == name]
    expected = {f"{scorer}_{metric}" for scorer in ("official", "robust") for metric in (*columns, "not_scored")}
    assert set(metrics) == expected
    for metric, function in metrics.items():
        scorer, _, rest = metric.partition("_")
        assert function == f"utils.{plain}__{scorer}__{rest}"
    assert all(re.fullmatch(rf"{plain}__\w+", function) for function in functions(config))


@pytest.mark.parametrize("name", NAMES)
def test_a_task_reads_the_benchmarks_own_rows(name: str) -> None:
    if name not in BENCHMARKS:
        pytest.skip("not there")
    source, config = BENCHMARKS[name].source, task(name)
    split = "+".join(map(str, source.configs)) if len(source.configs) > 1 else source.split
    assert (config["dataset_path"], config["dataset_kwargs"]["split"]["test"]) == (source.hub, split)
    assert config.get("dataset_name") == (source.configs[0] if len(source.configs) == 1 else None)
    assert config["dataset_kwargs"].get("revision") == source.revision
    for function in functions(config):
        assert callable(getattr(utils, function))


class Pictured(Made):
    """With a picture, and two configurations that follow each other."""

    source: ClassVar[Source] = Source("made/made", "test", 4, "made", ("id", "image"), configs=("first", "second"))
    seen: ClassVar[list[Any]] = []

    def item(self, row: Any, position: int) -> Any:
        self.seen.append((position, row[CONFIG], type(row["image"]).__name__))
        return super().item(row, position)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark under a name with a hyphen."""
    monkeypatch.setitem(utils._BY_NAME, "made_up", Pictured(name="made-up"))  # type: ignore[index]


def dataset() -> datasets.Dataset:
    picture = io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "PNG")
    rows = [
        {
            "id": f"q{n}",
            "question": f"{n}?",
            "answer": "A",
            "group": n // 2,
            "image": {"bytes": picture.getvalue(), "path": None},
        }
        for n in range(4)
    ]
    rows[3]["answer"] = None
    return datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())


@pytest.mark.usefixtures("made")
def test_rows_become_marks_and_marks_figures() -> None:
    """Three answers to four rows, one of which cannot be read: A is right, B wrong; a group is right if both are."""
    Pictured.seen.clear()
    split = utils.made_up__rows(dataset())
    answers = ["A", " B ", "A", "A"]
    assert [utils.made_up__prompt(doc, None) for doc in split][:2] == [
        "0? Answer with a letter.",
        "1? Answer with a letter.",
    ]
    assert Pictured.seen == [
        (0, "first", "bytes"),
        (1, "first", "bytes"),
        (2, "second", "bytes"),
        (3, "second", "bytes"),
    ], "pictures are left as they are stored"
    assert utils.made_up__target(split[0]) == "A"
    marks = [utils.made_up__marks(doc, [answer], full_docs=None) for doc, answer in zip(split, answers, strict=True)]
    assert set(marks[0]) == {
        *(f"official_{metric}" for metric in ("accuracy", "groups", "not_scored")),
        *(f"robust_{metric}" for metric in ("accuracy", "groups", "not_scored")),
    }
    written = json.loads(json.dumps(marks))
    lines = {metric: [mark[metric] for mark in written] for metric in marks[0]}
    assert utils.made_up__official__accuracy(lines["official_accuracy"]) == pytest.approx(2 / 3)
    assert utils.made_up__robust__groups(lines["robust_groups"]) == 0.5
    assert utils.made_up__robust__not_scored(lines["robust_not_scored"]) == 1.0
    assert math.isnan(utils.made_up__robust__accuracy([]))
    assert "score" not in lines["official_accuracy"][0], "lmms-eval would take it for a mean's"
    assert "columns" not in lines["official_not_scored"][0]


@pytest.mark.usefixtures("made")
def test_a_row_that_is_not_scored_has_no_marks() -> None:
    doc = {"id": "x", "question": "?", "answer": "A", "skip": True, "image": None, utils.POSITION: 0}
    assert utils.made_up__marks(doc, ["A"]) == {}
    assert (utils.made_up__prompt(doc), utils.made_up__images(doc), utils.made_up__target(doc)) == ("", [], "")


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    "name", ["made_up", "made_up__x", "made_up__vlmevalkit__accuracy", "other__marks", "made_up__a__b__c"]
)
def test_no_other_names_are_there(name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(utils, name)


def test_the_folder_is_told() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "contextrl.integrations.lmms_eval"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert Path(told.stdout.strip()) == FOLDER
    assert (FOLDER / "README.md").is_file()


class Judge(BaseHTTPRequestHandler):
    """Answers as it is told, and keeps what it was asked."""

    replies: ClassVar[list[tuple[int, Any]]] = []
    asked: ClassVar[list[tuple[dict[str, Any], str | None]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((body, self.headers.get("Authorization")))
        status, reply = self.replies.pop(0)
        data = json.dumps({"choices": [{"message": {"content": reply}}]}).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    monkeypatch.setattr(judging.time, "sleep", lambda seconds: None)
    Judge.replies.clear()
    Judge.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {URL: f"http://127.0.0.1:{server.server_port}/v1", MODEL: "j", KEY: "sk-secret"}
    server.shutdown()
    server.server_close()


def right(reply: str) -> Mark | Ask:
    return Mark(float(reply == "1"), how="judge") if reply in "01" else Ask("again", then=right, seed=1)


ASK = Ask("is it right?", then=right, system="judge", temperature=0.5, max_tokens=7)


def test_a_judge_is_asked_until_there_is_a_mark(judge: dict[str, str]) -> None:
    Judge.replies += [(503, "busy"), (200, "unclear"), (200, "1")]
    assert mark_of(ASK, judge) == Mark(1.0, how="judge")
    first, key = Judge.asked[0]
    assert [turn["content"] for turn in first["messages"]] == ["judge", "is it right?"]
    assert (first["model"], first["temperature"], first["max_tokens"], first["seed"]) == ("j", 0.5, 7, 0)
    assert key == "Bearer sk-secret"
    assert Judge.asked[2][0]["messages"] == [{"role": "user", "content": "again"}]


@pytest.mark.parametrize(
    ("replies", "requests"),
    [([(401, "no")], 1), ([(500, "x")] * 3, 3), ([(200, None)] * 3, 3), ([(200, ["x"])] * 3, 3)],
)
def test_a_judge_that_fails_leaves_no_score(
    judge: dict[str, str], replies: list[tuple[int, Any]], requests: int
) -> None:
    Judge.replies += replies
    mark = mark_of(ASK, judge)
    assert (mark.score, mark.how) == (None, "failed")
    assert "sk-secret" not in mark.detail
    assert len(Judge.asked) == requests


def test_without_a_judge_nothing_is_asked() -> None:
    assert mark_of(ASK, {}) == ASK.without
    assert mark_of(Mark(1.0), {}) == Mark(1.0)
    with pytest.raises(InputError, match="CONTEXTRL_JUDGE_MODEL"):
        mark_of(ASK, {URL: "http://127.0.0.1:1"})
    with pytest.raises(InputError, match="another scheme"):
        mark_of(ASK, {URL: "file:///etc/passwd", MODEL: "j"})
