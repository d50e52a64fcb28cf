"""What a rollout leaves behind: metrics, counts and records, and the stop when its judge is gone."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from contextrl.objective.batch import TokenSum
from contextrl.rollout.groups import Group
from contextrl.rollout.metrics import rollout_sums
from contextrl.rollout.verify import Verifier
from contextrl.trainer.checkpoints import CheckpointState
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.groups_log import GroupRecorder
from contextrl.trainer.stopping import ResumableStops, failures_by_kind


class RolloutLog(ResumableStops):
    """Mixin for ContextRLTrainer, which samples, judges and gives rewards; brings its checkpoints along.

    Attributes:
        _drawn: the groups that the data gave; what shares of groups and samples speak of.
        _sampled: these and what dynamic sampling drew; what counts of stage 2 speak of.
        _groups: the groups that are trained; dynamic sampling has replaced some of the drawn ones.
        _rewards: of their slots, group by group; NaN where the judge failed.
    """

    args: ContextRLConfig
    accelerator: Any
    state: Any
    recorder: GroupRecorder | None
    progress: CheckpointState
    _metrics: dict[str, defaultdict[str, list[float]]]
    _drawn: list[Group]
    _sampled: list[Group]
    _groups: list[Group]
    _rewards: list[float]
    _verifier: Verifier
    _seconds: dict[str, float]
    _sampled_tokens: int

    def _finish_rollout(self, batch: dict[str, Any]) -> None:
        """Count, log and record the rollout; stop the run if its judge is gone."""
        sums = rollout_sums(self._drawn, self._verifier.tally, sampled=self._sampled, trained=self._groups)
        off, size = batch["off_policy"], batch["advantages"].abs()
        totals = self._log_sums(
            {name: TokenSum(torch.tensor(n), torch.tensor(d)) for name, (n, d) in sums.shares.items()}
            | {
                "advantage/on_policy_abs": TokenSum(size[~off].sum(), (~off).sum()),
                "advantage/off_policy_abs": TokenSum(size[off].sum(), off.sum()),
            }
        )
        counts = self._reduced({name: torch.tensor(value) for name, value in sums.counts.items()})
        for name, value in {**counts, **{f"time/{part}": s for part, s in self._seconds.items()}}.items():
            if value or not name.startswith("judge/unscored_"):
                self._metrics["train"][name].append(value)
        self._count_progress(batch)
        if self.recorder is not None:
            trained = {id(group) for group in self._groups}
            self.recorder.write(
                self.state.global_step + 1,
                self._groups,
                self._rewards,
                batch["advantages"].tolist(),
                discarded=[group for group in self._sampled if id(group) not in trained],
            )
        self._check_judge(*totals["judge/unscored"])

    def _count_progress(self, batch: dict[str, Any]) -> None:
        counted = self._reduced(
            {
                "tokens_sampled": torch.tensor(self._sampled_tokens),
                "tokens_trained": batch["completion_mask"].sum(),
                "groups_all_negative": torch.tensor(sum(g.kind == "all_negative" for g in self._sampled)),
                "groups_recovered": torch.tensor(sum(g.recovered for g in self._sampled)),
            }
        )
        for name, value in counted.items():
            setattr(self.progress, name, getattr(self.progress, name) + int(value))

    def _check_judge(self, unscored: float, asked: float) -> None:
        """Too many unscored verdicts in a row: the judge is gone, and going on would train on nothing."""
        failed = unscored > self.args.max_unscored_share * max(asked, 1.0)
        self.progress.failed_steps = self.progress.failed_steps + 1 if failed else 0
        if self.progress.failed_steps < self.args.max_failed_steps:
            return
        kinds = failures_by_kind([attempt.verdict for group in self._drawn for attempt in group.attempts])
        steps = self.progress.failed_steps
        self._stop(
            f"the judge left {unscored:.0f} of {asked:.0f} verdicts unscored, in {steps} steps in a row: {kinds}"
        )

    def _stop_if_judge_is_gone(self) -> None:
        """Collective: where one process has lost its judge, all of them stop."""
        failure = self._verifier.failure
        if self._any_process(failure is not None):
            self._stop(str(failure) if failure is not None else "another process has lost its judge")

    def _any_process(self, here: bool) -> bool:
        """Whether a condition holds on any process."""
        flag = torch.tensor(float(here), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum") > 0)

    def _log_sums(self, sums: dict[str, TokenSum]) -> dict[str, tuple[float, float]]:
        """Append total / count over all processes to the metrics; what nobody counted is NaN, which logs leave out.

        Returns:
            (total, count) over all processes.
        """
        totals = self._reduced(
            {name: s.total for name, s in sums.items()} | {f"#{n}": s.count for n, s in sums.items()}
        )
        reduced = {name: (totals[name], totals[f"#{name}"]) for name in sums}
        for name, (total, count) in reduced.items():
            self._metrics["train"][name].append(total / count if count else float("nan"))
        return reduced

    def _reduced(self, values: dict[str, torch.Tensor]) -> dict[str, float]:
        """Sums over processes, in one collective call."""
        device = self.accelerator.device
        stacked = torch.stack([value.detach().to(device, torch.float64) for value in values.values()])
        return dict(zip(values, self.accelerator.reduce(stacked, reduction="sum").tolist(), strict=True))

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[part] += time.perf_counter() - started
