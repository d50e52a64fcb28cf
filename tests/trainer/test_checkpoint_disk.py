"""A checkpoint that the disk would not take, and room for one found out before."""

from __future__ import annotations

import errno
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from limits import files_of_at_most
from runs import ScriptedJudge, build_trainer
from transformers import Trainer

from contextrl.errors import DiskError, InputError
from contextrl.trainer import room
from contextrl.trainer.checkpoints import (
    MARKER,
    complete_checkpoints,
    cut_checkpoints,
    latest_checkpoint,
    remove_checkpoints,
)
from contextrl.trainer.room import CheckpointSize, check_room, checkpoint_size

LORA = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}


def trained(policy: Path, folder: Path, resume: Path | None = None, **settings: Any) -> Any:
    """A run of two steps without stage 2."""
    options = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1, "stage2": False, **settings}
    judge = ScriptedJudge(lambda request: "correct" if len(request.response) % 2 else "incorrect")
    trainer = build_trainer(policy, folder, judge, rows=4, **options)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    return trainer


def taken(folder: Path, *names: str) -> int:
    return sum((folder / name).stat().st_size for name in names)


# ---- within a checkpoint -----------------------------------------------------------------------------------------


def system_says(*_: Any) -> None:
    raise OSError(errno.EDQUOT, "Disk quota exceeded")


