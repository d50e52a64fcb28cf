"""The benchmarks by name."""

from __future__ import annotations

import re

from contextrl.errors import InputError, nearest_key
from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.charxiv import CharXivRQ
from contextrl.evaluation.benchmarks.dynamath import DynaMath
from contextrl.evaluation.benchmarks.hallusionbench import HallusionBench
from contextrl.evaluation.benchmarks.hrbench import HRBench8K
from contextrl.evaluation.benchmarks.logicvista import LogicVista
from contextrl.evaluation.benchmarks.mathverse import MathVerse
from contextrl.evaluation.benchmarks.mathvista import MathVista
from contextrl.evaluation.benchmarks.mme_realworld import MMERealWorldLite
from contextrl.evaluation.benchmarks.mmstar import MMStar
from contextrl.evaluation.benchmarks.simplevqa import SimpleVQA
from contextrl.evaluation.benchmarks.we_math import WeMath

_ALL: tuple[type[Benchmark], ...] = (
    SimpleVQA,
    MMStar,
    HallusionBench,
    HRBench8K,
    MMERealWorldLite,
    MathVerse,
    MathVista,
    LogicVista,
    WeMath,
    CharXivRQ,
    DynaMath,
)
#: In table 1's order.
BENCHMARKS: dict[str, Benchmark] = {one.name: one() for one in _ALL}
#: What names several at once.
FAMILIES: dict[str, list[str]] = {
    "perception": [name for name, one in BENCHMARKS.items() if one.family == "perception"],
    "reasoning": [name for name, one in BENCHMARKS.items() if one.family == "reasoning"],
    "all": list(BENCHMARKS),
}
_PLAIN = re.compile(r"[^a-z0-9]")
_BY_PLAIN_NAME = {
    _PLAIN.sub("", written.lower()): name for name, one in BENCHMARKS.items() for written in (name, one.title)
}


def benchmark_names(asked: str) -> list[str] | None:
    """Benchmarks that a name stands for, itself or a family; None where it names none."""
    plain = _PLAIN.sub("", asked.lower())
    if plain in FAMILIES:
        return FAMILIES[plain]
    return [_BY_PLAIN_NAME[plain]] if plain in _BY_PLAIN_NAME else None


def unknown(asked: str, others: list[str]) -> InputError:
    """The refusal of a name that nobody knows.

    Args:
        others: names that are known elsewhere.
    """
    known = [*BENCHMARKS, *FAMILIES, *others]
    return InputError(", ".join(known), found=f"{asked!r}{nearest_key(asked, known)}", where="--benchmark")
