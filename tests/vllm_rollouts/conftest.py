"""Rollouts by a real vLLM on a CPU; without its environment (that of `make vllm`) these tests are not collected."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

try:
    importlib.metadata.version("vllm")
except importlib.metadata.PackageNotFoundError:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def _plain_linear() -> Iterator[None]:
    """On a CPU vLLM packs weights into another layout and drops the originals, so that none can be loaded again.

    On a GPU it does not. For these tests a linear layer is torch's own.
    """
    import torch
    from vllm.model_executor.layers import utils

    def keep(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "dispatch_cpu_unquantized_gemm", keep)
        yield


@pytest.fixture(scope="session")
def policy() -> Path:
    """The miniature's base policy: it reads pictures, so that a wrong one shows."""
    from contextrl import miniature

    return Path(str(miniature.__file__)).parent / "base_policy"
