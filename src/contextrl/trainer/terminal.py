"""What a run shows while it goes: one live panel in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from transformers import TrainerCallback

from contextrl.console import is_live
from contextrl.trainer.checkpoints import CheckpointState
from contextrl.trainer.clock import Clock

#: Seconds between plain lines: a log of a long run stays readable, and one that waits is seen to wait.
QUIET_SECONDS = 10.0
#: Steps that the time left is worked out from: as many as make it steady where rollouts and updates take turns.
WINDOW = 30
#: What is shown of a step's metrics, where the method has it: label, format.
FIGURES = {
    "reward": ("reward", "{:.2f}"),
    "loss": ("loss", "{:.3f}"),
    "groups": ("", "{}"),
    "judge/false_positive_rate": ("false positives", "{:.0%}"),
    "judge/unscored": ("unscored", "{:.0%}"),
    "eval_answer_accuracy": ("held-out answer", "{:.0%} at step {}"),
    "eval_process_accuracy": ("held-out process", "{:.0%} at step {}"),
}
#: Between two figures of one line, and what the panel's border and padding take of a line.
_GAP, _FRAME = "   ", 4


def clock(seconds: float) -> str:
    """`1:02:03`, or `2:03` for less than an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Pace:
    """Seconds of an optimizer step, smoothed. Evaluations do not count: they come seldom and take long."""

    def __init__(self) -> None:
        self._ends: deque[tuple[int, float]] = deque(maxlen=WINDOW + 1)
        self._warm = False

    def step_ended(self, step: int, seconds: float) -> None:
        """Args: `seconds` of training so far, evaluations left out."""
        # The first step warms up, which later ones do not.
        if len(self._ends) == 2 and not self._warm:
            self._ends.popleft()
            self._warm = True
        self._ends.append((step, seconds))

    def left(self, steps: int, seconds: float) -> float | None:
        """Seconds until a step is done; None before the first step is.

        Args:
            seconds: as in `step_ended`, now.
        """
        (first, began), (last, ended) = self._ends[0], self._ends[-1]
        if last == first:
            return None
        pace = (ended - began) / (last - first)
        # Counts down within a step, and stands still where that takes longer than others did.
        return max(0.0, pace * (steps - last) - min(seconds - ended, pace))


def groups_recovered(all_negative: int, recovered: int) -> str:
    """`recovered 3 of 5 all-negative groups`."""
    if not all_negative:
        return "no all-negative group"
    return f"recovered {recovered} of {all_negative} all-negative group{'s' * (all_negative != 1)}"


