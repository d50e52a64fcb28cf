"""What can be a hub id, and what must be a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.commands.model_names import check_is_here, names_a_folder
from contextrl.errors import InputError


@pytest.mark.parametrize("name", ["gpt2", "Qwen/Qwen3-VL-2B-Instruct", "owner/a_b.c-d", "_a/b", "miniature"])
def test_a_hub_id(name: str) -> None:
    assert not names_a_folder(name)


@pytest.mark.parametrize(
    "name",
    [
        *("./model", "../x", "/srv/m", "~/m", "my model", "owner/my model", "a/b/c", "mödel", "a--b", "a..b", "a/", ""),
        *("C:\\m", "a" * 97),
    ],
)
def test_a_folder_alone(name: str) -> None:
    assert names_a_folder(name)


def test_what_is_on_no_disk_here(tmp_path: Path) -> None:
    check_is_here("miniature")
    check_is_here(str(tmp_path))
    with pytest.raises(InputError, match=r"RUN: expected a run, .* found no folder runs/gone"):
        check_is_here("runs/gone")
