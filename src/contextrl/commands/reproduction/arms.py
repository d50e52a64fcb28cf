"""What studies are made of: arms, which are trained, evaluated and probed once for each seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from contextrl.commands.reproduction.artifacts import Artifact
from contextrl.commands.reproduction.probes import Probe
from contextrl.studies.study import Found, Result

#: Held-out images are looked at by the main comparison alone; every choice is made on development images.
TEST, BLANK, DEV = "miniature", "miniature:blank", "miniature:dev"


@dataclass(frozen=True)
class Arm:
    """One row of a table.

    Attributes:
        name: of its folder.
        config: file below `configs/miniature`; None for a model that is not trained.
        overrides: as `contextrl train --set`; `<NAME>` stands for the path of an artifact that the arm
            needs; see `at`.
        spends: the arm whose sampled tokens or processor time it may spend: its steps are cut or drawn out so that
            both cost alike.
        of: what of that arm's is spent.
        needs: artifacts by name.
        target: the model that is evaluated and probed where nothing is trained; `<NAME>` as in overrides.
        seeded: whether seeds make a difference: greedy answers of one policy are the same.
    """

    name: str
    label: str
    config: str | None
    overrides: tuple[str, ...] = ()
    spends: str | None = None
    of: Literal["sampled", "processor"] = "sampled"
    needs: tuple[str, ...] = ()
    target: str = "miniature"
    seeded: bool = True


@dataclass(frozen=True)
class Study:
    """What is asked, by which arms, and how an answer is read from their cells.

    Attributes:
        claim: what the paper says, with its numbers.
        setup: how its runs differ from `writing.HOW`, and what its labels do not say.
        sets: what every arm is evaluated on, greedily.
        result: reads finished cells.
        quick: arms of `--quick`.
        measured: what else is measured: arms' names to probes' names.
        probes: this study's own, by name; every study may use them.
        artifacts: that its arms need.
        seeds: of the committed page; arms in `more_seeds` have so many instead.
    """

    name: str
    title: str
    claim: str
    arms: tuple[Arm, ...]
    sets: tuple[str, ...]
    result: Callable[[Found], Result]
    quick: tuple[str, ...]
    measured: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    setup: str = ""
    seeds: int = 3
    more_seeds: Mapping[str, int] = field(default_factory=dict)

    def seeds_of(self, arm: Arm) -> int:
        """How many seeds an arm is run with."""
        return self.more_seeds.get(arm.name, self.seeds)

    @property
    def labels(self) -> dict[str, str]:
        """Of its arms, by name."""
        return {arm.name: arm.label for arm in self.arms}


BASE = Arm("base", "base policy", None, seeded=False)
GRPO = Arm("grpo", "GRPO, answer reward", "grpo.yaml")
DAPO = Arm("dapo", "DAPO, answer reward", "dapo.yaml")
GRPO_PROCESS = Arm("grpo-process", "GRPO, process reward", "grpo-process.yaml")
CONTEXTRL = Arm("contextrl", "ContextRL", "contextrl.yaml")
SFT_OWN = Arm("sft-own", "SFT, own voice", "sft.yaml")


def at(artifact: str) -> str:
    """What stands for an artifact's path in settings and targets."""
    return f"<{artifact}>"


def contextrl_with(name: str, label: str, *overrides: str, needs: tuple[str, ...] = ()) -> Arm:
    """ContextRL with something changed."""
    return Arm(name, label, "contextrl.yaml", overrides, needs=needs)


WITHOUT_CAR = contextrl_with("without-car", "w/o CAR: the judge sees the answer only", "judge.context=answer")
