"""Rows of a generation batch as the trainer's micro-batches take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from contextrl.engines.shared_prefix.prompts import EncodedPrompts
from contextrl.rollout.collect import Rollout
from contextrl.rollout.groups import Attempt


@dataclass(frozen=True)
class ScoredRows:
    """A rollout as the B rows that GRPOTrainer scores and trains.

    Attributes:
        rollout: whose mixed groups they are.
        prompts: the N prompts, each once.
        group: [B] the group of each row.
        slots: [B] the responses.
        rewards: [B], NaN where the judge failed.
    """

    rollout: Rollout
    prompts: EncodedPrompts
    group: list[int]
    slots: list[Attempt]
    rewards: list[float]

    def example_ids(self, groups: Sequence[int]) -> list[str]:
        """Names of the groups of some rows, each once."""
        return [self.rollout.groups[n].example.id for n in sorted(set(groups))]

    def as_generated(self) -> dict[str, Any]:
        """What GRPOTrainer's `rollout_func` returns: the mixed rows in token ids."""
        return {
            "prompt_ids": [self.prompts.prompts.ids[n] for n in self.group],
            "completion_ids": [list(slot.completion.ids) for slot in self.slots],
            "logprobs": None,
        }

    def as_dataset_rows(self) -> list[dict[str, Any]]:
        """Rows without images, so that GRPOTrainer neither decodes nor processes B of them."""
        questions = [self.rollout.groups[n].example.question for n in self.group]
        return [{"prompt": [{"role": "user", "content": question}]} for question in questions]


def shuffle_groups(batch: dict[str, Any]) -> dict[str, Any]:
    """Rows of a batch in a random order in which those of equal `group` [B] follow one another."""
    groups = batch["group"].tolist()
    # One permutation of all rows, as GRPOTrainer draws, so that random states stay the same.
    drawn = torch.randperm(len(groups)).tolist()
    place = {group: n for n, group in enumerate(dict.fromkeys(groups[row] for row in drawn))}
    order = torch.tensor(sorted(drawn, key=lambda row: place[groups[row]]))
    rows = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor) and value.ndim > 0}
    return batch | {name: value[order] for name, value in rows.items()}
