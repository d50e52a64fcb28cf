"""What is measured of an arm beside its accuracy. A probe reads a run's records, or has a command look at the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrl.commands.reproduction.artifacts import Call
from contextrl.errors import InputError
from contextrl.records.jsonl import number
from contextrl.records.run_directory import RunDirectory


@dataclass(frozen=True)
class Probing:
    """What a probe works with.

    Attributes:
        run_dir: of the arm's run; None where nothing was trained.
        target: the model, as `contextrl eval` names it.
        scratch: a folder for what it writes; it is removed afterwards.
        artifact: path of one of the artifacts that the arm needs.
        items: most items of a set.
        processor_seconds: of the run.
    """

    run_dir: Path | None
    target: str
    seed: int
    scratch: Path
    call: Call
    artifact: Callable[[str], Path]
    items: int
    processor_seconds: float | None = None

    @property
    def run(self) -> RunDirectory:
        """Of what was trained.

        Raises:
            InputError: nothing was.
        """
        if self.run_dir is None:
            raise InputError("an arm that is trained", found="one that is not", where="probes")
        return RunDirectory(self.run_dir)


Probe = Callable[[Probing], Any]


def _processor(probing: Probing) -> float | None:
    """Seconds of one processor that the run took: unlike its wall time it does not depend on what else runs."""
    return None if probing.processor_seconds is None else round(probing.processor_seconds, 1)


def means_of(*names: str) -> Probe:
    """Means over the steps that logged a metric, by its name; None where none did."""

    def probe(probing: Probing) -> Mapping[str, float | None]:
        records = probing.run.metrics()
        values = {name: [v for record in records if (v := number(record.get(name))) is not None] for name in names}
        return {name: round(sum(found) / len(found), 5) if found else None for name, found in values.items()}

    return probe


#: Probes that belong to no study, by name.
COMMON: dict[str, Probe] = {"processor": _processor}
