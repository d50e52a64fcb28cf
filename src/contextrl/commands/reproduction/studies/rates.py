"""At how large a learning rate a policy finds by drifting what its samples do not show; the paper has no such study."""

from __future__ import annotations

from functools import partial

from contextrl.commands.reproduction.arms import BASE, CONTEXTRL, DAPO, DEV, GRPO, GRPO_PROCESS, Arm, Study
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.studies import rates

_METHODS = (CONTEXTRL, GRPO, DAPO, GRPO_PROCESS)
#: Beside that of the configurations, 7.5e-5.
_RATES = ("1.5e-4", "3.0e-4")

STUDY = Study(
    name="rates",
    title="Learning rates",
    claim="The paper trains at one rate, 1e-6, and says nothing of others.",
    arms=(
        BASE,
        *_METHODS,
        *(
            Arm(f"{arm.name}-{rate}", f"{arm.label}, rate {rate}", arm.config, (f"train.learning_rate={rate}",))
            for rate in _RATES
            for arm in _METHODS
        ),
    ),
    sets=(DEV,),
    result=partial(
        rates.result,
        benchmark=DEV,
        classes=FAMILIARITIES,
        rates={arm.name: [f"{arm.name}-{rate}" for rate in _RATES] for arm in _METHODS},
    ),
    quick=("base", "contextrl", "grpo", "contextrl-3.0e-4", "grpo-3.0e-4"),
)
