"""Learned judges as the reward of ContextRL (the paper's own judge errs as they do)."""

from __future__ import annotations

from functools import partial

from contextrl.commands.reproduction.arms import BASE, DEV, Arm, Study, at, contextrl_with
from contextrl.commands.reproduction.probes import Probing, means_of
from contextrl.commands.reproduction.studies.documents import FACTS_JUDGES
from contextrl.commands.reproduction.studies.judges import JUDGES
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.records.jsonl import read_objects
from contextrl.studies import judge_rewards

#: The half of the train images that no judge has seen.
_IMAGES = "data.train=miniature:second-half"


def _learned(judge: str, label: str, *overrides: str, end: str = "") -> Arm:
    rewards = ("judge.kind=learned", f"judge.path={at(judge)}", "judge.audit=steps")
    return contextrl_with(f"contextrl-{judge}{end}", label, _IMAGES, *rewards, *overrides, needs=(judge,))


def _reading(facts: str, said: str) -> Arm:
    label = f"large judge that sees facts on {said}"
    return _learned("facts-judge-large", label, f"data.facts={facts}", "judge.context=documents", end=f"-{facts}")


def _rewarded(probing: Probing) -> dict[str, int]:
    return judge_rewards.rewarded(read_objects(probing.run.path / "groups.jsonl"))


_STEPS = contextrl_with(judge_rewards.STEPS, "step judge", _IMAGES)
_LEARNED = (
    _learned("judge-small", "small judge"),
    _learned("judge-large", "large judge"),
    _learned("judge-large", "large judge that sees the answer only", "judge.context=answer", end="-answer"),
    _reading("all", "every digit"),
    _reading("some", "some digits"),
)
_ADAPTIVE = _learned(
    "judge-large",
    "large judge that sees the solution where three votes part",
    *("judge.adaptive.votes=3", "judge.adaptive.first=none", "judge.sampling.temperature=0.5"),
    end="-adaptive",
)

STUDY = Study(
    name="judge-rewards",
    title="Judges as rewards",
    claim="The paper's reward is a judge that errs: the 32B one, which with the solution rejects 81.98 % of the false "
    "positives of table 2. With the answer only (w/o CAR, table 4) the mean of eight benchmarks falls from 66.67 to "
    "64.71. What a judge that never errs would give cannot be known there.",
    arms=(BASE, _STEPS, *_LEARNED, _ADAPTIVE),
    sets=(DEV,),
    result=partial(judge_rewards.result, benchmark=DEV, classes=FAMILIARITIES),
    quick=("base", judge_rewards.STEPS, "contextrl-judge-small"),
    measured={arm.name: (judge_rewards.REWARDED,) for arm in _LEARNED}
    | {_ADAPTIVE.name: (judge_rewards.REWARDED, judge_rewards.SHOWN)},
    probes={judge_rewards.REWARDED: _rewarded, judge_rewards.SHOWN: means_of("judge/escalated")},
    artifacts=(*JUDGES, *FACTS_JUDGES),
)
