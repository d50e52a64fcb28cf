"""Whole commands: every shipped miniature config runs, and what it leaves behind is what the design names."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contextrl.commands.cli import main
from contextrl.records.jsonl import read_objects
from contextrl.trainer.checkpoint_folders import complete_checkpoints

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs" / "miniature").glob("*.yaml"))
SMALL = (
    "train.max_steps=2",
    "train.save_steps=1",
    "train.use_cpu=true",
    "eval.every=1",
    "eval.examples=4",
    "eval.final_examples=8",
    "data.examples=64",
)
GROUP_SHARES = ("group/all_negative", "group/solved", "group/spread", "group/unscored")
REJECTIONS = ("incorrect", "not_standalone", "truncated", "unscored", "duplicate", "over_cap")


def settings(*values: str) -> list[str]:
    return [part for value in values for part in ("--set", value)]


@contextmanager
def serving_judge(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The miniature's judge behind HTTP, in its own process, and its address."""
    start = [sys.executable, "-m", "contextrl.miniature.judge_server", "--port", "0", *arguments]
    with subprocess.Popen(start, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server, re.search(r"http://[\w.:]+/v1", server.stdout.readline())[0]  # type: ignore[index]
        server.kill()


@pytest.fixture(scope="module")
def judge_url() -> Iterator[str]:
    with serving_judge() as (_, url):
        yield url


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["contextrl", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_runs(
    config: Path,
    tiny_policy: Path,
    judge_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    changes = settings(f"run_dir={run}", f"model.path={tiny_policy}", *SMALL)
    if config.stem == "llm-judge":
        changes += settings(f"judge.base_url={judge_url}", f"judge.cache={tmp_path / 'cache.sqlite'}")
    assert run_main(monkeypatch, "train", str(config), *changes) == 0
    assert "Run directory" in capsys.readouterr().out
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    names = {"method", "seed", "steps", "seconds", "before", "after", "groups", "tokens", "knowledge"}
    assert set(results) == names
    assert set(results["seconds"]) == {"train", "eval", "total"}
    assert {"answer_accuracy", "process_accuracy", "n"} <= set(results["before"])
    assert results["after"]["n"] == 8
    for when in ("before", "after"):
        items = list(read_objects(run / f"items-{when}.jsonl"))
        right = sum(item["answer_correct"] is True for item in items)
        assert right / len(items) == pytest.approx(results[when]["answer_accuracy"])
        assert len({item["id"] for item in items}) == 8
    assert set(results["groups"]) == {"all_negative", "recovered"}
    assert results["tokens"]["trained"] > 0
    lines = list(read_objects(run / "metrics.jsonl"))
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2]
    assert "eval/answer_accuracy_ci95" in steps[0]
    assert [path.name for path in complete_checkpoints(run / "checkpoints")] == ["checkpoint-1", "checkpoint-2"]
    if config.stem != "sft":
        check_rollout_metrics(steps, list(read_objects(run / "groups.jsonl")))


def check_rollout_metrics(steps: list[dict[str, Any]], groups: list[dict[str, Any]]) -> None:
    assert {group["step"] for group in groups} == {1, 2}
    for line in steps:
        assert sum(line[name] for name in GROUP_SHARES) == pytest.approx(1.0)
        assert line["group/recovered"] <= line["group/all_negative"]
        rejected = sum(line[f"stage2/{reason}"] for reason in REJECTIONS)
        assert line["stage2/kept"] + rejected == line["stage2/attempts"]
        for name in ("accuracy/answer", "accuracy/process", "judge/unscored", "judge/calls", "report/leaked_answer"):
            assert name in line


def test_the_judge_behind_http_trains_the_same_policy(
    tiny_policy: Path, judge_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the step judge, asked over a wire: the same verdicts, the same weights."""
    from safetensors.torch import load_file

    saved = {}
    for name in ("contextrl", "llm-judge"):
        changes = settings(f"run_dir={tmp_path / name}", f"model.path={tiny_policy}", *SMALL, "data.eval=null")
        if name == "llm-judge":
            changes += settings(f"judge.base_url={judge_url}", "judge.cache=false")
        assert run_main(monkeypatch, "train", str(CONFIGS[0].parent / f"{name}.yaml"), *changes) == 0
        saved[name] = load_file(tmp_path / name / "checkpoints" / "checkpoint-2" / "model.safetensors")
    lines = [line for line in read_objects(tmp_path / "llm-judge" / "metrics.jsonl") if "loss" in line]
    assert all(line["judge/unscored"] == 0 and line["judge/calls"] > 0 for line in lines)
    for weight, tensor in saved["contextrl"].items():
        assert tensor.equal(saved["llm-judge"][weight]), weight


def test_a_run_whose_judge_dies_stops_with_a_checkpoint_and_goes_on_when_it_is_back(
    tiny_policy: Path, tmp_path: Path
) -> None:
    """The judge's server is killed after the second step and started again at another port for the resumed run."""
    run = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def train(url: str, *more: str) -> subprocess.Popen[str]:
        config = str(CONFIGS[0].parent / "llm-judge.yaml")
        values = (f"judge.base_url={url}", "judge.patience=2", "judge.max_retries=2", "judge.cache=false")
        # A slow judge, so that the run does not end before its judge does.
        arguments = [
            *command(tiny_policy, run)[1:3],
            "train",
            config,
            *command(tiny_policy, run)[5:],
            *settings(*values),
        ]
        arguments += settings("train.max_steps=6", "train.save_steps=100")
        process = [sys.executable, *arguments, *more]
        return subprocess.Popen(process, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    with serving_judge("--latency", "0.3") as (server, url):
        stopped = train(url)
        deadline = time.monotonic() + 120
        while len(list(read_objects(run / "metrics.jsonl"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        server.kill()
        _, messages = stopped.communicate(timeout=120)
    assert stopped.returncode == 3, messages
    told = " ".join(messages.split())
    assert "could not be reached for" in told
    assert "--resume" in told
    checkpoints = complete_checkpoints(run / "checkpoints")
    assert len(checkpoints) == 1
    assert checkpoints[0].name in told.replace(" ", "")
    with serving_judge() as (_, url):
        resumed = train(url, "--resume")
        _, messages = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, messages
    assert [row["step"] for row in read_objects(run / "metrics.jsonl") if "loss" in row] == [1, 2, 3, 4, 5, 6]


def test_a_panel_may_move_between_a_run_and_its_resumption(
    tiny_policy: Path,
    tmp_path: Path,
    judge_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"

    def train(url: str, *more: str) -> int:
        panel = (
            f"judge.panel=[{{base_url: {url}, model: miniature-judge}}, {{base_url: {url}, model: miniature-judge}}]"
        )
        changes = settings(f"run_dir={run}", f"model.path={tiny_policy}", *SMALL, f"judge.base_url={url}", panel)
        config = str(CONFIGS[0].parent / "llm-judge.yaml")
        return run_main(monkeypatch, "train", config, *changes, *settings("judge.cache=false", "judge.votes=2"), *more)

    assert train(judge_url) == 0
    weights_before = (run / "checkpoints" / "checkpoint-2" / "model.safetensors").read_bytes()
    (run / "results.json").unlink()
    shutil.rmtree(run / "checkpoints" / "checkpoint-2")
    with serving_judge() as (_, url):
        assert url != judge_url
        assert train(url, "--resume") == 0, capsys.readouterr().err
        assert train(url, "--resume", "--set", "judge.votes=3") == 2
    assert "judge.votes" in capsys.readouterr().err
    assert (run / "checkpoints" / "checkpoint-2" / "model.safetensors").read_bytes() == weights_before


def test_a_judge_that_is_not_there_is_found_before_training(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    changes = settings(
        f"run_dir={tmp_path / 'run'}", f"model.path={tiny_policy}", *SMALL, f"judge.base_url=http://127.0.0.1:{port}/v1"
    )
    assert run_main(monkeypatch, "train", str(CONFIGS[0].parent / "llm-judge.yaml"), *changes) == 3
    assert "no judge can be reached" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_eval_reads_a_run_a_config_and_a_model(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = tmp_path / "predictions.jsonl"
    arguments = ("--limit", "6", "--json", "--predictions", str(predictions))
    assert run_main(monkeypatch, "eval", str(tiny_policy), "--benchmark", "miniature", *arguments) == 0
    figures = json.loads(capsys.readouterr().out)["benchmarks"]["miniature"]
    assert figures["n"] == 6
    assert len(figures["process_accuracy_ci95"]) == 2
    assert len(list(read_objects(predictions))) == 6
    sampled = ("--samples", "3", "--temperature", "0.7", *arguments)
    assert run_main(monkeypatch, "eval", str(tiny_policy), "--benchmark", "miniature:dev", *sampled) == 0
    figures = json.loads(capsys.readouterr().out)["benchmarks"]["miniature:dev"]
    assert (figures["samples"], figures["temperature"], figures["n"]) == (3, 0.7, 6)
    assert list(figures["pass_at_k"]["process"]) == ["1", "2", "3"]
    assert len(list(read_objects(predictions))) == 18
    assert run_main(monkeypatch, "eval", str(tiny_policy), "--benchmark", "mmstar", "--samples", "2") == 2
    assert "--samples" in capsys.readouterr().err
    assert run_main(monkeypatch, "eval", str(tiny_policy), "--benchmark", "mathvisto") == 2
    assert "mathvista" in capsys.readouterr().err


def test_a_run_is_evaluated_where_it_is_and_resumed_only_as_itself(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A moved run is still that run; another configuration is another run; a finished one has nothing to do."""
    run = tmp_path / "run"
    arguments = command(tiny_policy, run)[3:] + settings("train.max_steps=1", "train.save_steps=1")
    assert run_main(monkeypatch, *arguments) == 0
    assert run_main(monkeypatch, *arguments, "--resume", "--set", "train.learning_rate=0.5") == 2
    assert "train.learning_rate" in capsys.readouterr().err
    lines = (run / "metrics.jsonl").read_bytes()
    assert run_main(monkeypatch, *arguments, "--resume") == 0
    assert (run / "metrics.jsonl").read_bytes() == lines
    moved = tmp_path / "moved"
    run.rename(moved)
    capsys.readouterr()
    assert run_main(monkeypatch, "eval", str(moved), "--limit", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == str(moved / "model")


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\nsys.argv = ['contextrl', 'train', '--help']\nfrom contextrl.commands.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("module", ["benchmark_options", "model_names", "config", "data_build", "judges"])
def test_the_plug_in_is_there_whichever_module_of_the_commands_comes_first(module: str) -> None:
    """Within one process of tests another module may have brought it: a user's command has a process of its own."""
    code = (
        f"import contextrl.commands.{module}\nfrom contextrl.plugins import EVALUATIONS, JUDGES, MODELS\n"
        "assert {'miniature:dev'} <= EVALUATIONS.keys() and 'steps' in JUDGES and 'miniature' in MODELS"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def command(policy: Path, run: Path, *more: str) -> list[str]:
    config = str(CONFIGS[0].parent / "contextrl.yaml")
    changes = settings(
        f"run_dir={run}",
        f"model.path={policy}",
        "data.eval=null",
        "data.examples=16",
        "train.max_steps=6",
        "train.save_steps=2",
        "train.use_cpu=true",
        "train.num_generations=4",
        "train.per_device_train_batch_size=16",
    )
    return [sys.executable, "-m", "contextrl", "train", config, *changes, *more]


def weights(run: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(run / "checkpoints" / "checkpoint-6" / "model.safetensors")


def test_a_killed_run_is_readable_and_resumes_to_the_same_weights(tiny_policy: Path, tmp_path: Path) -> None:
    """SIGKILL after the first checkpoint; the resumed run ends as the one that was never stopped."""
    import torch

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    subprocess.run(command(tiny_policy, straight), check=True, env=environment, capture_output=True)
    process = subprocess.Popen(
        command(tiny_policy, killed), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not complete_checkpoints(killed / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "results.json").exists()
    assert json.loads((killed / "environment.json").read_text(encoding="utf-8"))["seed"] == 0
    assert list(read_objects(killed / "groups.jsonl"))
    subprocess.run(command(tiny_policy, killed, "--resume"), check=True, env=environment, capture_output=True)
    for name in ("metrics.jsonl", "groups.jsonl"):
        steps = [[row["step"] for row in read_objects(run / name)] for run in (straight, killed)]
        assert steps[0] == steps[1], f"{name} repeats or lacks steps"
    first, second = weights(straight), weights(killed)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
