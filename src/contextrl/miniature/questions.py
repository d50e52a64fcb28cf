"""The miniature's questions as raw material: with answers, without solutions."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from contextrl.building.pictures import bytes_of
from contextrl.disk import writing
from contextrl.miniature.digits import Split
from contextrl.miniature.tasks import miniature_examples
from contextrl.records.files import scratch_name


def write_questions(path: Path, count: int, split: Split, seed: int) -> None:
    """Write a Parquet file with pictures embedded; the same arguments always give the same questions.

    Raises:
        DiskError: the disk would not take it.
    """
    rows = []
    for example in miniature_examples(split, count, seed=seed):
        images = [
            {"bytes": bytes_of(image, example.id), "path": f"{example.id}-{n}.png"}
            for n, image in enumerate(example.images)
        ]
        row: dict[str, Any] = {"id": example.id, "question": example.question, "answer": example.answer}
        rows.append({**row, "answer_type": example.answer_type, "task": example.task, "images": images})
    arrow, parquet = (importlib.import_module(name) for name in ("pyarrow", "pyarrow.parquet"))
    partial = path.with_name(scratch_name(path.name))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(arrow.Table.from_pylist(rows), partial)
        partial.replace(path)
