"""`contextrl export`: a trained model as a folder to hand on; an adapter merged into its base."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contextrl.commands.models import policy_folder
from contextrl.disk import writing
from contextrl.errors import InputError
from contextrl.policy.loading import base_of, is_model, load_policy
from contextrl.records.files import scratch_name
from contextrl.records.run_directory import RunDirectory
from contextrl.trainer.checkpoint_folders import latest_checkpoint
from contextrl.trainer.model_folder import complete, lend_processor

#: What a checkpoint holds beside the model: state of a training that is over.
_NOT_THE_MODEL = (
    "optimizer*",
    "scheduler*",
    "scaler*",
    "rng_state*",
    "trainer_state.json",
    "training_args.bin",
    "contextrl_state.json",
    "global_step*",
    "latest",
    "zero_to_fp32.py",
)


def export(source: str, output: Path, *, merge: bool) -> str:
    """Write the model of a run, or of a checkpoint's or adapter's folder, into a new folder.

    Args:
        merge: add an adapter to its base's weights, so that programs without peft load it.

    Returns:
        What was written, in words.

    Raises:
        InputError: there is no model at `source`, or something at `output`.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError("a new or empty folder", found="something", where=str(output), fix="Choose another OUT")
    folder = _model_of(source)
    base = base_of(str(folder))
    if merge and base is not None:
        # In the dtype of the base's own checkpoint: what it is served in.
        model: Any = load_policy(str(folder), dtype="auto").merge_and_unload(safe_merge=True)
        with _whole_or_not(output) as scratch:
            _write_merged(model, folder, base, scratch)
        return f"the adapter of {folder} merged into {base}"
    with _whole_or_not(output) as scratch:
        shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns(*_NOT_THE_MODEL))
    what = f"the {'model' if base is None else 'adapter'} of {folder}"
    return f"{what}, whose weights are whole: there was nothing to merge" if merge else what


@contextmanager
def _whole_or_not(output: Path) -> Iterator[Path]:
    """The folder to write, which becomes `output` at the end, or goes if anything stops it.

    Raises:
        DiskError: it cannot be written.
    """
    scratch = output.with_name(scratch_name(output.name))
    with writing(output, "Choose another OUT"):
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            yield scratch
            if output.exists():
                output.rmdir()
            scratch.replace(output)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _model_of(source: str) -> Path:
    """A run's model, or the newest checkpoint of one that has not finished; any other folder is the model itself."""
    run = RunDirectory(Path(source))
    if run.exists() and not run.model.is_dir() and (newest := latest_checkpoint(run.checkpoints)) is not None:
        return newest
    folder = Path(policy_folder(source))
    if not is_model(folder):
        raise InputError("a run, or a folder with a model or an adapter", found=source, where="RUN")
    return folder


def _write_merged(model: Any, folder: Path, base: str, output: Path) -> None:
    model.save_pretrained(output)
    lend_processor(folder, output)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else "# A merged model\n"
    complete(output, merged_card(text), base)


def merged_card(text: str) -> str:
    """The card of an adapter as that of a whole model."""
    text = text.replace("library_name: peft", "library_name: transformers", 1)
    return text.replace("A LoRA adapter on", "A LoRA adapter, merged into", 1)
