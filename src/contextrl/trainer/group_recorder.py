"""From a rollout's groups to their records and pictures in the run directory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from contextrl.data.images import image_key
from contextrl.disk import writing
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle
from contextrl.records.groups import AttemptRecord, GroupRecord, GroupsFile
from contextrl.rollout.groups import Attempt, Group
from contextrl.trainer.picture_writer import PictureWriter
from contextrl.trainer.room import room_needed, size_for
from contextrl.trainer.settings import RecordSettings

#: Seconds that a run which ends early waits for pictures of groups after its last checkpoint.
_LAST_WAIT = 5.0
_JPEG = b"\xff\xd8\xff"


class GroupRecorder:
    """Appends groups to `folder/groups.jsonl` and has their pictures written, once each, to `folder/images/`.

    Pictures are written in a thread of their own: a record names them a moment before they are there.

    Args:
        folder: the run directory.
        process_index: see `GroupsFile`.
        settings: how many pictures are kept, and how large.
        processes: how many share `settings.images`.
        last_step: the run's last step as far as it is known, else 0 or less; pictures are spread up to it.
        reserve: bytes of the disk that are not for pictures.

    Raises:
        DiskError: `folder` cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        process_index: int = 0,
        *,
        settings: RecordSettings | None = None,
        processes: int = 1,
        last_step: Callable[[], int] = lambda: 0,
        reserve: int = 0,
    ) -> None:
        self.folder, self.settings, self.last_step = folder, settings or RecordSettings(), last_step
        self.file = GroupsFile(folder, process_index)
        images = folder / "images"
        with writing(images):
            images.mkdir(parents=True, exist_ok=True)
        self.pictures = PictureWriter(images, self.settings.max_side, reserve)
        self._processes = processes
        self._known = {path.name for path in images.iterdir() if path.suffix in (".png", ".jpg")}
        self._kept = len(self._known) // processes

    @classmethod
    def of(cls, trainer: Any, folder: Path, settings: RecordSettings) -> GroupRecorder:
        """What writes the groups of a trainer's process."""
        return cls(
            folder,
            trainer.accelerator.process_index,
            settings=settings,
            processes=trainer.accelerator.num_processes,
            last_step=lambda: trainer.state.max_steps,
            reserve=room_needed(size_for(trainer), trainer.args),
        )

    def write(
        self,
        step: int,
        groups: Sequence[Group],
        scores: Mapping[int, tuple[float, float]],
        discarded: Sequence[Group] = (),
    ) -> None:
        """Append the groups of one generation batch.

        Args:
            scores: reward and advantage of every member, by its identity; NaN rewards are written as null.
            discarded: groups that dynamic sampling has replaced; their attempts have no reward.

        Raises:
            DiskError: the records could not be written.
        """
        every = [*groups, *discarded]
        # Where not all can have their pictures, those of what stage 2 has tried come first.
        interest = sorted(every, key=lambda group: group.kind != "all_negative")
        images = {id(group): self._keep_pictures(step, group.example.images) for group in interest}
        self.file.append(
            [
                _record(step, group, scores if n < len(groups) else {}, images[id(group)])
                for n, group in enumerate(every)
            ]
        )

    def drain(self) -> None:
        """Wait until the pictures of all groups so far are written."""
        self.pictures.drain()

    def abandon(self) -> None:
        """The run ends early: what is on its way is waited for, but not long."""
        self.pictures.drain(_LAST_WAIT)

    def _keep_pictures(self, step: int, handles: Sequence[ImageHandle]) -> list[str]:
        """Names of a group's pictures: of all of them, or none where not all can be kept."""
        if self.settings.images == 0 or not handles or self.pictures.gave_up:
            return []
        try:
            names = [_picture_name(handle) for handle in handles]
        except (OSError, InputError) as error:
            self.pictures.say("picture", f"A group's pictures are left out: {error}")
            return []
        new = {name: handle for name, handle in zip(names, handles, strict=True) if name not in self._known}
        allowed = self._allowed(step)
        if allowed is not None and self._kept + len(new) > allowed:
            return []
        if len(new) > self.pictures.room():
            self.pictures.say("room", "Groups are drawn faster than pictures can be written: some are kept without")
            return []
        for name, handle in new.items():
            self.pictures.put(name, handle)
        self._known.update(new)
        self._kept += len(new)
        return [f"images/{name}" for name in names]

    def _allowed(self, step: int) -> int | None:
        """How many pictures this process may have kept by a step, so that the last steps have theirs too."""
        if self.settings.images is None:
            return None
        last = self.last_step()
        spread = self.settings.images * min(step, last) / last if last > 0 else self.settings.images
        return -int(-spread // self._processes)


def _picture_name(handle: ImageHandle) -> str:
    """A name by content, found without decoding anything that is still encoded.

    Raises:
        OSError, InputError: there is no such file, or no picture in it.
    """
    if isinstance(handle, Path):
        stat = handle.stat()
        return _file_name(handle, stat.st_mtime_ns, stat.st_size)
    file = getattr(handle, "fp", None)
    if isinstance(file, io.BytesIO):
        return _named(file.getvalue())
    if file is not None:
        return f"{image_key(handle)}.png"  # which leaves what is not read yet as it is
    palette = handle.palette.tobytes() if handle.palette is not None else b""
    return _named(f"{handle.mode} {handle.size} ".encode() + palette + handle.tobytes())


@lru_cache(maxsize=65_536)
def _file_name(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001 - they are the cache's key
    return _named(path.read_bytes())


def _named(data: bytes) -> str:
    """Photographs stay JPEG: as PNG files they would be several times as large."""
    return f"{hashlib.sha256(data).hexdigest()[:16]}.{'jpg' if data.startswith(_JPEG) else 'png'}"


def _record(step: int, group: Group, scored: Mapping[int, tuple[float, float]], images: list[str]) -> GroupRecord:
    example = group.example
    return GroupRecord(
        step=step,
        example_id=example.id,
        question=example.question,
        solution=example.solution,
        answer=example.answer,
        answer_type=example.answer_type,
        task=example.task,
        source=example.source,
        images=images,
        kind=group.kind,
        recovered=group.recovered,
        refilled=group.refilled,
        trained=bool(scored),
        attempts=[_attempt(attempt, scored.get(id(attempt))) for attempt in [*group.attempts, *group.retries]],
    )


def _attempt(attempt: Attempt, score: tuple[float, float] | None) -> AttemptRecord:
    """One attempt; `score` is its reward and advantage if it is in the mixed group."""
    reward, advantage = score if score is not None else (None, None)
    return AttemptRecord(
        stage=attempt.stage,
        parent=attempt.parent,
        text=attempt.completion.text,
        tokens=len(attempt.completion.ids),
        truncated=attempt.completion.truncated,
        seen=attempt.seen or None,
        verdict=attempt.verdict,
        audit=attempt.audit,
        kept=None if attempt.stage == 1 else attempt.rejection is None,
        rejection=attempt.rejection,
        in_mixed_group=score is not None,
        off_policy=attempt.rolled_back,
        reward=reward,
        advantage=advantage,
        rewards=attempt.rewards or None,
        round=attempt.round if attempt.retried is not None else None,
        retried=attempt.retried,
    )
