"""What a rollout leaves behind: metrics, counts and records, and whether its judge still answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from contextrl.engines.processes import Processes
from contextrl.judge.settings import JudgingSettings
from contextrl.objective.batch import TokenSum
from contextrl.objective.settings import ObjectiveSettings
from contextrl.records import metrics as names
from contextrl.rollout.collect import Rollout
from contextrl.rollout.metrics import rollout_sums, vague_reports
from contextrl.trainer.batches import ScoredRows, loss_mask
from contextrl.trainer.checkpoints import CheckpointState
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.step_sums import append_means
from contextrl.trainer.stopping import failures_by_kind


class RolloutLog:
    """Counts and records rollouts.

    Args:
        processes: that sum before they divide.
        metrics: GRPOTrainer's, name to values since the last log line.
        judging: when a judge counts as gone.
        recorder: writes a line per group, if given.
        rewards: names of the reward functions beside the judge.
        objective: what is optimised.
    """

    def __init__(
        self,
        processes: Processes,
        metrics: defaultdict[str, list[float]],
        judging: JudgingSettings,
        recorder: GroupRecorder | None,
        rewards: Sequence[str] = (),
        objective: ObjectiveSettings | None = None,
    ) -> None:
        self.processes, self.metrics, self.judging, self.recorder = processes, metrics, judging, recorder
        self.rewards, self.objective = rewards, objective or ObjectiveSettings()

    def write(self, rows: ScoredRows, batch: Mapping[str, Any], progress: CheckpointState, step: int) -> str | None:
        """Log, count and record a rollout.

        Args:
            rows: what was scored.
            batch: what GRPOTrainer made of it.
            progress: what the run has counted so far, brought up to date.
            step: the optimizer step that is to come.

        Returns:
            Why the run should stop, None if it should not; the same on every process.
        """
        rollout = rows.rollout
        shares = self._log(rollout, batch)
        self._count(rollout, batch, shares, progress)
        if self.recorder is not None:
            trained = {id(group) for group in rollout.groups}
            self.recorder.write(
                step,
                rollout.groups,
                self._scores(rows, batch),
                discarded=[group for group in rollout.sampled if id(group) not in trained],
            )
        return self._gone(rollout, progress, *shares[names.JUDGE_UNSCORED])

    @staticmethod
    def _scores(rows: ScoredRows, batch: Mapping[str, Any]) -> dict[int, tuple[float, float]]:
        """Reward and advantage of every member, by its identity."""
        scored = zip(rows.attempts, rows.rewards, batch["advantages"].tolist(), batch["weights"].tolist(), strict=True)
        return {id(attempt): (reward, advantage) for attempt, reward, advantage, weight in scored if weight}

    def correct_importance(self, batch: Mapping[str, Any]) -> None:
        """GRPOTrainer's means over sampled tokens, where it corrects for an engine: it has averaged them by process.

        Args:
            batch: GRPOTrainer's, of the rows that it has scored.
        """
        ratios = batch.get("importance_sampling_ratio")
        if ratios is None:
            return
        mask = batch["completion_mask"].bool()
        ratios = ratios[mask] if ratios.shape == mask.shape else ratios.flatten()
        gaps = (batch["old_per_token_logps"] - batch["sampling_per_token_logps"]).abs()[mask]
        told = gaps[~gaps.isnan()]  # not of rolled-back rows
        means = {
            names.SAMPLING_GAP: TokenSum(told.sum(), torch.tensor(told.numel())),
            names.SAMPLING_RATIO: TokenSum(ratios.sum(), torch.tensor(ratios.numel())),
        }
        for name in means:
            self.metrics[name].pop()
        append_means(self.processes, means, self.metrics)

    def _log(self, rollout: Rollout, batch: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
        """Log the rollout's metrics; numerators and denominators of the shares, over all processes."""
        tally = rollout.verifier.tally
        sums = rollout_sums(
            rollout.drawn,
            tally,
            sampled=rollout.sampled,
            trained=rollout.groups,
            rewards=self.rewards,
            answer_only=self.objective.answer_only_reward,
            aligned=self.objective.rolled_back_tokens == "after_wrong_step",
        )
        if self.rewards:
            # GRPOTrainer has one column, and logs the sum, `reward`, under the verdict's name too.
            self.metrics[names.REWARD_OF_VERDICT].pop()
            self.metrics.pop(names.REWARD_OF_VERDICT.replace("/mean", "/std"))
        member, size = batch["weights"] > 0, batch["advantages"].abs()
        off, on = member & batch["off_policy"], member & ~batch["off_policy"]
        shares = {**sums.shares, names.REPORT_VAGUE: vague_reports(rollout.sampled)}
        totals = append_means(
            self.processes,
            {name: TokenSum(torch.tensor(n), torch.tensor(d)) for name, (n, d) in shares.items()}
            | {
                names.ADVANTAGE_ON_POLICY: TokenSum(size[on].sum(), on.sum()),
                names.ADVANTAGE_OFF_POLICY: TokenSum(size[off].sum(), off.sum()),
            },
            self.metrics,
        )
        counts = self.processes.sums(sums.counts)
        for name, value in {**counts, **rollout.seconds}.items():
            if value or not name.startswith(names.UNSCORED_PREFIX):
                self.metrics[name].append(value)
        rho_fp, rho_r = (self.metrics[name][-1] for name in (names.KNOWLEDGE_RHO_FP, names.KNOWLEDGE_RHO_R))
        self.metrics[names.KNOWLEDGE_GAIN].append(rho_fp + rho_r)
        return totals

    def _count(
        self,
        rollout: Rollout,
        batch: Mapping[str, Any],
        shares: Mapping[str, tuple[float, float]],
        progress: CheckpointState,
    ) -> None:
        counted = self.processes.sums(
            {
                "tokens_sampled": rollout.tokens,
                "tokens_trained": loss_mask(batch).sum(),
                "groups_all_negative": sum(group.kind == "all_negative" for group in rollout.sampled),
                "groups_recovered": sum(group.recovered for group in rollout.sampled),
            }
        )
        counted["false_positives"], counted["samples"] = shares[names.KNOWLEDGE_RHO_FP]
        counted["drawn_recovered"], counted["groups_drawn"] = shares[names.KNOWLEDGE_RHO_R]
        for name, value in counted.items():
            setattr(progress, name, getattr(progress, name) + int(value))

    def _gone(self, rollout: Rollout, progress: CheckpointState, unscored: float, asked: float) -> str | None:
        """Too many unscored verdicts in a row: the judge is gone, and going on would train on nothing."""
        failed = unscored > self.judging.max_unscored_share * max(asked, 1.0)
        progress.failed_steps = progress.failed_steps + 1 if failed else 0
        if progress.failed_steps < self.judging.max_failed_steps:
            return None
        kinds = failures_by_kind([attempt.verdict for group in rollout.drawn for attempt in group.attempts])
        return (
            f"the judge left {unscored:.0f} of {asked:.0f} verdicts unscored, "
            f"in {progress.failed_steps} steps in a row: {kinds}"
        )
