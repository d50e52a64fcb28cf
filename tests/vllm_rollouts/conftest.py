"""Rollouts by a real vLLM on a CPU; without its environment (that of `make vllm`) these tests are not collected."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain_linear import keep_linear_layers_plain

try:
    importlib.metadata.version("vllm")
except importlib.metadata.PackageNotFoundError:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def _plain_linear() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        keep_linear_layers_plain(patch.setattr)
        yield


@pytest.fixture(scope="session")
def policy() -> Path:
    """The miniature's base policy: it reads pictures, so that a wrong one shows."""
    from contextrl import miniature

    return Path(str(miniature.__file__)).parent / "base_policy"
