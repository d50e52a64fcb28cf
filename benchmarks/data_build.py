"""A data build without models: seconds of each step, processor time, the peak of memory, and what 250,000 would take.

    python benchmarks/data_build.py [--rows 2000 8000] [--json FILE]

Rows are made: a question with numbers drawn, its answer and a worked solution, and a picture of its own, 512 x 384 as
JPEG, as half of the paper's sources have them. Each number of rows is built in a process of its own: import, filter,
duplicates (against nothing), balance, and shards. The larger number is extrapolated in proportion; `--rows 250000`
needs 25 GB of disk. Where other work shares the cores, half of `processor` is what two free ones would take at least.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from contextrl.building.balance import Balance
from contextrl.building.duplicates import Duplicates
from contextrl.building.filter_settings import FilterSettings
from contextrl.building.filters import Filter
from contextrl.building.finish_settings import BalanceSettings, DuplicateSettings, WritingSettings
from contextrl.building.import_settings import SourceSettings
from contextrl.building.importing import Import
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline, Step
from contextrl.building.writing import BuildRecord, write_set

TARGET = 250_000


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Questions about lengths, each with a picture that no other has."""
    draws = np.random.default_rng(0)
    for number in range(count):
        a, b = (int(value) for value in draws.integers(1, 1000, 2))
        words = " ".join(f"point {chr(65 + int(n))}" for n in draws.integers(0, 26, 6))
        yield {
            "question": f"In figure {number} ({words}) AB is {a} cm and BC is {b} cm longer. How long is BC?",
            "answer": str(a + b),
            "solution": f"BC is {b} cm longer than AB. So BC = {a} + {b} = {a + b} cm. Answer: {a + b}",
            "images": [{"bytes": _picture(draws), "path": None}],
        }


def _picture(draws: np.random.Generator) -> bytes:
    coarse = draws.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((512, 384), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(8):
        pen.line([int(v) for v in draws.integers(0, 384, 4)], fill="black", width=3)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def write_rows(file: Path, count: int) -> None:
    """A Parquet file of them, a row group at a time: all of them may be more than memory holds."""
    made = rows(count)
    schema: pa.Schema | None = None
    with ExitStack() as stack:
        while group := list(islice(made, 500)):
            table = pa.Table.from_pylist(group, schema)
            if schema is None:
                schema = table.schema
                writer = stack.enter_context(pq.ParquetWriter(file, schema))
            writer.write_table(table)


def build(file: Path, folder: Path) -> dict[str, float]:
    """Seconds by step, and the peak of this process's memory in MiB."""
    seconds: dict[str, float] = {}
    before = sum(os.times()[:4])

    @contextmanager
    def timed(step: Step, _given: int | None) -> Iterator[Context]:
        began = time.monotonic()
        yield replace(context)
        seconds[step.name] = time.monotonic() - began

    context = Context(0, PictureStore(folder / "pictures"))
    steps: list[Step] = [
        Import([SourceSettings(path=str(file))]),
        Filter(FilterSettings(), {}),
        Duplicates(DuplicateSettings(), folder / "fingerprints"),
        Balance(BalanceSettings()),
    ]
    pipeline = Pipeline(folder, steps, context)
    counts = pipeline.run(timed)
    began = time.monotonic()
    named = [(step.name, one) for step, one in zip(steps, counts, strict=True)]
    write_set(folder / "set", pipeline.outcome, WritingSettings(), context.pictures, BuildRecord(0, {}, named, folder))
    seconds["write"] = time.monotonic() - began
    # With the processes that hash.
    seconds["processor"] = sum(os.times()[:4]) - before
    # What getrusage says of a process begins with what its parent had when it was started.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    seconds["MiB"] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 8000])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help="where rows and set are written; by default among temporary files")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.file is not None:
        print(json.dumps(build(arguments.file, arguments.file.parent / "build")))
        return
    found = {}
    for count in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            file = Path(folder) / "rows.parquet"
            write_rows(file, count)
            command = [sys.executable, __file__, "--file", str(file)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[count] = {name: round(value, 1) for name, value in json.loads(done.stdout).items()}
        print(count, found[count], flush=True)
    largest = max(found)
    total = sum(value for name, value in found[largest].items() if name not in ("MiB", "processor"))
    minutes = total * TARGET / largest / 60
    print(f"{TARGET:,} candidates at this rate: {minutes:.0f} minutes")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"rows": found, "minutes": minutes}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
