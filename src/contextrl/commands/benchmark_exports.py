"""Answers and marks in the forms of other harnesses, beside our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from contextrl.commands.benchmark_answers import Given
from contextrl.errors import InputError, nearest_key
from contextrl.evaluation.benchmarks.items import Scored
from contextrl.evaluation.benchmarks.rows import Items
from contextrl.evaluation.result_files.exporting import (
    VLMEVALKIT_NAMES,
    Exported,
    export_lmms_eval,
    export_vlmevalkit,
)

#: lmms-eval's samples, VLMEvalKit's table of predictions.
Form = Literal["lmms-eval", "vlmevalkit"]


def forms_named(names: str) -> list[Form]:
    """Forms, separated by commas.

    Raises:
        InputError: one is none.
    """
    forms: list[Form] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name not in get_args(Form):
            known = get_args(Form)
            raise InputError(" or ".join(known), found=f"{name!r}{nearest_key(name, known)}", where="--export")
        forms.append(name)  # type: ignore[arg-type]
    return list(dict.fromkeys(forms))


def export_answers(
    forms: Sequence[Form], items: Items, given: Given, scored: Sequence[Scored], folder: Path, model: str
) -> list[Path]:
    """Write a benchmark's answers with their marks; returns the files.

    Args:
        model: its name, which VLMEvalKit's files begin with.
    """
    position = {identity: place for place, identity in enumerate(items.by_position) if identity is not None}
    rows = [
        Exported(
            one.item,
            given.responses.get(one.item.id) or given.missing.get(one.item.id, "no answer"),
            one.mark,
            position.get(one.item.id),
            reference=str(one.item.columns.get("answer", "")),
        )
        for one in scored
    ]
    name = items.benchmark.name
    written = []
    for form in forms:
        if form == "lmms-eval":
            written.append(folder / f"samples_{name}.jsonl")
            export_lmms_eval(written[-1], rows)
        else:
            written.append(folder / f"{model}_{VLMEVALKIT_NAMES[name]}.tsv")
            export_vlmevalkit(written[-1], rows, name)
    return written
