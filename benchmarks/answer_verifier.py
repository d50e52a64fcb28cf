"""What comparing two answers costs, by kind: microseconds at the median and at the 99th percentile.

    python benchmarks/answer_verifier.py --json verifier.json

Plain answers (numbers, choices, yes or no, text, identical LaTeX) are compared in this process; expressions go to a
worker that can be stopped. Expressions are measured when first seen (nothing remembered) and when seen again, and once
more for the start of the worker, which the first expression of a run pays.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from contextrl.answers import answers_equal, check_answer, mathematics
from contextrl.records.example import AnswerType

PLAIN: dict[str, tuple[AnswerType, list[tuple[str, str]]]] = {
    "number": (
        "number",
        [("2.094", "2.0944"), ("1,234", "1234"), ("\\frac{1}{2}", "0.5"), ("12 cm", "13"), ("7", "8")],
    ),
    "choice": ("choice", [("(C)", "C"), ("B", "D"), ("B and D", "B, D"), ("C. A cat", "C")]),
    "yes_no": ("yes_no", [("Yes", "yes"), ("No, it is odd", "yes"), ("是", "yes")]),
    "text": ("text", [("the red car", "Red car"), ("Paris", "London"), ("4, 8", "4,8"), ("北京。", "北京")]),
    "math, plain number": ("math", [("0.5", "\\frac{1}{2}"), ("x=5", "5"), ("30^\\circ", "30")]),
    "math, identical LaTeX": ("math", [("$\\frac{x}{2}$", "\\frac{x}{2}"), ("2\\sqrt{3}", "2\\sqrt{3}")]),
}
EXPRESSIONS = [
    ("({k}x+1)(x-{k})", "{k}x^2-{square}x-{k}+x"),
    ("\\frac{{{k}}}{{\\sqrt{{2}}}}", "\\frac{{{k}\\sqrt{{2}}}}{{2}}"),
    ("\\frac{{x}}{{{k}}}+1", "\\frac{{x+{k}}}{{{k}}}"),
    ("[{k},\\infty)", "x\\ge {k}"),
    ("{k}\\pi+1", "{k}\\pi+2"),
]
RESPONSE = "The angles add up to 180 degrees, so the third is 180 - 65 - 45 = 70.\n" * 20 + "The answer is 70."


def microseconds(response: str, reference: str, answer_type: AnswerType) -> float:
    started = time.perf_counter()
    answers_equal(response, reference, answer_type)
    return (time.perf_counter() - started) * 1e6


def extraction_microseconds(number: int) -> float:
    response = f"{number}. {RESPONSE}"  # what was read before is remembered
    started = time.perf_counter()
    check_answer(response, "70", "number")
    return (time.perf_counter() - started) * 1e6


def summary(samples: list[float]) -> dict[str, float]:
    return {
        "median_us": round(statistics.median(samples), 1),
        "p99_us": round(statistics.quantiles(samples, n=100)[98], 1),
        "comparisons": len(samples),
    }


def expressions(count: int) -> list[tuple[str, str]]:
    """Return pairs that differ from one another, so that none is remembered."""
    numbers = range(2, count // len(EXPRESSIONS) + 2)
    return [(a.format(k=k), b.format(k=k, square=k * k)) for k in numbers for a, b in EXPRESSIONS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2_000, help="comparisons of each plain kind")
    parser.add_argument("--expressions", type=int, default=300, help="different pairs of expressions")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result: dict[str, dict[str, float]] = {}
    for name, (answer_type, pairs) in PLAIN.items():
        rounds = range(options.repeats // len(pairs) + 1)
        result[name] = summary([microseconds(*pair, answer_type) for _ in rounds for pair in pairs])
    result[f"number, from a response of {len(RESPONSE):,} characters"] = summary(
        [extraction_microseconds(number) for number in range(options.repeats)]
    )
    start = microseconds("x+1", "1+x", "math")
    result["first expression, with the start of the worker"] = {"median_us": round(start, 1), "comparisons": 1}
    pairs = expressions(options.expressions)
    console = Console(stderr=True)
    mathematics._ask.cache_clear()
    new = [microseconds(*pair, "math") for pair in track(pairs, "Comparing", console=console, transient=True)]
    result["expression, through the worker"] = summary(new)
    result["expression, seen before"] = summary([microseconds(*pair, "math") for pair in pairs])
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
