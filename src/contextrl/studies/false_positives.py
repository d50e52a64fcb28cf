"""What false positives in SFT data do, and whose solutions are better SFT data (arXiv 2602.22623, 4.3.2, table 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from contextrl.statistics.seeds import PairedDifference, paired_difference
from contextrl.studies.accuracies import against, as_data, of, repeated_table
from contextrl.studies.cells import Cell
from contextrl.studies.figures import (
    Comparison,
    answer_accuracy,
    by_seed,
    over_seeds,
    process_accuracy,
)
from contextrl.studies.figures import Figure as Measure
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.study import Figure, Found, Result, Row
from contextrl.studies.tables import Table, accuracy_table

#: Table 3 of the paper, by benchmark, at 0, 10, 20 and 30 % false positives among 50,000 rows.
PAPER = {
    "We-Math strict": (63.05, 62.76, 61.33, 61.29),
    "MathVista": (78.60, 78.30, 78.30, 77.00),
    "MME-RW-lite": (53.93, 53.88, 54.72, 53.41),
    "MMStar": (72.87, 73.93, 73.00, 72.47),
    "HRBench8K": (73.25, 73.00, 73.50, 73.49),
}
#: From no false positive to so many: what slopes are said over.
_MOST = 0.3
_MEASURES: dict[str, Measure] = {"answer and process": process_accuracy, "answer": answer_accuracy}


def result(
    found: Found, *, benchmark: str, classes: Sequence[str], shares: Mapping[str, float], references: Mapping[str, str]
) -> Result:
    """Tables, figure and findings on development images.

    Args:
        shares: arms by name, with the share of false positives in their rows; one has none.
        references: arms that learned references of the questions that the one without false positives learned, with
            what these are, in words; the first as the paper has them.
    """
    clean = next(name for name, share in shares.items() if not share)
    title = "Accuracy after SFT, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes), _paper()]
    pairs = against(found, benchmark, (), arm=clean)
    tables += repeated_table(pairs, found.labels, "Own positives without a false positive less the others")
    slopes = {name: _slopes(found, benchmark, shares, measure) for name, measure in _MEASURES.items()}
    claims = _slope_claims(slopes)
    for place, (name, said) in enumerate(references.items()):
        if (pair := of(pairs, name)) is not None:
            paper = "" if place else " (paper: own positives are better)"
            claims.append(Claim(pair, f"SFT on own positives less SFT on {said}{paper}", of_the_paper=not place))
    data = {"comparisons": as_data(pairs), "slopes": {name: slope and asdict(slope) for name, slope in slopes.items()}}
    return Result(tables, findings_of(claims), _figure(found, benchmark, shares), [], data)


def _slopes(found: Found, benchmark: str, shares: Mapping[str, float], measure: Measure) -> PairedDifference | None:
    """How much an accuracy changes from none to 30 % false positives, over seeds: each has a line of its own."""
    by_arm = {name: {cell.seed: cell for cell in found.cells(name)} for name in shares}
    seeds = [seed for seed in found.seeds if all(seed in cells for cells in by_arm.values())]
    slopes = []
    for seed in seeds:
        values = [by_seed([cells[seed]], benchmark, measure) for cells in by_arm.values()]
        if all(values):
            slopes.append(_MOST * least_squares(list(shares.values()), [value[0] for value in values]))
    return paired_difference(slopes, [0.0] * len(slopes)) if slopes else None


def least_squares(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the line that is nearest to points in squares; at least two different x."""
    middle, level = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - middle) ** 2 for one in x)
    return sum((one - middle) * (other - level) for one, other in zip(x, y, strict=True)) / spread


def _slope_claims(slopes: Mapping[str, PairedDifference | None]) -> list[Claim]:
    """That accuracy falls with the share."""
    # 63.05 to 61.29, 78.60 to 77.00, 53.93 to 53.41, 72.87 to 72.47, and 73.25 to 73.49.
    paper = "The paper: We-Math strict falls by 1.8 points, MathVista by 1.6, MME-RW-lite by 0.5, MMStar by 0.4, and "
    paper += "HRBench8K rises by 0.2."
    return [
        Claim(
            Comparison("share", "none", name, slope, None),
            f"From none to 30 % false positives, {name}",
            higher=False,
            why=paper,
        )
        for name, slope in slopes.items()
        if slope is not None
    ]


def _figure(found: Found, benchmark: str, shares: Mapping[str, float]) -> Figure:
    rows: list[Row] = []
    for series, measure in _MEASURES.items():
        for name, share in shares.items():
            rows += _point(found.cells(name), benchmark, measure, series, share)
    caption = "Means over seeds with 95 % intervals. Every set has as many rows."
    title = "Accuracy by share of false positives in SFT data, development images"
    return Figure("lines", title, caption, rows, "share of questions", x="false positives, % of rows")


def _point(cells: Sequence[Cell], benchmark: str, measure: Measure, series: str, share: float) -> list[Row]:
    spread = over_seeds(cells, benchmark, measure)
    if spread is None:
        return []
    ends = {} if spread.low is None else {"low": spread.low, "high": spread.high}
    return [{"step": round(100 * share), "value": spread.mean, "series": series, **ends}]


def _paper() -> Table:
    rows = [[name, *(f"{value:.2f}" for value in values)] for name, values in PAPER.items()]
    note = "arXiv 2602.22623, table 3: 50,000 rows sampled during training, one run each."
    return Table("The paper, by share of false positives", ["benchmark", "0 %", "10 %", "20 %", "30 %"], rows, note)
