"""The main comparison (arXiv 2602.22623, table 1): methods at equal steps, equal tokens and equal time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contextrl.statistics.seeds import paired_difference
from contextrl.studies.accuracies import CONTEXTRL, against, as_data, dots, of, repeated_table
from contextrl.studies.costs import processor_seconds, rounded_mean
from contextrl.studies.figures import (
    Comparison,
    adjusted_together,
    answer_accuracy,
    by_seed,
    over_seeds,
    process_accuracy,
)
from contextrl.studies.findings import finding
from contextrl.studies.study import Finding, Found, Result
from contextrl.studies.tables import Table, accuracy_table, spread

_REFERENCE = "reference-model"
#: The paper's ContextRL less its 32B judge model, in points.
_PAPERS_REFERENCE = {"perception": 1.12, "reasoning": -2.66}


def result(
    found: Found, *, benchmark: str, blank: str, classes: Sequence[str], tasks: Mapping[str, Sequence[str]]
) -> Result:
    """Tables, figure and findings.

    Args:
        blank: the same items without pictures.
        tasks: kinds of questions by task.
    """
    title = "Accuracy after training, held-out images"
    tables = [
        accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes, blank=blank),
        _by_task(found, benchmark, tasks),
        _costs(found),
    ]
    pairs = against(found, benchmark, ("misconceived",))
    tables += repeated_table(pairs, found.labels, "ContextRL less the others")
    figure = dots(found, benchmark, title="Right answers by right steps, held-out images")
    # In brackets the paper's difference in perception and in reasoning, in points.
    claims = {
        "sft-own": "ContextRL less SFT on references in the policy's own voice (paper: 3.15 and 4.43 points)",
        "sft-foreign": "ContextRL less SFT on references by another hand (paper: 3.15 and 4.43 points)",
        "grpo": "ContextRL less GRPO with the answer reward (paper: 0.97 and 4.20 points)",
        "dapo": "ContextRL less DAPO (paper: 0.48 and 1.69 points)",
        "grpo-process-tokens": "ContextRL less GRPO with the process reward and as many sampled tokens",
        "grpo-process-time": "ContextRL less GRPO with the process reward and as much processor time",
    }
    findings = [finding(pair, said) for name, said in claims.items() if (pair := of(pairs, name))]
    findings += _reference(found, benchmark, tasks)
    return Result(tables, findings, figure, _notes(found), {"comparisons": as_data(pairs)})


def _by_task(found: Found, benchmark: str, tasks: Mapping[str, Sequence[str]]) -> Table:
    """The paper's two averages."""
    items = found.store.items(benchmark)
    columns = ["arm", *(f"{task}, {what}" for task in tasks for what in ("answer", "answer and process"))]
    rows = []
    for label, cells in found.arms().items():
        places = [items.of_kinds(kinds) if items else [] for kinds in tasks.values()]
        figures = [over_seeds(cells, benchmark, f, p) for p in places for f in (answer_accuracy, process_accuracy)]
        rows.append([label, *map(spread, figures)])
    return Table("Perception and reasoning", columns, rows, "Means over seeds with 95 % intervals.")


def _costs(found: Found) -> Table:
    """What a run takes, beside GRPO with the same reward."""
    rows = []
    for label, cells in found.arms().items():
        trained = [cell for cell in cells if cell.steps]
        if trained:
            sampled = [cell.tokens.get("sampled", 0) / 1000 for cell in trained]
            rows.append(
                [
                    label,
                    rounded_mean([c.steps for c in trained]),
                    rounded_mean(sampled),
                    rounded_mean(processor_seconds(trained)),
                ]
            )
    note = (
        "Means over seeds. Processor time: of the whole command on one thread, its start included. With ContextRL's "
        "tokens or time a seed has as many steps as cost what ContextRL's cost with that seed, each at its own cost."
    )
    return Table("What it costs", ["arm", "steps", "sampled tokens, thousands", "processor time, s"], rows, note)


def _notes(found: Found) -> list[str]:
    own, plain = processor_seconds(found.cells(CONTEXTRL)), processor_seconds(found.cells("grpo-process"))
    if not own or not plain:
        return []
    more = (sum(own) / len(own)) / (sum(plain) / len(plain)) - 1
    return [f"Stage 2 costs {more:.0%} of processor time beside GRPO with the same reward and as many steps."]


def _reference(found: Found, benchmark: str, tasks: Mapping[str, Sequence[str]]) -> list[Finding]:
    """The paper's policy against its larger judge model: it passes in one task and stays behind in the other."""
    items = found.store.items(benchmark)
    larger, cells = found.cells(_REFERENCE), found.cells(CONTEXTRL)
    pairs = []
    for task in _PAPERS_REFERENCE if items else ():
        places = items.of_kinds(tasks[task]) if items else []
        own, one = (by_seed(arm, benchmark, process_accuracy, places) for arm in (cells, larger))
        if own and one:
            # One model, whatever the seed: what varies is ours.
            pairs.append(Comparison(CONTEXTRL, _REFERENCE, task, paired_difference(own, one[:1] * len(own)), None))
    findings = []
    for pair in adjusted_together(pairs):
        paper = _PAPERS_REFERENCE[pair.measure]
        said = f"In {pair.measure}, ContextRL less the larger model (paper: {paper:+.2f} points)"
        findings.append(finding(pair, said, higher=paper > 0))
    return findings
