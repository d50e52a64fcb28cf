"""Reward hacking: right answers with wrong processes, how they look, and when a judge's planted fault is found."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from contextrl.commands.report import audit_rules
from contextrl.commands.reproduction.arms import BASE, CONTEXTRL, DAPO, DEV, GRPO, GRPO_PROCESS, Arm, Study
from contextrl.commands.reproduction.probes import Probing
from contextrl.records.run_data import read_run
from contextrl.report.audit import audit_of
from contextrl.studies import hacking

_CONTROLS = {"picture blanked": "miniature:dev-blank", "another's picture": "miniature:dev-shuffled"}
#: A policy must vary its samples to find a judge's fault, so that it is sampled hotter, at four times the rate and
#: without a pull towards the base policy, and longer.
_LOOKING = (
    "judge.audit=steps",
    "train.temperature=1.3",
    "train.learning_rate=3.0e-4",
    "train.beta=0.0",
    "train.max_steps=120",
)
#: The planted fault is that the judge accepts whatever is long; the control is the same judge without it.
_HACKED, _CONTROL = (
    tuple(
        Arm(f"{prefix}-{arm.name}", f"{arm.label.split(',')[0]}, {said}", arm.config, (f"judge.kind={kind}", *_LOOKING))
        for arm in (GRPO, CONTEXTRL)
    )
    for prefix, said, kind in (("hack", "biased judge", "biased-steps"), ("hot", "the same without bias", "steps"))
)
_BASELINES = (GRPO, DAPO, GRPO_PROCESS, CONTEXTRL)


def _audit(probing: Probing) -> Mapping[str, Any]:
    return audit_of(read_run(probing.run.path), audit_rules()).as_json()


STUDY = Study(
    name="hacking",
    title="Reward hacking",
    claim="Two cases are shown: a count reached with an invented object, and a right option with a wrong physical "
    "argument. About 15.5 % of right answers have a wrong process (derived from 8.9 % and 51.12 %).",
    arms=(BASE, *_BASELINES, *_HACKED, *_CONTROL),
    sets=(DEV, *_CONTROLS.values()),
    result=partial(
        hacking.result,
        benchmark=DEV,
        controls=_CONTROLS,
        hacked={arm.name: control.name for arm, control in zip(_HACKED, _CONTROL, strict=True)},
        baselines=tuple(arm.name for arm in _BASELINES),
    ),
    quick=("base", "grpo", "contextrl", "hack-grpo"),
    measured={arm.name: (hacking.AUDIT,) for arm in (*_BASELINES, *_HACKED, *_CONTROL)},
    probes={hacking.AUDIT: _audit},
    setup="The runs with a biased judge, and those beside them without bias, are made to look for a fault: temperature "
    "1.3, a learning rate of 3e-4, no KL, 120 steps. They are to be compared with each other alone.",
)
