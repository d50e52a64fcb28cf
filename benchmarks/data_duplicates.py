"""Near-duplicates of a data build: seconds and memory by the number of candidates, and where the time goes.

    python benchmarks/data_duplicates.py [--rows 20000] [--pictures 500] [--json FILE]

Candidates are made: questions of 20 to 45 words, a tenth of them near copies of earlier ones, against a file of hashes
of 5,000 made questions. Pictures: 512 x 512 PNGs of shapes, a tenth saved again as JPEG. Memory: the largest resident
set of the command's own process, in a process of its own for each number of rows. What 250,000 candidates would take is
extrapolated from the larger number: everything is proportional to it but for sorting.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from contextrl.building.benchmark_hashes import write_hashes
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.duplicates import Duplicates
from contextrl.building.finish_settings import DuplicateSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context

_TARGET = 250_000
_WORDS = [
    a + b
    for a in ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe"]
    for b in ["ral", "sen", "tim", "vos", "wer", "x", "yan", "zel"]
]


def question(number: int) -> str:
    draws = np.random.default_rng(number)
    words = [_WORDS[n] for n in draws.integers(0, len(_WORDS), draws.integers(20, 45))]
    return f"{' '.join(words)} {draws.integers(0, 1000)}?"


def candidates(rows: int, names: list[str]) -> Iterator[Candidate]:
    for n in range(rows):
        copied = n % 10 == 9
        text = question(n - 5) + " Answer briefly." if copied else question(n)
        # Few pictures are shown by many rows here: hashing them is measured alone.
        images = (names[n % len(names)],) if names and n % 2 else ()
        yield Candidate(f"row-{n}", text, str(n), "text", "reasoning", "made", images=images)


def picture(number: int) -> Image.Image:
    draws = np.random.default_rng(number)
    coarse = draws.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((512, 512), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, w, h = (int(v) for v in draws.integers(10, 250, 4))
        pen.rectangle((x, y, x + w, y + h), fill=tuple(int(v) for v in draws.integers(0, 255, 3)))
    return image


def measure(rows: int, pictures: int) -> dict[str, Any]:
    """One run, in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = PictureStore(folder / "pictures")
        names = [store.put(picture(n), where="made") for n in range(pictures)]
        (folder / "hashes").mkdir()
        write_hashes(folder / "hashes" / "made.jsonl", ((str(n), question(10**7 + n), []) for n in range(5_000)))
        settings = DuplicateSettings(benchmarks=str(folder / "hashes"), same_answers=False)
        step = Duplicates(settings, folder / "prints")
        figures: dict[str, Any] = {"rows": rows, "pictures": pictures}
        for what in ("seconds", "seconds_with_fingerprints_there"):
            began = time.perf_counter()
            dropped = sum(
                isinstance(one, Dropped) for one in step.whole(lambda: candidates(rows, names), Context(0, store))
            )
            figures[what] = round(time.perf_counter() - began, 1)
        size = sum(path.stat().st_size for path in (folder / "prints").glob("*.npy"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**figures, "dropped": dropped, "peak_mib": round(peak), "fingerprints_mib": round(size / 2**20)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.rows, arguments.pictures)))
        return
    runs = []
    for rows, pictures in ((arguments.rows // 4, 0), (arguments.rows, 0), (arguments.rows // 4, arguments.pictures)):
        command = [sys.executable, __file__, "--one", "--rows", str(rows), "--pictures", str(pictures)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
        print(runs[-1], flush=True)
    small, large, shown = runs
    texts = large["seconds"] * _TARGET / large["rows"]
    each = max(0.0, shown["seconds"] - small["seconds"]) / max(1, shown["pictures"])
    figures = {
        "runs": runs,
        "minutes_for_250000_texts": round(texts / 60, 1),
        "milliseconds_a_picture": round(1000 * each, 1),
        "minutes_for_250000_with_a_picture_each": round((texts + each * _TARGET) / 60, 1),
    }
    print(json.dumps({name: value for name, value in figures.items() if name != "runs"}))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
