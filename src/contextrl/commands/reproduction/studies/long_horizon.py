"""A task whose solutions take six and more steps, with a base policy of its own; the paper left it open."""

from __future__ import annotations

from functools import partial

from contextrl.commands.reproduction.arms import Arm, Study, at
from contextrl.commands.reproduction.artifacts import Artifact, Work
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.studies import long_horizon

_BASE = "long-base"
_SET = "miniature:long-dev"
#: Answers have some 45 tokens.
_TASK = (f"model.path={at(_BASE)}", "data.train=miniature:long", "train.max_completion_length=72")


def _base(work: Work) -> None:
    work.call(["miniature", "build", "--task", "long", "--output", str(work.path)])


def _arm(name: str, label: str, config: str, *overrides: str) -> Arm:
    return Arm(name, label, config, (*_TASK, *overrides), needs=(_BASE,))


STUDY = Study(
    name="long-horizon",
    title="A longer way to the answer",
    claim="The paper names longer horizons as future work and has no numbers: there a wrong step is harder to see from "
    "the answer, and a question is less often solved by chance.",
    arms=(
        Arm(_BASE, "base policy of longer questions", None, needs=(_BASE,), target=at(_BASE), seeded=False),
        _arm("long-grpo", "GRPO, answer reward", "grpo.yaml", "judge.audit=long-steps"),
        _arm("long-grpo-process", "GRPO, process reward", "grpo-process.yaml", "judge.kind=long-steps"),
        _arm("long-contextrl", "ContextRL", "contextrl.yaml", "judge.kind=long-steps"),
    ),
    sets=(_SET,),
    result=partial(
        long_horizon.result,
        benchmark=_SET,
        classes=FAMILIARITIES,
        contextrl="long-contextrl",
        base=_BASE,
        others=("long-grpo", "long-grpo-process"),
    ),
    quick=(_BASE, "long-grpo", "long-contextrl"),
    artifacts=(Artifact(_BASE, 1, _base, seeded=False),),
)
