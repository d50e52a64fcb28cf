"""Tables of studies, as rows of text, in Markdown, and between the markers of a file that quotes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contextrl.errors import InputError
from contextrl.records.files import write_atomically
from contextrl.statistics.seeds import Estimate, PairedDifference
from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.figures import (
    Comparison,
    Figure,
    answer_accuracy,
    compare,
    false_positive_rate,
    over_seeds,
    process_accuracy,
)

_CODE = re.compile(r"`[^`]+`")
_SPECIAL = str.maketrans({"|": r"\|", "`": r"\`", "<": "&lt;", "&": "&amp;"})


@dataclass(frozen=True)
class Table:
    """Text cells; the first column is the rows' names."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """A GitHub table with its title and note."""
        lines = ["| " + " | ".join(map(in_cell, row)) + " |" for row in (self.columns, *self.rows)]
        lines.insert(1, "|---|" + "---:|" * (len(self.columns) - 1))
        return "\n".join([f"**{self.title}**", "", *lines, *(["", self.note] if self.note else [])]) + "\n"


def in_cell(text: str) -> str:
    """Text within a cell of a Markdown table: one line, in which nothing ends the cell, links or is HTML.

    Names of patterns and kinds come from files of cells, which may be anybody's; code spans are kept as they are.
    """
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if _CODE.fullmatch(plain):
        return plain.replace("|", "\\|")
    return plain.translate(_SPECIAL).replace("](", "]\\(")


def ends_of(apart: PairedDifference) -> str:
    """` [+0.280, +0.296]`, or nothing."""
    return "" if apart.low is None or apart.high is None else f" [{apart.low:+.3f}, {apart.high:+.3f}]"


def spread(estimate: Estimate | None) -> str:
    """`0.852 [0.831, 0.873]`; a dash where there is nothing."""
    if estimate is None:
        return "–"
    ends = "" if estimate.low is None or estimate.high is None else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{estimate.mean:.3f}{ends}"


def accuracy_table(
    store: CellStore,
    arms: Mapping[str, Sequence[Cell]],
    benchmark: str,
    *,
    title: str,
    classes: Sequence[str] = (),
    blank: str | None = None,
) -> Table:
    """Accuracies by arm, means over seeds with their intervals.

    Args:
        arms: label to finished cells.
        classes: of the items' sources, for columns of their own.
        blank: the same items without their pictures.
    """
    items = store.items(benchmark)
    places = {name: items.of_class(name) for name in classes} if items else {}
    columns = ["arm", "answer", "answer and process", "false positives among right answers", *classes]
    columns += [*(["answer, picture blanked"] if blank else []), "entropy at the end", "tokens sampled", "seeds"]
    rows = []
    for label, cells in arms.items():
        figures: list[tuple[str, Figure, Sequence[int] | None]] = [
            (benchmark, answer_accuracy, None),
            (benchmark, process_accuracy, None),
            (benchmark, false_positive_rate, None),
            *((benchmark, process_accuracy, places.get(name, [])) for name in classes),
            *([(blank, answer_accuracy, None)] if blank else []),
        ]
        sampled = [cell.tokens["sampled"] for cell in cells if cell.tokens.get("sampled")]
        tokens = f"{sum(sampled) / len(sampled) / 1000:.0f}k" if sampled else "–"
        entropies = [cell.entropy for cell in cells if cell.entropy is not None]
        entropy = f"{sum(entropies) / len(entropies):.3f}" if entropies else "–"
        row = [spread(over_seeds(cells, *figure)) for figure in figures]
        rows.append([label, *row, entropy, tokens, str(len(cells))])
    note = (
        f"{len(items.ids) if items else 'No'} items, the same for every seed, answered greedily. Means over seeds, "
        "95 % intervals by Student's t over seeds: of other trainings, not of other items; none where there is one "
        "seed, or where seeds do not differ. Classes: answer and process. Entropy: of the next token, in nats, over "
        "the last third of the steps."
    )
    return Table(title, columns, rows, note)


def comparisons(
    store: CellStore,
    arm: Sequence[Cell],
    others: Mapping[str, Sequence[Cell]],
    benchmark: str,
    classes: Sequence[str],
) -> list[Comparison]:
    """One arm against others in process accuracy, over all items and over those of each class."""
    items = store.items(benchmark)
    measures: dict[str, tuple[Figure, Sequence[int] | None]] = {"all": (process_accuracy, None)}
    measures |= {name: (process_accuracy, items.of_class(name)) for name in classes if items}
    measures["false positives"] = (false_positive_rate, None)
    return compare(arm, list(others.values()), benchmark, measures)


def comparison_table(comparisons: Sequence[Comparison], labels: Mapping[str, str], *, title: str) -> Table:
    rows = []
    for comparison in comparisons:
        apart = comparison.difference
        p = "–" if comparison.adjusted is None else f"{comparison.adjusted:.2g}"
        rows.append(
            [
                labels.get(comparison.other, comparison.other),
                comparison.measure,
                f"{apart.mean:+.3f}{ends_of(apart)}",
                p,
                str(apart.n),
            ]
        )
    note = (
        "Paired: the same items and seeds; p of the paired t-test over seeds, adjusted by Holm within the table. Where "
        "all seeds differ by the same there is neither an interval nor a p."
    )
    return Table(title, ["against", "over", "difference", "adjusted p", "seeds"], rows, note)


def quote(path: Path, name: str, text: str) -> None:
    """Put text between a file's `<!-- reproduce: NAME -->` and `<!-- /reproduce -->`.

    Raises:
        InputError: the file has no such place.
    """
    before = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- reproduce: {re.escape(name)} -->\n).*?(<!-- /reproduce -->)", re.DOTALL)
    after, count = pattern.subn(lambda match: f"{match[1]}{text}{match[2]}", before)
    if not count:
        raise InputError(f"a line <!-- reproduce: {name} -->", found="none", where=str(path))
    write_atomically(path, after)
