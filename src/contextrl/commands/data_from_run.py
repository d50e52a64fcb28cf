"""`contextrl data from-run`: what a run has sampled, joined with the rows that it was sampled on."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contextrl.answers import check_answer
from contextrl.building.from_run import Positives, Sampled, draw_rows, positives
from contextrl.building.pictures import bytes_of
from contextrl.commands.config import config_of_run
from contextrl.commands.sources import training_examples
from contextrl.data.raw_rows import RawRow
from contextrl.data.usable_rows import UsableRows
from contextrl.errors import InputError
from contextrl.records.example import Example
from contextrl.records.run_data import RunData, read_run
from contextrl.records.run_directory import RunDirectory

Solutions = Literal["responses", "references"]
_OPTION = "OUT"


@dataclass(frozen=True)
class FromRun:
    """What is asked for.

    Attributes:
        run, out: the run directory, and the file that is written.
        rows, share, seed: see `draw_rows`.
        solutions: what stands as `solution`: the response, or the question's reference, which gives references of the
            same questions.
    """

    run: Path
    out: Path
    rows: int | None
    share: float
    seed: int
    solutions: Solutions = "responses"


def rows_from_run(asked: FromRun) -> tuple[list[Sampled], Positives]:
    """Write the rows; returns those that were drawn, and what there was to draw from.

    Raises:
        InputError: there is no run or no row to be had, the run's own rows cannot be read, or `out` is there.
        DiskError: the disk would not take it.
    """
    if asked.out.suffix.lower() != ".parquet":
        raise InputError("a file ending in .parquet", found=asked.out.name, where=_OPTION)
    run = read_run(asked.run)
    examples = _examples(asked.run)
    found = _that_verify(positives(group for _, _, group in run.groups()), examples)
    drawn = draw_rows(found, asked.rows, asked.share, asked.seed)
    with UsableRows(asked.out, option=_OPTION, schema=_schema()) as file:
        for row in _rows(drawn, examples, run, asked.solutions):
            file.put(row)
    return drawn, found


def _examples(folder: Path) -> dict[str, Example]:
    """The rows that the run was trained on, by id, as its own configuration reads them."""
    config = config_of_run(RunDirectory(folder))
    return {example.id: example for example in training_examples(config, vision=True)}


def _that_verify(found: Positives, examples: dict[str, Example]) -> Positives:
    """Without responses of unknown questions, and those whose final answer a rule cannot find: no row may have them."""
    kept = Positives(left_out=found.left_out.copy())
    for one in (*found.right, *found.wrong):
        example = examples.get(one.example_id)
        if example is None:
            kept.left_out["of a question that is not in the run's data"] += 1
        elif check_answer(one.text, example.answer, example.answer_type, tolerance=example.tolerance) is not True:
            kept.left_out["without a final answer that a rule finds right"] += 1
        else:
            (kept.right if one.process_correct else kept.wrong).append(one)
    return kept


def _schema() -> Any:
    """Columns of a row; the first rows may show neither pictures nor tolerances that later ones have."""
    arrow: Any = importlib.import_module("pyarrow")
    text, whole = arrow.string(), arrow.int64()
    picture = arrow.struct([("bytes", arrow.binary()), ("path", text)])
    columns = {
        "id": text,
        "question": text,
        "images": arrow.list_(picture),
        **dict.fromkeys(("solution", "answer", "answer_type", "task", "source"), text),
        **dict.fromkeys(("image_ids", "documents"), arrow.list_(text)),
        **dict.fromkeys(("tolerance", "run", "example"), text),
        **dict.fromkeys(("step", "stage", "attempt"), whole),
        "process_correct": arrow.bool_(),
        "judged_by": text,
    }
    return arrow.schema(list(columns.items()))


def _rows(drawn: list[Sampled], examples: dict[str, Example], run: RunData, solutions: Solutions) -> Iterator[RawRow]:
    for number, one in enumerate(drawn, start=1):
        example = examples[one.example_id]
        name = f"{one.example_id}-s{one.step}-{one.attempt}"
        columns: dict[str, Any] = {
            "id": name,
            "question": example.question,
            "images": [
                {"bytes": bytes_of(handle, one.example_id), "path": f"{one.example_id}-{place}.png"}
                for place, handle in enumerate(example.images)
            ],
            "solution": one.text if solutions == "responses" else example.solution,
            "answer": example.answer,
            "answer_type": example.answer_type,
            "task": example.task,
            "source": example.source,
            # A picture of several may have an id for each: rows of a file have one for each picture.
            "image_ids": list(example.image_ids) if len(example.image_ids) == len(example.images) else [],
            "documents": list(example.documents),
            "tolerance": None if example.tolerance is None else str(example.tolerance),
            "run": run.name,
            "example": one.example_id,
            "step": one.step,
            "stage": one.stage,
            "attempt": one.attempt,
            "process_correct": one.process_correct,
            "judged_by": one.judged_by,
        }
        yield RawRow(f"{run.name}, row {number}", name, None, columns)
