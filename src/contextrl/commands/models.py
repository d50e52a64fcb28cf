"""The policies that a configuration names: a plug-in's, a run's, or a folder or hub id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contextrl.commands.model_names import names_a_folder
from contextrl.errors import InputError
from contextrl.plugins import MODELS
from contextrl.policy.loading import is_model, policy_config
from contextrl.records.run_directory import RunDirectory
from contextrl.trainer.checkpoint_folders import complete_checkpoints


def policy_folder(path: str) -> str:
    """`path`; for a plug-in's policy its folder, for a run directory the model that it trained.

    Raises:
        InputError: the run has no model; it names a folder of it that would do.
    """
    run = RunDirectory(Path(path))
    if path in MODELS or not run.exists():
        return str(MODELS.get(path, path))
    if is_model(run.model):
        return str(run.model)
    checkpoints = complete_checkpoints(run.checkpoints)
    raise InputError(
        "a run with a trained model",
        found=f"{path}, which has not finished" if run.results() is None else f"{path}, which has no model folder",
        where="model.path",
        fix=f"Set model.path to {checkpoints[-1]}, its newest checkpoint, or finish it with --resume"
        if checkpoints
        else "Finish it with contextrl train CONFIG --resume",
    )


def model_config(path: str, *, trust_remote_code: bool = False) -> Any:
    """The transformers config of a policy; see `policy_config`.

    Raises:
        InputError: there is no model at `path`; where a folder in it holds one, it is named.
    """
    try:
        return policy_config(path, trust_remote_code=trust_remote_code)
    except InputError as error:
        within = [folder for folder in _folders_in(Path(path)) if is_model(folder)]
        names = ", ".join(f"`{name}`" for name in MODELS)
        fix = f"Set model.path to {within[-1]}" if within else error.fix
        found = error.found
        if not Path(path).exists():
            found = f"no folder {path}" + ("" if names_a_folder(path) else f", and as a hub id {error.found}")
        raise InputError(
            f"{names}, a run directory, {error.expected}", found=found, where=error.where, fix=fix
        ) from error


def _folders_in(path: Path) -> list[Path]:
    """Where a model may be that somebody names by a folder above it: a folder of checkpoints, a run's files."""
    if not path.is_dir():
        return []
    return [*complete_checkpoints(path), *complete_checkpoints(path / "checkpoints"), *sorted(path.glob("*/"))][:1000]
