"""`contextrl compare`: table 1's layout with the models as rows, on a terminal, as Markdown and as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from contextrl.evaluation.benchmarks.items import Family
from contextrl.evaluation.comparison import AVERAGE, FAMILIES, Column, Comparison, Difference, Figure
from contextrl.evaluation.paper_figures import PAPER_COLUMNS, PAPER_NOTES, PAPER_ROWS
from contextrl.records.evaluation import NOTHING
from contextrl.statistics.seeds import SIGNIFICANT

#: Beside a figure that is above or below the baseline's by more than chance.
BETTER, WORSE = "▲", "▼"
#: Characters: between columns, of a line of a benchmark's title, of a line of a model's name.
_PADDING, _NARROW, _LONGEST_LABEL = 2, 10, 16
_AVERAGE = "average"


def comparison_tables(found: Comparison, *, width: int = 80, paper: bool = True) -> list[Table]:
    """Perception and reasoning, in as many tables as the width asks for; then the differences.

    Args:
        width: of the terminal, in characters.
        paper: whether the paper's rows stand below.
    """
    tables: list[Table] = []
    for family in FAMILIES:
        columns = [column for column in found.columns if column.family == family]
        if columns:
            blocks = _fitting(found, family, columns, width)
            for number, block in enumerate(blocks, start=1):
                part = f" ({number} of {len(blocks)})" if len(blocks) > 1 else ""
                tables.append(_table(found, family, block, part, paper=paper))
    labels = dict.fromkeys(one.label for one in found.differences)
    return [*tables, *(_difference_table(found, label) for label in labels)]


def remarks(found: Comparison, *, paper: bool = True) -> Iterator[str]:
    """What a reader of the tables must know, a line each; plain text."""
    baseline = found.labels[0]
    yield (
        f"{BETTER} {WORSE}: above or below {baseline} by more than chance: p of paired exchanges by cluster, adjusted "
        f"by Holm over all {len(found.differences)} differences, below {SIGNIFICANT}. ±: half of the 95 % interval."
    )
    ways = _ways(found)
    for (protocol, scorer), names in ways.items():
        read = "" if scorer == protocol else f", read by scorer {scorer}"
        yield f"Protocol {protocol}{read}: {', '.join(names)}."
    if len(ways) > 1 and found.averages:
        yield "Averages mix protocols or scorers."
    for (label, family), lacking in found.missing.items():
        if any(column.family == family and _paper_has(column) for column in found.columns):
            yield f"{label}: no average of {family} without {', '.join(lacking)}."
    for (label, benchmark), count in found.not_scored.items():
        if count:
            yield f"{label}: {count} questions of {_title(found, benchmark)} have no score."
    yield from (f"{note}." for note in found.notes)
    if paper and any(_paper_has(column) for column in found.columns):
        yield from PAPER_NOTES


def comparison_markdown(found: Comparison, *, paper: bool = True) -> str:
    """The same as GitHub tables."""
    parts = []
    for family in FAMILIES:
        columns: list[Column | None] = [column for column in found.columns if column.family == family]
        if columns:
            columns.append(None)
            header: list[str] = [family, *(_heading(column) for column in columns)]
            rows = [[label, *(_cell(found, label, family, column) for column in columns)] for label in found.labels]
            for name, *cells in _paper_rows(family, columns) if paper else []:
                rows.append([f"{name} (paper)", *cells])
            parts.append(_markdown(header, rows))
    if found.differences:
        rows = [[one.label, _name(found, one), *_difference_cells(one)] for one in found.differences]
        head = [f"against {found.labels[0]}", "figure", "difference", "p", "adjusted p", "n"]
        parts.append(_markdown(head, rows))
    parts.append("\n".join(f"- {_plain(line)}" for line in remarks(found, paper=paper)) + "\n")
    return "\n".join(parts)


def comparison_json(found: Comparison, *, paper: bool = True) -> dict[str, Any]:
    """Figures between 0 and 1; null where there is none."""
    models = [
        {
            "label": label,
            "benchmarks": _benchmarks(found, label),
            "averages": {
                family: _number_with_interval(found.averages.get((label, family)))
                | {"missing": list(found.missing.get((label, family), []))}
                for family in FAMILIES
            },
        }
        for label in found.labels
    ]
    result: dict[str, Any] = {
        "baseline": found.labels[0],
        "models": models,
        "differences": [_difference_json(one) for one in found.differences],
        "shared": dict(found.shared),
        "notes": list(found.notes),
    }
    if paper:
        result["paper"] = {"rows": [_paper_json(n) for n in range(len(PAPER_ROWS))], "notes": list(PAPER_NOTES)}
    return result


def _fitting(found: Comparison, family: Family, columns: Sequence[Column], width: int) -> list[list[Column | None]]:
    """Columns in blocks that are not wider than the terminal; a benchmark's stay together. None is the average."""
    groups: list[list[Column | None]] = []
    for column in columns:
        if groups and groups[-1][0] is not None and groups[-1][0].benchmark == column.benchmark:
            groups[-1].append(column)
        else:
            groups.append([column])
    groups.append([None])
    left = _LONGEST_LABEL + _PADDING
    blocks: list[list[Column | None]] = []
    used = 0
    for group in groups:
        needed = sum(
            max(_width(head), _width(_cells(found, family, column))) + _PADDING
            for head, column in zip(_heads(group), group, strict=True)
        )
        if blocks and left + used + needed <= width:
            blocks[-1] += group
            used += needed
        else:
            blocks.append(list(group))
            used = needed
    return blocks


