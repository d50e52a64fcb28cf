"""What judge commands show: progress on stderr, tables when done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from contextrl.console import progress_bar
from contextrl.evaluation.judging.verification import OnVerdict, Summary
from contextrl.records.verdict import Usage, Verdict


@contextmanager
def verdicts_bar(console: Console, total: int, title: str = "Judging") -> Iterator[OnVerdict]:
    """Progress with rate, tokens, cost and failures."""
    started = time.monotonic()
    unscored = 0
    with progress_bar(console, title, total) as advance:

        def on_verdict(done: int, verdict: Verdict, usage: Usage) -> None:
            nonlocal unscored
            unscored += verdict.status == "unscored"
            advance(1, _notes(done / max(time.monotonic() - started, 1e-9), usage, unscored))

        yield on_verdict


def _notes(rate: float, usage: Usage, unscored: int) -> str:
    parts = [f"{rate:,.1f}/s"]
    if usage.tokens:
        parts.append(f"{compact(usage.tokens)} tokens")
    if usage.cost:
        parts.append(f"cost {usage.cost:,.2f}")
    if unscored:
        parts.append(f"{unscored} unscored")
    return ", ".join(parts)


def compact(number: float) -> str:
    """1234567 -> `1.2M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return f"{number:g}"


def summary_table(summary: Summary, title: str) -> Table:
    """Counts by status, then what this start cost."""
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_column("note", style="dim")
    total = max(summary.rows, 1)
    table.add_row("correct", str(summary.status["correct"]), _share(summary.status["correct"], total))
    table.add_row("incorrect", str(summary.status["incorrect"]), _share(summary.status["incorrect"], total))
    table.add_row("  false positives", str(summary.false_positives), "right answer, wrong process")
    unscored = summary.status["unscored"]
    kinds = ", ".join(f"{kind} {count}" for kind, count in summary.unscored.most_common())
    table.add_row("unscored", str(unscored), "; ".join(filter(None, [_share(unscored, total), kinds])))
    table.add_section()
    table.add_row("judged now", str(summary.judged), f"{summary.kept} kept from before" if summary.kept else "")
    table.add_row("seconds", f"{summary.seconds:,.1f}", f"{summary.rate:,.1f} verdicts/s" if summary.judged else "")
    for name, count, note in _usage_rows(summary.usage):
        table.add_row(name, count, note)
    return table


def _usage_rows(usage: Usage) -> Iterator[tuple[str, str, str]]:
    if usage.calls or usage.cache_hits:
        yield "calls", f"{usage.calls:,}", f"{usage.retries} of them retries" if usage.retries else ""
        yield "cache hits", f"{usage.cache_hits:,}", ""
        yield "tokens", f"{usage.tokens:,}", ""
        yield (
            "cost",
            f"{usage.cost:,.4f}" if usage.cost else "0",
            "" if usage.cost else "no judge.prices set, or cached",
        )
    if usage.parse_failures:
        yield "unreadable replies", str(usage.parse_failures), ""
    if usage.gated or usage.gate_audited:
        note = f"{usage.gate_audited} more judged all the same, {usage.gate_overruled} found correct"
        yield "stopped by the gate", str(usage.gated), note


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if count else ""
