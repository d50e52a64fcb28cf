"""Local copies of VisualProcessBench and ProcessBench against a server, with references of one's own beside them.

The copies have the public sets' form and the miniature's questions, which the served judge knows.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.miniature.labelled import labelled_items

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
ITEMS = labelled_items("dev", 20, seed=11)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "contextrl", "judge", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        match = re.search(r"http://\S+/v1", process.stdout.readline())
        assert match
        yield match[0]
    finally:
        process.kill()
        process.wait()


def steps_of(text: str) -> list[str]:
    return re.split(r"(?<=\.)\s+", text)


def visual_row(number: int, folder: Path) -> dict[str, Any]:
    """As OpenGVLab/VisualProcessBench has its rows; its first wrong step is marked, the others are not looked at."""
    item = ITEMS[number]
    (picture,) = item.example.images
    assert isinstance(picture, Image.Image)
    picture.save(folder / f"{number}.png")
    steps = steps_of(item.response)
    marks = [1] * len(steps) if item.label == "true_positive" else [-1] + [0] * (len(steps) - 1)
    response = {"steps": steps, "process_correctness": marks}
    example = item.example
    columns = {"id": example.id, "question": example.question, "image": f"{number}.png", "answer": example.answer}
    return {**columns, "response": response}


def text_row(number: int, _: Path) -> dict[str, Any]:
    """As Qwen/ProcessBench has its rows, which have no pictures and no answers."""
    item = ITEMS[number]
    right = item.label == "true_positive"
    columns = {"id": item.example.id, "problem": item.example.question, "steps": steps_of(item.response)}
    return {**columns, "final_answer_correct": item.label != "wrong_answer", "label": -1 if right else 0}


@pytest.mark.parametrize(
    ("name", "row", "contexts"),
    [
        pytest.param("visualprocessbench", visual_row, {"none", "answer"}, id="visualprocessbench"),
        pytest.param("processbench", text_row, {"none"}, id="processbench"),
    ],
)
def test_a_copy_is_judged_by_a_server(name: str, row: Any, contexts: set[str], url: str, tmp_path: Path) -> None:
    copy, references, output = (tmp_path / file for file in ("copy.jsonl", "references.jsonl", "figures.json"))
    copy.write_text("".join(json.dumps(row(n, tmp_path)) + "\n" for n in range(len(ITEMS))), encoding="utf-8")
    solved = [
        {"id": item.example.id, "answer": item.example.answer, "solution": item.example.solution} for item in ITEMS
    ]
    references.write_text("".join(json.dumps(line) + "\n" for line in solved), encoding="utf-8")
    command = [sys.executable, "-m", "contextrl", "judge", "bench", "--data", f"{name}:{copy}"]
    command += ["--base-url", url, "--model", "miniature-judge", "--set", "judge.cache=false", "--output", str(output)]
    for more, served in (([], contexts), (["--references", str(references)], {"none", "answer", "solution"})):
        done = subprocess.run(
            [*command, *more], env=ENVIRONMENT, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(output.read_text(encoding="utf-8"))
        assert set(found["contexts"]) == served
        assert found["n"] + sum(found["left_out"].values()) == len(ITEMS)
        assert found["contexts"]["none"]["unscored"] == {}
        assert found["contexts"]["none"]["usage"]["calls"] == found["n"]
    told = found["contexts"]
    assert told["solution"]["recall_false_positives"]["value"] == 1
    assert told["solution"]["retention_true_positives"]["value"] == 1
    assert told["none"]["recall_false_positives"]["value"] < 1, "misread digits need a reference"