def _width(lines: Sequence[str]) -> int:
    return max((len(line) for line in lines), default=0)


def _cells(found: Comparison, family: Family, column: Column | None) -> list[str]:
    """What stands in a column, line by line."""
    return ["00.00", *(part for label in found.labels for part in _cell(found, label, family, column).split(" "))]


def _heads(columns: Sequence[Column | None]) -> list[list[str]]:
    """Lines above each column; a benchmark's title stands above its first."""
    heads = []
    before = None
    for column in columns:
        if column is None:
            heads.append([_AVERAGE])
            continue
        title, part = _title_and_part(column)
        heads.append([*(_broken(title) if column.benchmark != before or not part else []), *([part] if part else [])])
        before = column.benchmark
    tallest = max(len(head) for head in heads)
    return [[""] * (tallest - len(head)) + head for head in heads]


def _broken(title: str) -> list[str]:
    """A title in lines as narrow as the figures below it: `Hallusion`, `Bench`."""
    lines: list[str] = []
    for part in re.findall(r"[^-A-Z]*(?:[A-Z]+[^-A-Z]*)?-?", title):
        if lines and len(lines[-1]) + len(part) <= _NARROW:
            lines[-1] += part
        elif part:
            lines.append(part)
    return lines


def _table(found: Comparison, family: Family, columns: Sequence[Column | None], part: str, *, paper: bool) -> Table:
    table = _plain_table(f"{family.capitalize()}, percent{part}")
    table.add_column("", overflow="fold", max_width=_LONGEST_LABEL)
    for head in _heads(columns):
        table.add_column(escape("\n".join(head)), justify="right", no_wrap=True)
    for label in found.labels:
        table.add_row(escape(label), *(_rich_cell(_cell(found, label, family, column)) for column in columns))
    rows = _paper_rows(family, columns) if paper else []
    if rows:
        table.add_section()
        table.add_row("the paper's", style="dim")
        for label, *cells in rows:
            table.add_row(f"  {label}", *cells, style="dim")
    return table


def _plain_table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _heading(column: Column | None) -> str:
    return _AVERAGE if column is None else " ".join(_title_and_part(column)).strip()


def _title_and_part(column: Column) -> tuple[str, str]:
    """A benchmark's title, and which of its figures; a heading may hold the title already."""
    if not column.heading.startswith(column.title):
        return column.title, column.heading
    rest = column.heading.removeprefix(column.title)
    return (column.title, rest.strip()) if rest[:1] in ("", " ") else (column.heading, "")


def _cell(found: Comparison, label: str, family: Family, column: Column | None) -> str:
    """`64.06▲ ±2.41`; a dash where there is nothing."""
    figure = found.averages.get((label, family)) if column is None else found.figures.get((label, column))
    if figure is None or math.isnan(figure.value):
        return NOTHING
    where = ("", AVERAGE) if column is None else (column.benchmark, column.metric)
    apart = found.difference(label, *where, family)
    mark = "" if apart is None or not apart.holds else BETTER if apart.value > 0 else WORSE
    half = "" if math.isnan(figure.half_width) else f" ±{100 * figure.half_width:.2f}"
    return f"{100 * figure.value:.2f}{mark}{half}"


def _rich_cell(cell: str) -> str:
    """The interval below the value, and the mark in colour."""
    value, _, half = cell.partition(" ")
    for mark, colour in ((BETTER, "green"), (WORSE, "red")):
        value = value.replace(mark, f"[{colour}]{mark}[/]")
    return f"{value}\n[dim]{half}[/]" if half else value


