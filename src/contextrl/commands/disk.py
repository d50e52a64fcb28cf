"""A run and its disk: room found out before, and when it ends all the same, what is safe and how to go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, Protocol, TypeVar

from contextrl.commands.program import how_to_go_on
from contextrl.disk import disk_error, folder_bytes, free_bytes
from contextrl.errors import DiskError, InputError
from contextrl.records.run_directory import RunDirectory
from contextrl.trainer.checkpoint_folders import (
    complete_checkpoints,
    cut_checkpoints,
    latest_checkpoint,
    remove_checkpoints,
)
from contextrl.trainer.room import check_room, room_needed, size_for
from contextrl.user_cache import cache_folder, remove_killed_builds


class RunOnDisk(Protocol):
    """What is asked of a run here."""

    directory: RunDirectory
    command: list[str]
    trainer: Any


R = TypeVar("R", bound=RunOnDisk)
T = TypeVar("T")


def check_disk(directory: RunDirectory, trainer: Any, *, resume: bool) -> str | None:
    """See `check_room`. What the run will replace when it begins counts as free; what killed builds left goes at once.

    Args:
        resume: the run goes on. Cut checkpoints are then removed first, and where room is short, complete ones beyond
            `train.save_total_limit`, which may be lower than it was; the newest stays. Else a run that is there is
            replaced.
    """
    with suppress(InputError):
        remove_killed_builds(cache_folder())
    args, size = trainer.args, size_for(trainer)
    if not resume:
        try:
            return check_room(directory.path, size, args, reclaimed=folder_bytes(directory.path))
        except InputError:
            if not directory.exists():
                # Trainer makes its folder when it is built.
                with suppress(OSError):
                    directory.checkpoints.rmdir()
                    directory.path.rmdir()
            raise
    remove_checkpoints(cut_checkpoints(directory.checkpoints))
    complete = complete_checkpoints(directory.checkpoints)
    done = int(complete[-1].name.rpartition("-")[2]) if complete else 0
    if args.save_total_limit and free_bytes(directory.path) < room_needed(size, args, done=done):
        remove_checkpoints(complete[: -args.save_total_limit])
    return check_room(directory.path, size, args, done=done)


def says_what_is_safe(train: Callable[[R], T]) -> Callable[[R], T]:
    """Around a run's training: disk trouble ends in one message, whatever was being written.

    Raises:
        DiskError: what could not be written and why, what is safe, how to go on.
    """

    @wraps(train)
    def wrapped(run: R) -> T:
        try:
            return train(run)
        except Exception as error:
            trouble = disk_error(error, run.directory.path)
            if trouble is None:
                raise
            raise DiskError(f"{trouble.problem}. {_what_is_safe(run)}", fix=_next(run, trouble.fix)) from error

    return wrapped


def _what_is_safe(run: RunOnDisk) -> str:
    if not run.directory.exists():
        return "Nothing was begun"
    state, last = run.trainer.state, latest_checkpoint(run.directory.checkpoints)
    stopped = f"Stopped at step {state.global_step}" + (f" of {state.max_steps}" if state.max_steps else "")
    if last is None:
        return f"{stopped}; there is no checkpoint yet, so it begins again"
    return f"{stopped}; safe are {last.name} and what was recorded up to its step"


def _next(run: RunOnDisk, fix: str) -> str:
    fix = fix or "Make room"
    return f"{fix}; then go on with: {how_to_go_on(run.command)}" if run.directory.exists() else fix
