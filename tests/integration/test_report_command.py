"""Trackers and `contextrl report` as users call them, on runs that the command has trained."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from test_commands import CONFIGS, SMALL, run_main, settings

from contextrl.records.jsonl import read_objects


@pytest.fixture(scope="module")
def trained(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, with TensorBoard."""
    run = tmp_path_factory.mktemp("runs") / "demo"
    changes = settings(f"run_dir={run}", f"model.path={tiny_policy}", *SMALL, "train.report_to=tensorboard")
    with pytest.MonkeyPatch.context() as patch:
        assert run_main(patch, "train", str(CONFIGS[0]), *changes) == 0
    return run


def test_tensorboard_has_what_the_metrics_file_has(trained: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    found = {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
    lines = list(read_objects(trained / "metrics.jsonl"))
    steps = [line for line in lines if "loss" in line]
    for name in ("reward", "group/recovered", "judge/false_positive_rate", "stage2/attempts", "kl/on_policy"):
        expected = {line["step"]: line[name] for line in steps if line[name] is not None}
        assert found.get(f"train/{name}", {}) == pytest.approx(expected), name
    for name in ("eval/answer_accuracy", "eval/process_accuracy", "eval/n"):
        assert found[name] == pytest.approx({line["step"]: line[name] for line in lines if name in line}), name
        assert set(found[name]) == {0, 1, 2}, "before, on the way, after"
    low = {line["step"]: line["eval/answer_accuracy_ci95"][0] for line in lines if "eval/answer_accuracy" in line}
    assert found["eval/answer_accuracy_ci95_low"] == pytest.approx(low)


def test_the_last_steps_are_logged_too(tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers logs every so many steps, and drops what comes after the last of them."""
    changes = settings(
        f"run_dir={tmp_path / 'run'}",
        f"model.path={tiny_policy}",
        *SMALL,
        "train.max_steps=3",
        "train.logging_steps=2",
        "train.logging_first_step=false",
        "data.eval=null",
    )
    assert run_main(monkeypatch, "train", str(CONFIGS[0]), *changes) == 0
    lines = list(read_objects(tmp_path / "run" / "metrics.jsonl"))
    assert [line["step"] for line in lines] == [2, 3]
    assert all(line["reward"] is not None for line in lines)


def test_one_run(trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(monkeypatch, "report", str(trained)) == 0
    assert f"Report: {trained / 'report.html'}" in capsys.readouterr().out
    html = (trained / "report.html").read_text(encoding="utf-8")
    assert len(html) < 10_000_000
    groups = len(list(read_objects(trained / "groups.jsonl")))
    assert f"All {groups} groups are here." in html
    results = json.loads((trained / "results.json").read_text(encoding="utf-8"))
    assert f"to {results['after']['answer_accuracy']:.1%}" in html


def test_several_runs_and_figures(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, figures = tmp_path / "pages" / "both.html", tmp_path / "figures"
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.yaml", "metrics.jsonl"):
        (other / name).write_bytes((trained / name).read_bytes())
    options = ("--output", str(page), "--figures", str(figures))
    assert run_main(monkeypatch, "report", str(trained), str(other), *options) == 0
    assert f"Figures: {figures}" in capsys.readouterr().out
    assert "2 runs side by side" in page.read_text(encoding="utf-8")
    assert {"compare-process-accuracy.svg", "compare-reward.png"} <= {path.name for path in figures.iterdir()}


def test_several_runs_without_output_go_here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch, "report", str(trained), str(other)) == 0
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{tmp}/none"], "expected a run directory, with a config.yaml, found none"),
        (["{run}", "--output", "{tmp}"], "--output: expected a file to write, found a folder"),
        (
            ["{run}", "--figures", "{run}/config.yaml"],
            "--figures: expected a folder, found {run}/config.yaml: File exists",
        ),
        (["{run}", "--output", "{run}/config.yaml/x.html"], "--output: expected a folder, found {run}/config.yaml"),
    ],
    ids=["no-run", "folder", "figures", "under-a-file"],
)
def test_wrong_input(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (trained / "report.html").unlink(missing_ok=True)
    filled = [argument.replace("{tmp}", str(tmp_path)).replace("{run}", str(trained)) for argument in arguments]
    assert run_main(monkeypatch, "report", *filled) == 2
    assert said.replace("{run}", str(trained)) in " ".join(capsys.readouterr().err.split())
    assert not (trained / "report.html").exists()


def test_no_torch_is_loaded() -> None:
    """A report of a run on a cluster can be made on any laptop, in seconds."""
    code = "import sys; import contextrl.commands.report; sys.exit(any(m in sys.modules for m in ('torch', 'trl')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_groups_as_text(trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal."""
    assert run_main(monkeypatch, "report", str(trained), "--text", "--groups", "1") == 0
    said = capsys.readouterr().out
    first = next(iter(read_objects(trained / "groups.jsonl")))
    count = len(list(read_objects(trained / "groups.jsonl")))
    assert said.startswith("demo: contextrl, seed 0, finished\n")
    assert "\ngroup 0 · step 1 · " in said
    assert f"question: {first['question']}\n" in said
    assert f"1 of {count} groups are shown; --groups {count} shows all." in said
    assert "\x1b" not in said
    assert run_main(monkeypatch, "report", str(trained), "--text", "--only", "false-positive") == 0
    assert "that are false positive" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--follow", "--text"], "--follow: expected --follow alone, found --text too"),
        (["--follow", "--output", "x.html"], "--follow: expected --follow alone, found --output too"),
        (["--text", "--figures", "x"], "--text: expected --text alone, found --figures too"),
        (["--text", "--only", "x"], "--only: expected recovered or false_positive or"),
    ],
)
def test_what_does_not_go_together(
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert run_main(monkeypatch, "report", str(trained), *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_following_ends_calmly(trained: Path, end: signal.Signals) -> None:
    command = [sys.executable, "-m", "contextrl", "report", str(trained), "--follow", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline().rpartition(": ")[2].strip()
        assert running.stdout.readline() == "The run has finished. The page stays until Ctrl-C.\n"
        with urllib.request.urlopen(address + "report.html", timeout=60) as answer:
            assert b"<!doctype html>" in answer.read(1000).lower()
        running.send_signal(end)
        rest, errors = running.communicate(timeout=60)
    assert (running.returncode, rest, errors) == (130, "", "Stopped.\n")
