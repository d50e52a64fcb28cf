"""`contextrl data validate`: rows a second, and memory as the file grows.

    python benchmarks/data_validation.py [--rows 1000000] [--pictures 3000] [--json FILE]

Rows without pictures: JSON lines with a short solution and a number. Rows with pictures: parquet with 512 x 512 PNGs
inside: photographs (smooth, with a sensor's noise), diagrams, screenshots, half photographs and half of
the others, and noise that does not compress. Beside them stands what zlib alone does that inflates the same data and
looks at nothing: no check of a picture is faster. Memory: the largest resident set of the command's own process and of
its workers, measured in a process of its own for each file.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from contextrl.data.examination import Reading, examine

_SMALL, _SIDE = 10_000, 512


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


def photograph(draws: np.random.Generator) -> Image.Image:
    """Smooth, with the noise of a sensor."""
    coarse = draws.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)).astype(float)
    return Image.fromarray(np.clip(np.round(smooth + draws.normal(0, 1.5, smooth.shape)), 0, 255).astype(np.uint8))


def diagram(draws: np.random.Generator) -> Image.Image:
    """Lines and labels on white."""
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        *ends, x, y = (int(v) for v in draws.integers(0, _SIDE, 6))
        pen.line(ends, fill=tuple(int(v) for v in draws.integers(0, 200, 3)), width=3)
        pen.text((x, y), f"AB = {int(draws.integers(100))}", fill="black")
    return image


def screenshot(draws: np.random.Generator) -> Image.Image:
    """Lines of small text, and buttons."""
    image = Image.new("RGB", (_SIDE, _SIDE), (245, 246, 248))
    pen = ImageDraw.Draw(image)
    for y in range(8, _SIDE - 8, 14):
        pen.text((10, y), " ".join(str(v) for v in draws.integers(0, 10**6, 14)), fill=(30, 30, 30))
    for _ in range(8):
        x, y = (int(v) for v in draws.integers(0, _SIDE - 90, 2))
        pen.rectangle((x, y, x + 80, y + 30), fill=tuple(int(v) for v in draws.integers(0, 255, 3)))
    return image


def mixed(draws: np.random.Generator) -> Image.Image:
    """Half of them photographs."""
    return (photograph, photograph, diagram, screenshot)[int(draws.integers(4))](draws)


def noise(draws: np.random.Generator) -> Image.Image:
    """What no compression helps."""
    return Image.fromarray(draws.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8))


def picture_rows(path: Path, count: int, draw: Callable[[np.random.Generator], Image.Image]) -> None:
    """A parquet file with PNGs inside, as datasets writes them: two dozen, in turn."""
    draws = np.random.default_rng(0)
    pictures = [draw(draws) for _ in range(24)]
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("id", "question", "solution", "answer", "answer_type")),
            ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ]
    )
    encoded = [_png(picture) for picture in pictures]
    with pq.ParquetWriter(path, schema, use_dictionary=False, write_batch_size=4) as writer:
        for start in range(0, count, 100):
            rows = [
                {
                    "id": f"row-{n}",
                    "question": "How many?",
                    "images": [{"bytes": encoded[n % len(encoded)], "path": None}],
                    "solution": f"Answer: {n}",
                    "answer": str(n),
                    "answer_type": "number",
                }
                for n in range(start, min(start + 100, count))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def measure(path: Path) -> dict[str, Any]:
    """Rows a second and peak memory of examining a file, in this process."""
    started = time.perf_counter()
    findings = examine(Reading(str(path)))
    seconds = time.perf_counter() - started
    assert findings.usable == findings.rows, findings.by_count
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    busy = sum(use.ru_utime + use.ru_stime for use in (own, workers))
    return {
        "rows": findings.rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(findings.rows / seconds),
        # What two cores would do that nobody else works on.
        "rows_per_two_core_seconds": round(findings.rows / busy * 2),
        "inflated_per_two_core_seconds": inflated(path),
        "peak_mib": round(_own_peak()),
        "largest_worker_mib": round(workers.ru_maxrss / 1024),
    }


def inflated(path: Path) -> int | None:
    """Rows a second of two cores that only inflate the pictures; None where there are none."""
    if path.suffix != ".parquet":
        return None
    rows = next(pq.ParquetFile(path).iter_batches(24)).column("images").to_pylist()
    streams = [_data(picture["bytes"]) for (picture,) in rows]
    times = []
    for _ in range(5):
        started = time.process_time()
        for stream in streams:
            zlib.decompress(stream)
        times.append(time.process_time() - started)
    return round(2 * len(streams) / min(times))


def _data(png: bytes) -> bytes:
    """A PNG's compressed data, its chunks joined."""
    parts, place = [], 8
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        parts += [png[place + 8 : place + 8 + length]] if kind == b"IDAT" else []
        place += 12 + length
    return b"".join(parts)


def _own_peak() -> float:
    """Mebibytes; `ru_maxrss` would count the process that started this one too."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(path: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--file", str(path)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=int, default=3_000)
    parser.add_argument("--only", choices=("text", "pictures"), help="one of the two alone")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.file is not None:
        print(json.dumps(measure(arguments.file)))
        return
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, count in (("text, small", _SMALL), ("text", arguments.rows)) if arguments.only != "pictures" else ():
            path = Path(folder) / "rows.jsonl"
            text_rows(path, count)
            figures[name] = in_a_process(path)
            print(name, figures[name], flush=True)
        for draw in (photograph, diagram, screenshot, mixed, noise) if arguments.only != "text" else ():
            path = Path(folder) / "rows.parquet"
            picture_rows(path, arguments.pictures, draw)
            figures[draw.__name__] = in_a_process(path)
            print(draw.__name__, figures[draw.__name__], flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
