"""Stages of work as jobs of datatrove: on this machine, on a cluster with Slurm, or with Ray.

A stage is run by several tasks, and the next begins when all of them have ended. What a task does is a function of its
rank; datatrove starts it, writes its log and notes that it is done.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from contextrl.errors import InputError, ServiceError
from contextrl.settings import OPERATIONAL, Section

_CLASSES = {
    "local": ("datatrove.executor.local", "LocalPipelineExecutor"),
    "slurm": ("datatrove.executor.slurm", "SlurmPipelineExecutor"),
    "ray": ("datatrove.executor.ray", "RayPipelineExecutor"),
}
#: Arguments that are not the user's to give.
_OURS = ("pipeline", "tasks", "workers", "logging_dir", "depends", "skip_completed", "job_name")


class ExecutorSettings(Section):
    """Where a build's tasks run; the file of `contextrl data build --executor`."""

    kind: Literal["local", "slurm", "ray"] = "local"
    """`local`: processes of this machine. `slurm`: jobs of a cluster, whose nodes see the set's folder. `ray`: tasks of
    a Ray cluster, likewise."""

    tasks: Annotated[int, OPERATIONAL] = Field(default=2, ge=1)
    """Tasks of a stage that can be shared; a part of 1,000 questions is one task's."""

    workers: Annotated[int, OPERATIONAL] = -1
    """Tasks that run at once; -1: all."""

    options: Annotated[dict[str, Any], OPERATIONAL] = Field(default_factory=dict)
    """Further arguments of datatrove's executor: for Slurm `time` and `partition` at least, and `venv_path` or
    `env_command`."""


@dataclass(frozen=True)
class Stage:
    """What tasks do.

    Attributes:
        name: of the job.
        run: called with a task's rank and how many tasks there are; it must be pickled, so it is no function within
            another.
        shared: by several tasks; else one does it.
    """

    name: str
    run: Callable[[int, int], None]
    shared: bool = True


class Task:
    """A stage as a block of a pipeline: there are no documents that flow, the work is on disk."""

    def __init__(self, stage: Stage) -> None:
        self.name, self.run = stage.name, stage.run

    def __str__(self) -> str:
        return self.name

    def __call__(self, data: Any, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002 - what blocks are given
        self.run(rank, world_size)


def run_stages(stages: Sequence[Stage], settings: ExecutorSettings, logs: Path) -> None:
    """Run stages one after another. On a cluster this hands them in, and returns; each waits for the one before.

    Args:
        logs: folder of datatrove's logs and of its notes on what is done, which is passed over the next time: of one
            piece of work only.

    Raises:
        InputError: datatrove, or what it needs for this executor, is not installed; or it refuses the options.
        ServiceError: tasks have failed on a Ray cluster, which says so in its logs alone.
    """
    kind = _executor_class(settings.kind)
    before: Any = None
    executors = []
    for number, stage in enumerate(stages):
        arguments: dict[str, Any] = {
            "tasks": settings.tasks if stage.shared else 1,
            "workers": settings.workers if stage.shared else 1,
            "logging_dir": str(logs / f"{number:02}-{stage.name}"),
        }
        if settings.kind == "slurm":
            arguments["depends"] = before
            arguments["job_name"] = f"contextrl-{stage.name}"
        before = _executor(kind, stage, arguments, settings)
        executors.append(before)
    if settings.kind == "slurm":
        # It hands in what it depends on.
        executors[-1].run()
        return
    for stage, executor in zip(stages, executors, strict=True):
        executor.run()
        if failed := executor.get_incomplete_ranks(skip_completed=True):
            raise ServiceError(
                f"{len(failed)} of {executor.world_size} tasks of stage {stage.name} have failed; their logs are in "
                f"{executor.logging_dir.resolve_paths('logs')}. What is done is kept: the same command goes on."
            )


def _executor(kind: Any, stage: Stage, arguments: dict[str, Any], settings: ExecutorSettings) -> Any:
    ours = sorted(set(settings.options) & set(_OURS))
    if ours:
        raise InputError("none of them among the options", found=", ".join(ours), where="executor.options")
    try:
        return kind([Task(stage)], **arguments, **settings.options)
    except TypeError as error:
        expected = f"arguments of datatrove's {kind.__name__}"
        raise InputError(expected, found=str(error), where="executor.options") from error


def _executor_class(kind: str) -> Any:
    module, name = _CLASSES[kind]
    try:
        found = getattr(importlib.import_module(module), name)
        if kind == "ray":
            importlib.import_module("ray")
    except ImportError as error:
        fix = "pip install 'contextrl[datatrove]'" + (" ray" if kind == "ray" else "")
        raise InputError(f"datatrove for executor {kind}", found=str(error), where="--executor", fix=fix) from error
    return found
