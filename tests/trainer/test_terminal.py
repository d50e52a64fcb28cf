"""What a run shows while it goes."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from contextrl.trainer import terminal
from contextrl.trainer.terminal import TerminalCallback, clock

STEP = {
    "loss": 0.01,
    "reward": 0.456,
    "group/all_negative": 0.25,
    "group/recovered": 0.125,
    "judge/false_positive_rate": 0.1,
    "judge/unscored": 0.0,
}


class Clock:
    """A monotonic clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(terminal, "time", fake)
    return fake


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def started(output: io.StringIO, *, is_terminal: bool, first: int = 0, steps: int = 10) -> TerminalCallback:
    console = Console(file=output, force_terminal=is_terminal, width=100, color_system=None)
    callback = TerminalCallback(console, "contextrl, seed 0")
    callback.on_train_begin(None, SimpleNamespace(global_step=first, max_steps=steps), None)
    return callback


def log(callback: TerminalCallback, step: int, logs: dict[str, Any]) -> None:
    state = SimpleNamespace(global_step=step, max_steps=10)
    callback.on_step_end(None, state, None)
    callback.on_log(None, state, None, logs)


def test_plain_lines_where_there_is_no_terminal(time: Clock) -> None:
    output = io.StringIO()
    callback = started(output, is_terminal=False)
    time.now += 3
    log(callback, 1, STEP)
    # 3 s a step, 9 steps to go.
    assert output.getvalue() == (
        "contextrl, seed 0: step 1/10, reward 0.46, all-negative groups 25%, recovered 12%, false positives 10%, "
        "0:27 left\n"
    )
    assert "\x1b" not in output.getvalue()


def test_lines_are_few_and_the_last_step_has_one(time: Clock) -> None:
    output = io.StringIO()
    callback = started(output, is_terminal=False)
    for step in range(1, 11):
        time.now += 4
        log(callback, step, STEP)
    said = [line.split(", ")[1].removeprefix("seed 0: ") for line in output.getvalue().splitlines()]
    assert said == ["step 1/10", "step 4/10", "step 7/10", "step 10/10"]


def test_other_log_lines_are_no_steps(time: Clock) -> None:
    output = io.StringIO()
    callback = started(output, is_terminal=False)
    log(callback, 0, {"eval_process_accuracy": 0.4})
    log(callback, 10, {"train_runtime": 3.0})
    assert output.getvalue() == ""
    log(callback, 10, STEP | {"eval_process_accuracy": 0.417, "eval_answer_accuracy": 0.5})
    assert "held-out answer 50% at step 10, held-out process 42% at step 10" in output.getvalue()


def test_sft_has_its_loss_and_failures_of_the_judge_are_shown(time: Clock) -> None:
    output = io.StringIO()
    callback = started(output, is_terminal=False)
    log(callback, 1, {"loss": 2.3456})
    assert "step 1/10, loss 2.346, 0:00 left" in output.getvalue()
    log(callback, 10, STEP | {"judge/unscored": 0.5})
    assert "unscored 50%" in output.getvalue()
    assert "loss" not in output.getvalue().splitlines()[1]


def test_a_resumed_run_counts_its_own_steps(time: Clock) -> None:
    output = io.StringIO()
    callback = started(output, is_terminal=False, first=6)
    time.now += 10
    log(callback, 8, STEP)
    assert "step 8/10" in output.getvalue()
    assert "0:10 left" in output.getvalue(), "5 s a step, 2 to go"


@pytest.mark.parametrize("kind", ["forced-colours", "dumb"])
def test_what_cannot_be_drawn_over_gets_lines(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb" if kind == "dumb" else "xterm")
    output = Terminal() if kind == "dumb" else io.StringIO()
    callback = started(output, is_terminal=True)
    log(callback, 10, STEP)
    assert callback.live is None
    assert "step 10/10" in output.getvalue()


def test_one_panel_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal()
    callback = started(output, is_terminal=True)
    log(callback, 3, STEP)
    callback.on_train_end(None, None, None)
    callback.close()
    last = output.getvalue().split("╭")[-1]
    assert "contextrl, seed 0" in last
    for part in ("step 3/10", "reward 0.46", "recovered 12%", "false positives 10%", "left"):
        assert part in last
    assert callback.live is None
    log(callback, 3, STEP)
    assert output.getvalue().endswith(last), "a terminal gets no plain lines"


@pytest.mark.parametrize("is_terminal", [False, True], ids=["lines", "panel"])
def test_text_is_no_markup(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal() if is_terminal else io.StringIO()
    console = Console(file=output, force_terminal=is_terminal, width=100, color_system=None)
    callback = TerminalCallback(console, "[red]x[/red] :smile:")
    callback.on_train_begin(None, SimpleNamespace(global_step=0, max_steps=1), None)
    log(callback, 1, STEP)
    callback.close()
    assert "[red]x[/red] :smile:" in output.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (36_000, "10:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
