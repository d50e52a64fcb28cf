"""Rows of a training set that are kept for evaluation: always the same ones, and no picture on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from contextrl.data.images import image_key
from contextrl.errors import InputError
from contextrl.records.example import Example


def held_out(examples: Sequence[Example], amount: float, *, where: str) -> tuple[list[Example], list[Example]]:
    """Rows to train on and rows held out, each in the file's order.

    Rows that share a picture, or without pictures a question, stay together. Groups of such rows are taken in the order
    of a hash of their ids until no further one fits, so that the choice depends neither on a seed nor on the order of
    the file.

    Args:
        amount: rows; below 1 a share of them.
        where: the setting, for errors.

    Raises:
        InputError: nothing is left to train on, or no group is as small as what is wanted.
    """
    wanted = max(1, round(amount * len(examples))) if amount < 1 else int(amount)
    if wanted >= len(examples):
        raise InputError(f"fewer than the {len(examples)} rows that there are", found=str(wanted), where=where)
    chosen: set[int] = set()
    for group in sorted(_groups(examples), key=lambda group: min(_hash(examples[index].id) for index in group)):
        if len(chosen) + len(group) <= wanted:
            chosen.update(group)
    if not chosen:
        found = "rows that all show the same pictures"
        raise InputError(
            f"{wanted} rows whose pictures no other row shows", found=found, where=where, fix="Set data.eval"
        )
    kept = [example for index, example in enumerate(examples) if index not in chosen]
    return kept, [examples[index] for index in sorted(chosen)]


def _groups(examples: Sequence[Example]) -> list[list[int]]:
    """Indices of rows that are linked by what they show."""
    parent = list(range(len(examples)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str, int] = {}
    for index, example in enumerate(examples):
        for key in _shown(example):
            parent[root(index)] = root(first.setdefault(key, index))
    groups: dict[int, list[int]] = {}
    for index in range(len(examples)):
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def _shown(example: Example) -> list[str]:
    """What makes rows the same to a policy. A file stands for its picture: decoding all would take as long again."""
    if not example.images:
        return [f"question {' '.join(example.question.split())}"]
    return [str(handle.resolve()) if isinstance(handle, Path) else image_key(handle) for handle in example.images]


def _hash(identifier: str) -> str:
    return hashlib.sha256(identifier.encode()).hexdigest()
