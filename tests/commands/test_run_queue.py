"""Which run `contextrl reproduce` begins next: none that would only wait for an artifact that another makes."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from contextrl.commands.reproduction.arms import Arm
from contextrl.commands.reproduction.artifacts import Artifact, Pantry
from contextrl.commands.reproduction.queueing import Run, RunQueue
from contextrl.commands.reproduction.runner import Plan, Runner
from contextrl.errors import ContextRLError
from contextrl.studies.cells import CellStore

PLAIN, OTHER = Arm("plain", "plain", "grpo.yaml"), Arm("other", "other", "dapo.yaml")
FIRST, SECOND = (Arm(name, name, "sft.yaml", needs=("rows",)) for name in ("first", "second"))
ARTIFACTS = {
    "run": Artifact("run", 1, lambda work: work.path.mkdir()),
    "rows": Artifact("rows", 1, lambda work: work.path.mkdir(), needs=("run",)),
    "once": Artifact("once", 1, lambda work: work.path.mkdir(), seeded=False),
}


@pytest.fixture
def pantry(tmp_path: Path) -> Pantry:
    return Pantry(tmp_path, ARTIFACTS, lambda _: None, tmp_path)


def begun(queue: RunQueue, running: list[Run], jobs: int) -> list[str]:
    """Names of what is begun while there is room."""
    names = []
    while len(running) < jobs and (run := queue.next(running)) is not None:
        running.append(run)
        names.append(run[0].name)
    return names


def test_what_makes_artifacts_comes_first_and_what_waits_for_them_is_passed_over(pantry: Pantry) -> None:
    queue, running = RunQueue([(PLAIN, 0), (FIRST, 0), (SECOND, 0), (OTHER, 0)], pantry), list[Run]()
    assert begun(queue, running, jobs=3) == ["first", "plain", "other"]
    running.pop()
    assert begun(queue, running, jobs=3) == []
    pantry.path("rows", 0)
    assert begun(queue, running, jobs=3) == ["second"]
    assert not queue


def test_seeds_have_artifacts_of_their_own(pantry: Pantry) -> None:
    queue, running = RunQueue([(FIRST, 0), (SECOND, 0), (PLAIN, 1), (FIRST, 1)], pantry), list[Run]()
    assert begun(queue, running, jobs=4) == ["first", "first", "plain"]
    assert [seed for _, seed in running] == [0, 1, 1]


def test_what_an_artifact_is_made_of_counts_too(pantry: Pantry) -> None:
    source = Arm("source", "source", None, needs=("run",))
    queue, running = RunQueue([(source, 0), (FIRST, 0)], pantry), list[Run]()
    assert begun(queue, running, jobs=2) == ["source"]
    pantry.path("run", 0)
    assert begun(queue, running, jobs=2) == ["first"]


def test_one_that_all_seeds_share_is_made_once(pantry: Pantry) -> None:
    arm = Arm("arm", "arm", None, needs=("once",))
    queue, running = RunQueue([(arm, 0), (arm, 1)], pantry), list[Run]()
    assert begun(queue, running, jobs=2) == ["arm"]
    assert len(queue) == 1


class Made(Runner):
    """A runner whose runs are made by a function."""

    def __init__(self, folder: Path, makes: Any, jobs: int) -> None:
        super().__init__(CellStore(folder), Plan(folder, (), jobs=jobs), Console(file=io.StringIO()), lambda _: None)
        self.kept: list[str] = []
        self._make = makes  # type: ignore[method-assign]

    def finished(self, arm: Arm, seed: int) -> None:
        return None

    def _keep(self, cell: Any, arm: Arm, seed: int) -> None:
        self.kept.append(arm.name)


def test_after_a_failure_nothing_is_begun_and_what_is_under_way_is_kept(tmp_path: Path) -> None:
    failed, begun_runs = threading.Event(), list[str]()

    def make(arm: Arm, seed: int) -> Any:
        begun_runs.append(arm.name)
        if arm.name == "plain":
            failed.set()
            raise ContextRLError("disk full")
        assert failed.wait(60)
        return SimpleNamespace(seconds=0.0)

    arms: Sequence[Arm] = (PLAIN, OTHER, Arm("third", "third", "grpo.yaml"))
    runner = Made(tmp_path, make, jobs=2)
    with pytest.raises(ContextRLError, match="disk full"):
        runner.run(arms, [0])
    assert sorted(begun_runs) == ["other", "plain"]
    assert runner.kept == ["other"]
