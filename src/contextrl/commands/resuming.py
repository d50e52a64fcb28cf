"""What may differ when a run goes on: its goal may be further away, everything that it has computed stays."""

from __future__ import annotations

from typing import Any

from contextrl.commands.config import RunConfig, config_of_run
from contextrl.commands.hidden import written_settings
from contextrl.errors import InputError
from contextrl.records.run_directory import RunDirectory
from contextrl.settings import changed_settings, other_run
from contextrl.trainer.checkpoint_folders import latest_checkpoint

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
    changed = changed_settings(then, now)
    raised = [key for key in changed if key in _LENGTHS and _is_raised(then.get(key), now.get(key))]
    if refused := [key for key in changed if key not in raised]:
        fix = "Resume with the run's config.yaml, or start a new run in another run_dir"
        fix = f"{refused[0]} can be raised. {fix}" if refused[0] in _LENGTHS else fix
        raise other_run(then, now, refused, where="--resume", fix=fix)
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
