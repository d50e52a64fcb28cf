"""The shipped recipe of digits: questions without solutions, the miniature behind a server, a set that trains."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from made_server import serving

from contextrl.commands.cli import main
from contextrl.data.loading import load_examples
from contextrl.miniature.steps_judge import parse_steps


def test_digits_from_questions_to_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["contextrl", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    monkeypatch.chdir(tmp_path)
    assert run("miniature", "questions", "digits.parquet", "--count", "48") == 0
    assert run("init", "data/digits", "digits.yaml") == 0
    with serving("-m", "contextrl.miniature.policy_server", "--port", "0") as url:
        changes = [f"difficulty.policy.base_url={url}", f"references.model.base_url={url}", "balance=false"]
        words = [word for change in changes for word in ("--set", change)]
        assert run("data", "build", "digits.yaml", "--out", "set", *words) == 0
    manifest = json.loads(Path("set/manifest.json").read_text(encoding="utf-8"))
    steps = {step["name"]: step for step in manifest["steps"]}
    assert steps["import"]["given"] == 48
    assert steps["difficulty"]["dropped"]["4 of 4 right"] > 8, "the policy reads most digits rightly"
    assert manifest["counts"]["reference"] == {"sampled": manifest["rows"]}
    examples = load_examples("set")
    assert len(examples) == manifest["rows"] > 2
    for example in examples:
        assert parse_steps(example.solution, example.answer_type).answer == example.answer
