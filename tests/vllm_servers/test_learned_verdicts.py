"""The miniature's learned judge behind vLLM: verdicts that mean something, and a run that learns from them.

Chance is a balanced accuracy of 0.5; the bounds leave room for another machine's arithmetic, not for another judge.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.labelled import LabelledResponse, labelled_items
from contextrl.records.jsonl import read_objects

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).with_name("learned-judge.yaml")
PROMPTS = ROOT / "configs" / "miniature" / "judge-prompts"


def contextrl(*arguments: str, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    """A whole command, from the folder that the config's paths are relative to."""
    command = [sys.executable, "-m", "contextrl", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def write_lines(items: Sequence[LabelledResponse], folder: Path) -> Path:
    """The input of `judge verify`, pictures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for item in items:
        name = f"{item.example.id}.png"
        (image,) = item.example.images
        assert isinstance(image, Image.Image)
        image.save(folder / name)
        columns = {key: getattr(item.example, key) for key in ("id", "question", "solution", "answer", "answer_type")}
        lines.append(json.dumps({**columns, "images": [name], "response": item.response}))
    path = folder / "responses.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def judge_file(path: Path, url: str, context: str) -> dict[str, dict[str, Any]]:
    """Verdicts by id, as the command writes them."""
    output = path.with_name(f"{context}.jsonl")
    judge = ["--config", str(CONFIG), "--base-url", url, "--set", "judge.cache=false"]
    contextrl("judge", "verify", "--input", str(path), "--output", str(output), "--context", context, *judge)
    return {row["id"]: row["verdict"] for row in read_objects(output)}


@dataclass(frozen=True)
class Found:
    """Shares of each label that were judged rightly."""

    true_positives: float
    false_positives: float
    wrong_answers: float

    @property
    def balanced_accuracy(self) -> float:
        """Of "is this response right?", false positives being the only wrong ones: a rule finds wrong answers."""
        return (self.true_positives + self.false_positives) / 2


def found(items: Sequence[LabelledResponse], verdicts: dict[str, dict[str, Any]]) -> Found:
    shares = {}
    for label in ("true_positive", "false_positive", "wrong_answer"):
        statuses = [verdicts[item.example.id]["status"] for item in items if item.label == label]
        right = "correct" if label == "true_positive" else "incorrect"
        shares[label] = statuses.count(right) / len(statuses)
    return Found(shares["true_positive"], shares["false_positive"], shares["wrong_answer"])


@pytest.fixture(scope="module")
def items() -> list[LabelledResponse]:
    """Development images: the judge has not been trained on them, and the held-out ones are not for testing."""
    return labelled_items("dev", 120, seed=7)


@pytest.mark.parametrize(
    ("context", "at_least"),
    [
        pytest.param("none", 0.7, id="none"),
        pytest.param("answer", 0.7, id="answer"),
        pytest.param("solution", 0.8, id="solution"),
    ],
)
def test_right_answers_from_wrong_steps_are_told_from_right_ones(
    context: str, at_least: float, items: list[LabelledResponse], learned_judge_url: str, tmp_path: Path
) -> None:
    verdicts = judge_file(write_lines(items, tmp_path), learned_judge_url, context)
    assert [verdict["error"] for verdict in verdicts.values() if verdict["status"] == "unscored"] == []
    result = found(items, verdicts)
    assert result.balanced_accuracy >= at_least
    assert min(result.true_positives, result.false_positives) >= at_least - 0.1
    assert result.wrong_answers >= at_least - 0.1
    reports = [verdict["mistake_report"] for verdict in verdicts.values() if verdict["status"] == "incorrect"]
    assert sum(report is not None and report.startswith("Mistake: ") for report in reports) >= 0.9 * len(reports)


def test_without_a_reference_the_verdict_follows_from_the_picture(
    items: list[LabelledResponse], learned_judge_url: str, tmp_path: Path
) -> None:
    right = [item for item in items if item.label == "true_positive" and len(item.problem.digits) == 2]
    own = judge_file(write_lines(right, tmp_path / "own"), learned_judge_url, "none")
    path = write_lines(right, tmp_path / "other")
    # The same questions and responses under pictures of other digits.
    for item in right:
        other = next(o for o in right if not set(o.problem.digits) & set(item.problem.digits))
        (image,) = other.example.images
        assert isinstance(image, Image.Image)
        image.save(path.parent / f"{item.example.id}.png")
    swapped = judge_file(path, learned_judge_url, "none")
    kept, misled = (
        sum(verdict["status"] == "correct" for verdict in verdicts.values()) / len(right) for verdicts in (own, swapped)
    )
    assert kept >= 0.6
    assert misled <= 0.1


def test_the_server_writes_what_transformers_writes(items: list[LabelledResponse], learned_judge_url: str) -> None:
    """Images, template and weights arrive as they were trained: greedy replies are the same, token for token."""
    from transformers import Qwen3VLForConditionalGeneration

    from contextrl.commands.judges import judge_from_config
    from contextrl.judge.llm.judge import LLMJudge
    from contextrl.judge.protocol import close_judge
    from contextrl.judge.settings import JudgeConfig
    from contextrl.miniature.learned_judge.writing import ReplyWriter
    from contextrl.policy.processor import ImageOnlyQwen3VLProcessor

    folder = Path(os.environ["CONTEXTRL_VLLM_JUDGE_FOLDER"])
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()
    processor = ImageOnlyQwen3VLProcessor.load(folder)
    requests = [JudgeRequest(item.example, item.response, "none") for item in items[:32]]
    expected = [reply.text for reply in ReplyWriter(model, processor, PromptSet.load(PROMPTS)).write(requests)]
    settings = JudgeConfig(
        kind="llm", base_url=learned_judge_url, model="learned-judge", prompts=PROMPTS, structured="off", cache=False
    )
    judge = judge_from_config(settings)
    assert isinstance(judge, LLMJudge)
    try:
        replies = [_reply(judge, request) for request in requests]
    finally:
        close_judge(judge)
    # Two implementations may break a tie between two tokens differently, once in a while.
    assert sum(a == b for a, b in zip(replies, expected, strict=True)) >= 31


def _reply(judge: Any, request: JudgeRequest) -> str:
    """The server's text for a request, as the judge sends it."""
    from contextrl.judge.llm.dialect import request_body
    from contextrl.judge.llm.envelope import Reply

    member = judge.members[0]
    images = [judge._images.url(handle) for handle in request.example.images]
    body = request_body(
        member.dialect.fields("verify", 96, 0), json.dumps(judge.prompts.messages("verify", request, images=images))
    )
    outcome, _ = judge._loop.submit(member.client.complete(body)).result()
    assert isinstance(outcome, Reply)
    assert outcome.text is not None
    return outcome.text


def test_a_short_run_learns_from_its_verdicts_and_reports(learned_judge_url: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    changes = [f"run_dir={run}", f"judge.base_url={learned_judge_url}", "judge.cache=false", "judge.audit=steps"]
    contextrl("train", str(CONFIG), *(part for change in changes for part in ("--set", change)), timeout=500)
    attempts = [attempt for group in read_objects(run / "groups.jsonl") for attempt in group["attempts"]]
    # Retries that a rule finds not standalone are not judged.
    judged = [attempt for attempt in attempts if attempt["verdict"] is not None]
    assert len(judged) >= 3 * 32
    scored = [attempt for attempt in judged if attempt["verdict"]["status"] != "unscored"]
    assert len(scored) >= 0.95 * len(judged)
    assert {attempt["verdict"]["status"] for attempt in scored} == {"correct", "incorrect"}
    # The step judge, which only audits, sees the same responses.
    agreed = [attempt["verdict"]["status"] == attempt["audit"]["status"] for attempt in scored if attempt["audit"]]
    assert len(agreed) >= 32
    assert sum(agreed) >= 0.85 * len(agreed)
    # Groups without a positive got reports, and stage 2 answered them.
    reports = [attempt["verdict"]["mistake_report"] for attempt in scored if attempt["verdict"]["mistake_report"]]
    assert sum(" is misread" in report for report in reports) >= 0.5 * len(reports) > 0
    # Hints: ordinals of places and steps, and no digit or result.
    telling = [report for report in reports if re.search(r"\d", re.sub(r"\b(?:digit|step) \d\b", "", report))]
    assert len(telling) <= 0.1 * len(reports)
    retries = [attempt for attempt in scored if attempt["stage"] == 2]
    # A rule finds wrong answers without the judge; where the judge looked it says whether a response is of one piece.
    assert retries
    assert any(attempt["verdict"]["self_consistent"] is not None for attempt in scored)
    assert sum(row.get("judge/calls", 0) for row in read_objects(run / "metrics.jsonl")) > 0
