"""The larger model beside the base policy: what it is taught, and that it is built as the base is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.base import BaseRecipe, SftSampler, TilePixels
from contextrl.miniature.classes import MISCONCEIVED
from contextrl.miniature.digits import compose, digit_tile
from contextrl.miniature.policy import build_processor, build_tokenizer
from contextrl.miniature.reference import (
    ReferenceRecipe,
    RightSampler,
    VariedTiles,
    deeper_base,
    reference_fingerprint,
    varied_tile,
)
from contextrl.miniature.shipped import WEIGHTS, overall, weights_hash
from contextrl.miniature.tasks import own_solution
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor


def test_every_digit_is_taught_under_its_own_name(tiny_policy: Path) -> None:
    processor = ImageOnlyQwen3VLProcessor.load(tiny_policy)
    right, base = RightSampler(processor, ReferenceRecipe(variants=2)), SftSampler(processor, BaseRecipe())
    for draw in (right.direct() for _ in range(200)):
        assert draw.target == own_solution(draw.problem.kind, draw.problem.digits, draw.problem.asked)
    misread = [draw for draw in (base.direct() for _ in range(100)) if set(draw.problem.digits) & set(MISCONCEIVED)]
    assert all(
        draw.target != own_solution(draw.problem.kind, draw.problem.digits, draw.problem.asked) for draw in misread
    ), "the base policy is taught otherwise"


def test_further_layers_change_nothing_before_they_are_taught() -> None:
    path = str(BASE_POLICY)
    base, processor = load_policy(path).float().eval(), load_processor(path, policy_config(path))
    deeper = deeper_base(processor.tokenizer, 6).eval()
    talk = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which digits are shown?"}]}]
    text = processor.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    inputs = processor(text=[text], images=[[compose((5, 17, 40))]], return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(base(**inputs).logits, deeper(**inputs).logits)
    assert deeper.num_parameters() > base.num_parameters()
    # A layer that could not learn would stay as it is: its first gradients reach what was set to zero.
    deeper(**inputs).logits.sum().backward()
    assert deeper.model.language_model.layers[5].mlp.down_proj.weight.grad.abs().sum() > 0


def test_variants_are_of_the_same_digit_and_the_first_is_itself() -> None:
    plain, again, varied = digit_tile(8), varied_tile(8, 0), varied_tile(8, 1)
    assert plain.tobytes() == again.tobytes() != varied.tobytes()
    assert varied_tile(8, 1).tobytes() == varied.tobytes()
    changed = np.asarray(varied, dtype=float) - np.asarray(plain, dtype=float)
    other = np.asarray(digit_tile(9), dtype=float) - np.asarray(plain, dtype=float)
    assert np.abs(changed).mean() < np.abs(other).mean()


def test_pictures_show_variants_of_what_they_are_asked_to_show() -> None:
    image_processor = build_processor(build_tokenizer(("Digits",), vocab_size=300)).image_processor
    tiles, plain = VariedTiles(image_processor, 3, seed=0), TilePixels(image_processor)
    shown = [tiles.compose((4, 9))[0] for _ in range(100)]
    assert tiles.compose((4, 9))[1].tolist() == plain.compose((4, 9))[1].tolist()
    assert 1 < len({tuple(one.flatten().tolist()) for one in shown}) <= 9
    assert any(torch.equal(one, plain.compose((4, 9))[0]) for one in shown)


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
    assert (output / WEIGHTS).stat().st_size > 1.5 * (BASE_POLICY / WEIGHTS).stat().st_size
    with safe_open(output / WEIGHTS, framework="pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118
    card = json.loads((output / "recipe.json").read_text())
    assert (card["steps"], card["weights_sha256"]) == (2, weights_hash(output))
    again = CliRunner().invoke(app, command)
    assert again.exit_code != 0
    assert "a new or empty folder" in str(again.exception)
