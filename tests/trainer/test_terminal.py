"""What a run shows while it goes."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from contextrl.trainer import terminal
from contextrl.trainer.checkpoints import CheckpointState
from contextrl.trainer.clock import Clock as RunClock
from contextrl.trainer.terminal import Pace, TerminalCallback, clock

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


def started(
    output: io.StringIO, *, is_terminal: bool, first: int = 0, steps: int = 10, width: int = 100, **more: Any
) -> TerminalCallback:
    console = Console(file=output, force_terminal=is_terminal, width=width, color_system=None)
    callback = TerminalCallback(console, "contextrl, seed 0", **more)
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
        "contextrl, seed 0: step 1/10, reward 0.46, recovered 50% of all-negative groups, false positives 10%, "
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
    for part in ("step 3/10", "reward 0.46", "recovered 50% of all-negative groups", "false positives 10%", "left"):
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


def test_groups_are_counted_since_the_last_line(time: Clock) -> None:
    """A resumed run has counted before, and gives its counts in an object of their own."""
    output, counts = io.StringIO(), [CheckpointState(groups_all_negative=70, groups_recovered=30)]
    callback = started(output, is_terminal=False, first=6, progress=lambda: counts[-1])
    callback.on_step_begin(None, SimpleNamespace(global_step=6), None)
    for step, negative, recovered in ((7, 75, 35), (8, 76, 35), (9, 76, 35), (10, 80, 36)):
        counts.append(CheckpointState(groups_all_negative=negative, groups_recovered=recovered))
        time.now += 11
        log(callback, step, STEP)
    said = [line.split(", ")[3] for line in output.getvalue().splitlines()]
    assert said == [
        "recovered 5 of 5 all-negative groups",
        "recovered 0 of 1 all-negative group",
        "no all-negative group",
        "recovered 1 of 4 all-negative groups",
    ]


@pytest.mark.parametrize("width", [45, 50, 60, 70, 80, 120])
def test_no_line_breaks_within_a_figure(width: int, monkeypatch: pytest.MonkeyPatch, time: Clock) -> None:
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal()
    counts = CheckpointState()
    callback = started(output, is_terminal=True, steps=2000, width=width, progress=lambda: counts)
    callback.on_step_begin(None, SimpleNamespace(global_step=0), None)
    for step in (1, 2, 3):
        time.now += 40
        counts.groups_all_negative, counts.groups_recovered = 12 * step, 10 * step
        log(callback, step, STEP | {"judge/unscored": 0.25, "eval_answer_accuracy": 0.5, "eval_process_accuracy": 0.4})
    callback.close()
    lines = [line.strip("│ ") for line in output.getvalue().split("╭")[-1].splitlines()]
    for whole in (
        "step 3/2000",
        "2:00 gone, 22:11:20 left",
        "reward 0.46",
        "recovered 10 of 12 all-negative groups",
        "false positives 10%",
        "unscored 25%",
        "held-out answer 50% at step 3",
        "held-out process 40% at step 3",
    ):
        assert any(whole in line for line in lines), (whole, lines)


def test_time_left_is_steady_where_long_and_short_steps_take_turns() -> None:
    """A rollout that serves two updates: 9 s and 1 s. By the last step alone it would jump by nine times."""
    pace, seconds, left = Pace(), 0.0, []
    pace.step_ended(0, 0.0)
    for step in range(1, 101):
        seconds += 60.0 if step == 1 else 9.0 if step % 2 else 1.0  # the first warms up
        pace.step_ended(step, seconds)
        left.append(pace.left(400, seconds))
    assert left[0] == pytest.approx(60 * 399)
    for step in range(10, 101):
        # 5 s a step; one step more or less of nine makes at most a fifth.
        assert left[step - 1] == pytest.approx(5 * (400 - step), rel=0.2)
    for step in range(40, 101):
        assert left[step - 1] == pytest.approx(5 * (400 - step), rel=0.05)


def test_time_left_counts_down_within_a_step_and_never_below_the_next() -> None:
    pace = Pace()
    for step in range(6):
        pace.step_ended(step, 10.0 * step)
    assert [pace.left(10, 50.0 + more) for more in (0, 4, 10, 500)] == [50, 46, 40, 40]
    assert pace.left(5, 50.0) == 0


def test_evaluations_do_not_count(time: Clock) -> None:
    output, spent = io.StringIO(), RunClock()
    spent.seconds["eval"] = 500.0  # before training
    callback = started(output, is_terminal=False, spent=spent)
    for step in range(1, 5):
        time.now += 10
        log(callback, step, STEP)
        if step % 2 == 0:
            spent.seconds["eval"] += 300
            time.now += 300
    time.now += 10
    log(callback, 5, STEP)
    assert output.getvalue().splitlines()[-1].endswith("0:50 left"), "10 s a step, 5 to go"


def test_the_last_panel_has_the_last_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal()
    callback = started(output, is_terminal=True)
    log(callback, 5, STEP | {"eval_process_accuracy": 0.4})
    log(callback, 10, STEP)
    log(callback, 10, {"eval_answer_accuracy": 0.625, "eval_process_accuracy": 0.5})
    callback.on_train_end(None, None, None)
    last = output.getvalue().split("╭")[-1]
    assert "held-out answer 62% at step 10   held-out process 50% at step 10" in last


def test_a_step_that_takes_long_is_said_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.2)
    output = io.StringIO()
    callback = started(output, is_terminal=False)
    log(callback, 1, STEP)
    for _ in range(100):
        if "in step 2" in output.getvalue():
            break
        threading.Event().wait(0.1)
    callback.close()
    lines = output.getvalue().splitlines()
    assert lines[1].startswith("contextrl, seed 0: step 1/10, reward 0.46")
    assert "in step 2, " in lines[1]
    before = output.getvalue()
    threading.Event().wait(1.2)
    assert output.getvalue() == before, "closed"
