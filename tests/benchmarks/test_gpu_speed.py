"""benchmarks/gpu runs whole on a CPU with tiny models, so that it works on the day there is a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"
sys.path.insert(0, str(FOLDER))
from meter import Clock, attempt, measure  # noqa: E402
from planned import case_of, planned_bytes, rows_of  # noqa: E402

from report import markdown  # noqa: E402

# Its files have names that others have too.
sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], str]:
    out = tmp_path_factory.mktemp("speed")
    command = [sys.executable, str(FOLDER / "speed.py"), "--tiny", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((out / "speed.json").read_text()), (out / "speed.md").read_text()


def test_every_case_has_figures_of_both_sides(report: tuple[dict[str, object], str]) -> None:
    found, _ = report
    full, lora = found["cases"]
    assert (full["prompt_tokens"], lora["prompt_tokens"]) > (0, 0)
    for case in (full, lora):
        for side in ("ours", "trl"):
            assert case[side]["learner"]["why"] == ""
            assert case[side]["learner"]["seconds"] > 0
            assert 0 < case[side]["learner"]["mfu"] < 1
    assert {side: full[side]["step"]["runs"] for side in ("ours", "trl")} == {"ours": 2, "trl": 2}


def test_gradients_are_checkpointed_on_both_sides(report: tuple[dict[str, object], str]) -> None:
    found, _ = report
    assert {case[side]["checkpointing"] for case in found["cases"] for side in ("ours", "trl")} == {True}


def test_the_plan_is_compared_with_what_was_measured(report: tuple[dict[str, object], str]) -> None:
    found, _ = report
    measured = json.loads(json.dumps(found))
    for case in measured["cases"]:
        for side in ("ours", "trl"):
            case[side]["learner"]["peak_gb"] = 1.0
    rows = rows_of(measured)
    assert [row[1] for row in rows] == ["contextrl", "TRL"] * 2
    assert all(float(row[2]) < 0.1 and row[3] == "1.0" and row[4].startswith("-") for row in rows)
    assert all(float(row[5]) > 0 for row in rows)
    shared, apart = (planned_bytes(case_of(measured["cases"][0]), 39, shared=shared) for shared in (True, False))
    assert 0 < shared < apart


def test_layouts_are_compared_and_what_cannot_run_says_why(report: tuple[dict[str, object], str]) -> None:
    found, _ = report
    layouts = found["cases"][0]["variants"]
    assert list(layouts) == ["dense", "dense, compiled", "blocks", "blocks, compiled", "separate"]
    for name in ("dense", "dense, compiled", "separate"):
        assert layouts[name]["seconds"] > 0, layouts[name]
    # torch has no backward of FlexAttention on a CPU.
    assert "does not support backward on CPU" in layouts["blocks"]["why"]


def test_all_layouts_are_exact(report: tuple[dict[str, object], str]) -> None:
    found, _ = report
    exactness = found["cases"][0]["exactness"]
    assert set(exactness["mean"]) == {"separate", "dense", "blocks"}
    assert exactness["farther"] == []
    assert exactness["mean"]["separate"] > 0, "rounding must show"


def test_the_table_names_the_machine_and_says_that_it_is_no_measurement(
    report: tuple[dict[str, object], str],
) -> None:
    found, text = report
    assert found["machine"]["torch"] == torch.__version__
    assert "CPU" in text.splitlines()[0]
    assert "nothing of speed" in text
    assert text == markdown(found)
    widths = [{line.count("|") for line in part.splitlines()} for part in text.split("\n\n")[1:]]
    assert [len(width) for width in widths] == [1] * 3


def test_out_of_memory_is_a_result() -> None:
    def run() -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    assert attempt(run) == (None, "out of memory")
    assert measure(run, Clock(60), 60).why == "out of memory"


def test_without_time_nothing_runs() -> None:
    ran: list[int] = []
    assert measure(lambda: ran.append(1), Clock(0), 60).why == "no time left"
    assert ran == []
