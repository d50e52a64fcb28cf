"""Learned judges as the reward of ContextRL (the paper's own judge errs as they do)."""

from __future__ import annotations

from functools import partial

from contextrl.commands.reproduction.arms import BASE, DEV, Arm, Study, at, contextrl_with
from contextrl.commands.reproduction.probes import Probing
from contextrl.commands.reproduction.studies.judges import JUDGES
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.records.jsonl import read_objects
from contextrl.studies import judge_rewards

#: The half of the train images that no judge has seen.
_IMAGES = "data.train=miniature:second-half"


def _learned(size: str, label: str, *overrides: str) -> Arm:
    judge = f"judge-{size}"
    name = "-".join(["contextrl", judge, *(setting.rpartition("=")[2] for setting in overrides)])
    rewards = ("judge.kind=learned", f"judge.path={at(judge)}", "judge.audit=steps")
    return contextrl_with(name, label, _IMAGES, *rewards, *overrides, needs=(judge,))


def _rewarded(probing: Probing) -> dict[str, int]:
    return judge_rewards.rewarded(read_objects(probing.run.path / "groups.jsonl"))


_STEPS = contextrl_with(judge_rewards.STEPS, "step judge", _IMAGES)
_LEARNED = (
    _learned("small", "small judge"),
    _learned("large", "large judge"),
    _learned("large", "large judge that sees the answer only", "judge.context=answer"),
)

STUDY = Study(
    name="judge-rewards",
    title="Judges as rewards",
    claim="The paper's reward is a judge that errs: the 32B one, which with the solution rejects 81.98 % of the false "
    "positives of table 2. With the answer only (w/o CAR, table 4) the mean of eight benchmarks falls from 66.67 to "
    "64.71. What a judge that never errs would give cannot be known there.",
    arms=(BASE, _STEPS, *_LEARNED),
    sets=(DEV,),
    result=partial(judge_rewards.result, benchmark=DEV, classes=FAMILIARITIES),
    quick=("base", judge_rewards.STEPS, "contextrl-judge-small"),
    measured={arm.name: (judge_rewards.REWARDED,) for arm in _LEARNED},
    probes={judge_rewards.REWARDED: _rewarded},
    artifacts=JUDGES,
)
