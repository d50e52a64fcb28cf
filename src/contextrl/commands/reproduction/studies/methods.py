"""The main comparison (arXiv 2602.22623, table 1)."""

from __future__ import annotations

from functools import partial

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

_TOKENS = Arm(
    "grpo-process-tokens", "GRPO, process reward, ContextRL's tokens", "grpo-process.yaml", spends="contextrl"
)
_TIME = Arm(
    "grpo-process-time",
    "GRPO, process reward, ContextRL's time",
    "grpo-process.yaml",
    spends="contextrl",
    of="processor",
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
        SFT_OWN,
        Arm("sft-foreign", "SFT, foreign voice", "sft.yaml", ("data.voice=foreign",)),
        GRPO,
        DAPO,
        GRPO_PROCESS,
        CONTEXTRL,
        _TOKENS,
        _TIME,
        Arm(_REFERENCE, "larger reference model", None, needs=(_REFERENCE,), target=at(_REFERENCE), seeded=False),
    ),
    sets=(TEST, BLANK),
    result=partial(methods.result, benchmark=TEST, blank=BLANK, classes=FAMILIARITIES, tasks=_TASKS),
    quick=("base", "sft-own", "grpo", "dapo", "grpo-process", "contextrl"),
    measured=dict.fromkeys(("grpo", "dapo", "grpo-process", "contextrl"), ("processor",)),
    artifacts=(Artifact(_REFERENCE, 1, _reference, seeded=False),),
    seeds=5,
)
