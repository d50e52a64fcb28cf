"""A kill during the evaluation after training: everything is there but its figures, and a resumed run makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_commands import SMALL, run_main, settings

from contextrl.records.jsonl import read_objects

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "miniature" / "contextrl.yaml"


def test_a_resumed_run_makes_the_evaluation_after_training_that_was_lost(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    arguments = ["train", str(CONFIG), *settings(f"run_dir={run}", f"model.path={tiny_policy}", *SMALL)]
    assert run_main(monkeypatch, *arguments) == 0
    first = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert first["after"] is not None
    items = (run / "items-after.jsonl").read_text(encoding="utf-8")
    (run / "results.json").unlink()
    (run / "items-after.jsonl").unlink()
    kept = [line for line in read_objects(run / "metrics.jsonl") if "after" not in line]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    assert run_main(monkeypatch, *arguments, "--resume") == 0
    again: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert {**again, "seconds": None} == {**first, "seconds": None}
    assert (run / "items-after.jsonl").read_text(encoding="utf-8") == items
    assert sum("after" in line for line in read_objects(run / "metrics.jsonl")) == 1
