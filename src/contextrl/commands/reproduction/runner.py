"""Makes the cells of studies that are missing; what is finished is kept and never made again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from contextrl.commands.config import RunConfig, load_config, settings_of_the_method
from contextrl.commands.reproduction.arms import Arm, Study, at
from contextrl.commands.reproduction.artifacts import Call, Pantry
from contextrl.commands.reproduction.probes import COMMON, Probing
from contextrl.commands.reproduction.queueing import Run, RunQueue
from contextrl.commands.reproduction.training import Trained, call_contextrl, cell_of, trained_in
from contextrl.console import progress_bar
from contextrl.errors import ContextRLError
from contextrl.miniature import BASE_POLICY
from contextrl.studies.cells import Cell, CellStore, settings_hash

#: Steps of `--quick`, and its items of each set.
QUICK_STEPS, QUICK_ITEMS, ITEMS = 20, 200, 1000


@dataclass(frozen=True)
class Plan:
    """How cells are made.

    Attributes:
        configs: folder of the shipped configurations.
        studies: all that are known: they say what an arm is evaluated on and probed with.
        items: of each evaluation set.
        steps: of every arm; None for as many as its configuration says.
        jobs: runs at once, each with one thread: two side by side finish sooner than one after another with two.
    """

    configs: Path
    studies: Sequence[Study]
    items: int = ITEMS
    steps: int | None = None
    jobs: int = 1

    def sets_of(self, arm: Arm) -> tuple[str, ...]:
        """Evaluation sets of an arm: those of every study that it is in, whichever is asked for."""
        return tuple(dict.fromkeys(name for study in self._with(arm) for name in study.sets))

    def probes_of(self, arm: Arm) -> tuple[str, ...]:
        """Probes of an arm in every study that it is in."""
        asked = [study.measured.get(arm.name, ()) for study in self._with(arm)]
        return tuple(dict.fromkeys(probe for probes in asked for probe in probes))

    def _with(self, arm: Arm) -> list[Study]:
        return [study for study in self.studies if arm in study.arms]

    def overrides(self, arm: Arm, steps: int | None = None) -> list[str]:
        """Of the arm itself: what its cells are hashed by."""
        chosen = steps or self.steps
        return [*arm.overrides, *([f"train.max_steps={chosen}"] if chosen else [])]

    def settings(self, arm: Arm, versions: Mapping[str, int], steps: int | None = None) -> str:
        """Names all that decides a cell's figures: settings, weights to start from, artifacts, items.

        Settings at their defaults do not count: a version with more of them has the same cells.

        Args:
            versions: of the artifacts that it is made of.
        """
        method = {} if arm.config is None else _method(self.configs / arm.config, tuple(self.overrides(arm, steps)))
        decides: dict[str, Any] = {"method": method, "base": _base_weights(), "items": self.items}
        if arm.config is None:
            decides["target"] = arm.target
        if versions:
            decides["artifacts"] = dict(versions)
        return settings_hash(decides)


@cache
def _method(config: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    """What an arm's settings of the method change; read once, whichever seeds and studies ask."""
    default = settings_of_the_method(RunConfig().model_dump(mode="json"))
    settings = settings_of_the_method(load_config(config, overrides).model_dump(mode="json"))
    return {key: value for key, value in settings.items() if value != default.get(key)}


@cache
def _base_weights() -> str:
    return str(json.loads((BASE_POLICY / "recipe.json").read_text(encoding="utf-8"))["weights_sha256"])


