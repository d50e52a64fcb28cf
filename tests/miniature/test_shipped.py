"""The weights that the package carries: what they say of themselves is so, and they can be made anew."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.base import BaseRecipe, fingerprint
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.miniature.shipped import WEIGHTS, measure, read_accuracy, weights_hash


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return dict(json.loads((BASE_POLICY / "recipe.json").read_text()))


def test_the_weights_are_small_whole_and_those_of_the_recipe(card: dict[str, Any]) -> None:
    assert (BASE_POLICY / WEIGHTS).stat().st_size < 8_000_000
    assert weights_hash(BASE_POLICY) == card["weights_sha256"]
    with safe_open(BASE_POLICY / WEIGHTS, framework="pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118


def test_todays_code_draws_what_they_were_trained_on(card: dict[str, Any]) -> None:
    """Fails where a change makes the shipped weights stale: make them anew with `contextrl miniature build`."""
    recipe = json.loads(json.dumps({name: getattr(BaseRecipe(), name) for name in BaseRecipe.__dataclass_fields__}))
    assert {name: card[name] for name in recipe} == recipe
    assert card["draws_sha256"] == fingerprint(BaseRecipe())


def test_the_log_is_of_every_step(card: dict[str, Any]) -> None:
    rows = list(csv.DictReader((BASE_POLICY / "training_log.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(1, card["steps"] + 1))
    first, last = ([float(row["loss"]) for row in part] for part in (rows[:20], rows[-20:]))
    assert sum(last) < 0.1 * sum(first)


def test_it_reads_as_its_card_says() -> None:
    said = read_accuracy(BASE_POLICY)
    assert tuple(said) == FAMILIARITIES
    assert said["known"]["process_accuracy"] > 0.95
    assert 0.02 < said["shaky"]["process_accuracy"] < 0.4
    assert said["misconceived"]["process_accuracy"] < 0.01
    assert said["misconceived"]["recovered_after_report"] > 0.5
    # The first of the same questions: greedy, so all that differs is the machine's sums.
    seen = measure(BASE_POLICY, 120)
    assert seen["known"]["process_accuracy"] > 0.9  # type: ignore[operator]
    assert seen["misconceived"]["process_accuracy"] < 0.03  # type: ignore[operator]
    assert seen["misconceived"]["recovered_after_report"] > 0.4  # type: ignore[operator]


def test_a_shortened_build_has_every_part_and_is_a_model_to_start_from(tmp_path: Path) -> None:
    output = tmp_path / "base"
    done = CliRunner().invoke(app, ["miniature", "build", "--output", str(output), "--steps", "2", "--questions", "16"])
    assert done.exit_code == 0, done.output
    assert {path.name for path in output.iterdir()} == {path.name for path in BASE_POLICY.iterdir()}
    assert "misconceived" in done.output
    card = json.loads((output / "recipe.json").read_text())
    assert (card["steps"], card["weights_sha256"]) == (2, weights_hash(output))
    again = CliRunner().invoke(app, ["miniature", "build", "--output", str(output)])
    assert again.exit_code != 0
    assert "a new or empty folder" in str(again.exception)
