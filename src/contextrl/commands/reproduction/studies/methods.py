"""The main comparison (arXiv 2602.22623, table 1)."""

from __future__ import annotations

from functools import partial
from typing import Literal

from contextrl.commands.reproduction.arms import (
    BASE,
    BLANK,
    CONTEXTRL,
    DAPO,
    GRPO,
    GRPO_PROCESS,
    SFT_OWN,
    TEST,
    Arm,
    Study,
    at,
)
from contextrl.commands.reproduction.artifacts import Artifact, Work
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.miniature.tasks import KINDS
from contextrl.studies import methods

_COSTS: dict[str, Literal["sampled", "processor"]] = {"tokens": "sampled", "time": "processor"}
#: With as many sampled tokens as ContextRL's, and with as much processor time.
_EQUAL = tuple(
    Arm(f"{arm.name}-{end}", f"{arm.label}, ContextRL's {end}", arm.config, spends=CONTEXTRL.name, of=of)
    for end, of in _COSTS.items()
    for arm in (GRPO, DAPO, GRPO_PROCESS)
)
#: Five epochs of the 2,000 rows, as the paper's SFT has; it evaluates the best of them, this is the last.
_EPOCHS = "train.max_steps=625"
_SFT = (
    SFT_OWN,
    Arm("sft-foreign", "SFT, foreign voice", "sft.yaml", ("data.voice=foreign",)),
    Arm("sft-own-epochs", "SFT, own voice, five epochs", "sft.yaml", (_EPOCHS,)),
    Arm("sft-foreign-epochs", "SFT, foreign voice, five epochs", "sft.yaml", ("data.voice=foreign", _EPOCHS)),
)
_TASKS = {task: [kind for kind, info in KINDS.items() if info.task == task] for task in ("perception", "reasoning")}

_REFERENCE = "reference-model"


def _reference(work: Work) -> None:
    work.call(["miniature", "reference", "--output", str(work.path)])


STUDY = Study(
    name="methods",
    title="Main comparison",
    claim="Table 1: over ten columns each, perception rises from 59.31 (Qwen3-VL-8B) to 62.07 with SFT, 64.25 with "
    "GRPO, 64.74 with DAPO and 65.22 with ContextRL, reasoning from 57.12 to 57.94, 58.17, 60.68 and 62.37. ContextRL "
    "passes the 32B judge model in perception (64.10) and stays behind it in reasoning (65.03). One run each.",
    arms=(
        BASE,
        *_SFT,
        GRPO,
        DAPO,
        GRPO_PROCESS,
        CONTEXTRL,
        *_EQUAL,
        Arm(_REFERENCE, "larger reference model", None, needs=(_REFERENCE,), target=at(_REFERENCE), seeded=False),
    ),
    sets=(TEST, BLANK),
    result=partial(methods.result, benchmark=TEST, blank=BLANK, classes=FAMILIARITIES, tasks=_TASKS),
    quick=("base", "sft-own", "grpo", "dapo", "grpo-process", "contextrl"),
    measured={arm.name: ("processor",) for arm in (GRPO, DAPO, GRPO_PROCESS, CONTEXTRL, *_EQUAL)},
    artifacts=(Artifact(_REFERENCE, 1, _reference, seeded=False),),
    seeds=5,
)
