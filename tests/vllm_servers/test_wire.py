"""The judge's client against vLLM itself, with a model too small to judge: schema, truncation, refusals, concurrency.

What SmolLM2-135M decides is chance and never looked at.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contextrl.commands.judges import judge_from_config
from contextrl.errors import InputError
from contextrl.judge.llm.judge import LLMJudge
from contextrl.judge.llm.prompts import Task
from contextrl.judge.protocol import JudgeRequest, check_judge, close_judge
from contextrl.judge.settings import JudgeConfig
from contextrl.miniature.digits import compose
from contextrl.records.example import Example
from contextrl.records.verdict import Usage

MODEL = "smollm2"
#: Tokens of a reply; one that rambles gets twice as many and is then given up.
ROOM = 100


@pytest.fixture
def make_judge(smollm2_url: str) -> Iterator[Any]:
    """Builds judges from the keys of a `judge` section and closes them."""
    judges: list[LLMJudge] = []

    def make(**keys: Any) -> LLMJudge:
        settings = {"kind": "llm", "base_url": smollm2_url, "model": MODEL, "cache": False, **keys}
        judge = judge_from_config(JudgeConfig(**settings))
        assert isinstance(judge, LLMJudge)
        judges.append(judge)
        return judge

    yield make
    for judge in judges:
        close_judge(judge)


def request(number: int, response: str | None = None, **columns: Any) -> JudgeRequest:
    total = str(number + 2)
    example = Example(
        id=f"sum-{number}",
        question=f"What is {number} + 2?",
        solution=f"{number} + 2 = {total}. Answer: {total}",
        answer=total,
        answer_type="number",
        **columns,
    )
    return JudgeRequest(example, response or f"{number} + 2 = {total}. Answer: {total}")


def test_the_schema_is_honoured_by_every_reply(make_judge: Any) -> None:
    judge = make_judge(structured="json_schema", sampling={"max_tokens": ROOM})
    verdicts = judge.judge([request(number) for number in range(8)])
    # A model of this size repeats itself in most analyses until it is cut; whatever ends is in the form.
    kinds = [verdict.error_kind for verdict in verdicts]
    assert set(kinds) <= {None, "truncated"}
    assert kinds.count(None) >= 2
    assert all(verdict.process_correct is not None for verdict in verdicts if verdict.error_kind is None)
    # Free text would have made the client give up the schema.
    assert judge.members[0].dialect.form == "json_schema"
    assert sum(verdict.usage.parse_failures for verdict in verdicts) == kinds.count("truncated")


def test_a_reply_cut_at_the_limit_is_asked_for_once_more_with_twice_the_room(make_judge: Any) -> None:
    whole = make_judge(sampling={"max_tokens": ROOM})
    asked = next(r for r in map(request, range(20)) if whole.judge([r])[0].status != "unscored")
    used = _completion_tokens(whole, asked)
    # Greedy: the same reply needs more than 3/4 of the tokens it took, and less than 3/2.
    roomier = make_judge(sampling={"max_tokens": used * 3 // 4})
    verdict = roomier.judge([asked])[0]
    assert (verdict.status != "unscored", verdict.usage.calls) == (True, 2)


def test_a_reply_cut_twice_is_unscored_and_named(make_judge: Any) -> None:
    verdict = make_judge(sampling={"max_tokens": 6}).judge([request(1)])[0]
    assert (verdict.status, verdict.error_kind, verdict.usage.calls) == ("unscored", "truncated", 2)


def _completion_tokens(judge: LLMJudge, asked: JudgeRequest) -> int:
    """Tokens of the reply: those of the whole call less those of a call that may write one."""
    import json

    from contextrl.judge.llm.dialect import request_body
    from contextrl.judge.llm.envelope import Reply

    member = judge.members[0]
    messages = json.dumps(judge.prompts.messages("verify", asked))
    totals = []
    for room in (ROOM, 1):
        body = request_body(member.dialect.fields("verify", room, 0), messages)
        outcome, _ = judge._loop.submit(member.client.complete(body)).result()
        assert isinstance(outcome, Reply)
        totals.append(outcome.tokens)
    return totals[0] - totals[1] + 1


def test_an_unknown_model_is_named_before_work_starts(make_judge: Any) -> None:
    with pytest.raises(InputError, match=MODEL):
        check_judge(make_judge(model="smollm3"))


def test_the_command_refuses_an_unknown_model(smollm2_url: str, tmp_path: Path) -> None:
    lines = tmp_path / "in.jsonl"
    lines.write_text(
        '{"question": "1+2?", "images": [], "solution": "Answer: 3", "answer": "3", "answer_type": "number", '
        '"response": "Answer: 3"}\n'
    )
    arguments = ["--input", str(lines), "--output", str(tmp_path / "out.jsonl"), "--context", "solution"]
    done = subprocess.run(
        [sys.executable, "-m", "contextrl", "judge", "verify", *arguments, "--base-url", smollm2_url, "--model", "no"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert MODEL in done.stderr
    assert "Traceback" not in done.stderr


def test_many_requests_at_once_come_back_each_to_its_own(make_judge: Any) -> None:
    # A few tokens each: who gets which reply is asked, not what is in it. Every third is longer than the model, so that
    # the server's refusals tell the requests apart.
    judge = make_judge(max_concurrency=8, sampling={"max_tokens": 8})
    requests = [request(number, "step " * 3000 if number % 3 == 0 else None) for number in range(24)]
    seen = dict(judge.stream(requests))
    assert sorted(seen) == list(range(24))
    for number, verdict in seen.items():
        assert verdict.error_kind == ("rejected" if number % 3 == 0 else "truncated")
    # vLLM names the request in a completion and not in a refusal: one on a kept connection is asked for again.
    assert [verdict.usage.retries for number, verdict in seen.items() if number % 3] == [0] * 16
    assert max(verdict.usage.retries for verdict in seen.values()) <= 1


def _usage(judge: LLMJudge, task: Task, asked: JudgeRequest) -> Usage:
    """What one request of a task costs, whatever the reply is."""
    import json

    from contextrl.judge.llm.dialect import request_body

    member = judge.members[0]
    body = request_body(member.dialect.fields(task, 1, 0), json.dumps(judge.prompts.messages(task, asked)))
    return judge._loop.submit(member.client.complete(body)).result()[1]


def test_a_group_reads_its_question_and_reference_once(make_judge: Any) -> None:
    """At least 70 % of the prompt tokens of a group's verdicts after the first come from the server's prefix cache."""
    judge, asked = make_judge(), request(41)
    totals = range(39, 47)
    responses = [f"41 is the first number, and 2 more make {total}. Answer: {total}" for total in totals]
    first, *after = [_usage(judge, "verify", replace(asked, response=response)) for response in responses]
    cached, prompts = sum(usage.cached_tokens for usage in after), sum(usage.prompt_tokens for usage in after)
    assert 0 <= first.cached_tokens < first.prompt_tokens
    assert 0.7 * prompts <= cached < prompts
    # The report on a response that was verified knows its beginning too.
    report = _usage(judge, "report", replace(asked, response=responses[0]))
    assert report.cached_tokens >= 0.7 * report.prompt_tokens


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        pytest.param({"response": "step " * 3000}, "context length", id="prompt-longer-than-the-model"),
        pytest.param({"images": (compose((0, 1)),)}, "multimodal", id="image-to-a-text-model"),
    ],
)
def test_what_the_server_refuses_is_unscored_alone_and_says_why(
    make_judge: Any, bad: dict[str, Any], says: str
) -> None:
    judge = make_judge(sampling={"max_tokens": ROOM})
    refused, other = judge.judge([request(1, **bad), request(1)])
    assert (refused.status, refused.error_kind, refused.usage.retries) == ("unscored", "rejected", 0)
    assert says in str(refused.error)
    assert other.error_kind in (None, "truncated")
