"""Learned judges of two sizes, by what they see of the reference (arXiv 2602.22623, 4.3.1 and table 2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from contextrl.commands.reproduction.arms import Arm, Study, at
from contextrl.commands.reproduction.artifacts import Artifact, Work
from contextrl.commands.reproduction.probes import Probing
from contextrl.studies import judging

#: Labelled responses that each judge is measured on.
RESPONSES = 600


def _teach(work: Work, size: str) -> None:
    # A judge that was taught for a few steps gives no verdicts: it is not shortened with the runs.
    work.call(["miniature", "judge", str(work.path), "--size", size, "--seed", str(work.seed)])


JUDGES = (
    Artifact("judge-small", 1, lambda work: _teach(work, "small")),
    Artifact("judge-large", 1, lambda work: _teach(work, "large")),
)


def examined(probing: Probing) -> dict[str, Any]:
    """The same responses for every judge, whatever its seed."""
    output = probing.scratch / "examined.json"
    count = str(min(RESPONSES, probing.items))
    probing.call(["miniature", "examine", probing.target, "--output", str(output), "--split", "dev", "--count", count])
    return dict(json.loads(output.read_text(encoding="utf-8")))


def arms_of(judges: Sequence[Artifact]) -> tuple[Arm, ...]:
    """An arm for each judge, by its name, which ends with its size."""
    return tuple(
        Arm(one.name, f"{one.name.rpartition('-')[2]} judge", None, needs=(one.name,), target=at(one.name))
        for one in judges
    )


_ARMS = arms_of(JUDGES)

STUDY = Study(
    name="judges",
    title="Judges",
    claim="Table 2: of 30K false positives that two judges with the solution reject, a 32B judge rejects 46.25 % "
    "without context, 50.03 % with the answer and 81.98 % with the solution, a 235B judge 51.25, 54.60 and 82.12 %: "
    "context helps, and with it size hardly matters. People agreed with 95.8 % of 1,000. What becomes of right "
    "responses is not said.",
    arms=_ARMS,
    sets=(),
    result=judging.result,
    quick=("judge-small",),
    measured={arm.name: (judging.EXAMINED,) for arm in _ARMS},
    probes={judging.EXAMINED: examined},
    artifacts=JUDGES,
)
