"""Checkpoints that a kill cannot spoil, and resuming as if the run had never stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerState
from transformers.trainer_utils import rotate_checkpoints
from trl.trainer.utils import RepeatSampler

from contextrl.run_directory import write_atomically

#: Written last: a checkpoint folder without it was cut off and is never resumed from.
MARKER = "contextrl_state.json"


@dataclass
class CheckpointState:
    """What a run has counted so far and must not forget when it resumes.

    Attributes:
        tokens_sampled, tokens_trained: completion tokens over all processes.
        groups_all_negative, groups_recovered: groups over the run.
        failed_steps: consecutive steps in which the judge left too much unscored.
    """

    tokens_sampled: int = 0
    tokens_trained: int = 0
    groups_all_negative: int = 0
    groups_recovered: int = 0
    failed_steps: int = 0


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints that were written to the end, by step."""
    found = [path for path in folder.glob("checkpoint-*") if (path / MARKER).is_file()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, if any."""
    found = complete_checkpoints(folder)
    return found[-1] if found else None


class EpochRepeatSampler(RepeatSampler):
    """TRL's sampler with an order that depends on seed and epoch alone.

    TRL's draws each epoch's order from one running generator, so a resumed run would see epoch 0's order again.
    """

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            self.generator = torch.Generator()
            self.generator.manual_seed(self.seed + 1_000_003 * self.epoch)  # epoch 0 is TRL's order
        yield from super().__iter__()


class SafeCheckpoints:
    """Mixin for transformers' Trainer: the marker, and what a run must not forget.

    `checkpoint_state` and `restore_state` are for the class that mixes it in.
    """

    def checkpoint_state(self) -> dict[str, Any]:
        """This process's state beyond what Trainer saves."""
        return {}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Take back what `checkpoint_state` gave."""

    def last_checkpoint(self) -> Path | None:
        """The newest complete checkpoint of this run."""
        return latest_checkpoint(Path(self.args.output_dir))  # type: ignore[attr-defined]

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:
        """Trainer's checkpoint, then the marker, and only then the removal of older ones."""
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        target = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        (target / MARKER).unlink(missing_ok=True)
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
        finally:
            self.args.save_total_limit = limit
        states = gather_object([self.checkpoint_state()])
        if self.args.should_save:
            write_atomically(target / MARKER, json.dumps({"step": self.state.global_step, "processes": states}))
            rotate_checkpoints(output_dir=self.args.output_dir, save_total_limit=limit, use_mtime=True)

    def train(self: Any, resume_from_checkpoint: Any = None, **kwargs: Any) -> Any:
        """As Trainer's; what was cut off is removed first, what was saved beyond Trainer's own state restored."""
        if resume_from_checkpoint:
            for folder in Path(self.args.output_dir).glob("checkpoint-*"):
                if not (folder / MARKER).exists():
                    shutil.rmtree(folder, ignore_errors=True)
            saved = json.loads((Path(resume_from_checkpoint) / MARKER).read_text(encoding="utf-8"))
            self.restore_state(saved["processes"][self.accelerator.process_index])
            if 0 < self.args.max_steps <= saved["step"]:
                # Trainer looks at its limit only after a step: it would train one more.
                self._load_from_checkpoint(str(resume_from_checkpoint))
                self.state = TrainerState.load_from_json(str(Path(resume_from_checkpoint) / TRAINER_STATE_NAME))
                return None
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)  # type: ignore[misc]
