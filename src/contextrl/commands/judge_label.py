"""`contextrl judge label`: a sample of verdicts for people to look at, and what they say of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from contextrl.commands.page_place import check_page_place, make_folder
from contextrl.data.images import image_key
from contextrl.errors import InputError
from contextrl.evaluation.judging.labels import PeopleAgreement, people_agreement, read_labels
from contextrl.evaluation.judging.people import KINDS, Judged, draw_sample, read_population, sheet_row
from contextrl.records.files import write_atomically
from contextrl.report.label_page import Card, build_label_page
from contextrl.statistics.proportions import Rate


@dataclass(frozen=True)
class SheetOptions:
    """What is drawn and where it goes.

    Attributes:
        source: verdicts of `judge verify`, or a run directory.
        show_verdicts: let a labeller see what the judge said, once a response is labelled.
    """

    source: Path
    output: Path
    count: int = 100
    seed: int = 0
    show_verdicts: bool = False
    allow_outside: bool = False


def write_sheet(options: SheetOptions) -> dict[str, int]:
    """Write the page or the lines.

    Returns:
        How many responses of each kind were drawn, and `pictures left out` of a page.

    Raises:
        InputError: the output is no place for a sheet, or the source holds no verdicts.
    """
    is_page = options.output.suffix.lower() in (".html", ".htm")
    if is_page:
        check_page_place(options.output, "--output", "labels.html", named=True)
    elif options.output.suffix == ".jsonl":
        # Labels that somebody has filled in are not replaced.
        if options.output.exists():
            raise InputError("a new file", found=f"{options.output} is there", where="--output")
        make_folder(options.output.parent, "--output")
    else:
        raise InputError("a file ending in .html or .jsonl", found=options.output.name, where="--output")
    population = read_population(options.source, allow_outside=options.allow_outside)
    sample = draw_sample(population, options.count, options.seed)
    counts: dict[str, int] = {kind: sum(item.kind == kind for item in sample) for kind in KINDS}
    if is_page:
        title = f"Responses of {options.source.name}"
        page, counts["pictures left out"] = build_label_page(title, [_card(item, options) for item in sample])
        write_atomically(options.output, page)
    else:
        lines = [json.dumps(sheet_row(item, verdict=options.show_verdicts), ensure_ascii=False) for item in sample]
        write_atomically(options.output, "".join(f"{line}\n" for line in lines))
    return counts


def _card(item: Judged, options: SheetOptions) -> Card:
    example = item.example
    return Card(
        item.key,
        item.digest,
        example.question,
        example.solution,
        example.answer,
        item.response,
        [(image_key(handle), handle) for handle in example.images],
        item.verdict.status if options.show_verdicts else None,
        item.verdict.mistake_report if options.show_verdicts else None,
    )


def read_sheets(source: Path, labels: Sequence[Path]) -> PeopleAgreement:
    """What the people of one or several files of labels agree on with the verdicts.

    Raises:
        InputError: a file is none, or a label of it is wrong.
    """
    population = read_population(source, allow_outside=True)
    return people_agreement(population, [read_labels(path, population) for path in labels])


def agreement_table(found: PeopleAgreement) -> Table:
    """By what the judge said, and for all that it said."""
    table = Table(title="People and the judge", title_justify="left")
    for column in ("the judge said", "verdicts", "labelled", "people agree", "95 %"):
        table.add_column(column, justify="left" if column == "the judge said" else "right")
    for kind in KINDS:
        own = found.by_kind[kind]
        table.add_row(kind, str(found.counts[kind]), str(own.n), *_shown(own))
    everything = str(sum(found.counts[kind] for kind in KINDS))
    table.add_row("all, as in the sample", "", str(found.sample.n), *_shown(found.sample))
    table.add_row("all, by how many there are", everything, "", *_shown(found.population))
    table.add_row("kappa, as in the sample", "", "", *_shown(found.kappa, share=False))
    table.add_row("kappa, by how many there are", "", "", *_shown(found.population_kappa, share=False))
    if found.between is not None:
        agreed, kappa = found.between
        table.add_row("two people on the same responses", "", str(agreed.n), *_shown(agreed))
        table.add_row("kappa of the two", "", "", *_shown(kappa, share=False))
    return table


def _shown(rate: Rate, *, share: bool = True) -> tuple[str, str]:
    if math.isnan(rate.value):
        return "–", ""
    if math.isnan(rate.low):
        return f"{rate.value:.3f}", "no interval"
    if share:
        return f"{rate.value:.1%}", f"{rate.low:.1%} to {rate.high:.1%}"
    return f"{rate.value:.3f}", f"{rate.low:.3f} to {rate.high:.3f}"


def notices(found: PeopleAgreement, most: int = 5) -> list[str]:
    """What is undecided, and what follows from the labels for all verdicts."""
    said = []
    if found.counts["undecided"]:
        named = ", ".join(found.conflicts[:most]) + (", …" if len(found.conflicts) > most else "")
        conflicts = f"; labelled in two ways: {named}" if found.conflicts else ""
        said.append(f"Undecided, in no figure: {found.counts['undecided']}{conflicts}")
    if found.conflicts:
        agreed, all_ = found.sample.value * found.sample.n, found.sample.n + len(found.conflicts)
        said.append(
            f"What is labelled in two ways counted as no agreement, people agree in {agreed / all_:.1%} of the sample"
        )
    if found.rejects_wrong is not None:
        said.append(f"Of what people find incorrect the judge rejects {found.rejects_wrong:.1%}")
    if found.keeps_right is not None:
        said.append(f"Of what people find correct the judge accepts {found.keeps_right:.1%}")
    return said