class Runner:
    """Makes the cells that are missing.

    Args:
        store: where cells are kept; artifacts beside them.
        plan: how they are made.
        call: runs `contextrl` with arguments and raises if it fails; it returns the processor seconds it took.
    """

    def __init__(self, store: CellStore, plan: Plan, console: Console, call: Call | None = None) -> None:
        self.store, self.plan, self.console = store, plan, console
        self.call = call or call_contextrl
        artifacts = {artifact.name: artifact for study in plan.studies for artifact in study.artifacts}
        self.pantry = Pantry(store.folder / "artifacts", artifacts, self.call, plan.configs, plan.steps)
        self.probes = COMMON | {name: probe for study in plan.studies for name, probe in study.probes.items()}

    def run(self, arms: Sequence[Arm], seeds: Sequence[int]) -> None:
        """Train and evaluate every arm with every seed. Those that spend what another arm cost come last.

        Raises:
            ContextRLError: a run failed; cells that others have finished are kept.
        """
        for dependent in (False, True):
            cells = [(a, s) for s in seeds for a in arms if (a.spends is not None) == dependent]
            cells = [(a, s) for a, s in cells if a.seeded or s == 0]
            missing = [(a, s) for a, s in cells if self.finished(a, s) is None]
            if missing:
                self._run_all(missing)

    def finished(self, arm: Arm, seed: int) -> Cell | None:
        """The cell, if it is there, of these settings, and has all that is asked of it."""
        steps = self.steps_of(arm, seed)
        if steps == 0:
            return None
        cell = self.store.read(arm.name, seed, self.plan.settings(arm, self.pantry.versions(arm.needs), steps))
        if cell is None or not set(self.plan.probes_of(arm)) <= set(cell.measures):
            return None
        return cell if set(self.plan.sets_of(arm)) <= set(cell.outcomes) else None

    def steps_of(self, arm: Arm, seed: int) -> int | None:
        """Steps of an arm that spends what another cost (0: not known yet); None for the arm's own number.

        What a step costs is taken from the arm of the same configuration that ran at its own number of steps.
        """
        if arm.spends is None:
            return None
        all_arms = [other for study in self.plan.studies for other in study.arms]
        own = next(a for a in all_arms if (a.config, a.overrides, a.spends) == (arm.config, arm.overrides, None))
        model, plain = self.store.read(arm.spends, seed), self.store.read(own.name, seed)
        if model is None or plain is None:
            return 0
        costs = [cell.tokens["sampled"] if arm.of == "sampled" else _processor(cell) for cell in (model, plain)]
        return round(plain.steps * costs[0] / costs[1]) if all(costs) else 0

    def _run_all(self, runs: Sequence[Run]) -> None:
        """Keep cells as they are finished. After a failure no run is begun; those that are under way are kept too."""
        queue, running, failure = RunQueue(runs, self.pantry), dict[Future[Cell], Run](), None
        with (
            ThreadPoolExecutor(self.plan.jobs) as pool,
            progress_bar(self.console, f"{len(runs)} runs", len(runs)) as advance,
        ):
            while queue or running:
                while len(running) < self.plan.jobs and (run := queue.next(list(running.values()))) is not None:
                    running[pool.submit(self._make, *run)] = run
                # No longer than that: an artifact that others wait for is there before its run is done.
                done, _ = wait(running, timeout=5, return_when=FIRST_COMPLETED)
                advance(0)
                for future in done:
                    arm, seed = running.pop(future)
                    try:
                        self._keep(future.result(), arm, seed)
                    except ContextRLError as error:
                        failure = failure or error
                        queue.clear()
                    else:
                        advance(1)
        if failure is not None:
            raise failure

    def _keep(self, cell: Cell, arm: Arm, seed: int) -> None:
        self.store.write(cell)
        self.console.print(f"{arm.label}, seed {seed}: {cell.seconds:.0f} s of training", highlight=False)

    def _make(self, arm: Arm, seed: int) -> Cell:
        """The cell; of one that lacks only what a study has come to ask since, the rest is taken over.

        Not where the run itself is gone and was trained again: by other code, or on another machine, the same settings
        and seed are another run, and a cell is of one run.
        """
        steps = self.steps_of(arm, seed)
        settings = self.plan.settings(arm, self.pantry.versions(arm.needs), steps)
        earlier = self.store.read(arm.name, seed, settings)
        paths = {name: self.pantry.path(name, seed) for name in arm.needs}
        trained = self._trained(arm, seed, settings, steps, paths)
        if trained is not None and trained.anew:
            earlier = None
        target = filled(arm.target, paths) if trained is None else str(trained.run_dir)
        sets = [name for name in self.plan.sets_of(arm) if earlier is None or name not in earlier.outcomes]
        probes = [name for name in self.plan.probes_of(arm) if earlier is None or name not in earlier.measures]
        with tempfile.TemporaryDirectory(prefix="contextrl-") as scratch:
            outcomes = self._outcomes(sets, target, Path(scratch) / "items.jsonl")
            measures = self._measures(probes, trained, target, seed, Path(scratch))
        if earlier is not None:
            outcomes, measures = {**earlier.outcomes, **outcomes}, {**earlier.measures, **measures}
        return cell_of(arm.name, seed, settings, trained, outcomes, measures)

    def _trained(
        self, arm: Arm, seed: int, settings: str, steps: int | None, paths: Mapping[str, Path]
    ) -> Trained | None:
        """The arm's run, which is kept until its folder is removed; None where nothing is trained."""
        if arm.config is None:
            return None
        changed = [filled(setting, paths) for setting in self.plan.overrides(arm, steps)]
        folder = self.store.folder / "artifacts" / "runs" / f"{arm.name}-{settings[:12]}-seed-{seed}"
        return trained_in(folder, self.plan.configs / arm.config, seed, changed, self.call)

    def _outcomes(self, sets: Sequence[str], target: str, predictions: Path) -> dict[str, str]:
        if not sets:
            return {}
        options = ["--benchmark", ",".join(sets), "--limit", str(self.plan.items)]
        self.call(["eval", target, *options, "--predictions", str(predictions), "--json"])
        records = [json.loads(line) for line in predictions.read_text(encoding="utf-8").splitlines()]
        of_set = {name: [record for record in records if record["benchmark"] == name] for name in sets}
        return {name: self.store.keep_items(name, rows) for name, rows in of_set.items()}

    def _measures(
        self, probes: Sequence[str], trained: Trained | None, target: str, seed: int, scratch: Path
    ) -> dict[str, Any]:
        probing = Probing(
            None if trained is None else trained.run_dir,
            target,
            seed,
            scratch,
            self.call,
            lambda name: self.pantry.path(name, seed),
            self.plan.items,
            None if trained is None else trained.processor,
        )
        return {name: self.probes[name](probing) for name in probes}


def _processor(cell: Cell) -> float:
    return float(cell.measures.get("processor") or 0.0)


def filled(text: str, paths: Mapping[str, Path]) -> str:
    """A text with the paths of artifacts in the places of their names."""
    for name, path in paths.items():
        text = text.replace(at(name), str(path))
    return text
