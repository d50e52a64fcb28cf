"""The miniature's questions as rows: with answers, and with solutions only where a model is to write them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from contextrl.building.pictures import bytes_of
from contextrl.disk import writing
from contextrl.miniature.digits import Split
from contextrl.miniature.tasks import miniature_examples
from contextrl.records.example import Example
from contextrl.records.files import scratch_name


def write_questions(path: Path, count: int, split: Split, seed: int, solutions_of: str | None = None) -> None:
    """Write a Parquet file with pictures embedded; the same arguments always give the same questions.

    Args:
        solutions_of: a policy's folder; rows then have a solution, the policy's own where its answer is right, else
            the miniature's, and say whose it is.

    Raises:
        DiskError: the disk would not take it.
    """
    rows = []
    examples = miniature_examples(split, count, seed=seed)
    written = examples if solutions_of is None else _written_by(examples, solutions_of)
    for example, one in zip(examples, written, strict=True):
        images = [
            {"bytes": bytes_of(image, example.id), "path": f"{example.id}-{n}.png"}
            for n, image in enumerate(example.images)
        ]
        row: dict[str, Any] = {"id": example.id, "question": example.question, "answer": example.answer}
        row |= {"answer_type": example.answer_type, "task": example.task, "images": images}
        if solutions_of is not None:
            whose = "miniature" if one is example else "model"
            row |= {"solution": one.solution, "reference": whose, "source": example.source}
        rows.append(row)
    arrow, parquet = (importlib.import_module(name) for name in ("pyarrow", "pyarrow.parquet"))
    partial = path.with_name(scratch_name(path.name))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(arrow.Table.from_pylist(rows), partial)
        partial.replace(path)


def _written_by(examples: list[Example], model: str) -> list[Example]:
    from contextrl.miniature.references import written_by

    return written_by(examples, model)
