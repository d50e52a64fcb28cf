"""groups.jsonl: a line per group, with everything that happened to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from contextrl.records.files import append_lines
from contextrl.records.jsonl import json_ready
from contextrl.records.verdict import Verdict

GroupKind = Literal["all_negative", "solved", "spread", "unscored"]
GROUP_KINDS: tuple[GroupKind, ...] = get_args(GroupKind)
#: Why a stage-2 response was not kept. With `kept` these add up to the attempts of stage 2.
Rejection = Literal["incorrect", "not_standalone", "truncated", "unscored", "duplicate", "over_cap"]
REJECTIONS: tuple[Rejection, ...] = get_args(Rejection)


@dataclass(frozen=True)
class AttemptRecord:
    """One response, as it is written.

    Attributes:
        stage: 1 for the original prompt, 2 for a retry; `parent` is the attempt that it retries.
        round, retried: of a retry of a second or later round, which one, and the retry that it retries, counted among
            its group's retries from 0; `parent` is where they began.
        tokens: of the completion.
        seen: for a retry, what followed the failed attempt in its prompt.
        verdict, audit: of the rewarded judge, and of one that is only recorded.
        kept: of a retry, whether it was kept, else `rejection` says why not; None at stage 1.
        reward, advantage: None unless it is `in_mixed_group`.
        rewards: of functions beside the judge, by name; in `reward` with their weights. Written where there are any.
    """

    stage: int
    parent: int | None
    text: str
    tokens: int
    truncated: bool
    seen: str | None
    verdict: Verdict | None
    audit: Verdict | None
    kept: bool | None
    rejection: Rejection | None
    in_mixed_group: bool
    off_policy: bool
    reward: float | None
    advantage: float | None
    rewards: Mapping[str, float] | None = None
    round: int | None = None
    retried: int | None = None


#: Not written where they say nothing.
_OPTIONAL = ("rewards", "round", "retried")


@dataclass(frozen=True)
class GroupRecord:
    """One group, as it is written.

    Attributes:
        images: files of its pictures, relative to the run directory.
        refilled: drawn by dynamic sampling; `trained`: in the batch, not replaced by such a group.
    """

    step: int
    example_id: str
    question: str
    solution: str
    answer: str
    answer_type: str
    task: str
    source: str
    images: list[str]
    kind: GroupKind
    recovered: bool
    refilled: bool
    trained: bool
    attempts: list[AttemptRecord]

    def as_json(self) -> dict[str, Any]:
        """Verdicts without what they cost, which the metrics count; NaN as null."""
        return dict(json_ready(_plain(self)))


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return {name: part for name, part in value.columns().items() if name != "usage"}
    if isinstance(value, AttemptRecord | GroupRecord):
        columns = {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
        return {name: column for name, column in columns.items() if name not in _OPTIONAL or column is not None}
    return [_plain(part) for part in value] if isinstance(value, list) else value


class GroupsFile:
    """Appends to a process's file of groups.

    Args:
        folder: the run directory.
        process_index: processes other than the first write `groups-<index>.jsonl`.
    """

    def __init__(self, folder: Path, process_index: int = 0) -> None:
        self.path = folder / ("groups.jsonl" if process_index == 0 else f"groups-{process_index}.jsonl")

    def append(self, records: Sequence[GroupRecord]) -> None:
        """All of them or none; see `append_lines`."""
        append_lines(self.path, "".join(json.dumps(record.as_json(), ensure_ascii=False) + "\n" for record in records))


def group_files(folder: Path) -> list[Path]:
    """A run's files of groups, the main process's first."""
    return sorted(folder.glob("groups*.jsonl"), key=lambda path: (path.name != "groups.jsonl", path.name))
