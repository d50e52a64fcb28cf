"""`contextrl reproduce`: the paper's studies in the miniature; what is finished is kept and never trained again."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from contextrl.commands.arms import ARMS, Arm, Study, sets_of
from contextrl.commands.config import RunConfig, load_config, settings_of_the_method
from contextrl.console import Advance, progress_bar
from contextrl.errors import ContextRLError, InputError
from contextrl.miniature import BASE_POLICY
from contextrl.records.jsonl import number
from contextrl.records.metrics import ENTROPY
from contextrl.records.run_directory import RunDirectory
from contextrl.studies.cells import Cell, CellStore, settings_hash

#: Steps of `--quick`, and its items of each set.
QUICK_STEPS, QUICK_ITEMS, ITEMS = 20, 200, 1000


@dataclass(frozen=True)
class Plan:
    """How cells are made.

    Attributes:
        configs: folder of the shipped configurations.
        items: of each evaluation set.
        steps: of every arm; None for as many as its configuration says.
        jobs: runs at once, each with one thread: two side by side finish sooner than one after another with two.
    """

    configs: Path
    items: int = ITEMS
    steps: int | None = None
    jobs: int = 1

    def overrides(self, arm: Arm, steps: int | None = None) -> list[str]:
        """Of the arm itself: what its cells are hashed by."""
        chosen = steps or self.steps
        return [*arm.overrides, *([f"train.max_steps={chosen}"] if chosen else [])]

    def settings(self, arm: Arm, steps: int | None = None) -> str:
        """Names all that decides a cell's figures: settings, weights to start from, evaluation sets.

        Settings at their defaults do not count: a version with more of them has the same cells.
        """
        method: dict[str, Any] = {}
        if arm.config is not None:
            config = load_config(self.configs / arm.config, self.overrides(arm, steps))
            default = settings_of_the_method(RunConfig().model_dump(mode="json"))
            settings = settings_of_the_method(config.model_dump(mode="json"))
            method = {key: value for key, value in settings.items() if value != default.get(key)}
        weights = json.loads((BASE_POLICY / "recipe.json").read_text(encoding="utf-8"))["weights_sha256"]
        return settings_hash({"method": method, "base": weights, "sets": sets_of(arm), "items": self.items})


class Runner:
    """Makes the cells that are missing.

    Args:
        store: where cells are kept.
        plan: how they are made.
        call: runs `contextrl` with arguments and raises if it fails.
    """

    def __init__(
        self, store: CellStore, plan: Plan, console: Console, call: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        self.store, self.plan, self.console = store, plan, console
        self.call = call or call_contextrl

    def run(self, arms: Sequence[Arm], seeds: Sequence[int]) -> None:
        """Train and evaluate every arm with every seed. Those that spend another arm's tokens come last.

        Raises:
            ContextRLError: a run failed; cells that others have finished are kept.
        """
        for dependent in (False, True):
            cells = [(a, s) for s in seeds for a in arms if (a.tokens_of is not None) == dependent]
            cells = [(a, s) for a, s in cells if a.seeded or s == seeds[0]]
            missing = [(a, s) for a, s in cells if self.finished(a, s) is None]
            if missing:
                self._run_all(missing)

    def finished(self, arm: Arm, seed: int) -> Cell | None:
        """The cell, if it is there and of these settings."""
        steps = self.steps_of(arm, seed)
        return None if steps == 0 else self.store.read(arm.name, seed, self.plan.settings(arm, steps))

    def steps_of(self, arm: Arm, seed: int) -> int | None:
        """Steps of an arm that spends another's tokens (0: not known yet); None for the arm's own number.

        Tokens per step are taken from the arm of the same configuration that ran at its own number of steps.
        """
        if arm.tokens_of is None:
            return None
        model = self.store.read(arm.tokens_of, seed)
        own = next(a for study in ARMS.values() for a in study if a.config == arm.config and a.tokens_of is None)
        plain = self.store.read(own.name, seed)
        if model is None or plain is None:
            return 0
        return round(plain.steps * model.tokens["sampled"] / plain.tokens["sampled"])

    def _run_all(self, cells: Sequence[tuple[Arm, int]]) -> None:
        title = f"{len(cells)} runs"
        with ThreadPoolExecutor(self.plan.jobs) as pool, progress_bar(self.console, title, len(cells)) as advance:
            running = {pool.submit(self._make, arm, seed): (arm, seed) for arm, seed in cells}
            try:
                self._collect(running, advance)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _collect(self, running: Mapping[Future[Cell], tuple[Arm, int]], advance: Advance) -> None:
        """Keep cells as they are finished. After a failure no run is begun; those that are under way are kept too."""
        waiting, failure = set(running), None
        while waiting:
            done, waiting = wait(waiting, timeout=5, return_when=FIRST_COMPLETED)
            advance(0)
            for future in done:
                if future.cancelled():
                    continue
                try:
                    cell = future.result()
                except ContextRLError as error:
                    failure = failure or error
                    for other in waiting:
                        other.cancel()
                    continue
                self.store.write(cell)
                arm, seed = running[future]
                self.console.print(f"{arm.label}, seed {seed}: {cell.seconds:.0f} s of training", highlight=False)
                advance(1)
        if failure is not None:
            raise failure

    def _make(self, arm: Arm, seed: int) -> Cell:
        steps = self.steps_of(arm, seed)
        with tempfile.TemporaryDirectory(prefix="contextrl-") as scratch:
            run_dir, predictions = Path(scratch) / "run", Path(scratch) / "items.jsonl"
            results: dict[str, Any] = {}
            entropy = None
            if arm.config is not None:
                self._train(arm, seed, run_dir, steps)
                results = RunDirectory(run_dir).results() or {}
                entropy = late_mean(RunDirectory(run_dir).metrics(), ENTROPY)
            target = str(run_dir) if arm.config is not None else "miniature"
            sets = sets_of(arm)
            options = ["--benchmark", ",".join(sets), "--limit", str(self.plan.items)]
            self.call(["eval", target, *options, "--predictions", str(predictions), "--json"])
            records = [json.loads(line) for line in predictions.read_text(encoding="utf-8").splitlines()]
            outcomes = {
                name: self.store.keep_items(name, [row for row in records if row["benchmark"] == name]) for name in sets
            }
        return Cell(
            arm.name,
            seed,
            self.plan.settings(arm, steps),
            steps=results.get("steps", 0),
            seconds=results.get("seconds", {}).get("train", 0.0),
            tokens=results.get("tokens", {}),
            knowledge=results.get("knowledge", {}),
            groups=results.get("groups", {}),
            entropy=entropy,
            outcomes=outcomes,
        )

    def _train(self, arm: Arm, seed: int, run_dir: Path, steps: int | None) -> None:
        kept = ["data.eval=null", "train.save_steps=100000", "train.save_total_limit=1"]
        sets = [f"run_dir={run_dir}", f"seed={seed}", *kept, *self.plan.overrides(arm, steps)]
        command = ["train", str(self.plan.configs / str(arm.config))]
        self.call([*command, *(part for setting in sets for part in ("--set", setting))])


def late_mean(records: Iterable[Mapping[str, Any]], metric: str) -> float | None:
    """Mean of a metric over the last third of the steps that logged it; None where none did."""
    values = [value for record in records if (value := number(record.get(metric))) is not None]
    late = values[len(values) * 2 // 3 :]
    return sum(late) / len(late) if late else None


def call_contextrl(arguments: Sequence[str]) -> None:
    """Run the command in a process of its own, with one thread.

    Raises:
        ContextRLError: it failed; the end of what it said.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "contextrl", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip()[-1500:]
        raise ContextRLError(f"contextrl {shlex.join(arguments)} ended with {done.returncode}:\n{said}")


def arms_of(studies: Sequence[Study]) -> list[Arm]:
    """Arms of several studies, each once."""
    return list(dict.fromkeys(arm for study in studies for arm in ARMS[study]))


def chosen_studies(names: Sequence[str]) -> list[Study]:
    """The studies that were named, all where none was.

    Raises:
        InputError: there is no such study.
    """
    chosen: list[Study] = []
    for name in names or ARMS:
        study = next((known for known in ARMS if known == name), None)
        if study is None:
            raise InputError(" or ".join(ARMS), found=repr(name), where="STUDY")
        chosen.append(study)
    return chosen


def cells_by_label(store: CellStore, study: Study, seeds: Sequence[int]) -> dict[str, list[Cell]]:
    """The finished cells of a study's arms, by label."""
    return {arm.label: cells for arm in ARMS[study] if (cells := store.seeds(arm.name, seeds))}
