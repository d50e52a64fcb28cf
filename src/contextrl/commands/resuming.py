"""What may differ when a run goes on: its goal may be further away, everything that it has computed stays."""

from __future__ import annotations

from typing import Any

from contextrl.commands.config import RunConfig, config_of_run
from contextrl.commands.hidden import written_settings
from contextrl.errors import InputError
from contextrl.records.run_directory import RunDirectory
from contextrl.trainer.checkpoints import latest_checkpoint

#: How long a run is: it may be raised.
_LENGTHS = ("train.max_steps", "train.num_train_epochs")


def check_same_run(directory: RunDirectory, config: RunConfig) -> bool:
    """A resumed run must be the run that was started; only what is operational may change, and its length grow.

    Args:
        config: the settings to go on with.

    Returns:
        Whether they go further than the run was meant to.

    Raises:
        InputError: names the keys that differ; a finished run that is to go further has no checkpoint.
    """
    then = written_settings(config_of_run(directory))
    now = written_settings(config)
    changed = sorted(key for key in {**then, **now} if then.get(key) != now.get(key))
    raised = [key for key in changed if key in _LENGTHS and _is_raised(then.get(key), now.get(key))]
    if refused := [key for key in changed if key not in raised]:
        key = refused[0]
        fix = "Resume with the run's config.yaml, or start a new run in another run_dir"
        raise InputError(
            f"the run's own settings ({key}: {then.get(key)!r})",
            found=f"{now.get(key)!r} (different: {', '.join(refused)})",
            where="--resume",
            fix=f"{key} can be raised. {fix}" if key in _LENGTHS else fix,
        )
    if raised and directory.results() is not None and latest_checkpoint(directory.checkpoints) is None:
        raise InputError(
            "a checkpoint to go on from",
            found="none: the run kept no state of its optimizer",
            where=str(directory.checkpoints),
            fix=f"Start a new run from its model: model.path: {directory.path}",
        )
    return bool(raised)


def _is_raised(then: Any, now: Any) -> bool:
    """Whether a length grew; one that was not set, or was no limit, is no length that can be compared."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (then, now))
    return numbers and 0 < then < now
