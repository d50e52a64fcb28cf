"""Scoring 100,000 predictions of the 11 benchmarks, rules only: the judge's steps are asked of nobody.

    python benchmarks/benchmark_scoring.py [--predictions 100000] [--json FILE]

Responses are of the kinds that models give: a letter, a sentence, a worked solution of 1,500 characters, a box, a
refusal, an answer that was cut off. Each is scored by its protocol and robustly, then all figures are made with their
intervals.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.items import Response, Scored, Scorer
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.evaluation.benchmarks.rows import Items
from contextrl.evaluation.benchmarks.steps import without_judge

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "evaluation" / "benchmarks"))
from made_rows import MADE  # type: ignore[import-not-found]

_STEPS = "Let me look at the picture. There are several bars of different heights, and the second is higher. " * 15
RESPONSES = (
    "A",
    "(B)",
    "The answer is C.",
    "Based on the image, the answer is D",
    f"{_STEPS}\n\nTherefore the answer is \\boxed{{A}}.",
    f"{_STEPS}\n\n**Answer:** B",
    "Yes.",
    "No, there are not.",
    '{"solution": "count them", "short answer": "3.5"}',
    f"{_STEPS} So the length is $\\frac{{5}}{{2}}$ cm, that is 2.5.",
    "I'm sorry, I cannot see the picture.",
    "答案是 C。",
    "12",
    "It could be A or B. Wait, actually it is C.",
    f"{_STEPS}",
    "",
)


def score(benchmark: Benchmark, count: int, folder: Path) -> dict[str, Any]:
    """Seconds to score `count` predictions by each scorer, and to make the figures."""
    path = folder / f"{benchmark.name}.parquet"
    items = list(Items(benchmark, path).without_pictures())
    seconds: dict[str, float] = {}
    for scorer in benchmark.scorers:
        seconds[scorer] = _scored(benchmark, items, count, scorer)
    return {"predictions": count, **{name: round(value, 2) for name, value in seconds.items()}}


def _scored(benchmark: Benchmark, items: list[Any], count: int, scorer: Scorer) -> float:
    started = time.perf_counter()
    scored: list[Scored] = []
    for n, (item, text) in enumerate(islice(zip(cycle(items), cycle(RESPONSES), strict=False), count)):
        response = Response(f"{text}{' ' * (n % 7)}", truncated=text is RESPONSES[-2])
        scored.append(Scored(item, without_judge(benchmark.score(item, response, scorer, seed=0))))
    Outcome(benchmark, "official", scorer, scored[: len(items)]).as_json()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = {}
    total = dict.fromkeys(("official", "vlmevalkit", "robust"), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for name, benchmark in BENCHMARKS.items():
            pq.write_table(pa.Table.from_pylist(MADE[name]()), Path(folder) / f"{name}.parquet")
            figures[name] = score(benchmark, arguments.predictions // len(BENCHMARKS), Path(folder))
            for scorer in total:
                total[scorer] += figures[name].get(scorer, 0.0)
            print(name, figures[name], flush=True)
    figures["seconds"] = {scorer: round(value, 1) for scorer, value in total.items()}
    print("seconds", figures["seconds"])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
