"""What `contextrl reproduce` trains: the arms of the paper's studies in the miniature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Study = Literal["methods", "ablations", "rates"]
#: Held-out images are looked at by the main comparison alone; every choice is made on development images.
TEST, BLANK, DEV = "miniature", "miniature:blank", "miniature:dev"
SETS: dict[Study, tuple[str, ...]] = {"methods": (TEST, BLANK), "ablations": (DEV,), "rates": (DEV,)}


@dataclass(frozen=True)
class Arm:
    """One row of a table.

    Attributes:
        name: of its folder.
        config: file below `configs/miniature`; None for the base policy, which is not trained.
        overrides: as `contextrl train --set`.
        tokens_of: the arm whose sampled tokens it may spend: its steps are cut or drawn out so that both sample alike.
    """

    name: str
    label: str
    config: str | None
    overrides: tuple[str, ...] = ()
    tokens_of: str | None = None

    @property
    def seeded(self) -> bool:
        """Whether seeds make a difference: greedy answers of one policy are the same."""
        return self.config is not None


BASE = Arm("base", "base policy", None)
GRPO = Arm("grpo", "GRPO, answer reward", "grpo.yaml")
DAPO = Arm("dapo", "DAPO, answer reward", "dapo.yaml")
GRPO_PROCESS = Arm("grpo-process", "GRPO, process reward", "grpo-process.yaml")
CONTEXTRL = Arm("contextrl", "ContextRL", "contextrl.yaml")

ARMS: dict[Study, tuple[Arm, ...]] = {
    "methods": (
        BASE,
        Arm("sft-own", "SFT, own voice", "sft.yaml"),
        Arm("sft-foreign", "SFT, foreign voice", "sft.yaml", ("data.voice=foreign",)),
        GRPO,
        DAPO,
        GRPO_PROCESS,
        CONTEXTRL,
        Arm("grpo-process-tokens", "GRPO, process reward, ContextRL's tokens", "grpo-process.yaml", (), "contextrl"),
    ),
    "ablations": (
        BASE,
        CONTEXTRL,
        Arm("without-car", "w/o CAR: the judge sees the answer only", "contextrl.yaml", ("judge.context=answer",)),
        Arm("without-cas", "w/o CAS: no stage 2", "contextrl.yaml", ("stage2.enabled=false",)),
        Arm("without-report", "w/o report: told only that it is wrong", "contextrl.yaml", ("stage2.report=none",)),
        Arm("scale-1", "w/o scale: lambda = 1", "contextrl.yaml", ("objective.mixed_group_scale=1.0",)),
        Arm("scale-0.75", "lambda = 0.75", "contextrl.yaml", ("objective.mixed_group_scale=0.75",)),
        Arm("scale-0.25", "lambda = 0.25", "contextrl.yaml", ("objective.mixed_group_scale=0.25",)),
        Arm("replace", "replace in place of union", "contextrl.yaml", ("objective.mixing=replace",)),
    ),
}
#: At how large a learning rate a policy finds by drifting what its samples do not show.
_RATES = ("1.5e-4", "3.0e-4")
ARMS["rates"] = (
    BASE,
    *(
        Arm(f"{arm.name}-{rate}", f"{arm.label}, rate {rate}", arm.config, (f"train.learning_rate={rate}",))
        for rate in _RATES
        for arm in (CONTEXTRL, GRPO, DAPO, GRPO_PROCESS)
    ),
)


def sets_of(arm: Arm) -> tuple[str, ...]:
    """Evaluation sets of an arm: those of every study that it is in, whichever is asked for."""
    sets = [name for study, arms in ARMS.items() if arm in arms for name in SETS[study]]
    return tuple(dict.fromkeys(sets))
