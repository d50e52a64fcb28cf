"""A bench's figures on a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from contextrl.evaluation.judging.bench import BenchResult, judge_name
from contextrl.evaluation.judging.measures import Label
from contextrl.records.verdict import Usage
from contextrl.statistics.proportions import Rate

_LABELS: tuple[tuple[Label, str], ...] = (
    ("true_positive", "true positives"),
    ("false_positive", "false positives"),
    ("wrong_answer", "wrong answers"),
)
_RATES = (
    ("recall_false_positives", "false positives found"),
    ("retention_true_positives", "true positives kept"),
    ("balanced_accuracy", "balanced accuracy"),
    ("rejected_wrong_answers", "wrong answers rejected"),
)


def bench_tables(result: BenchResult) -> Iterator[Table]:
    """Rates by context; agreement with the second judge, if there was one."""
    yield _figures(result)
    if result.agreements:
        yield _agreements(result)


def _figures(result: BenchResult) -> Table:
    """Contexts as columns: they are what is compared."""
    data, figures = result.data, result.figures
    counts = next(iter(figures.values())).n
    listed = ", ".join(f"{counts.get(label, 0)} {words}" for label, words in _LABELS)
    table = Table(title=f"{escape(judge_name(result.judge))} on {escape(data.name)}\n{listed}", caption_justify="left")
    table.add_column("the judge sees")
    for name in figures:
        table.add_column(_SEES[name], justify="right")
    for rate, title in _RATES:
        table.add_row(title, *(shown(getattr(rates, rate)) for rates in figures.values()), end_section=rate in _LAST)
    table.add_row("unscored, in no rate", *(str(sum(rates.unscored.values())) for rates in figures.values()))
    for kind in sorted({kind for rates in figures.values() for kind in rates.unscored}):
        table.add_row(f"  {escape(kind)}", *(str(rates.unscored.get(kind, 0)) for rates in figures.values()))
    for label, words in _LABELS:
        if any(rates.unscored_classes.get(label) for rates in figures.values()):
            row = (str(rates.unscored_classes.get(label, 0)) for rates in figures.values())
            table.add_row(f"  among {words}", *row)
    table.caption = "\n".join(_notes(result))
    return table


_SEES = {"none": "no reference", "answer": "the answer", "documents": "documents", "solution": "the solution"}
_LAST = ("balanced_accuracy", "rejected_wrong_answers")


def _notes(result: BenchResult) -> Iterator[str]:
    """What a reader must know to read the table."""
    yield "below each figure: its 95 % interval"
    if result.data.left_out:
        yield "left out: " + ", ".join(f"{count} ({escape(why)})" for why, count in result.data.left_out.items())
    skipped = [_SEES[name] for name in _SEES if name not in result.figures and name not in result.data.contexts()]
    if skipped and result.judge.kind != "rules":
        yield f"the set has no reference for: {', '.join(skipped)} (--references)"
    spent = sum(result.usage.values(), Usage())
    if spent.calls or spent.cache_hits:
        cost = f", cost {spent.cost:,.2f}" if spent.cost else ""
        yield f"{spent.calls:,} calls, {spent.cache_hits:,} cache hits, {spent.tokens:,} tokens{cost}"


def _agreements(result: BenchResult) -> Table:
    """Two judges, by context."""
    assert result.second is not None
    first, second = escape(judge_name(result.judge)), escape(judge_name(result.second))
    table = Table(title=f"Agreement of {first} (1) and {second} (2), on what both scored")
    table.add_column("the judge sees")
    for name in result.agreements:
        table.add_column(_SEES[name], justify="right")
    agreements = list(result.agreements.values())
    table.add_row("agreement", *(shown(each.agreement) for each in agreements))
    table.add_row("Cohen's kappa", *(shown(each.kappa, percent=False) for each in agreements), end_section=True)
    for pair, words in _PAIRS:
        table.add_row(words, *(str(each.table[pair]) for each in agreements))
    return table


_PAIRS = (
    ("correct/correct", "both correct"),
    ("correct/incorrect", "correct by (1) only"),
    ("incorrect/correct", "correct by (2) only"),
    ("incorrect/incorrect", "both incorrect"),
)


def shown(rate: Rate, *, percent: bool = True) -> str:
    """`84.1 %` and below it `81.9 - 86.2`, or a dash where there is nothing to count."""
    if math.isnan(rate.value):
        return "-"
    numbers = [100 * part if percent else part for part in (rate.value, rate.low, rate.high)]
    value, low, high = (f"{number:.1f}" if percent else f"{number:.2f}" for number in numbers)
    if math.isnan(rate.low):
        return f"{value}{' %' if percent else ''}\n[dim]no interval[/]"
    return f"{value}{' %' if percent else ''}\n[dim]{low} to {high}[/]"
