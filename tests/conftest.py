"""Fixtures that several packages share: base policies, built once."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base policy after three steps: the real architecture, no skill, ready in a few seconds."""
    from contextrl.miniature.base import BaseRecipe, train_base

    folder = tmp_path_factory.mktemp("policies") / "tiny"
    folder.mkdir()
    train_base(BaseRecipe(steps=3), folder)
    return folder


@pytest.fixture(scope="session")
def base_policy_folder() -> Path:
    """The miniature's base policy, from the cache where it is there already."""
    from contextrl.miniature.base import base_policy

    return base_policy()
