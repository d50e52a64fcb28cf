"""The judge's section of a configuration."""

from __future__ import annotations

from typing import Any

import pytest

from contextrl.commands.config import parse_config
from contextrl.errors import InputError
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.settings import JudgeConfig

SERVER: dict[str, Any] = {"kind": "llm", "base_url": "http://127.0.0.1:1/v1", "model": "m", "cache": False}


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ({"kind": "llm"}, "needs judge.base_url and judge.model"),
        ({"audit": "llm", "model": "m"}, "needs judge.base_url"),
        (SERVER | {"base_url": "127.0.0.1:8000"}, "http://host:port/v1"),
        (SERVER | {"votes": 3}, "all say the same"),
        (SERVER | {"budget": {"money": 5}}, "judge.prices"),
        (SERVER | {"sampling": {"temprature": 1}}, "did you mean temperature"),
        (SERVER | {"kind": "lmm"}, "steps or rules or llm or python, found 'lmm', did you mean llm"),
        (SERVER | {"gate_audit_share": 2}, "less than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said(judge: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_config({"judge": judge})


@pytest.mark.parametrize("url", ["http://user:secret-key@host/v1", "https://host/v1?api_key=secret-key"])
@pytest.mark.parametrize("judge", [{}, {"kind": "llm", "model": "m"}])
def test_addresses_hold_no_secrets_and_the_refusal_does_not_repeat_them(url: str, judge: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="api_key_env") as refused:
        parse_config({"judge": judge | {"base_url": url}})
    assert "secret-key" not in str(refused.value)


def test_a_panel_shares_connections_where_it_shares_servers() -> None:
    panel = [{"model": "b"}, {"model": "c", "base_url": ["http://127.0.0.1:2/v1", "http://127.0.0.1:3/v1"]}]
    judge = llm_judge(JudgeConfig.model_validate(SERVER | {"votes": 3, "panel": panel}), "answer")
    first, second, third = judge.members
    assert first.client is second.client
    assert [endpoint.url for endpoint in third.client.pool.endpoints] == [
        "http://127.0.0.1:2/v1",
        "http://127.0.0.1:3/v1",
    ]
    assert third.client.budget is first.client.budget
    assert [member.dialect.model for member in judge.members] == ["m", "b", "c"]


def test_processes_share_concurrency_and_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    settings = JudgeConfig.model_validate(SERVER | {"max_concurrency": 64, "budget": {"calls": 100}})
    client = llm_judge(settings, "solution").members[0].client
    assert (client.pool.max_concurrency, client.budget.limits.calls) == (16, 25)
