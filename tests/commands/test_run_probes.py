"""What the studies of gain, reachability and hacking keep of a run: made run directories and a stand-in for `eval`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contextrl.commands.reproduction.probes import Probing
from contextrl.commands.reproduction.studies import hacking, information_gain, reachability
from contextrl.errors import InputError
from contextrl.trainer.checkpoints import MARKER

RIGHT = {"status": "correct", "answer_correct": True, "process_correct": True}
WRONG = {"status": "incorrect", "answer_correct": False, "process_correct": False}


class Sampling:
    """Stands for `contextrl eval --samples`: of two questions the first is always right."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []

    def __call__(self, arguments: Sequence[str]) -> float:
        assert arguments[0] == "eval"
        options = dict(zip(arguments[2:-1:2], arguments[3:-1:2], strict=True))
        self.calls.append({"target": arguments[1], **options})
        rows: list[dict[str, Any]] = [
            {"id": name, "source": "miniature/sum/known", "sample": place, **(RIGHT if name == "a" else WRONG)}
            for name in ("a", "b")
            for place in range(int(options["--samples"]))
        ]
        Path(options["--predictions"]).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return 1.0


def probing(tmp_path: Path, call: Any, run_dir: Path | None, target: str = "miniature") -> Probing:
    return Probing(run_dir, target, 3, tmp_path, call, lambda name: tmp_path / name, 200)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for step in (15, 30, 40):
        checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        if step != 30:
            (checkpoint / MARKER).write_text("", encoding="utf-8")
    (folder / "config.yaml").write_text("method: grpo\nseed: 3\n", encoding="utf-8")
    lines = [{"step": n, "knowledge/rho_fp": 0.25, "accuracy/process": 0.5} for n in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    response = {
        "stage": 1,
        "text": "Digits: 4, 8, 1. Sum: 4 + 8 + 1 = 12. Answer: 12",
        "verdict": RIGHT,
        "audit": WRONG,
    }
    group = {
        "step": 1,
        "source": "miniature/sum/known",
        "kind": "solved",
        "question": "What is the sum of the digits?",
        "solution": "Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12",
        "answer": "12",
        "answer_type": "number",
        "attempts": [response],
    }
    (folder / "groups.jsonl").write_text(json.dumps(group) + "\n", encoding="utf-8")
    return folder


def test_the_base_policy_is_sampled_twice(tmp_path: Path) -> None:
    call = Sampling()
    found: Any = reachability.STUDY.probes["reachability"](probing(tmp_path, call, None))
    (asked,) = call.calls
    assert (asked["target"], asked["--samples"], asked["--limit"]) == ("miniature", "128", "200")
    assert (asked["--benchmark"], asked["--seed"], asked["--temperature"]) == ("miniature:dev", "3", "1")
    assert found["samples"] == 64
    assert found["process"] == [[64, 0], [64, 0]]


def test_a_run_is_sampled_with_its_checkpoints_on_the_way(tmp_path: Path, run: Path) -> None:
    call = Sampling()
    found: Any = reachability.STUDY.probes["reachability"](probing(tmp_path, call, run, str(run)))
    targets = [Path(asked["target"]).name for asked in call.calls]
    # One was not written to the end, the last is the run's own model.
    assert targets == ["run", "checkpoint-15"]
    assert [asked["--limit"] for asked in call.calls] == ["200", "150"]
    assert found["process"] == [[64, 0]]
    assert list(found["steps"]) == ["15"]


def test_a_run_is_audited_with_the_miniatures_patterns_too(tmp_path: Path, run: Path) -> None:
    found: Any = hacking.STUDY.probes["audit"](probing(tmp_path, None, run))
    assert found["paid_in_error"] == [1]
    assert {"invented digit", "wrong calculation"} <= set(found["patterns"])
    assert found["parting"] is None
    with pytest.raises(InputError, match="an arm that is trained"):
        hacking.STUDY.probes["audit"](probing(tmp_path, None, None))


def test_a_runs_steps_are_kept(tmp_path: Path, run: Path) -> None:
    found: Any = information_gain.STUDY.probes["series"](probing(tmp_path, None, run))
    assert found["step"] == [1, 2]
    assert found["knowledge/rho_fp"] == [0.25, 0.25]
