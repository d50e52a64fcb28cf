"""The tutorial from Python: every cell runs, and what it leaves is a run like any other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from contextrl.records.run_data import read_run

TUTORIAL = Path(__file__).parents[2] / "examples" / "own_data_and_judge.py"


def test_the_tutorial_fits_on_a_few_screens() -> None:
    assert len(TUTORIAL.read_text(encoding="utf-8").splitlines()) < 160


def test_the_tutorial_trains_an_adapter_and_writes_a_report(tmp_path: Path) -> None:
    """On the policy that it names: it has what stage 2 needs, groups that fail altogether and come back."""
    done = subprocess.run(
        [sys.executable, str(TUTORIAL)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "FOLDER": str(tmp_path), "STEPS": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, before, after, groups, report = done.stdout.splitlines()
    share = r"[01]\.\d{3}"
    for name, line in (("before ", before), ("after  ", after)):
        assert re.fullmatch(rf"{name} right answer {share}, by a right process {share}", line)
    figures = re.fullmatch(r"all-negative groups (\d+), recovered (\d+)", groups)
    assert figures is not None
    assert 0 < int(figures[2]) <= int(figures[1])
    assert Path(report.removeprefix("Report: ")).stat().st_size > 10_000
    run = read_run(tmp_path / "run")
    assert (run.state, run.method, run.held_out) == ("finished", "contextrl", "eval_dataset (200 rows)")
    assert run.config["judge"]["path"] == "__main__:DigitsJudge"
    assert {"rewards/short/mean", "eval/process_accuracy"} <= {name for step in run.steps for name in step}
    assert (tmp_path / "run" / "model" / "adapter_config.json").exists()
