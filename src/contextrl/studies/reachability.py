"""Which questions a policy can solve at all: pass@k on those that the base policy never solves, and what is forgotten.

The base policy is sampled twice: the first draw says which questions it never solves, the second how often it solves
these all the same, because what failed 64 times by chance is not out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from contextrl.records.evaluation import class_of
from contextrl.statistics.pass_at_k import mean_pass_at_k, steps_of_k
from contextrl.statistics.seeds import Estimate, estimate
from contextrl.studies.cells import RIGHT, UNSCORED, Cell
from contextrl.studies.figures import compare_cells
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.study import Figure, Finding, Found, Result, Row
from contextrl.studies.tables import Table, spread

#: Name of the probe whose measure this study reads.
REACHED = "reachability"
BASE = "base"
#: Shares of a question's samples: from which it counts as solved, and under which as lost.
SOLVED, LOST = 0.9, 0.5


def counts(records: Iterable[Mapping[str, Any]], samples: int) -> dict[str, Any]:
    """How many samples of each question were right, small enough to be kept.

    Args:
        records: of `contextrl eval --samples`, a line per sample.
        samples: of a draw; records that hold several draws give several counts.

    Returns:
        `samples`, `sources` (names) and `of` (each question's, by number), and `answer` and `process`: by draw, a count
        for each question in order.
    """
    sources: dict[str, int] = {}
    questions: dict[str, int] = {}
    of: list[int] = []
    right: dict[str, list[list[int]]] = {"answer": [], "process": []}
    for record in records:
        question = questions.setdefault(str(record["id"]), len(questions))
        if question == len(of):
            of.append(sources.setdefault(str(record["source"]), len(sources)))
        draw = int(record["sample"]) // samples
        answer = record["answer_correct"] is True
        for name, is_right in (("answer", answer), ("process", answer and record["process_correct"] is True)):
            while len(right[name]) <= draw:
                right[name].append([])
            own = right[name][draw]
            own += [0] * (question + 1 - len(own))
            own[question] += is_right
    for draws in right.values():
        for own in draws:
            own += [0] * (len(of) - len(own))
    return {"samples": samples, "sources": list(sources), "of": of, **right}


def never_solved(base: Mapping[str, Any]) -> list[int]:
    """Places of the questions of which no sample of the first draw was right by a right process."""
    return [place for place, count in enumerate(base["process"][0]) if count == 0]


def of_class(measure: Mapping[str, Any], name: str, places: Sequence[int]) -> list[int]:
    """Of these questions, those of a class; see `records.evaluation.class_of`."""
    return [place for place in places if class_of(measure["sources"][measure["of"][place]]) == name]


def pass_on(measure: Mapping[str, Any], places: Sequence[int], k: int, draw: int = -1) -> float | None:
    """pass@k by right process, the mean over these questions; None where there is none.

    Args:
        places: those beyond what was sampled are left out.
        draw: by default the last one.
    """
    right = measure["process"][draw]
    return mean_pass_at_k([right[place] for place in places if place < len(right)], measure["samples"], k)


def reached(measure: Mapping[str, Any], places: Sequence[int]) -> float | None:
    """Share of these questions of which at least one sample is right."""
    return pass_on(measure, places, measure["samples"])


def lost(base: Mapping[str, Any], measure: Mapping[str, Any]) -> float | None:
    """Of the questions that the base policy solves in nine of ten samples, those now right in less than half."""
    right, now = base["process"][0], measure["process"][-1]
    solved = [place for place, count in enumerate(right) if count >= SOLVED * base["samples"] and place < len(now)]
    return sum(now[place] < LOST * measure["samples"] for place in solved) / len(solved) if solved else None


def lost_greedily(base: str, outcomes: str) -> float | None:
    """Of the items that were right by right steps before, those that are not any more; see `Cell.outcomes`."""
    pairs = [(b, a) for b, a in zip(base, outcomes, strict=True) if b == RIGHT and a != UNSCORED]
    return sum(after != RIGHT for _, after in pairs) / len(pairs) if pairs else None


# ---- what the cells say ----------------------------------------------------------------------------------------------


def result(found: Found, *, benchmark: str, classes: Sequence[str], ours: str, plain: str) -> Result:
    """Tables, figure and findings.

    Args:
        benchmark: whose greedy outcomes say what was forgotten.
        ours, plain: arms whose difference is the finding.
    """
    base = next(iter(found.measures(BASE, REACHED)), None)
    if base is None:
        return Result([])
    arms = {name: cells for name in found.labels if name != BASE and (cells := _measured(found.cells(name)))}
    places = never_solved(base)
    tables = [
        _passes(found, arms, base, places),
        _by_class(found, arms, base, places, classes),
        *_by_step(found, arms, places),
        _forgotten(found, arms, base, benchmark),
    ]
    share = f"{len(places)} of {len(base['of'])}"
    note = (
        f"The base policy solves {share} questions in none of {base['samples']} samples at temperature 1 by a right "
        "process. What it shows of them in a second draw is chance."
    )
    asked = {f"pass@{base['samples']} on what the base never solves": places}
    asked |= {f"the same, class {name}": of_class(base, name, places) for name in classes}
    reaches = {what: lambda cell, own=own: reached(_final(cell), own) for what, own in asked.items()}
    sides = arms.get(ours, ()), arms.get(plain, ())
    differences = [pair for what, one in reaches.items() if (pair := compare_cells(*sides, one, what)) is not None]
    findings = [
        *findings_of(
            [
                # Classes are parts of the whole, some of few questions: the claim is of the whole.
                Claim(
                    pair,
                    f"ContextRL less GRPO, {pair.measure} ({len(asked[pair.measure])} questions)",
                    of_the_paper=not place,
                )
                for place, pair in enumerate(differences)
            ]
        ),
        *_forgetting(found, arms, base),
    ]
    return Result(tables, findings, _figure(found, arms, base, places), [note], {"never_solved": len(places)})


def _measured(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if REACHED in cell.measures]


def _final(cell: Cell) -> Mapping[str, Any]:
    measure: Mapping[str, Any] = cell.measures[REACHED]
    return measure


def _spread(cells: Sequence[Cell], figure: Callable[[Mapping[str, Any]], float | None]) -> Estimate | None:
    values = [value for cell in cells if (value := figure(_final(cell))) is not None]
    return estimate(values) if values else None


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _passes(found: Found, arms: Mapping[str, Sequence[Cell]], base: Mapping[str, Any], places: Sequence[int]) -> Table:
    ks, every = steps_of_k(base["samples"]), range(len(base["of"]))
    rows = [[found.labels[BASE], *(_share(pass_on(base, places, k)) for k in ks), *_ends(base, every)]]
    for name, cells in arms.items():
        own = [spread(_spread(cells, partial(pass_on, places=places, k=k))) for k in ks]
        all_ = [spread(_spread(cells, partial(pass_on, places=every, k=k))) for k in (1, base["samples"])]
        rows.append([found.labels[name], *own, *all_])
    columns = ["policy", *(f"k = {k}" for k in ks), "all questions, k = 1", f"all questions, k = {base['samples']}"]
    note = (
        "pass@k by a right process, unbiased; means over seeds with 95 % intervals. The base policy: its second draw."
    )
    return Table("pass@k on the questions that the base policy never solves", columns, rows, note)


def _ends(base: Mapping[str, Any], every: Sequence[int]) -> list[str]:
    return [_share(pass_on(base, every, k)) for k in (1, base["samples"])]


def _by_class(
    found: Found,
    arms: Mapping[str, Sequence[Cell]],
    base: Mapping[str, Any],
    places: Sequence[int],
    classes: Sequence[str],
) -> Table:
    of = {name: own for name in classes if (own := of_class(base, name, places))}
    rows = [[found.labels[BASE], *(_share(reached(base, own)) for own in of.values())]]
    for name, cells in arms.items():
        shares = [spread(_spread(cells, partial(reached, places=own))) for own in of.values()]
        rows.append([found.labels[name], *shares])
    columns = ["policy", *(f"{name} ({len(own)})" for name, own in of.items())]
    note = (
        f"Share of the never solved with a right sample among {base['samples']}; in brackets the number of questions."
    )
    return Table("What became solvable, by class", columns, rows, note)


def _by_step(found: Found, arms: Mapping[str, Sequence[Cell]], places: Sequence[int]) -> list[Table]:
    """Share of the never solved with a right sample, by checkpoint."""
    steps = sorted({int(step) for cells in arms.values() for cell in cells for step in _final(cell).get("steps", {})})
    if not steps:
        return []
    rows = []
    for name, cells in arms.items():
        shares = []
        for step in steps:
            own = [_final(cell)["steps"][str(step)] for cell in cells if str(step) in _final(cell).get("steps", {})]
            values = [value for measure in own if (value := reached(measure, places)) is not None]
            shares.append(spread(estimate(values) if values else None))
        rows.append([found.labels[name], *shares])
    note = "Share of the never solved with at least one right sample, of the questions that are sampled at checkpoints."
    return [Table("What became solvable, by step", ["policy", *(f"step {step}" for step in steps)], rows, note)]


def _forgotten(found: Found, arms: Mapping[str, Sequence[Cell]], base: Mapping[str, Any], benchmark: str) -> Table:
    before = [cell.outcomes[benchmark] for cell in found.cells(BASE) if benchmark in cell.outcomes]
    rows = []
    for name, cells in arms.items():
        greedy = [
            value
            for cell in cells
            if before and benchmark in cell.outcomes
            if (value := lost_greedily(before[0], cell.outcomes[benchmark])) is not None
        ]
        sampled = _spread(cells, partial(lost, base))
        rows.append([found.labels[name], spread(sampled), spread(estimate(greedy) if greedy else None)])
    columns = ["policy", "solved in nine of ten samples, now in less than half", "right greedily, now not"]
    return Table("What was forgotten", columns, rows, "Shares of what the base policy solves, means over seeds.")


def _figure(found: Found, arms: Mapping[str, Sequence[Cell]], base: Mapping[str, Any], places: Sequence[int]) -> Figure:
    rows: list[Row] = []
    for k in steps_of_k(base["samples"]):
        if (value := pass_on(base, places, k)) is not None:
            rows.append({"step": k, "value": value, "series": f"{found.labels[BASE]}, second draw"})
        for name, cells in arms.items():
            own = _spread(cells, partial(pass_on, places=places, k=k))
            if own is not None:
                ends = {} if own.low is None else {"low": own.low, "high": own.high}
                rows.append({"step": k, "value": own.mean, "series": found.labels[name], **ends})
    caption = "pass@k by a right process, development images, temperature 1; bands are 95 % intervals over seeds."
    return Figure("lines", "Questions that the base policy never solves", caption, rows, "pass@k", x="k")


def _forgetting(found: Found, arms: Mapping[str, Sequence[Cell]], base: Mapping[str, Any]) -> list[Finding]:
    told = [f"{found.labels[name]} {spread(_spread(cells, partial(lost, base)))}" for name, cells in arms.items()]
    if not told:
        return []
    sees = f"Forgotten of what the base solves in nine of ten samples: {'; '.join(told)}."
    return [Finding("not claimed", sees)]
