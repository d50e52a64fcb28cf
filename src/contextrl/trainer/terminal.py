"""What a run shows while it goes: one live panel in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from transformers import TrainerCallback

from contextrl.console import is_live

#: Seconds between plain lines: a log of a long run stays readable.
QUIET_SECONDS = 10.0
#: What is shown of a step's metrics, where the method has it: label, format.
FIGURES = {
    "reward": ("reward", "{:.2f}"),
    "loss": ("loss", "{:.3f}"),
    "group/all_negative": ("all-negative groups", "{:.0%}"),
    "group/recovered": ("recovered", "{:.0%}"),
    "judge/false_positive_rate": ("false positives", "{:.0%}"),
    "judge/unscored": ("unscored", "{:.0%}"),
    "eval_answer_accuracy": ("held-out answer", "{:.0%} at step {}"),
    "eval_process_accuracy": ("held-out process", "{:.0%} at step {}"),
}


def clock(seconds: float) -> str:
    """`1:02:03`, or `2:03` for less than an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class TerminalCallback(TrainerCallback):
    """Shows step, reward, recovered groups, false positives and time left.

    Args:
        console: where. If it is no terminal, a line is printed at most every `QUIET_SECONDS`, and for the last step.
        title: what the run is.
    """

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title = console, title
        self.live: Live | None = None
        self.figures: dict[str, str] = {}
        self.step = self.first = self.steps = 0
        self.started = self.said = time.monotonic()

    # ---- what the trainer tells ------------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.step = self.first = state.global_step
        self.steps = state.max_steps
        self.started = time.monotonic()
        if is_live(self.console):
            self.live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=4)
            self.live.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.step = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:  # noqa: ARG002
        self.step = state.global_step
        self._take(logs)
        if not is_live(self.console) and "loss" in logs:
            self._say(last=self.step >= self.steps)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.close()

    def close(self) -> None:
        """Also called when training fails: a live display left open would swallow the error."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def _take(self, logs: Mapping[str, Any]) -> None:
        figures = dict(self.figures)
        for name, (_, form) in FIGURES.items():
            value = logs.get(name)
            if isinstance(value, int | float):
                figures[name] = form.format(value, self.step)
        if "reward" in logs:
            figures.pop("loss", None)  # which says little of a policy gradient
        if not logs.get("judge/unscored"):
            figures.pop("judge/unscored", None)
        self.figures = {name: figures[name] for name in FIGURES if name in figures}

    @property
    def left(self) -> str:
        """Time left, by the steps so far."""
        done = self.step - self.first
        if not done:
            return "time left not known yet"
        return f"{clock((time.monotonic() - self.started) / done * (self.steps - self.step))} left"

    def _say(self, *, last: bool) -> None:
        now = time.monotonic()
        if not last and now - self.said < QUIET_SECONDS and self.step > self.first + 1:
            return
        self.said = now
        shown = [f"{FIGURES[name][0]} {value}" for name, value in self.figures.items()]
        line = ", ".join([f"{self.title}: step {self.step}/{self.steps}", *shown, self.left])
        self.console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)

    def _panel(self) -> Panel:
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_column()
        bar.add_column(ratio=1)
        bar.add_column(justify="right")
        progress = ProgressBar(total=max(self.steps, 1), completed=self.step)
        elapsed = clock(time.monotonic() - self.started)
        bar.add_row(f"step {self.step}/{self.steps}", progress, f"{elapsed} gone, {self.left}")
        # The evaluation has a line of its own: both together are wider than most terminals.
        evaluated = [name for name in self.figures if name.startswith("eval_")]
        facts = [self._facts([name for name in self.figures if name not in evaluated]), self._facts(evaluated)]
        return Panel(Group(bar, *filter(None, facts)), title=Text(self.title), title_align="left")

    def _facts(self, names: Sequence[str]) -> Text:
        return Text("   ").join(
            Text.assemble((f"{FIGURES[name][0]} ", "dim"), (self.figures[name], "bold")) for name in names
        )
