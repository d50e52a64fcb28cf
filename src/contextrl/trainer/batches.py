"""Rows of a generation batch: what GRPOTrainer scores, what stage 2 adds, and the micro-batches that train them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.functional import pad

from contextrl.engines.shared_prefix.prompts import EncodedPrompts
from contextrl.objective.advantages import group_advantages
from contextrl.objective.batch import LossBatch
from contextrl.objective.settings import TrainedTokens
from contextrl.rollout.alignment import Decode
from contextrl.rollout.collect import Rollout
from contextrl.rollout.groups import Attempt, Group


@dataclass(frozen=True)
class ScoredRows:
    """A rollout as rows: the N G that GRPOTrainer scores, group by group, then the retries that mixed groups add.

    Attributes:
        rollout: whose groups they are.
        prompts: the N prompts, each once.
        group: [B] the group of each row.
        attempts: [B] the responses; those from `replayed` on are added.
        rewards: [B], NaN where the judge failed.
        replayed: rows that GRPOTrainer scores.
    """

    rollout: Rollout
    prompts: EncodedPrompts
    group: list[int]
    attempts: list[Attempt]
    rewards: list[float]
    replayed: int

    @staticmethod
    def of(rollout: Rollout, prompts: EncodedPrompts, reward: Callable[[Attempt], float]) -> ScoredRows:
        """All rows of a rollout's groups."""
        replayed = [(n, attempt) for n, group in enumerate(rollout.groups) for attempt in group.replayed]
        known = {id(attempt) for _, attempt in replayed}
        added = [(n, m) for n, group in enumerate(rollout.groups) for m in group.members if id(m) not in known]
        rows = [*replayed, *added]
        attempts = [attempt for _, attempt in rows]
        return ScoredRows(rollout, prompts, [n for n, _ in rows], attempts, list(map(reward, attempts)), len(replayed))

    @property
    def added(self) -> list[int]:
        """Numbers of the rows that GRPOTrainer does not score."""
        return list(range(self.replayed, len(self.attempts)))

    def example_ids(self, groups: Sequence[int]) -> list[str]:
        """Names of the groups of some rows, each once."""
        return [self.rollout.groups[n].example.id for n in sorted(set(groups))]

    def as_generated(self) -> dict[str, Any]:
        """What GRPOTrainer's `rollout_func` returns, in token ids."""
        return {
            "prompt_ids": [self.prompts.prompts.ids[n] for n in self.group[: self.replayed]],
            "completion_ids": [list(attempt.completion.ids) for attempt in self.attempts[: self.replayed]],
            "logprobs": self.sampling_logps(),
        }

    def sampling_logps(self) -> list[list[float]] | None:
        """What the engine says of the replayed rows' tokens; None if it says nothing.

        NaN, for which GRPOTrainer corrects nothing, where it does not say, and in rolled-back rows: they were sampled
        under another prompt than the one that they are trained under.
        """
        attempts = self.attempts[: self.replayed]
        if all(attempt.completion.logps is None for attempt in attempts):
            return None
        return [
            [float("nan")] * len(attempt.completion.ids)
            if attempt.rolled_back or attempt.completion.logps is None
            else list(attempt.completion.logps)
            for attempt in attempts
        ]

    def as_dataset_rows(self) -> list[dict[str, Any]]:
        """Rows without images, so that GRPOTrainer neither decodes nor processes them."""
        questions = [self.rollout.groups[n].example.question for n in self.group[: self.replayed]]
        return [{"prompt": [{"role": "user", "content": question}]} for question in questions]

    def completions(self, rows: Sequence[int], pad_token_id: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask [b, C] of what some rows add to the original prompt, right-padded."""
        ids = [[*self.attempts[row].context, *self.attempts[row].completion.ids] for row in rows]
        width = max((len(completion) for completion in ids), default=1)
        mask = torch.tensor([[1] * len(completion) + [0] * (width - len(completion)) for completion in ids])
        return torch.tensor([completion + [pad_token_id] * (width - len(completion)) for completion in ids]), mask

    def added_in_parts(
        self, count: int, size: int, pad_token_id: int
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Groups, ids and mask of at most `size` added rows, `count` times; some other row where none is left."""
        for n in range(count):
            chosen = self.added[n * size : (n + 1) * size] or [0]
            yield [self.group[row] for row in chosen], *self.completions(chosen, pad_token_id)

    def add_to(
        self,
        batch: dict[str, Any],
        logps: Sequence[torch.Tensor],
        tokenizer: Any,
        rolled_back_tokens: TrainedTokens = "all",
    ) -> None:
        """Give GRPOTrainer's batch the added rows and what only our rows know, in place.

        Args:
            logps: log-probabilities [b, C] of added rows, of each pass that GRPOTrainer has made over its own.
            tokenizer: the policy's.
            rolled_back_tokens: which of them are trained.
        """
        pad_token_id = tokenizer.pad_token_id
        if self.added:
            ids, mask = self.completions(self.added, pad_token_id)
            with_added_rows(batch, "completion_ids", ids, fill=pad_token_id)
            with_added_rows(batch, "completion_mask", mask)
            # GRPOTrainer makes its old pass first, where it makes one, and then the reference's.
            passes = [name for name in ("old_per_token_logps", "ref_per_token_logps") if name in batch]
            for name, of_pass in zip(passes, logps, strict=True):
                with_added_rows(batch, name, of_pass)
            if "importance_sampling_ratio" in batch:
                of_tokens = batch["importance_sampling_ratio"].size(1) > 1
                ones = torch.ones(ids.shape if of_tokens else (len(ids), 1))
                with_added_rows(batch, "importance_sampling_ratio", ones, fill=1)
        device = batch["completion_ids"].device
        # Only tensors survive the shuffle and the split.
        batch["group"] = torch.tensor(self.group, device=device)
        batch["travels_with"] = torch.tensor(self.travels_with(), device=device)
        batch["off_policy"] = torch.tensor([attempt.rolled_back for attempt in self.attempts], device=device)
        decode = partial(tokenizer.decode, skip_special_tokens=True)
        if any(untrained := self.untrained(rolled_back_tokens, decode)):
            batch["untrained"] = torch.tensor(untrained, device=device)

    def untrained(self, rolled_back_tokens: TrainedTokens, decode: Decode) -> list[int]:
        """[B] how many tokens at the beginning of each row are scored and not trained.

        Those of a context; with `after_divergence` those that a rolled-back retry shares with its failed attempt, with
        `after_wrong_step` those before the step that its report names.
        """
        return [
            self._before(self.rollout.groups[n], attempt, rolled_back_tokens, decode)
            if attempt.rolled_back
            else len(attempt.context)
            for n, attempt in zip(self.group, self.attempts, strict=True)
        ]

    @staticmethod
    def _before(group: Group, retry: Attempt, trained: TrainedTokens, decode: Decode) -> int:
        if trained == "after_divergence":
            return group.divergence(retry)
        return group.before_wrong_step(retry, decode) if trained == "after_wrong_step" else 0

    def weights(self, num_generations: int) -> list[float]:
        """[B] G / (size of the row's group), 0 for attempts that are no members of theirs; see `LossBatch`."""
        members = {id(member): len(group.members) for group in self.rollout.groups for member in group.members}
        sizes = [members.get(id(attempt)) for attempt in self.attempts]
        return [num_generations / size if size else 0.0 for size in sizes]

    def advantages(self, of_replayed: Sequence[float], *, scale: bool) -> list[float]:
        """[B] GRPOTrainer's for online groups, and for mixed ones those over all of their members, before scaling.

        Args:
            of_replayed: GRPOTrainer's. Where retries take the places of negatives they are the mixed group's own.
            scale: divide by the standard deviation.
        """
        values = [*of_replayed, *[0.0] * len(self.added)]
        for n in sorted({self.group[row] for row in self.added}):
            group = self.rollout.groups[n]
            rows = {id(self.attempts[row]): row for row, owner in enumerate(self.group) if owner == n}
            rewards = torch.tensor([[self.rewards[rows[id(member)]] for member in group.members]])
            for attempt in group.attempts:
                values[rows[id(attempt)]] = 0.0  # an unscored one is no member
            for member, value in zip(group.members, group_advantages(rewards, scale=scale)[0].tolist(), strict=True):
                values[rows[id(member)]] = value
        return values

    @property
    def mixed(self) -> list[bool]:
        """[B] whether each row's group is mixed."""
        return [self.rollout.groups[n].mixed for n in self.group]

    def travels_with(self) -> list[int]:
        """[B] the replayed row in whose micro-batch each row is: its own, or the last one of its group."""
        last = {n: row for row, n in enumerate(self.group[: self.replayed])}
        return [row if row < self.replayed else last[n] for row, n in enumerate(self.group)]


def loss_mask(batch: Mapping[str, Any]) -> torch.Tensor:
    """[B, C], 1 for tokens that are trained; `completion_mask` has those that are scored."""
    mask: torch.Tensor = batch["completion_mask"]
    if "untrained" not in batch:
        return mask
    places = torch.arange(mask.size(1), device=mask.device)
    after: torch.Tensor = places >= batch["untrained"][:, None]
    return mask * after


def with_added_rows(batch: dict[str, Any], name: str, added: torch.Tensor, fill: float = 0) -> None:
    """Append rows [b, C'] to a field [B, C] of a batch, in place, both padded to the longer."""
    batch[name] = stacked([batch[name], added.to(batch[name])], fill)


def stacked(parts: Sequence[torch.Tensor], fill: float = 0) -> torch.Tensor:
    """Rows of matrices [b_i, C_i] under one another, all padded to the widest; [0, 1] for none."""
    if not parts:
        return torch.zeros(0, 1)
    width = max(part.size(1) for part in parts)
    return torch.cat([pad(part, (0, width - part.size(1)), value=fill) for part in parts])


def micro_batches(batch: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """A generation batch in `count` micro-batches, in a random order in which rows of one group follow one another.

    As many replayed rows in each as GRPOTrainer would have; rows that stage 2 has added are where their group's last
    replayed row is, so that groups stay whole wherever a micro-batch can hold one.
    """
    replayed = int(batch["travels_with"].max()) + 1
    groups = batch["group"][:replayed].tolist()
    # One permutation of all rows, as GRPOTrainer draws, so that random states stay the same.
    drawn = torch.randperm(replayed).tolist()
    order = {group: n for n, group in enumerate(dict.fromkeys(groups[row] for row in drawn))}
    place = {row: n for n, row in enumerate(sorted(drawn, key=lambda row: order[groups[row]]))}
    places = [place[row] for row in batch["travels_with"].tolist()]
    rows = sorted(range(len(places)), key=lambda row: (places[row], row))
    size = replayed // count
    # What is known of replayed rows only, prompts as GRPOTrainer pads them, stays behind where rows were added.
    fields = _of_rows(batch)
    shared = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor) and value.ndim == 0}
    chosen = [torch.tensor([row for row in rows if places[row] // size == n]) for n in range(count)]
    return [shared | {name: value[numbers] for name, value in fields.items()} for numbers in chosen]


def loss_batch(
    inputs: dict[str, Any], per_token_logps: torch.Tensor, args: Any, steps: int, processes: int
) -> LossBatch:
    """Rows of a micro-batch as the objective takes them.

    Args:
        per_token_logps: [b, C], with their gradient.
        args: `ContextRLConfig`.
        steps: micro-batches of an optimizer step.
        processes: that train together.
    """
    old = inputs.get("old_per_token_logps")
    # GRPOTrainer's `num_items_in_batch` spans the generation batch: rescale it to one optimizer step.
    tokens = inputs["num_items_in_batch"].clamp(min=1.0) / processes
    return LossBatch(
        per_token_logps=per_token_logps,
        # None means that this is the first update after sampling: the ratio is 1.
        old_per_token_logps=per_token_logps.detach() if old is None else old,
        ref_per_token_logps=inputs.get("ref_per_token_logps"),
        advantages=inputs["advantages"],
        mask=loss_mask(inputs),
        off_policy=inputs["off_policy"],
        importance=inputs.get("importance_sampling_ratio"),
        weights=inputs["weights"],
        rows=args.per_device_train_batch_size,
        accumulation_steps=steps,
        token_normalizer=tokens * steps / args.steps_per_generation,
    )


def _of_rows(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Fields of a batch that have a value for each of its rows."""
    count = len(batch["group"])
    return {
        name: value
        for name, value in batch.items()
        if isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == count
    }


def parts_of(inputs: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """A micro-batch in `count` parts of nearly equal size; every process runs as many forwards as that with most rows.

    None is empty: where there are fewer rows than parts, the first is repeated without weight.
    """
    if count <= 1:
        return [inputs]
    rows = len(inputs["group"])
    numbers = torch.arange(max(rows, count))
    spare = (numbers >= rows).to(inputs["group"].device)
    padded = {name: value[numbers.where(numbers < rows, 0)] for name, value in _of_rows(inputs).items()}
    padded["weights"] = padded["weights"].masked_fill(spare, 0.0)
    padded["completion_mask"] = padded["completion_mask"].masked_fill(spare[:, None], 0)
    return [
        inputs | {name: value[chosen] for name, value in padded.items()}
        for chosen in torch.tensor_split(numbers, count)
    ]
