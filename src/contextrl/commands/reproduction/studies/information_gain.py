"""What context brings to light over training (arXiv 2602.22623, 4.3.3 and A.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contextrl.commands.reproduction.arms import CONTEXTRL, DAPO, GRPO, GRPO_PROCESS, Study
from contextrl.commands.reproduction.probes import Probing
from contextrl.studies import information_gain


def _series(probing: Probing) -> Mapping[str, Any]:
    return information_gain.series(probing.run.metrics())


_ARMS = (CONTEXTRL, GRPO, DAPO, GRPO_PROCESS)

STUDY = Study(
    name="information-gain",
    title="Information gain",
    claim="Of all samples 51.12 % are judged negative; 8.9 % of all (20.6K of 230K) are false positives that the "
    "solution brings to light (rho_fp), and stage 2 recovers 8.56 % of the questions (rho_r): about 17 % together. So "
    "about 15.5 % of right answers have a wrong process.",
    arms=_ARMS,
    sets=(),
    result=information_gain.result,
    quick=("contextrl", "grpo"),
    measured={arm.name: (information_gain.SERIES,) for arm in _ARMS},
    probes={information_gain.SERIES: _series},
)