def pytorch_says(trainer: Any, folder: str) -> None:
    """PyTorch's own words for it name no cause; the test ends the limit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    torch.save(trainer.optimizer.state_dict(), f"{folder}/optimizer.pt")


@pytest.mark.parametrize("refuse", [system_says, pytorch_says])
def test_a_disk_that_is_full_within_a_checkpoint(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: Callable[..., None]
) -> None:
    """One message; what was written of it is gone again, and the one before is whole and resumed from."""
    save = Trainer._save_optimizer_and_scheduler

    def full_at_step_2(trainer: Any, folder: str) -> None:
        (refuse if trainer.state.global_step == 2 else save)(trainer, folder)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_save_optimizer_and_scheduler", full_at_step_2)
        with files_of_at_most(resource.RLIM_INFINITY), pytest.raises(DiskError) as caught:
            trained(tiny_policy, tmp_path)
    message = str(caught.value)
    for words in ("checkpoint-2 could not be written: no space left", "MB", "train.save_total_limit"):
        assert words in message
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-1"]
    again = trained(tiny_policy, tmp_path, resume=latest_checkpoint(tmp_path))
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-1", "checkpoint-2"]
    assert again.state.global_step == 2


def test_an_error_that_is_not_the_disks_leaves_everything(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a hook of the user's")

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", fail)
    with pytest.raises(RuntimeError, match="a hook of the user's"):
        trained(tiny_policy, tmp_path, max_steps=1)
    assert cut_checkpoints(tmp_path) == [tmp_path / "checkpoint-1"]


# ---- folders -----------------------------------------------------------------------------------------------------


def test_only_cut_checkpoints_are_removed(tmp_path: Path) -> None:
    for name, whole in (("checkpoint-2", True), ("checkpoint-10", True), ("checkpoint-12", False)):
        (tmp_path / name).mkdir()
        if whole:
            (tmp_path / name / MARKER).write_text("{}")
    for mine in ("checkpoint-best", "checkpoint-3-copy", "checkpoint-"):
        (tmp_path / mine).mkdir()
        (tmp_path / mine / MARKER).write_text("{}")
    (tmp_path / "checkpoint-4").write_text("a file")
    remove_checkpoints(cut_checkpoints(tmp_path))
    left = {path.name for path in tmp_path.iterdir()}
    mine = {"checkpoint-best", "checkpoint-3-copy", "checkpoint-", "checkpoint-4"}
    assert left == {"checkpoint-2", "checkpoint-10"} | mine
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


# ---- room --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lora", "settings", "files"),
    [
        pytest.param(False, {}, ("model.safetensors", "optimizer.pt"), id="all-weights"),
        pytest.param(True, {}, ("adapter_model.safetensors", "optimizer.pt"), id="adapters"),
        pytest.param(False, {"save_only_model": True}, ("model.safetensors",), id="model-only"),
        pytest.param(False, {"optim": "sgd"}, ("model.safetensors", "optimizer.pt"), id="an-optimizer-without-states"),
    ],
)
def test_the_size_is_that_of_a_real_checkpoint(
    tiny_policy: Path, tmp_path: Path, lora: bool, settings: dict[str, Any], files: tuple[str, ...]
) -> None:
    from peft import LoraConfig

    peft_config = LoraConfig(**LORA) if lora else None
    trainer = trained(tiny_policy, tmp_path, max_steps=1, peft_config=peft_config, **settings)
    size = checkpoint_size(trainer.model, trainer.args)
    real = taken(tmp_path / "checkpoint-1", *files)
    # Names and shapes of tensors, which weigh something beside adapters.
    assert real - 100_000 <= size.total <= real


class Arguments:
    """TrainingArguments as far as room depends on them."""

    save_strategy = "steps"
    save_steps: float = 10
    save_total_limit: int | None = None
    max_steps = 100

    def __init__(self, **changes: Any) -> None:
        vars(self).update(changes)


SIZE = CheckpointSize(weights=20_000_000, optimizer=40_000_000)


@pytest.mark.parametrize(
    ("free", "changes", "done", "refused", "warned"),
    [
        pytest.param(80_999_999, {}, 0, True, None, id="not-for-one"),
        pytest.param(81_000_000, {}, 0, False, "10 checkpoints of 60.0 MB", id="for-one-not-for-all"),
        pytest.param(619_999_999, {}, 0, False, "10 checkpoints", id="just-not-for-all"),
        pytest.param(620_000_000, {}, 0, False, None, id="for-all"),
        # The new one is written before the oldest goes, the model of 20 MB at the end.
        pytest.param(199_999_999, {"save_total_limit": 2}, 0, False, "3 checkpoints", id="not-for-the-limit"),
        pytest.param(200_000_000, {"save_total_limit": 2}, 0, False, None, id="for-the-limit"),
        pytest.param(20_999_999, {"save_strategy": "no"}, 0, True, None, id="not-for-the-model"),
        pytest.param(21_000_000, {"save_strategy": "no"}, 0, False, None, id="for-the-model"),
        pytest.param(81_000_000, {"max_steps": -1}, 0, False, None, id="of-unknown-length"),
        pytest.param(81_000_000, {"save_strategy": "epoch"}, 0, False, None, id="epochs"),
        pytest.param(81_000_000, {}, 50, False, None, id="resumed"),
        pytest.param(80_999_999, {}, 50, True, None, id="resumed-without-room"),
        pytest.param(0, {}, 100, False, None, id="nothing-left-to-train"),
    ],
)
def test_room(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    changes: dict[str, Any],
    done: int,
    refused: bool,
    warned: str | None,
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: free)
    if refused:
        with pytest.raises(InputError, match="of free space for") as caught:
            check_room(tmp_path, SIZE, Arguments(**changes), done=done)
        assert caught.value.exit_code == 2
        return
    warning = check_room(tmp_path, SIZE, Arguments(**changes), done=done)
    assert (warning is None) == (warned is None)
    assert warned is None or warned in str(warning)


def test_what_will_be_removed_counts_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: 1_000_000)
    assert check_room(tmp_path, SIZE, Arguments(save_steps=100), reclaimed=80_000_000) is None


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    with files_of_at_most(30_000_000):
        with pytest.raises(InputError, match="ulimit -f"):
            check_room(tmp_path, SIZE, Arguments())
        assert check_room(tmp_path, SIZE, Arguments(save_strategy="no")) is None
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_quantized_and_unknown_optimizers() -> None:
    """100 weights of 4 bytes: two states of a byte each; nothing is counted where nothing is known."""

    class Asked:
        save_only_model = False

        def __init__(self, optim: str) -> None:
            self.optim = optim

    model = torch.nn.Linear(10, 10, bias=False)
    sizes = {
        name: checkpoint_size(model, Asked(name)).optimizer for name in ("adamw_bnb_8bit", "adafactor", "adamw_torch")
    }
    assert sizes == {"adamw_bnb_8bit": 200, "adafactor": 0, "adamw_torch": 800}
    assert checkpoint_size(model, Asked("adamw_torch"), deepspeed=True).optimizer == 1200
