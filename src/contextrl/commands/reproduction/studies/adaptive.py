"""Adaptive context: the solution is shown only where a judge's votes without it part."""

from __future__ import annotations

import json
from typing import Any

from contextrl.commands.reproduction.arms import Arm, Study, at
from contextrl.commands.reproduction.probes import Probing
from contextrl.commands.reproduction.studies.judges import JUDGES
from contextrl.studies import adaptive

#: Labelled responses, and numbers of votes.
_RESPONSES, _VOTES = 400, "2,3,5"


def _measured(probing: Probing) -> dict[str, Any]:
    """The same responses for every judge, whatever its seed."""
    output = probing.scratch / "votes.json"
    count = str(min(_RESPONSES, probing.items))
    options = ["--output", str(output), "--votes", _VOTES, "--split", "dev", "--count", count]
    probing.call(["miniature", "votes", probing.target, *options])
    return dict(json.loads(output.read_text(encoding="utf-8")))


_ARMS = tuple(
    Arm(
        f"votes-{size}",
        f"{size} judge",
        None,
        needs=(f"judge-{size}",),
        target=at(f"judge-{size}"),
    )
    for size in ("small", "large")
)

STUDY = Study(
    name="adaptive",
    title="Adaptive context",
    claim="Every verdict of the paper's judge has the whole solution before it, which costs its writing and its tokens "
    "(A.2). Whether a judge needs it where it is sure without is left open.",
    arms=_ARMS,
    sets=(),
    result=adaptive.result,
    quick=("votes-small",),
    measured={arm.name: (adaptive.VOTES,) for arm in _ARMS},
    probes={adaptive.VOTES: _measured},
    artifacts=JUDGES,
)
