"""What is learned from what a server refuses or ignores."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from contextrl.judge.llm.dialect import Dialect, reply_schema, request_body
from contextrl.judge.llm.prompts import Task
from contextrl.judge.settings import SamplingConfig


def test_the_body_carries_model_sampling_schema_and_messages() -> None:
    dialect = Dialect("m", "auto", SamplingConfig(temperature=0.5, top_p=0.9, seed=7, extra={"top_k": 3}))
    body = json.loads(request_body(dialect.fields("verify", 100, 2), json.dumps([{"role": "user", "content": "é"}])))
    schema = body.pop("response_format")["json_schema"]
    assert schema["schema"]["required"] == ["analysis", "self_consistent", "answer_correct", "process_correct"]
    assert body == {
        "model": "m",
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 9,  # 7, moved by the vote
        "top_k": 3,
        "messages": [{"role": "user", "content": "é"}],
    }


def test_null_settings_are_not_sent() -> None:
    fields = Dialect("m", "off", SamplingConfig(temperature=None, seed=None)).fields("verify", 10, 0)
    assert fields == {"model": "m", "max_tokens": 10}


def test_a_refused_form_steps_down_to_free_text() -> None:
    dialect = Dialect("m", "auto", SamplingConfig())
    first = dialect.fields("verify", 10, 0)
    assert dialect.refused("HTTP 400: response_format is not supported", first)
    assert dialect.fields("verify", 10, 0)["response_format"] == {"type": "json_object"}
    # A request that was under way in the old form is sent again, and does not step down once more.
    assert dialect.refused("HTTP 400: response_format is not supported", first)
    second = dialect.fields("verify", 10, 0)
    assert second["response_format"] == {"type": "json_object"}
    assert dialect.refused("HTTP 400: unknown json_object", second)
    third = dialect.fields("verify", 10, 0)
    assert "response_format" not in third
    assert not dialect.refused("HTTP 400: response_format is not supported", third)


def test_other_refusals_are_not_about_the_form() -> None:
    dialect = Dialect("m", "auto", SamplingConfig())
    assert not dialect.refused("HTTP 400: the prompt is too long", dialect.fields("verify", 10, 0))
    assert dialect.form == "json_schema"


def test_a_form_that_the_user_chose_stays() -> None:
    dialect = Dialect("m", "json_schema", SamplingConfig())
    assert not dialect.refused("HTTP 400: response_format", dialect.fields("verify", 10, 0))
    for _ in range(9):
        dialect.saw(free_text=True, fields=dialect.fields("verify", 10, 0))
    assert dialect.form == "json_schema"


def test_the_newer_name_of_the_token_limit_is_learned() -> None:
    dialect = Dialect("m", "off", SamplingConfig())
    detail = "HTTP 400: Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    assert dialect.refused(detail, dialect.fields("verify", 10, 0))
    assert dialect.fields("verify", 10, 0)["max_completion_tokens"] == 10
    assert not dialect.refused(detail, dialect.fields("verify", 10, 0))


def test_a_server_that_ignores_the_form_three_times_is_no_longer_asked_for_it(caplog: pytest.LogCaptureFixture) -> None:
    dialect = Dialect("m", "auto", SamplingConfig())
    fields = dialect.fields("verify", 10, 0)
    for free_text in (True, True, False, True, True):
        dialect.saw(free_text=free_text, fields=fields)
    assert dialect.form == "json_schema"
    dialect.saw(free_text=True, fields=fields)
    assert dialect.form is None
    assert [record.getMessage() for record in caplog.records] == [
        "judge: m ignores the JSON schema; going on with free text"
    ]


def test_schemas_ask_for_the_analysis_first() -> None:
    for task in get_args(Task):
        assert next(iter(reply_schema(task)["properties"])) == "analysis"