class TerminalCallback(TrainerCallback):
    """Shows step, reward, recovered groups, false positives and time left.

    Args:
        console: where. If it is no terminal, a line is printed every `QUIET_SECONDS`, and for the last step.
        title: what the run is.
        progress: gives the trainer's counts, which a resumed run replaces; without it recovered groups are shown as a
            share.
        spent: the run's clock, which knows what evaluations took.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        progress: Callable[[], CheckpointState] | None = None,
        spent: Clock | None = None,
    ) -> None:
        self.console, self.title, self.progress, self.spent = console, title, progress, spent
        self.live: Live | None = None
        self.figures: dict[str, str] = {}
        self.step = self.first = self.steps = 0
        self.started = self.said = self.step_began = time.monotonic()
        self.pace = Pace()
        self._counted = (0, 0)
        self._evaluated = 0.0
        self._closed: threading.Event | None = None
        self._saying = threading.Lock()

    # ---- what the trainer tells ------------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.step = self.first = state.global_step
        self.steps = state.max_steps
        self.started = self.said = self.step_began = time.monotonic()
        self._evaluated = self._evaluating()
        self.pace.step_ended(self.step, 0.0)
        if is_live(self.console):
            self.live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=4)
            self.live.start()
        else:
            self._closed = threading.Event()
            threading.Thread(target=self._keep_saying, args=(self._closed,), daemon=True).start()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if state.global_step == self.first:
            self._counted = self._groups()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._reach(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:  # noqa: ARG002
        self._reach(state.global_step)
        self._take(logs)
        if not is_live(self.console) and "loss" in logs:
            self._say(last=self.step >= self.steps)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.close()

    def close(self) -> None:
        """Also called when training fails: a live display left open would swallow the error."""
        if self._closed is not None:
            self._closed.set()
        if self.live is not None:
            self.live.stop()
            self.live = None

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def _reach(self, step: int) -> None:
        if step > self.step:
            self.step, self.step_began = step, time.monotonic()
            self.pace.step_ended(step, self._trained())

    def _trained(self) -> float:
        """Seconds since training began, evaluations left out."""
        return time.monotonic() - self.started - (self._evaluating() - self._evaluated)

    def _evaluating(self) -> float:
        return 0.0 if self.spent is None else self.spent.now("eval")

    def _groups(self) -> tuple[int, int]:
        """All-negative groups so far, and recovered ones."""
        if self.progress is None:
            return 0, 0
        counts = self.progress()
        return counts.groups_all_negative, counts.groups_recovered

    def _take(self, logs: Mapping[str, Any]) -> None:
        figures = dict(self.figures)
        for name, (_, form) in FIGURES.items():
            value = logs.get(name)
            if isinstance(value, int | float):
                figures[name] = form.format(value, self.step)
        if "group/all_negative" in logs:
            figures["groups"] = self._recovered(logs)
        if "reward" in logs:
            figures.pop("loss", None)  # which says little of a policy gradient
        if not logs.get("judge/unscored"):
            figures.pop("judge/unscored", None)
        self.figures = {name: figures[name] for name in FIGURES if name in figures}

    def _recovered(self, logs: Mapping[str, Any]) -> str:
        """Of the groups since the last line."""
        if self.progress is not None:
            before, self._counted = self._counted, self._groups()
            return groups_recovered(self._counted[0] - before[0], self._counted[1] - before[1])
        negative, recovered = (logs.get(f"group/{kind}") or 0.0 for kind in ("all_negative", "recovered"))
        return f"recovered {recovered / negative:.0%} of all-negative groups" if negative else groups_recovered(0, 0)

    @property
    def left(self) -> str:
        """Time left of training, by the last steps."""
        seconds = self.pace.left(self.steps, self._trained())
        return "time left not known yet" if seconds is None else f"{clock(seconds)} left"

    def _say(self, *, last: bool) -> None:
        now = time.monotonic()
        with self._saying:
            if not last and now - self.said < QUIET_SECONDS and self.step > self.first + 1:
                return
            self.said = now
        self._print([self._shown(name) for name in self.figures])

    def _keep_saying(self, closed: threading.Event) -> None:
        """A step of a large model takes minutes: say that it goes on."""
        while not closed.wait(0.5):
            now = time.monotonic()
            with self._saying:
                # After the last step the evaluation says how far it is.
                if now - self.said < QUIET_SECONDS or 0 < self.steps <= self.step:
                    continue
                self.said = now
            facts = [self._shown(name) for name in self.figures]
            if (gone := now - self.step_began) >= QUIET_SECONDS:
                facts.append(f"{clock(gone)} in step {min(self.step + 1, self.steps)}")
            self._print(facts)

    def _print(self, facts: Sequence[str]) -> None:
        line = ", ".join([f"{self.title}: step {self.step}/{self.steps}", *facts, self.left])
        self.console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)

    def _shown(self, name: str) -> str:
        return f"{FIGURES[name][0]} {self.figures[name]}".strip()

    def _panel(self) -> Panel:
        width = self.console.width - _FRAME
        step, gone = f"step {self.step}/{self.steps}", f"{clock(time.monotonic() - self.started)} gone, {self.left}"
        # The evaluation has a line of its own, and so has what else does not fit: nothing breaks within a figure.
        evaluated = [name for name in self.figures if name.startswith("eval_")]
        parts: list[Any] = [self._progress(step, gone, width)]
        for names in ([name for name in self.figures if name not in evaluated], evaluated):
            parts += [self._facts(line) for line in self._lines(names, width)]
        return Panel(Group(*parts), title=Text(self.title), title_align="left")

    def _progress(self, step: str, gone: str, width: int) -> Table | Text:
        if len(step) + len(gone) + 10 > width:
            return Text(f"{step}\n{gone}" if len(step) + len(gone) + len(_GAP) > width else f"{step}{_GAP}{gone}")
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_column(no_wrap=True)
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        bar.add_row(step, ProgressBar(total=max(self.steps, 1), completed=self.step), gone)
        return bar

    def _lines(self, names: Sequence[str], width: int) -> list[list[str]]:
        """Figures on as many lines as they need."""
        lines: list[list[str]] = []
        for name in names:
            if lines and len(_GAP.join(map(self._shown, [*lines[-1], name]))) <= width:
                lines[-1].append(name)
            else:
                lines.append([name])
        return lines

    def _facts(self, names: Sequence[str]) -> Text:
        facts = []
        for name in names:
            label = FIGURES[name][0]
            facts.append(Text.assemble((f"{label} " if label else "", "dim"), (self.figures[name], "bold")))
        return Text(_GAP).join(facts)
