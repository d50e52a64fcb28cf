"""An address that is not the API's is refused with the one that is, before anything is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fault_server import running_fault_server

from contextrl.errors import InputError
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.settings import JudgeConfig


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_fault_server() as server:
        yield server.url


def check(address: str) -> None:
    settings = {"kind": "llm", "base_url": address, "model": "m", "cache": False}
    judge = llm_judge(JudgeConfig.model_validate(settings), "none")
    try:
        judge.check()
    finally:
        judge.close()


@pytest.mark.parametrize("end", ["", "/", "/v1/chat/completions", "/v1/models"])
def test_another_address_of_the_server_is_refused_with_the_right_one(url: str, end: str) -> None:
    with pytest.raises(InputError, match=f"Change judge.base_url to {re.escape(url)}"):
        check(url.removesuffix("/v1") + end)


def test_the_apis_own_address_is_accepted(url: str) -> None:
    check(url)
