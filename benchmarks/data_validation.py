"""`contextrl data validate`: rows a second, and memory as the file grows.

    python benchmarks/data_validation.py [--rows 1000000] [--pictures 3000] [--json FILE]

Rows without pictures: JSON lines with a short solution and a number. Rows with pictures: parquet with 512 x 512 PNGs
of noise and shapes inside, half a megabyte each. Memory: the largest resident set of the command's own process and of
its workers, measured in a process of its own for each file.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from contextrl.data.examination import Reading, examine

_SMALL = 10_000


def text_rows(path: Path, count: int) -> None:
    """JSON lines without pictures."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            row = {
                "id": f"row-{n}",
                "question": f"A train travels {n} km and then 7 km more. How far does it travel?",
                "images": [],
                "solution": f"It travels {n} km, then 7 km. Together {n} + 7 = {n + 7}. Answer: {n + 7}",
                "answer": str(n + 7),
                "answer_type": "number",
            }
            file.write(json.dumps(row) + "\n")


def picture_rows(path: Path, count: int) -> None:
    """A parquet file with PNGs inside."""
    draws = np.random.default_rng(0)
    pictures = []
    for _ in range(32):
        coarse = draws.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((512, 512), Image.Resampling.BICUBIC)).astype(int)
        noisy = np.clip(smooth + draws.integers(-4, 5, smooth.shape), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noisy).save(buffer, "PNG")
        pictures.append(buffer.getvalue())
    writer = None
    for start in range(0, count, 256):
        rows = [
            {
                "id": f"row-{n}",
                "question": "<image>How many?",
                "images": [{"bytes": pictures[n % len(pictures)], "path": None}],
                "solution": f"Answer: {n}",
                "answer": str(n),
                "answer_type": "number",
            }
            for n in range(start, min(start + 256, count))
        ]
        table = pa.Table.from_pylist(rows)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def measure(path: Path) -> dict[str, Any]:
    """Rows a second and peak memory of examining a file, in this process."""
    started = time.perf_counter()
    findings = examine(Reading(str(path)))
    seconds = time.perf_counter() - started
    assert findings.usable == findings.rows, findings.by_count
    own, workers = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "rows": findings.rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(findings.rows / seconds),
        "peak_mib": round(own),
        "largest_worker_mib": round(workers),
    }


def in_a_process(path: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--file", str(path)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=int, default=3_000)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.file is not None:
        print(json.dumps(measure(arguments.file)))
        return
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write, count in (
            ("text, small", text_rows, _SMALL),
            ("text", text_rows, arguments.rows),
            ("pictures, small", picture_rows, max(1, arguments.pictures // 10)),
            ("pictures", picture_rows, arguments.pictures),
        ):
            path = Path(folder) / ("rows.parquet" if write is picture_rows else "rows.jsonl")
            write(path, count)
            figures[name] = in_a_process(path)
            print(name, figures[name], flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
