"""What becomes of a case of benchmarks/gpu/vllm_rollouts.py; the cases need a GPU or the environment of `make vllm`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"
sys.path.insert(0, str(FOLDER))
import vllm_rollouts  # noqa: E402

# Its files have names that others have too.
sys.path.remove(str(FOLDER))

GOOD = {
    "checks": {"weights follow the policy": True},
    "gaps": [{"mean": 0.001, "max": 0.02}, {"mean": 0.002, "max": 0.01}],
    "prefix_cache_hits": [0.25, 0.5],
}


def test_a_case_passes_only_with_checks_that_all_passed() -> None:
    assert vllm_rollouts.result_of("full", 0, dict(GOOD), "")["passed"]
    assert not vllm_rollouts.result_of("full", 0, {}, "")["passed"]
    failed = vllm_rollouts.result_of("full", 0, GOOD | {"checks": {"a": True, "b": False}}, "")
    assert (failed["passed"], failed["failed_checks"]) == (False, ["b"])


def test_a_case_that_ended_badly_keeps_its_figures_and_says_why() -> None:
    stopped = vllm_rollouts.result_of("sleep", None, dict(GOOD), "")
    assert (stopped["passed"], stopped["error"]) == (False, "stopped: out of time")
    assert stopped["gaps"] == GOOD["gaps"]
    killed = vllm_rollouts.result_of("sleep", -9, {}, "x" * 900 + "\nlast words")
    assert killed["error"].startswith("ended with -9: ")
    assert len(killed["error"]) <= vllm_rollouts.SHOWN
    raised = vllm_rollouts.result_of("sleep", 1, {"error": "ValueError: no"}, "Traceback")
    assert raised["error"] == "ValueError: no"


def test_the_table_shows_figures_and_failures() -> None:
    rows = [
        vllm_rollouts.result_of("full", 0, dict(GOOD), ""),
        vllm_rollouts.result_of("lora", 1, {"error": "a | b\nc"}, ""),
        vllm_rollouts.result_of("speed", 0, {"checks": {"x": True}, "speed": {"vllm, 256": SPEED}}, ""),
    ]
    text = vllm_rollouts.markdown({"machine": {"card": "H100", "vllm": None}, "cases": rows})
    assert "**card H100**" in text
    assert "| full | pass | 0.001 / 0.002 | 0.02 | 0.25 to 0.5 |" in text
    assert "| a / b c |" in text
    assert "| speed, vllm, 256 | 1.5 | 1,365.3 |" in text


SPEED = {"seconds": 1.5, "tokens_per_second": 1365.3}


def test_a_case_past_its_time_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vLLM that hangs has processes of its own, which would keep the card's memory."""
    child = tmp_path / "child.pid"
    script = tmp_path / "hangs.py"
    script.write_text(
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        f"open({str(child)!r}, 'w').write(str(child.pid))\n"
        "print('waiting', flush=True)\n"
        "time.sleep(100)\n"
    )
    monkeypatch.setattr(vllm_rollouts, "__file__", str(script))
    row = vllm_rollouts.run_case("full", 5, tmp_path, tiny=True)
    assert row["error"] == "stopped: out of time"
    assert row["seconds"] < 60
    assert "waiting" in (tmp_path / "vllm.log").read_text()
    state = Path(f"/proc/{child.read_text()}/stat")
    time.sleep(0.5)
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_no_time_left_is_said_and_files_are_written(tmp_path: Path) -> None:
    report = vllm_rollouts.run_all([("full", 60.0)], 0.0, tmp_path, tiny=True)
    assert report["cases"][0]["error"] == "no time left"
    assert json.loads((tmp_path / "vllm.json").read_text()) == report
    assert "no time left" in (tmp_path / "vllm.md").read_text()


def test_an_unknown_case_is_refused_with_the_names_that_there_are(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "vllm_rollouts.py"), "--tiny", "--cases", "ful", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert "full" in done.stderr
    assert "found ful" in done.stderr
