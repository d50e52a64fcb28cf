"""What comparing two answers costs, by kind, and how often it is wrong beside math-verify alone.

    python benchmarks/answer_verifier.py --json verifier.json

Plain answers (numbers, choices, yes or no, text, identical LaTeX, elementary expressions) are compared in this process;
other expressions go to a worker that can be stopped. Expressions are measured when first seen (nothing remembered) and
when seen again, and once more for the start of the worker, which the first expression of a run pays. Times are
microseconds at the median and at the 99th percentile; hostile inputs have their slowest call.

The cross-check reads the tables of tests/answers: pairs that are equal, different, or in doubt. math-verify has no
doubt, so a pair in doubt that it accepts is listed apart. Every pair that one of the two decides wrongly is named.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from contextrl.answers import answers_equal, check_answer, workers
from contextrl.records.example import AnswerType

TABLES = Path(__file__).parents[1] / "tests" / "answers"

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
    ("|x-{k}|", "|{k}-x|"),
    ("\\binom{{{k}}}{{2}}", "\\frac{{{k}\\cdot({k}-1)}}{{2}}"),
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


def tables() -> tuple[dict[AnswerType, dict[bool | None, list[tuple[str, str]]]], dict[str, tuple[str, str]]]:
    """The tests' pairs by type and outcome, and their hostile inputs."""
    sys.path.insert(0, str(TABLES))
    plain, maths = (importlib.import_module(name) for name in ("answer_pairs", "answer_pairs_math"))
    pairs: Any = {"choice": plain.CHOICE, "number": plain.NUMBER, "text": plain.TEXT, "yes_no": plain.YES_NO}
    return {**pairs, "math": maths.MATH}, maths.HOSTILE


def responses() -> list[tuple[str, str, AnswerType, bool | None]]:
    """The tests' whole responses; what their tables leave open is in doubt."""
    sys.path.insert(0, str(TABLES))
    rows: list[tuple[str, str, AnswerType, bool | None]] = []
    for name in ("", "_math", "_numbers", "_text"):
        table = getattr(importlib.import_module(f"answer_responses{name}"), f"RESPONSES{name.upper()}")
        rows += [(a, b, kind, None if isinstance(expected, str) else expected) for a, b, kind, expected in table]
    return rows


def math_verify_alone(response: str, reference: str, kind: AnswerType) -> bool:
    """As its README says: parse both, verify; LaTeX stands in dollar signs, letters are read as strings."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

    readers = (LatexExtractionConfig(), ExprExtractionConfig(), StringExtractionConfig())
    sides = [
        parse(f"${text}$" if kind == "math" and "$" not in text else text, readers, parsing_timeout=None)
        for text in (reference, response)
    ]
    return bool(verify(sides[0], sides[1], timeout_seconds=None))


def cross_check(console: Console) -> dict[str, Any]:
    """Counts and the wrong ones of both, by type."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    kinds, _ = tables()
    groups: dict[str, list[tuple[str, str, AnswerType, bool | None]]] = {
        kind: [(a, b, kind, expected) for expected, pairs in table.items() for a, b in pairs]
        for kind, table in kinds.items()
    }
    found = {name: compared(rows, answers_equal, name, console) for name, rows in groups.items()}
    found["whole responses"] = compared(responses(), check_answer, "whole responses", console)
    return found


def compared(
    rows: list[tuple[str, str, AnswerType, bool | None]], rule: Any, name: str, console: Console
) -> dict[str, Any]:
    """What our rule and math-verify say about the same rows."""
    ours = [rule(a, b, kind) for a, b, kind, _ in rows]
    alone = [math_verify_alone(a, b, kind) for a, b, kind, _ in track(rows, f"math-verify, {name}", console=console)]
    equal, different = (sum(row[3] is side for row in rows) for side in (True, False))
    counts: dict[str, Any] = {"equal": equal, "different": different, "in_doubt": len(rows) - equal - different}
    for judge, outcomes in (("contextrl", ours), ("math_verify", alone)):
        judged = list(zip(rows, outcomes, strict=True))
        wrong = {
            "accepted_but_different": [row[:2] for row, outcome in judged if outcome and row[3] is False],
            "refused_but_equal": [row[:2] for row, outcome in judged if outcome is False and row[3] is True],
            "accepted_in_doubt": [row[:2] for row, outcome in judged if outcome and row[3] is None],
        }
        undecided = sum(outcome is None and row[3] is not None for row, outcome in judged)
        counts[judge] = {**{label: len(rows) for label, rows in wrong.items()}, "undecided": undecided, "wrong": wrong}
    return counts


def hostile(console: Console) -> dict[str, float]:
    """The slowest of the hostile calls, after the workers have started."""
    _, inputs = tables()
    seconds = []
    for response, reference in track(list(inputs.values()), "Hostile", console=console, transient=True):
        for pair in ((response, reference), (reference, response)):
            for kind in PLAIN.values():
                seconds.append(microseconds(*pair, kind[0]) / 1e6)
    return {"slowest_seconds": round(max(seconds), 3), "over_one_second": sum(s > 1 for s in seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2_000, help="comparisons of each plain kind")
    parser.add_argument("--expressions", type=int, default=300, help="different pairs of expressions")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {}
    for name, (answer_type, pairs) in PLAIN.items():
        rounds = range(options.repeats // len(pairs) + 1)
        result[name] = summary([microseconds(*pair, answer_type) for _ in rounds for pair in pairs])
    result[f"number, from a response of {len(RESPONSE):,} characters"] = summary(
        [extraction_microseconds(number) for number in range(options.repeats)]
    )
    start = microseconds("|x|+1", "1+|x|", "math")
    microseconds("1 km", "1000 m", "number")
    result["first expression, with the start of the worker"] = {"median_us": round(start, 1), "comparisons": 1}
    pairs = expressions(options.expressions)
    console = Console(stderr=True)
    workers._compared.cache_clear()
    new = [microseconds(*pair, "math") for pair in track(pairs, "Comparing", console=console, transient=True)]
    result["expression"] = summary(new)
    result["expression, seen before"] = summary([microseconds(*pair, "math") for pair in pairs])
    result["hostile"] = hostile(console)
    result["cross_check"] = cross_check(console)
    print(json.dumps(result, indent=2, ensure_ascii=False))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