def _paper_has(column: Column) -> bool:
    return any((one.benchmark, one.metric) == (column.benchmark, column.metric) for one in PAPER_COLUMNS[column.family])


def _paper_rows(family: Family, columns: Sequence[Column | None]) -> list[list[str]]:
    """The paper's rows over these columns; none where it has none of them."""
    if not any(column is not None and _paper_has(column) for column in columns) and columns != [None]:
        return []
    places = {(one.benchmark, one.metric): place for place, one in enumerate(PAPER_COLUMNS[family])}
    rows = []
    for row in PAPER_ROWS:
        cells = []
        for column in columns:
            place = None if column is None else places.get((column.benchmark, column.metric))
            value = row.averages[family] if column is None else None if place is None else row.figures[family][place]
            cells.append(NOTHING if value is None else f"{value:.2f}")
        rows.append([row.label, *cells])
    return rows


def _difference_table(found: Comparison, label: str) -> Table:
    table = _plain_table(f"{escape(label)} less {escape(found.labels[0])}, percentage points")
    table.add_column("", overflow="fold")
    for heading in ("difference", "p", "adjusted", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found.differences:
        if one.label == label:
            cells = [escape(cell) for cell in _difference_cells(one)]
            table.add_row(escape(_name(found, one)), *cells, style="bold" if one.holds else None)
    return table


def _difference_cells(one: Difference) -> list[str]:
    mark = "" if not one.holds else BETTER if one.value > 0 else WORSE
    ends = "" if math.isnan(one.low) else f" [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"
    return [f"{100 * one.value:+.2f}{mark}{ends}", _p(one.p), _p(one.adjusted), str(one.n)]


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def _name(found: Comparison, one: Difference) -> str:
    if one.metric == AVERAGE and not one.benchmark:
        return f"{one.family}, average"
    column = next(c for c in found.columns if (c.benchmark, c.metric) == (one.benchmark, one.metric))
    return _heading(column)


def _title(found: Comparison, benchmark: str) -> str:
    return next((column.title for column in found.columns if column.benchmark == benchmark), benchmark)


def _ways(found: Comparison) -> dict[tuple[str, str], list[str]]:
    """Titles of benchmarks by protocol and scorer."""
    ways: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys(column.benchmark for column in found.columns):
        ways.setdefault(found.names[name], []).append(_title(found, name))
    return ways


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in (header, *rows)]
    lines.insert(1, "|---|" + "---:|" * (len(header) - 1))
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Labels are the user's: nothing in them ends a cell or begins a tag or a link."""
    for mark in "\\`*_|[]<>":
        text = text.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return " ".join(text.split())


def _benchmarks(found: Comparison, label: str) -> dict[str, Any]:
    benchmarks: dict[str, Any] = {}
    for column in found.columns:
        if (figure := found.figures.get((label, column))) is not None:
            protocol, scorer = found.names[column.benchmark]
            of_it = benchmarks.setdefault(
                column.benchmark,
                {
                    "protocol": protocol,
                    "scorer": scorer,
                    "n": found.scored[label, column.benchmark],
                    "n_failed": found.not_scored[label, column.benchmark],
                    "metrics": {},
                },
            )
            of_it["metrics"][column.metric] = _number_with_interval(figure)
    return benchmarks


def _number_with_interval(figure: Figure | None) -> dict[str, Any]:
    if figure is None or math.isnan(figure.value):
        return {"value": None, "ci95": None}
    return {"value": round(figure.value, 6), "ci95": _ends(figure.low, figure.high)}


def _ends(low: float, high: float) -> list[float] | None:
    return None if math.isnan(low) or math.isnan(high) else [round(low, 6), round(high, 6)]


def _difference_json(one: Difference) -> dict[str, Any]:
    return {
        "label": one.label,
        "family": one.family,
        "benchmark": one.benchmark or None,
        "metric": one.metric,
        "difference": round(one.value, 6),
        "ci95": _ends(one.low, one.high),
        "p": one.p,
        "p_adjusted": one.adjusted,
        "holds": one.holds,
        "n": one.n,
    }


def _paper_json(place: int) -> Mapping[str, Any]:
    row = PAPER_ROWS[place]
    benchmarks: dict[str, dict[str, float]] = {}
    for family, columns in PAPER_COLUMNS.items():
        for column, value in zip(columns, row.figures[family], strict=True):
            benchmarks.setdefault(column.benchmark, {})[column.metric] = round(value / 100, 6)
    averages = {family: round(value / 100, 6) for family, value in row.averages.items()}
    return {"label": row.label, "benchmarks": benchmarks, "averages": averages}
