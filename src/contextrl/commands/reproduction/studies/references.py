"""References that are partial, wrong in a step, or a weaker model's; the paper says that middling ones suffice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from contextrl.commands.reproduction.arms import (
    BASE,
    CONTEXTRL,
    DEV,
    SFT_OWN,
    WITHOUT_CAR,
    Arm,
    Study,
    at,
    contextrl_with,
)
from contextrl.commands.reproduction.artifacts import Artifact, Work
from contextrl.commands.reproduction.probes import Probing
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import miniature_examples
from contextrl.records.example import Example
from contextrl.records.run_data import read_run
from contextrl.studies import references

#: Rows of the shipped configurations: `data.examples`.
_COUNT = 2000
_WEAK = "weak-references"
_FROM_WEAK = f"data.train={at(_WEAK)}"
_WRONG = ("data.references=wrong_step", "data.references_share=0.3")


def _weak(work: Work) -> None:
    """The questions that a run draws, their references by the base policy where its answers are right."""
    work.path.mkdir(parents=True)
    seed = ["--count", str(_COUNT), "--seed", str(work.seed)]
    rows = str(work.path / "rows.parquet")
    work.call(["miniature", "questions", rows, *seed, "--solutions-of", "miniature"])


def _verdicts(probing: Probing) -> Mapping[str, int]:
    """Verdicts of training beside those that the step judge gives with whole references."""
    examples = {example.id: example for example in miniature_examples("train", _COUNT, seed=probing.seed)}
    run = read_run(probing.run.path)
    return references.counted([*_right_answers((group for _, _, group in run.groups()), examples)])


def _right_answers(
    groups: Iterator[dict[str, Any]], examples: Mapping[str, Example]
) -> Iterator[tuple[int, bool, bool | None, bool]]:
    judge = StepsJudge("solution")
    for group in groups:
        example = examples[group["example_id"]]
        for attempt in group["attempts"]:
            truth = judge.judge([JudgeRequest(example, attempt["text"], "solution", wants_report=False)])[0]
            if truth.answer_correct is True:
                said = (attempt["verdict"] or {}).get("status", "unscored")
                accepted = None if said == "unscored" else said == "correct"
                yield attempt["stage"], truth.process_correct is True, accepted, attempt["kept"] is True


_ARMS = (
    contextrl_with("ref-partial", "references that tell some digits only", "data.references=partial"),
    contextrl_with("ref-wrong", "30 % of references wrong in a step", *_WRONG),
    contextrl_with("ref-wrong-all", "every reference wrong in a step", "data.references=wrong_step"),
    contextrl_with("ref-weak", "references by the base policy", f"{_FROM_WEAK}/rows.parquet", needs=(_WEAK,)),
    WITHOUT_CAR,
)
_SFT = (
    Arm("sft-ref-wrong", "SFT, 30 % of references wrong in a step", "sft.yaml", _WRONG),
    Arm(
        "sft-ref-weak",
        "SFT, references by the base policy",
        "sft.yaml",
        (f"{_FROM_WEAK}/rows.parquet",),
        needs=(_WEAK,),
    ),
)

STUDY = Study(
    name="references",
    title="References of less than full worth",
    claim="References of middling quality suffice: they were written by the 32B judge model, SFT on them lowers some "
    "benchmarks (DynaMath worst case 39.52 to 38.32), and ContextRL does not suffer (47.52). Partial, wrong and weaker "
    "references are left open.",
    arms=(BASE, CONTEXTRL, *_ARMS, SFT_OWN, *_SFT),
    sets=(DEV,),
    result=partial(
        references.result,
        benchmark=DEV,
        classes=FAMILIARITIES,
        weak="ref-weak",
        sft=SFT_OWN.name,
        sft_weak="sft-ref-weak",
    ),
    quick=("base", "contextrl", "ref-partial"),
    measured={arm.name: (references.VERDICTS,) for arm in (CONTEXTRL, *_ARMS)},
    probes={references.VERDICTS: _verdicts},
    artifacts=(Artifact(_WEAK, 1, _weak),),
    setup="References by the base policy are its greedy answers where the answer is right, by whatever steps; where it "
    "is wrong the whole reference stays.",
)
