"""A run directory has one writer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contextrl.errors import InputError
from contextrl.records.writer import refuse_second_writer, written_by_one


def test_a_second_run_is_refused_while_the_first_writes(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "demo"
    with written_by_one(run):
        with pytest.raises(InputError, match="no other run is writing"):
            refuse_second_writer(run)
        with pytest.raises(InputError, match="change run_dir"), written_by_one(run):
            pass
        with written_by_one(tmp_path / "runs" / "other"):
            pass
    assert list((tmp_path / "runs").iterdir()) == []
    with written_by_one(run):
        pass


def test_a_folder_that_is_replaced_stays_held(tmp_path: Path) -> None:
    run = tmp_path / "demo"
    run.mkdir()
    with written_by_one(run):
        shutil.rmtree(run)
        with pytest.raises(InputError, match="no other run"):
            refuse_second_writer(run)


def test_an_early_look_leaves_nothing_behind(tmp_path: Path) -> None:
    refuse_second_writer(tmp_path / "runs" / "demo")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib\nfrom contextrl.records.writer import written_by_one\n"
        "with written_by_one(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "demo")], check=False, timeout=60)
    assert [path.name for path in tmp_path.iterdir()] == [".demo.lock"]
    with written_by_one(tmp_path / "demo"):
        pass
    assert list(tmp_path.iterdir()) == []
