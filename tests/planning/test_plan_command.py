"""`contextrl plan`: what it prints, what it refuses, and that it asks nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.errors import InputError
from contextrl.planning.assumptions import assumptions_from
from contextrl.planning.gpus import gpus

MINIATURE = "configs/miniature/contextrl.yaml"
PAPER = "configs/qwen3-vl-8b/contextrl.yaml"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")


def planned(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["plan", *arguments, "--json"])
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def test_the_miniature_is_measured_and_fits() -> None:
    found = planned(MINIATURE, "--gpu", "l4", "--price", "0.5")
    assert found["run"]["lengths"]["measured"]
    assert found["run"]["samples_per_step"] == 128
    assert found["run"]["prompts_per_step"] == 16
    assert found["run"]["steps"] == 60
    assert found["memory"]["fits"]
    assert found["cost"] == pytest.approx(0.5 * found["gpu_hours"])
    assert found["run"]["judge"] == {"asked": False, "model": None, "replicas": 1, "gpus_per_replica": 1, "places": 64}


def test_the_papers_run() -> None:
    """8.77B in float32 on 8 cards: 35 GB of weights an eighth each; 29,000 rows at 16 a step are 1,813 steps."""
    found = planned(PAPER, "--count", "8", "--parallel", "fsdp2", "--rows", "29000", "--price", "2.5")
    assert found["run"]["parameters"] == 8_767_123_696
    assert found["run"]["steps"] == 1813
    assert found["memory"]["learning"]["weights"] == pytest.approx(8_767_123_696 * 4 / 8)
    assert found["memory"]["ways"]["fsdp2"]["fits"]
    assert not found["memory"]["ways"]["ddp"]["fits"]
    assert found["run"]["judge"]["model"] == "Qwen/Qwen3-VL-32B-Instruct"
    assert found["run"]["judge"]["gpus_per_replica"] == 2
    assert found["cost"] == pytest.approx(2.5 * found["run"]["cards_paid"] * found["hours"])
    assert set(found["step"]["phases"]) == {"sampling", "judge", "stage 2", "scoring", "learning", "sync"}


@pytest.mark.parametrize(
    ("recipe", "gpu", "count", "parameters"),
    [
        ("qwen3-vl-2b/contextrl-lora", "rtx-4090", "1", 2_127_532_032),
        ("qwen2.5-vl-3b-lora", "rtx-4090", "1", 3_754_622_976),
        ("qwen3-vl-8b/contextrl-lora", "l40s", "1", 8_767_123_696),
    ],
)
def test_recipes_fit_the_card_that_they_name(recipe: str, gpu: str, count: str, parameters: int) -> None:
    """The hub's own counts of parameters."""
    run = planned(f"configs/{recipe}.yaml", "--gpu", gpu, "--count", count, "--rows", "2000")
    assert run["memory"]["fits"]
    assert run["run"]["parameters"] - run["run"]["trained_parameters"] == parameters


def test_a_newcomer_reads_three_sentences_at_the_end() -> None:
    result = CliRunner().invoke(app, ["plan", MINIATURE, "--gpu", "rtx-4090"])
    assert result.exit_code == 0
    last = result.output.strip().splitlines()[-3:]
    assert last[0].startswith("It fits: DDP takes ")
    assert "60 steps" in last[1]
    assert last[2].endswith(".")
    assert "Assumed, not measured" in result.output


def test_what_does_not_fit_says_what_would() -> None:
    found = planned(PAPER, "--gpu", "rtx-4090", "--rows", "100")
    (warning,) = [text for text in found["warnings"] if text.startswith("does not fit")]
    assert "What helps" in warning


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([MINIATURE, "--gpu", "h10"], "did you mean h100?"),
        ([MINIATURE, "--price", "-1"], "--price"),
        ([MINIATURE, "--price", "nan"], "--price"),
        ([MINIATURE, "--assume", "mfu=2"], "share from 0 to 1"),
        ([MINIATURE, "--mfu", "0"], "share from 0 to 1"),
        ([MINIATURE, "--assume", "mf=0.3"], "did you mean mfu?"),
        ([MINIATURE, "--assume", "spread=inf"], "--assume spread"),
        (["nowhere.yaml"], "no such file"),
        ([MINIATURE, "--set", "model.path=Some/Model-Nobody-Ships"], "whose configuration is not here"),
        ([MINIATURE, "--set", "train.num_generations=7"], "num_generations"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_bad_input_is_refused(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["plan", *arguments])
    assert isinstance(result.exception, InputError), result.output
    assert result.exception.exit_code == 2
    assert says in str(result.exception)


@pytest.mark.parametrize(
    "arguments", [["--count", "0"], ["--count", "x"], ["--parallel", "megatron"], ["--rows", "-3"]]
)
def test_bad_options_are_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["plan", MINIATURE, *arguments]).exit_code == 2


def test_assumptions_are_set_by_name() -> None:
    assert assumptions_from(["all-negative=0", "completion=1e3"]).all_negative == 0
    assert assumptions_from(["completion=1e3"]).completion == 1000


def test_every_card_has_its_data_sheet() -> None:
    assert {"a10g", "l4", "a100-40", "a100-80", "h100", "h200", "b200", "rtx-4090", "mi300x"} <= set(gpus())
    for gpu in gpus().values():
        assert min(gpu.memory, gpu.flops, gpu.bandwidth, gpu.link) > 0
        assert gpu.source
