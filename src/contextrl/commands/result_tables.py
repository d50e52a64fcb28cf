"""What a run and an evaluation came to, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contextrl.records.evaluation import NOTHING, percent


def results_table(results: dict[str, Any]) -> Table:
    """Accuracy before and after."""
    title = f"{results['method']}, seed {results['seed']}, {results['steps']} steps"
    if not (results["before"] or results["after"]):
        nothing = Table("not evaluated: data.eval names no held-out rows", title=title, show_header=False)
        nothing.add_row(nothing.columns[0].header)
        return nothing
    table = Table(title=title)
    data = next((row["data"] for row in (results["before"], results["after"]) if row and row.get("data")), None)
    held_out = "held-out" if data is None else f"held-out, {escape(_shown(data).removesuffix(', held out'))}"
    for column in (held_out, "answer", "answer and process", "n"):
        table.add_column(column, justify="left" if column == held_out else "right", no_wrap=column != held_out)
    for name in ("before", "after"):
        if row := results[name]:
            table.add_row(name, *_accuracies(row))
    return table


def results_line(results: dict[str, Any]) -> str:
    """What stage 2 recovered and where the time went."""
    groups, seconds = results["groups"], results["seconds"]
    recovered = f"Stage 2 recovered {groups['recovered']} of {groups['all_negative']} all-negative groups; "
    return recovered * bool(groups["all_negative"]) + ", ".join(f"{part} {s:.0f} s" for part, s in seconds.items())


def discovery_table(results: dict[str, Any]) -> Table | None:
    """Process accuracy by class of question, before and after; None where the rows' sources name no classes."""
    from contextrl.records.evaluation import by_class, parts_of

    before, after = (by_class(parts_of((results[name] or {}).get("by_source"))) for name in ("before", "after"))
    if not before or not after:
        return None
    table = Table(title="Discovery: answer and process by what a question needs")
    for column in ("class", "before", "after", "n"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name in [name for name in before if name in after]:
        shares = [part.process_accuracy for part in (before[name], after[name])]
        cells = [NOTHING if share is None else f"{share:.1%}" for share in shares]
        table.add_row(escape(name), *cells, str(after[name].n))
    return table


def evaluation_table(results: dict[str, Any]) -> Table:
    table = Table(title=escape(str(results["model"])))
    for column in ("benchmark", "answer", "answer and process", "n"):
        table.add_column(column, justify="left" if column == "benchmark" else "right", no_wrap=column != "benchmark")
    for name, row in results["benchmarks"].items():
        table.add_row(escape(_shown(name)), *_accuracies(row))
    return table


def pass_at_k_tables(rows: dict[str, Any]) -> list[Table]:
    """Of sampled evaluations: how likely one of k samples is right."""
    tables = []
    for name, row in rows.items():
        if "pass_at_k" not in row:
            continue
        title = f"{escape(_shown(name))}: pass@k of {row['samples']} samples at temperature {row['temperature']:g}"
        table = Table(title=title)
        names = {"answer": "answer", "process": "answer and process"}
        for column in ("k", *(names[what] for what in row["pass_at_k"])):
            table.add_column(column, justify="right")
        for k in row["pass_at_k"]["answer"]:
            ends = ((row["pass_at_k"][what].get(k), row["pass_at_k_ci95"][what].get(k)) for what in row["pass_at_k"])
            table.add_row(k, *(percent(*figures) for figures in ends))
        tables.append(table)
    return tables


def _shown(name: str) -> str:
    """A set's name; a path as it is from here."""
    return name.removeprefix(f"{Path.cwd()}/")


def _accuracies(row: dict[str, Any]) -> tuple[str, str, str]:
    return (
        percent(row["answer_accuracy"], row["answer_accuracy_ci95"]),
        percent(row["process_accuracy"], row["process_accuracy_ci95"]),
        str(row["n"]),
    )
