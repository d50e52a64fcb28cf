"""Every held-out item of the evaluations before and after training: figures over the first of them, and paired change.

Evaluations on the way ask the first questions of those that are asked before and after training, so that figures over
the same questions can be had from the items (`items-before.jsonl`, `items-after.jsonl`), as long as none is missing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contextrl.records import metrics
from contextrl.records.evaluation import Part
from contextrl.records.jsonl import json_lines
from contextrl.records.run_data import Record, RunData
from contextrl.records.run_directory import Whole
from contextrl.statistics.bootstrap import cluster_draws, image_bootstrap, percentile_interval

#: As `statistics.bootstrap.image_bootstrap` has it.
_RESAMPLES = 2000
Interval = tuple[float, float]


@dataclass(frozen=True)
class Item:
    """One question of an evaluation.

    Attributes:
        key: its id, and which of those of one id it is.
        images: what it shows; None where the run did not keep that.
        right: by metric, whether it was answered right; empty where the judge failed, None where the judge did not
            look.
    """

    key: tuple[str, int]
    source: str
    images: tuple[str, ...] | None
    right: dict[str, bool | None]


@dataclass(frozen=True)
class Items:
    """An evaluation's items in the order in which they were asked.

    Attributes:
        complete: no line is missing or damaged, so that the first ones are the first ones.
    """

    rows: list[Item]
    complete: bool


@dataclass(frozen=True)
class Share:
    """A share of questions, or a change of one, with its 95 % interval.

    Attributes:
        interval: bootstrapped by image where `by_image`, else by question, which takes questions about one image as
            independent.
        n: questions.
    """

    value: float
    interval: Interval
    n: int
    by_image: bool


def read_items(run: RunData, whole: Whole) -> Items | None:
    """A run's items; None where it kept none."""
    path = run.path / f"items-{whole}.jsonl"
    if not path.is_file():
        return None
    lines = list(json_lines(path, errors="replace"))
    seen: Counter[str] = Counter()
    rows: list[Item] = []
    for line in lines:
        if line.object is not None:
            name = str(line.object.get("id"))
            rows.append(_item(line.object, (name, seen[name])))
            seen[name] += 1
        elif (where := f"{path.name} line {line.number}") not in run.damaged:
            run.damaged.append(where)
    return Items(rows, complete=len(rows) == len(lines)) if rows else None


def _item(record: Record, key: tuple[str, int]) -> Item:
    answer, process = record.get("answer_correct"), record.get("process_correct")
    right: dict[str, bool | None] = {}
    if record.get("status") in ("correct", "incorrect"):
        both = None if process is None else answer is True and process is True
        right = {metrics.EVAL_PROCESS_ACCURACY: both, metrics.EVAL_ANSWER_ACCURACY: answer is True}
    images = record.get("images")
    return Item(
        key,
        str(record.get("source") or ""),
        tuple(map(str, images)) if isinstance(images, list) else None,
        right,
    )


def share(items: Sequence[Item], metric: str) -> Share | None:
    """Of the questions that were judged, those answered right; None where nobody looked."""
    scored = [item for item in items if item.right]
    if not _looked(scored, metric):
        return None
    return _mean([float(item.right[metric] is True) for item in scored], scored)


def change(before: Items, after: Items, metric: str) -> Share | None:
    """After less before training over the questions that were judged both times; None where there are none."""
    earlier = {item.key: item for item in before.rows if item.right}
    pairs = [(earlier[item.key], item) for item in after.rows if item.right and item.key in earlier]
    if not _looked([one for one, _ in pairs], metric) or not _looked([other for _, other in pairs], metric):
        return None
    apart = [float(late.right[metric] is True) - float(early.right[metric] is True) for early, late in pairs]
    return _mean(apart, [late for _, late in pairs])


def parts(items: Sequence[Item]) -> dict[str, Part]:
    """By source, as `records.evaluation.Evaluation.by_source`."""
    by_source: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.right:
            by_source[item.source].append(item)
    looked = _looked([item for item in items if item.right], metrics.EVAL_PROCESS_ACCURACY)

    def accuracy(own: Sequence[Item], metric: str) -> float:
        return sum(item.right[metric] is True for item in own) / len(own)

    return {
        source: Part(
            len(own),
            accuracy(own, metrics.EVAL_ANSWER_ACCURACY),
            accuracy(own, metrics.EVAL_PROCESS_ACCURACY) if looked else None,
        )
        for source, own in sorted(by_source.items())
    }


def _looked(scored: Sequence[Item], metric: str) -> bool:
    """The process counts where a judge looked at that of any question."""
    return any(item.right[metric] is not None for item in scored)


def _mean(values: Sequence[float], items: Sequence[Item]) -> Share:
    """Of at least one value."""
    images = [item.images for item in items if item.images is not None]
    by_image = len(images) == len(items)
    if by_image:
        interval = image_bootstrap(values, images)
    else:
        drawn = cluster_draws(len(values), resamples=_RESAMPLES)
        interval = percentile_interval(drawn @ np.asarray(values) / len(values))
    return Share(sum(values) / len(values), interval, len(values), by_image)
