"""At how large a learning rate a policy finds by drifting what its samples do not show; the paper has no such study."""

from __future__ import annotations

from functools import partial

from contextrl.commands.reproduction.arms import BASE, CONTEXTRL, DAPO, DEV, GRPO, GRPO_PROCESS, Arm, Study
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.studies import rates

_RATES = ("1.5e-4", "3.0e-4")

STUDY = Study(
    name="rates",
    title="Learning rates",
    claim="The paper trains at one rate, 1e-6, and says nothing of others.",
    arms=(
        BASE,
        *(
            Arm(f"{arm.name}-{rate}", f"{arm.label}, rate {rate}", arm.config, (f"train.learning_rate={rate}",))
            for rate in _RATES
            for arm in (CONTEXTRL, GRPO, DAPO, GRPO_PROCESS)
        ),
    ),
    sets=(DEV,),
    result=partial(rates.result, benchmark=DEV, classes=FAMILIARITIES),
    quick=("base", "contextrl-3.0e-4", "grpo-3.0e-4"),
)
