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

from contextrl.disk import sized, writing
from contextrl.errors import DiskError, InputError
from contextrl.records.files import write_atomically
from contextrl.trainer.checkpoint_folders import MARKER, cut_checkpoints, latest_checkpoint, remove_checkpoints
from contextrl.trainer.checkpoint_folders import complete_checkpoints as complete_checkpoints
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.refusals import check_checkpoint
from contextrl.trainer.room import check_room, size_for


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


def check_resumable(args: Any, checkpoint: str | Path | None) -> None:
    """A run goes on from a checkpoint with all the state that it had there, in as many processes.

    Each of them takes its own part of the rows and its own random numbers: with another number it would be another run.

    Args:
        args: TrainingArguments.

    Raises:
        InputError: names what to change.
    """
    check_checkpoint(args, checkpoint)
    if not checkpoint or not (marker := Path(str(checkpoint)) / MARKER).is_file():
        return
    then, now = len(json.loads(marker.read_text(encoding="utf-8"))["processes"]), int(args.world_size)
    if then != now:
        raise InputError(
            f"{then} process{'es' * (then != 1)}, as {marker.parent.name} was trained with",
            found=str(now),
            where="launch.processes",
            fix=f"Set launch.processes to {then} (torchrun --nproc_per_node={then}), or begin a new run with another "
            "run_dir",
        )


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
    model: Any
    state: Any
    accelerator: Any
    is_deepspeed_enabled: bool

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

        Raises:
            DiskError: the disk would not take it; what was written of it is gone again, older ones are untouched.
        """
        trainer, args = self.trainer, self.trainer.args
        if (recorder := self._recorder()) is not None:
            recorder.drain()
        limit, args.save_total_limit = args.save_total_limit, None
        folder = self.at(trainer.state.global_step)
        marker = folder / MARKER
        marker.unlink(missing_ok=True)
        try:
            with writing(folder, fix=self._how_to_make_room()):
                write()
                states = gather_object([trainer.checkpoint_state()])
                if args.should_save:
                    write_atomically(marker, json.dumps({"step": trainer.state.global_step, "processes": states}))
        except DiskError:
            # The records that are still to come may need the room.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            args.save_total_limit = limit
        if args.should_save:
            rotate_checkpoints(output_dir=args.output_dir, save_total_limit=limit, use_mtime=True)
        # Only now is it the last checkpoint for every process, whatever it does next.
        trainer.accelerator.wait_for_everyone()

    def _recorder(self) -> GroupRecorder | None:
        """Whose pictures are still on their way; SFT has none."""
        return getattr(self.trainer, "recorder", None)

    def _how_to_make_room(self) -> str:
        size = sized(size_for(self.trainer).total)
        return f"Make room (a checkpoint takes {size}), or keep fewer of them with train.save_total_limit"

    def train(self, train: Callable[[], Any], resume_from_checkpoint: Any) -> Any:
        """As Trainer's; what was cut off is removed first, what was saved beyond Trainer's own state restored.

        Args:
            train: Trainer's `train`, which resumes from the same checkpoint.

        Raises:
            InputError: there is no room for a checkpoint.
        """
        trainer, done = self.trainer, 0
        check_resumable(trainer.args, resume_from_checkpoint)
        if resume_from_checkpoint:
            remove_checkpoints(cut_checkpoints(self.folder))
            saved = json.loads((Path(resume_from_checkpoint) / MARKER).read_text(encoding="utf-8"))
            done = saved["step"]
            trainer.restore_state(saved["processes"][trainer.accelerator.process_index])
            if 0 < trainer.args.max_steps <= done:
                # Trainer looks at its limit only after a step: it would train one more.
                trainer._load_from_checkpoint(str(resume_from_checkpoint))
                trainer.state = TrainerState.load_from_json(str(Path(resume_from_checkpoint) / TRAINER_STATE_NAME))
                return None
        if trainer.args.should_save:
            check_room(self.folder, size_for(self.trainer), trainer.args, done=done)
        try:
            result = train()
        except BaseException:
            if (recorder := self._recorder()) is not None:
                recorder.abandon()
            raise
        if (recorder := self._recorder()) is not None:
            recorder.drain()
        return result
