"""The figures of one evaluation, as run files hold them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from contextrl.records.jsonl import json_ready


@dataclass(frozen=True)
class Evaluation:
    """Accuracies over the scored items, each with its 95 % interval.

    Attributes:
        process_accuracy: right answer and right process; None where the judge cannot look at the process.
        n: scored items.
        unscored: items the judge failed on; in no mean.
    """

    answer_accuracy: float
    answer_accuracy_ci95: tuple[float, float]
    process_accuracy: float | None
    process_accuracy_ci95: tuple[float, float] | None
    n: int
    unscored: int

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Evaluation:
        """What `as_json` wrote."""
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        """Rounded to four digits; null where there is nothing to say."""
        return dict(json_ready(asdict(self), digits=4))
