"""The larger model beside the base policy: what it is taught, and that it is built as the base is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.base import BaseRecipe, SftSampler
from contextrl.miniature.classes import MISCONCEIVED
from contextrl.miniature.reference import ReferenceRecipe, RightSampler, reference_fingerprint
from contextrl.miniature.shipped import WEIGHTS, overall, weights_hash
from contextrl.miniature.tasks import own_solution
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor


def test_every_digit_is_taught_under_its_own_name(tiny_policy: Path) -> None:
    processor = ImageOnlyQwen3VLProcessor.load(tiny_policy)
    right, base = (kind(processor, BaseRecipe()) for kind in (RightSampler, SftSampler))
    for draw in (right.direct() for _ in range(200)):
        assert draw.target == own_solution(draw.problem.kind, draw.problem.digits, draw.problem.asked)
    misread = [draw for draw in (base.direct() for _ in range(100)) if set(draw.problem.digits) & set(MISCONCEIVED)]
    assert all(
        draw.target != own_solution(draw.problem.kind, draw.problem.digits, draw.problem.asked) for draw in misread
    ), "the base policy is taught otherwise"


def test_a_fingerprint_is_of_what_is_drawn() -> None:
    assert reference_fingerprint(ReferenceRecipe()) == reference_fingerprint(ReferenceRecipe(steps=3))
    assert reference_fingerprint(ReferenceRecipe()) != reference_fingerprint(ReferenceRecipe(seed=1))


def test_overall_weighs_questions_not_kinds() -> None:
    rows: dict[str, dict[str, Any]] = {
        "known": {"n": 30, "answer_accuracy": 1.0, "process_accuracy": 0.5},
        "shaky": {"n": 10, "answer_accuracy": 0.2, "process_accuracy": 0.1},
        "misconceived": {"n": 0, "answer_accuracy": None, "process_accuracy": None},
    }
    # (30 + 2) / 40 and (15 + 1) / 40
    assert overall(rows) == pytest.approx((0.8, 0.4))


def test_a_shortened_build_is_a_larger_model_with_the_same_files(tmp_path: Path) -> None:
    output = tmp_path / "reference"
    command = ["miniature", "reference", "--output", str(output), "--steps", "2", "--questions", "8"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "answer and process" in done.output
    assert {path.name for path in output.iterdir()} == {path.name for path in BASE_POLICY.iterdir()}
    assert (output / WEIGHTS).stat().st_size > 2 * (BASE_POLICY / WEIGHTS).stat().st_size
    with safe_open(output / WEIGHTS, framework="pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118
    card = json.loads((output / "recipe.json").read_text())
    assert (card["steps"], card["weights_sha256"]) == (2, weights_hash(output))
    again = CliRunner().invoke(app, command)
    assert again.exit_code != 0
    assert "a new or empty folder" in str(again.exception)
