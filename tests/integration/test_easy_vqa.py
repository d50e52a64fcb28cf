"""The example of a data build: from questions without solutions to a trained policy, its models behind servers."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from contextrl.data.loading import load_examples
from contextrl.evaluation.judging.sets import load_labelled
from contextrl.judge.llm.parsing import parse_reply, parse_report

EXAMPLE = Path(__file__).parents[2] / "examples" / "easy_vqa"


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's module."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import questions as module

    return module


def test_what_a_picture_shows_follows_from_its_questions(questions: ModuleType) -> None:
    """By hand: the first pictures of the package."""
    rows = questions.rows("train")
    assert len({row.picture for row in rows}) > 3_500
    first = [row for row in rows if row.picture == 0]
    assert {(row.shape, row.colour) for row in first} == {("rectangle", "blue")}
    for row in rows[:2000]:
        named = row.shape if row.answer in questions.SHAPES else row.colour
        assert row.answer in ("yes", "no", named), row


@pytest.fixture
def teach(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's module that teaches its judge."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import teach as module

    return module


def test_the_judge_is_taught_what_is_known_of_a_response(questions: ModuleType, teach: ModuleType) -> None:
    """By hand: the picture shows a blue rectangle."""
    row = next(row for row in questions.rows("train") if row.picture == 0 and row.answer == "yes")
    assert (row.shape, row.colour) == ("rectangle", "blue")
    wrong = "Shape: rectangle. Colour: teal. Answer: yes"
    compared = "Truth and said: rectangle rectangle right; blue teal wrong; yes yes right."
    report = "Mistake report: Mistake: the colour is wrong."
    assert teach.reply_about(row, wrong, "verify") == f"{compared} Verdict: incorrect"
    assert teach.reply_about(row, wrong, "report") == f"{compared} {report}"
    assert teach.reply_about(row, wrong, "verify_and_report") == f"{compared} Verdict: incorrect. {report}"
    assert teach.reply_about(row, row.solution, "verify").endswith("yes yes right. Verdict: correct")
    assert teach.reply_about(row, row.solution, "report") is None
    cut = teach.reply_about(row, "Shape: rectangle. Answer: yes", "verify")
    assert "blue none wrong; yes yes right. Verdict: incorrect" in cut


def test_what_it_is_taught_is_read_as_it_is_meant(questions: ModuleType, teach: ModuleType) -> None:
    """The product's own reader of replies, on a few hundred lessons of every task."""
    draws, rows, seen = random.Random(0), questions.rows("train")[::40], Counter[str]()
    for row in rows[:400]:
        request, task, reply = teach.lesson(row, draws)
        verdict = teach.EasyJudge().verdict(replace(request, context="solution"))
        if reply is None:
            assert (task, verdict.status) == ("report", "correct")
        elif task == "report":
            assert parse_report(reply).report == verdict.mistake_report
        else:
            reading = parse_reply(reply, response=request.response)
            assert (reading.failure, reading.passes) == (None, verdict.status == "correct"), reply
        seen[f"{task}, {verdict.status}"] += reply is not None
    assert len(seen) == 6
    assert min(count for name, count in seen.items() if name != "report, correct") >= 8


def test_responses_are_labelled_by_what_the_picture_shows(
    questions: ModuleType, teach: ModuleType, tmp_path: Path
) -> None:
    teach.write_labelled(questions.rows("train")[:200], 100, tmp_path / "labelled.jsonl")
    items = load_labelled(str(tmp_path / "labelled.jsonl"), allow_outside=True).items
    labels = Counter(item.label for item in items)
    # Of ten four are right and two are right by wrong steps; a misreading, too, may leave the answer right.
    assert labels["true_positive"] == 40
    assert labels["false_positive"] >= 20
    assert labels["wrong_answer"] >= 30
    for item in items:
        truth, said = teach.steps(item.example.solution), teach.steps(item.response)
        assert (truth == said) == (item.label == "true_positive")


def test_lessons_have_what_a_policy_finds_where_no_lesson_looks(questions: ModuleType, teach: ModuleType) -> None:
    """An answer of another kind, a text that begins anew, a word alone: all were once taken for right."""
    row = next(row for row in questions.rows("train") if row.question.startswith("what color"))
    draws = random.Random(0)
    odd = {teach.steps(teach.response_to(row, "odd_answer", draws))["answer"] for _ in range(200)}
    assert {"yes", "no", *questions.SHAPES} <= odd
    assert row.answer not in odd
    anew = [teach.response_to(row, "run_on", draws) for _ in range(200)]
    assert sum(not teach.steps(text) for text in anew) > 180
    bare = [teach.response_to(row, "bare", draws) for _ in range(100)]
    assert {row.answer, "no", "yes"} <= set(bare)
    malformed = [text for text in (*anew, *bare) if not teach.steps(text)]
    assert all("incorrect" in teach.reply_about(row, text, "verify") for text in malformed)


def test_parts_share_no_picture(questions: ModuleType) -> None:
    parts = questions.parts(questions.rows("train"), {"one": 50, "other": 70})
    shown = {name: {row.picture for row in rows} for name, rows in parts.items()}
    assert (len(shown["one"]), len(shown["other"])) == (50, 70)
    assert not shown["one"] & shown["other"]
    held_out = {row.path for row in questions.rows("test")}
    assert not held_out & {row.path for rows in parts.values() for row in rows}


def test_it_builds_trains_and_compares(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(EXAMPLE / "whole.py"),
        "--quick",
        "--steps",
        "1",
        "--seeds",
        "1",
        "--out",
        str(tmp_path),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads((tmp_path / "judge.json").read_text(encoding="utf-8"))
    assert set(measured["contexts"]) == {"answer", "solution"}
    table = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert set(table["process_accuracy"]) == {"as the paper's", "unfiltered", "before"}
    for number in (0, 1):
        manifest = json.loads((tmp_path / f"set-{number}" / "manifest.json").read_text(encoding="utf-8"))
        names = [step["name"] for step in manifest["steps"]]
        assert ("difficulty" in names) == (number == 0)
        assert manifest["recipe"]["references"]["judge"]["kind"] == "llm"
        examples = load_examples(str(tmp_path / f"set-{number}"))
        assert len(examples) == manifest["rows"]
        assert all(example.solution for example in examples)
