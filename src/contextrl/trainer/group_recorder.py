"""From a rollout's groups to their records and pictures in the run directory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contextrl.data.images import image_key, open_image
from contextrl.records.groups import AttemptRecord, GroupRecord, GroupsFile
from contextrl.rollout.groups import Attempt, Group

#: Pictures in the run directory are for looking at: larger ones are scaled down to this side.
MAX_SIDE = 768


class GroupRecorder:
    """Appends groups to `folder/groups.jsonl` and their pictures, once each, to `folder/images/`.

    Args:
        folder: the run directory.
        process_index: see `GroupsFile`.
    """

    def __init__(self, folder: Path, process_index: int = 0) -> None:
        self.folder = folder
        self.file = GroupsFile(folder, process_index)
        (folder / "images").mkdir(parents=True, exist_ok=True)

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
        """
        records = [self._record(step, group, scores) for group in groups]
        self.file.append([*records, *(self._record(step, group, {}) for group in discarded)])

    def _record(self, step: int, group: Group, scored: Mapping[int, tuple[float, float]]) -> GroupRecord:
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
            images=[self._save_image(handle) for handle in example.images],
            kind=group.kind,
            recovered=group.recovered,
            refilled=group.refilled,
            trained=bool(scored),
            attempts=[_attempt(attempt, scored.get(id(attempt))) for attempt in [*group.attempts, *group.retries]],
        )

    def _save_image(self, handle: Any) -> str:
        name = f"images/{image_key(handle)}.png"
        if not (self.folder / name).exists():
            image = open_image(handle, MAX_SIDE)
            # Two processes may draw the same picture in one step.
            scratch = self.folder / f"{name}.{os.getpid()}.partial"
            image.save(scratch, format="PNG")
            scratch.replace(self.folder / name)
        return name


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
    )
