"""What each part of the method is worth (arXiv 2602.22623, table 4, and ours)."""

from __future__ import annotations

from functools import partial

from contextrl.commands.reproduction.arms import BASE, CONTEXTRL, DEV, WITHOUT_CAR, Study
from contextrl.commands.reproduction.arms import contextrl_with as changed
from contextrl.commands.reproduction.probes import means_of
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.records.metrics import REPORT_LEAKED_ANSWER
from contextrl.studies import ablations

#: Table 4's rows; the others are ours.
PAPER = (
    WITHOUT_CAR,
    changed("without-cas", "w/o CAS: no stage 2", "stage2.enabled=false"),
    changed("without-report", "w/o report: told only that it is wrong", "stage2.report=none"),
    changed("scale-1", "w/o scale: lambda = 1", "objective.mixed_group_scale=1.0"),
)
_DISCLOSED = tuple(
    changed(f"disclose-{level}", f"reports of level {level}", f"judge.report.disclose={level}")
    for level in ("location", "correction", "answer")
)
OURS = (
    changed("scale-0.75", "lambda = 0.75", "objective.mixed_group_scale=0.75"),
    changed("scale-0.25", "lambda = 0.25", "objective.mixed_group_scale=0.25"),
    changed("replace", "replace in place of union", "objective.mixing=replace"),
    changed("no-standalone", "without the standalone filter", "stage2.standalone=false"),
    changed("kl-all", "KL on all tokens", "objective.kl_scope=all"),
    changed("kl-none", "no KL", "train.beta=0.0"),
    changed("ratio-shaped", "shaped ratio", "objective.ratio=shaped"),
    changed("no-rollback", "without rollback: the guiding context is kept", "stage2.rollback=false"),
    changed("more-samples", "further samples in place of retries", "stage2.guidance=none"),
    *_DISCLOSED,
)

STUDY = Study(
    name="ablations",
    title="Ablations",
    claim="Table 4, mean of eight benchmarks: ContextRL 66.67; w/o CAR (the judge sees the answer only) 64.71; w/o CAS "
    "(no stage 2) 65.13; w/o report (stage 2 asks for a correction and no more) 66.35; w/o scale (lambda = 1) 66.24. "
    "One run each.",
    arms=(BASE, CONTEXTRL, *PAPER, *OURS),
    sets=(DEV,),
    result=partial(ablations.result, benchmark=DEV, classes=FAMILIARITIES),
    quick=("base", "contextrl", "without-car", "without-cas"),
    measured={arm.name: ("leaks",) for arm in (CONTEXTRL, *_DISCLOSED)},
    probes={"leaks": means_of(REPORT_LEAKED_ANSWER)},
    setup="Further samples in place of retries are as many for each all-negative group. More groups stay all-negative, "
    "so that such a run samples more tokens than ContextRL's.",
    more_seeds=dict.fromkeys((CONTEXTRL.name, *(arm.name for arm in PAPER), *ablations.CORE), 5),
)
