"""Table 1 of arXiv 2602.22623: its columns, and its rows to stand beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from contextrl.evaluation.benchmarks.items import Family


class PaperColumn(NamedTuple):
    """One of the ten columns that a family's average is the plain mean of."""

    benchmark: str
    metric: str
    title: str
    heading: str


#: In the table's order; HallusionBench counts three times in its average, SimpleVQA once.
PAPER_COLUMNS: Mapping[Family, tuple[PaperColumn, ...]] = {
    "perception": (
        PaperColumn("simplevqa", "f1", "SimpleVQA", "SimpleVQA"),
        PaperColumn("mmstar", "accuracy", "MMStar", "MMStar"),
        PaperColumn("hallusionbench", "a_acc", "HallusionBench", "aAcc"),
        PaperColumn("hallusionbench", "f_acc", "HallusionBench", "fAcc"),
        PaperColumn("hallusionbench", "q_acc", "HallusionBench", "qAcc"),
        PaperColumn("hrbench8k", "single", "HRBench8K", "single"),
        PaperColumn("hrbench8k", "cross", "HRBench8K", "cross"),
        PaperColumn("hrbench8k", "overall", "HRBench8K", "overall"),
        PaperColumn("mme-realworld-lite", "perception", "MME-RealWorld-Lite", "perception"),
        PaperColumn("mme-realworld-lite", "reasoning", "MME-RealWorld-Lite", "reasoning"),
    ),
    "reasoning": (
        PaperColumn("mathverse", "accuracy", "MathVerse", "MathVerse"),
        PaperColumn("mathvista", "accuracy", "MathVista", "MathVista"),
        PaperColumn("logicvista", "accuracy", "LogicVista", "LogicVista"),
        PaperColumn("we-math", "strict", "We-Math", "strict"),
        PaperColumn("we-math", "loose", "We-Math", "loose"),
        PaperColumn("charxiv-rq", "chart", "CharXiv-RQ", "chart"),
        PaperColumn("charxiv-rq", "general", "CharXiv-RQ", "general"),
        PaperColumn("charxiv-rq", "overall", "CharXiv-RQ", "overall"),
        PaperColumn("dynamath", "worst", "DynaMath", "worst"),
        PaperColumn("dynamath", "average", "DynaMath", "overall"),
    ),
}


@dataclass(frozen=True)
class PaperRow:
    """A model's row, in percent as printed.

    Attributes:
        label: as the paper names it; `ours` of a method that is trained on Qwen3-VL-8B.
        figures: by family, in the order of its columns.
        averages: as printed.
    """

    label: str
    figures: Mapping[Family, tuple[float, ...]]
    averages: Mapping[Family, float]


def _row(label: str, perception: str, reasoning: str) -> PaperRow:
    """A row of the table; the last figure of each half is its average."""
    halves: dict[Family, list[float]] = {
        "perception": [float(figure) for figure in perception.split()],
        "reasoning": [float(figure) for figure in reasoning.split()],
    }
    return PaperRow(
        label,
        {family: tuple(half[:-1]) for family, half in halves.items()},
        {family: half[-1] for family, half in halves.items()},
    )


PAPER_ROWS: tuple[PaperRow, ...] = (
    _row(
        "Qwen3-VL-8B",
        "44.93 64.06 71.08 53.46 53.19 79.00 61.00 70.00 54.66 41.73 59.31",
        "60.50 76.80 56.82 55.33 72.67 50.36 45.68 46.00 39.52 67.49 57.12",
    ),
    _row(
        "SFT",
        "46.14 70.87 74.97 56.36 56.48 67.75 70.00 71.88 55.95 50.27 62.07",
        "64.82 76.80 59.06 55.43 73.52 48.38 47.95 47.80 38.32 67.37 57.94",
    ),
    _row(
        "GRPO",
        "46.86 71.87 75.50 58.09 55.60 80.50 70.25 75.38 57.83 50.67 64.25",
        "64.64 78.80 57.04 61.62 75.90 47.32 43.66 44.90 40.11 67.80 58.17",
    ),
    _row(
        "DAPO",
        "47.62 72.00 75.29 60.98 54.73 82.25 68.75 75.50 58.51 51.73 64.74",
        "65.17 77.70 60.85 63.81 78.67 51.29 51.13 48.90 41.17 68.08 60.68",
    ),
    _row(
        "ContextRL",
        "48.35 73.00 75.71 60.40 56.48 80.75 70.50 75.63 58.17 53.20 65.22",
        "69.34 78.90 60.40 64.48 81.24 51.75 51.23 50.40 47.52 68.42 62.37",
    ),
    _row(
        "Qwen3-VL-32B",
        "53.07 74.53 75.08 55.49 55.38 79.25 70.50 74.88 57.14 45.73 64.10",
        "69.40 82.40 62.20 63.52 78.00 55.06 58.24 55.20 49.70 76.53 65.03",
    ),
)
#: What a reader of these rows must know.
PAPER_NOTES = (
    "The paper's rows (arXiv 2602.22623, table 1) are one run each, without intervals, of VLMEvalKit's protocol with "
    "GPT-4o as its judge: compare them with figures of protocol vlmevalkit.",
    "SFT's 67.75 on HRBench8K single contradicts its overall of 71.88, which is the mean of single and cross: it is "
    "probably 73.75, and its average 62.67 with it.",
)
