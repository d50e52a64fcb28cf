"""Where pages may be written: never in the place of what is no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contextrl.commands.page_place import check_page_place
from contextrl.commands.report import write_page
from contextrl.errors import InputError


def test_files_and_new_names_are_places(tmp_path: Path) -> None:
    (tmp_path / "old.html").write_text("old", encoding="utf-8")
    (tmp_path / "gone.html").symlink_to(tmp_path / "nowhere")
    for name in ("old.html", "new.html", "gone.html", "a/b/new.html"):
        check_page_place(tmp_path / name, "--out", "show.html", named=True)
    assert (tmp_path / "a" / "b").is_dir()
    assert (tmp_path / "old.html").read_text(encoding="utf-8") == "old"


def test_a_folder_is_none_and_a_name_within_it_is_proposed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--output.*Try .*report\.html"):
        check_page_place(tmp_path, "--output", "report.html", named=True)


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_none(tmp_path: Path, linked: bool) -> None:
    place = tmp_path / "pipe"
    os.mkfifo(place)
    if linked:
        place = tmp_path / "link"
        place.symlink_to(tmp_path / "pipe")
    with pytest.raises(InputError, match="a device or pipe"):
        check_page_place(place, "--out", "show.html", named=True)
    assert (tmp_path / "pipe").is_fifo()
    check_page_place(place, "--out", "show.html", named=False)


def test_report_replaces_no_pipe_that_its_user_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("method: grpo\nseed: 0\n", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"--output: .*a device or pipe"):
        write_page([tmp_path / "run"], tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="--out"):
        check_page_place(tmp_path / "file" / "page.html", "--out", "show.html", named=True)
