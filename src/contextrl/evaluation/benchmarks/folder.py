"""Where an evaluation's files are: answers and marks of each benchmark, by protocol and control."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contextrl.evaluation.benchmarks.items import Protocol, Scorer
from contextrl.evaluation.benchmarks.marks import read_marks
from contextrl.evaluation.benchmarks.outcome import Outcome


@dataclass(frozen=True)
class ResultFolder:
    """`OUT/<benchmark>/<protocol>[.<control>]/answers.jsonl` and `marks-<scorer>.jsonl`, `OUT/results.json`."""

    path: Path

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    def answers(self, benchmark: str, protocol: Protocol, control: str | None = None) -> Path:
        return self._part(benchmark, protocol, control) / "answers.jsonl"

    def marks(self, benchmark: str, protocol: Protocol, scorer: Scorer, control: str | None = None) -> Path:
        return self._part(benchmark, protocol, control) / f"marks-{scorer}.jsonl"

    def outcomes(self) -> dict[tuple[str, Protocol, Scorer], Outcome]:
        """Marks of all benchmarks without controls.

        Raises:
            InputError: a file of marks is damaged.
        """
        found = [
            read_marks(path) for path in sorted(self.path.glob("*/*/marks-*.jsonl")) if "." not in path.parent.name
        ]
        return {(one.benchmark.name, one.protocol, one.scorer): one for one in found}

    def _part(self, benchmark: str, protocol: Protocol, control: str | None) -> Path:
        return self.path / benchmark / (protocol if control is None else f"{protocol}.{control}")
