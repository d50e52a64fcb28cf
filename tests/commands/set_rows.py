"""Rows for `contextrl data show`, and a small build."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from contextrl.building.balance import Balance
from contextrl.building.candidates import Candidate
from contextrl.building.duplicates import Duplicates
from contextrl.building.finish_settings import BalanceGroup, BalanceSettings, DuplicateSettings, WritingSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline, UnitsStep
from contextrl.building.writing import BuildRecord, write_set

LONG = "In the figure the line AB is parallel to CD and the angle at E is {} degrees. How large is the angle at F?"


def picture(seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Blocks of colours that are near to no other seed's."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def row(number: int, **fields: Any) -> dict[str, Any]:
    """A row that is like no other of another number."""
    words = " ".join(f"word{number}{place}" for place in range(12))
    made = {
        "id": str(number),
        "question": f"{words}: {number} + 1?",
        "images": [],
        "solution": f"Answer: {number + 1}",
        "answer": str(number + 1),
    }
    return made | fields


def lines(path: Path, rows: list[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


class Made(UnitsStep):
    """Twelve questions of two sources; two come again, one of them with another word."""

    name = "import"

    def __init__(self, store: PictureStore) -> None:
        self.store = store

    def identity(self) -> dict[str, Any]:
        return {}

    def units(self) -> list[str]:
        return ["made"]

    def unit(self, name: str, context: Context, start: int) -> Iterator[Candidate]:
        shown = [self.store.put(picture(n), where="made") for n in range(3)]
        for n in range(10):
            images = (shown[n],) if n < 3 else ()
            source, licence = ("angles", "MIT") if n % 2 else ("<i>lines</i>", "")
            yield self._one(f"q{n}", LONG.format(10 * n + 5), images, source, licence, n)
        yield self._one("again", LONG.format(5).upper(), (shown[0],), "angles", "MIT", 0)
        yield self._one("near", LONG.format(15) + " Answer.", (shown[1],), "angles", "MIT", 1)

    @staticmethod
    def _one(name: str, text: str, images: tuple[str, ...], source: str, licence: str, n: int) -> Candidate:
        return Candidate(
            id=name,
            question=text,
            answer="5",
            answer_type="number",
            task="perception" if images else "reasoning",
            source=source,
            licence=licence,
            images=images,
            solution="Both are alike. Answer: 5",
            reference="source",
            ratings={"clarity": float(n % 3)},
            tried=4,
            right=n % 4,
        )


def built(folder: Path) -> Path:
    """A set of a build: 12 candidates, 2 near-duplicates, 8 of 10 rows taken."""
    store = PictureStore(folder / "build" / "pictures")
    groups = [BalanceGroup(name="vqa", rows=4, tasks=["perception"]), BalanceGroup(name="math", rows=5)]
    settings = BalanceSettings(groups=groups, by=["right"], exact=[])
    steps = [
        Made(store),
        Duplicates(DuplicateSettings(workers=1), folder / "build" / "fingerprints"),
        Balance(settings),
    ]
    pipeline = Pipeline(folder / "build", steps, Context(1, store))
    counts = pipeline.run()
    named = list(zip([step.name for step in steps], counts, strict=True))
    record = BuildRecord(1, {"sources": [{"name": "<script>alert(1)</script>"}]}, named, pipeline.folder)
    write_set(folder, pipeline.outcome, WritingSettings(name="Lines & <b>angles</b>"), store, record)
    return folder
