"""Fixtures that several packages share."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from hypothesis import settings

# Speed is measured in benchmarks: a test must not fail because its machine was busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Workers run side by side, one to a core; threads of several, each waiting for its own, fight badly."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base policy after three steps: the real architecture, no skill, ready in a few seconds."""
    from contextrl.miniature.base import BaseRecipe, train_base

    folder = tmp_path_factory.mktemp("policies") / "tiny"
    train_base(BaseRecipe(steps=3)).save(folder)
    return folder
