"""Checkpoints that a kill cannot spoil, and resuming as if the run had never stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate.utils import gather_object
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerState
from transformers.trainer_utils import rotate_checkpoints
from trl.trainer.utils import RepeatSampler

from contextrl.records.files import write_atomically
from contextrl.trainer.refusals import check_checkpoint

#: Written last: a checkpoint folder without it was cut off and is never resumed from.
MARKER = "contextrl_state.json"


@dataclass
class CheckpointState:
    """What a run has counted so far and must not forget when it resumes.

    Attributes:
        tokens_sampled, tokens_trained: completion tokens over all processes.
        groups_all_negative, groups_recovered: groups over the run, dynamic sampling's included.
        samples, false_positives: stage-1 samples of drawn groups whose answer was judged, in steps in which somebody
            looked at processes, and those with a right answer by a wrong process.
        groups_drawn, drawn_recovered: groups that the data gave, and those of them that stage 2 recovered.
        failed_steps: consecutive steps in which the judge left too much unscored.
    """

    tokens_sampled: int = 0
    tokens_trained: int = 0
    groups_all_negative: int = 0
    groups_recovered: int = 0
    samples: int = 0
    false_positives: int = 0
    groups_drawn: int = 0
    drawn_recovered: int = 0
    failed_steps: int = 0

    def knowledge(self) -> dict[str, float | None]:
        """Information gain over the run (arXiv 2602.22623, A.1): `rho_fp`, `rho_r`, their sum; None where unknown."""
        rho_fp = self.false_positives / self.samples if self.samples else None
        rho_r = self.drawn_recovered / self.groups_drawn if self.groups_drawn else None
        gain = None if rho_fp is None or rho_r is None else rho_fp + rho_r
        return {"rho_fp": rho_fp, "rho_r": rho_r, "information_gain": gain}


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints that were written to the end, by step."""
    checkpoints = [path for path in folder.glob("checkpoint-*") if (path / MARKER).is_file()]
    return sorted(checkpoints, key=lambda path: int(path.name.rpartition("-")[2]))


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, if any."""
    checkpoints = complete_checkpoints(folder)
    return checkpoints[-1] if checkpoints else None


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


class Resumable(Protocol):
    """A transformers Trainer that has more to remember than Trainer saves; names are Trainer's."""

    args: Any
    state: Any
    accelerator: Any

    def checkpoint_state(self) -> dict[str, Any]:
        """This process's state beyond what Trainer saves."""
        ...

    def restore_state(self, state: dict[str, Any]) -> None:
        """Take back what `checkpoint_state` gave."""
        ...

    def _load_from_checkpoint(self, resume_from_checkpoint: str) -> None:
        """Load the weights."""
        ...


class Checkpoints:
    """The marker of complete checkpoints, and what a run must not forget.

    Args:
        trainer: calls `save` and `train` in place of Trainer's own.
    """

    def __init__(self, trainer: Resumable) -> None:
        self.trainer = trainer

    @property
    def folder(self) -> Path:
        return Path(self.trainer.args.output_dir)

    def last(self) -> Path | None:
        """The newest complete checkpoint of this run."""
        return latest_checkpoint(self.folder)

    def at(self, step: int) -> Path:
        """Where the checkpoint of a step is."""
        return self.folder / f"checkpoint-{step}"

    def load(self, step: int) -> None:
        """Load the weights of a step's checkpoint, nothing else of it."""
        self.trainer._load_from_checkpoint(str(self.at(step)))

    def save(self, write: Callable[[], None]) -> None:
        """Trainer's checkpoint, then the marker, and only then the removal of older ones.

        Args:
            write: Trainer's `_save_checkpoint`.
        """
        trainer, args = self.trainer, self.trainer.args
        limit, args.save_total_limit = args.save_total_limit, None
        marker = self.at(trainer.state.global_step) / MARKER
        marker.unlink(missing_ok=True)
        try:
            write()
        finally:
            args.save_total_limit = limit
        states = gather_object([trainer.checkpoint_state()])
        if args.should_save:
            write_atomically(marker, json.dumps({"step": trainer.state.global_step, "processes": states}))
            rotate_checkpoints(output_dir=args.output_dir, save_total_limit=limit, use_mtime=True)

    def train(self, train: Callable[[], Any], resume_from_checkpoint: Any) -> Any:
        """As Trainer's; what was cut off is removed first, what was saved beyond Trainer's own state restored.

        Args:
            train: Trainer's `train`, which resumes from the same checkpoint.
        """
        trainer = self.trainer
        check_checkpoint(trainer.args, resume_from_checkpoint)
        if resume_from_checkpoint:
            for folder in self.folder.glob("checkpoint-*"):
                if not (folder / MARKER).exists():
                    shutil.rmtree(folder, ignore_errors=True)
            saved = json.loads((Path(resume_from_checkpoint) / MARKER).read_text(encoding="utf-8"))
            trainer.restore_state(saved["processes"][trainer.accelerator.process_index])
            if 0 < trainer.args.max_steps <= saved["step"]:
                # Trainer looks at its limit only after a step: it would train one more.
                trainer._load_from_checkpoint(str(resume_from_checkpoint))
                trainer.state = TrainerState.load_from_json(str(Path(resume_from_checkpoint) / TRAINER_STATE_NAME))
                return None
        return train()
