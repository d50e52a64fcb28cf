"""What a run is evaluated on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contextrl.evaluation.runner import evaluate
from contextrl.evaluation.settings import EvaluationSettings
from contextrl.judge.protocol import Judge
from contextrl.records.evaluation import Evaluation
from contextrl.records.example import Example
from contextrl.trainer.run_log import EvaluationPlan
from contextrl.trainer.sharing_out import generating


@dataclass(frozen=True)
class HeldOut:
    """Rows that nobody trains on, and who counts accuracy on them.

    Attributes:
        data: what the rows are called in results and reports.
        max_new_tokens: longest answer.
    """

    examples: Sequence[Example]
    judge: Judge
    data: str
    settings: EvaluationSettings
    max_new_tokens: int

    @property
    def plan(self) -> EvaluationPlan:
        """When the policy is evaluated, on no more rows than there are."""
        settings, available = self.settings, len(self.examples)
        return EvaluationPlan(
            settings.every, min(settings.examples, available), min(settings.final_examples, available), settings.best
        )

    def evaluate(
        self, trainer: Any, count: int | None = None, on_batch: Callable[[int], None] | None = None
    ) -> tuple[Evaluation, list[dict[str, Any]]]:
        """Greedy answers of the policy as it is now; see `evaluation.runner.evaluate`.

        Args:
            trainer: whose policy it is.
            count: the first so many rows; by default all.
        """
        with generating(trainer) as model:
            result, items = evaluate(
                model,
                trainer.prompting,
                self.examples[:count],
                self.judge,
                max_new_tokens=self.max_new_tokens,
                batch_size=self.settings.batch_size,
                on_batch=on_batch,
            )
        return dataclasses.replace(result, data=self.data), items
