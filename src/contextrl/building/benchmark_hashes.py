"""Benchmarks as files of hashes: no question and no picture is in them, so that anybody may pass them on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contextrl.building.fingerprints import (
    PICTURE_TYPE,
    Array,
    bands,
    key_of,
    picture_print,
    row_type,
    scheme,
    stacked,
    text_print,
)
from contextrl.building.finish_settings import DuplicateSettings
from contextrl.building.near import Index, mixed, picture_bands, picture_distances
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import json_lines

_FIX = "Make it again with this version and these settings: `contextrl data hashes FOLDER`, with `--permutations`"


def write_hashes(
    path: Path, items: Iterable[tuple[str, str, Sequence[ImageHandle]]], *, permutations: int = 128
) -> int:
    """Write a benchmark's hashes: a line that says how they were made, then a line an item.

    Args:
        path: `FOLDER/benchmark.jsonl`; its stem names the benchmark in what is said of removed rows.
        items: (id, question, pictures); hints, instructions and options are told from what is asked here.

    Returns:
        How many items there are.

    Raises:
        InputError: a picture cannot be read, naming the item.
    """
    lines = [json.dumps(scheme(permutations), sort_keys=True)]
    for identity, question, pictures in items:
        text = text_print(question, permutations)
        shown = []
        for number, picture in enumerate(pictures):
            try:
                shown.append(_as_text(picture_print(picture, 0)))
            except InputError as error:
                where = f"{path.stem}, item {identity!r}, picture {number}"
                raise InputError(error.expected, found=error.found, where=where, fix=error.fix) from error
        line = {
            "id": identity,
            "words": text.words,
            "all_words": text.all_words,
            "exact": f"{text.exact:016x}",
            "pictures": shown,
        }
        lines.append(json.dumps({**line, "minhash": _as_text(text.minhash)}, sort_keys=True, ensure_ascii=False))
    write_atomically(path, "\n".join(lines) + "\n")
    return len(lines) - 1


def _as_text(array: Array) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


class Benchmarks:
    """Hashes of all benchmarks of a folder.

    Raises:
        InputError: there are none, or one is damaged or was made otherwise.
    """

    def __init__(self, folder: Path, settings: DuplicateSettings) -> None:
        files = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
        if not files:
            raise InputError("files of hashes, NAME.jsonl", found=f"none in {folder}", where="duplicates.benchmarks")
        self.settings, self.names = settings, list[str]()
        self.files = [path.name for path in files]
        texts, pictures = list[Array](), list[Array]()
        for path in files:
            self._read(path, texts, pictures)
        self.texts = stacked(texts, row_type(settings.permutations))
        self.pictures = stacked(pictures, PICTURE_TYPE)
        self._bands = bands(settings.text_similarity, settings.permutations)
        self._text_index = Index(list(text_bands(self.texts["minhash"], *self._bands)))
        self._picture_index = Index(list(picture_bands(self.pictures)))

    def _read(self, path: Path, texts: list[Array], pictures: list[Array]) -> None:
        expected = scheme(self.settings.permutations)
        for line in json_lines(path, pipes=False):
            where = f"{path}, line {line.number}"
            value = line.object
            if value is None:
                raise InputError("a JSON object", found=line.problem[1] if line.problem else "another", where=where)
            if line.number == 1:
                strange = [name for name, part in expected.items() if value.get(name) != part]
                if strange:
                    found = ", ".join(f"{name}: {str(value.get(name))[:40]}" for name in strange)
                    wanted = "hashes with " + ", ".join(f"{name}: {expected[name]}" for name in strange)
                    raise InputError(wanted, found=found, where=where, fix=_FIX)
                continue
            try:
                text, shown = _read_item(value, self.settings.permutations)
            except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
                raise InputError("an item's hashes", found=str(error)[:80], where=where, fix=_FIX) from error
            shown["key"] = len(self.names)  # whose picture it is
            texts.append(text)
            pictures.append(shown)
            self.names.append(f"{path.stem}:{value['id']}")

    def picture(self, one: Any) -> tuple[int, float] | None:
        """(item, differing bits) of the benchmark picture that is nearest to one, None where none is near."""
        places = self._picture_index.places([band[0] for band in picture_bands(np.array([one], PICTURE_TYPE))])
        limits = self.settings.picture_distance, self.settings.colour_distance
        found = picture_distances(one, self.pictures[places], *limits)
        if not len(found) or np.isnan(found).all():
            return None
        best = int(np.nanargmin(found))
        return int(self.pictures["key"][places[best]]), float(found[best])

    def text(self, minhash: Array, row: Any) -> tuple[int, float] | None:
        """(item, similarity) of the benchmark question that is nearest to a row's, None where none is near enough to
        say something.
        """
        keys = [band[0] for band in text_bands(minhash[None], *self._bands)]
        places = self._text_index.places(keys)
        found = (self.texts["minhash"][places] == minhash).mean(axis=1)
        enough = np.minimum(self.texts["words"][places], row["words"]) >= self.settings.benchmark_words
        # A short question with all its options is not asked of many pictures.
        whole = (self.texts["exact"][places] == row["exact"]) & (row["all_words"] >= self.settings.benchmark_words)
        bare = (self.texts["pictures"][places] == 0) & (row["pictures"] == 0) & (row["words"] > 0)
        found = np.where((found >= self.settings.text_similarity) & (enough | whole | bare), found, -1)
        if not len(found) or found.max() < 0:
            return None
        best = int(found.argmax())
        return int(places[best]), float(found[best])

    def similarity(self, item: int, minhash: Array) -> float:
        """Of an item's question to a text."""
        return float((self.texts["minhash"][item] == minhash).mean())


def text_bands(minhash: Array, count: int, width: int) -> Iterable[Array]:
    """Keys of the bands of texts, `[rows]` each."""
    for start in range(0, count * width, width):
        yield mixed(minhash[:, start : start + width])


def _read_item(value: dict[str, Any], permutations: int) -> tuple[Array, Array]:
    text = np.zeros(1, row_type(permutations))
    text["minhash"] = _array(value["minhash"], np.dtype("<u4"), permutations)
    text["exact"], text["words"], text["all_words"] = int(value["exact"], 16), value["words"], value["all_words"]
    shown = [_array(one, PICTURE_TYPE, 1) for one in value["pictures"]]
    text["pictures"] = len(shown)
    if not isinstance(value["id"], str | int):
        raise TypeError("an id that is no text")
    return text, stacked(shown, PICTURE_TYPE).copy()


def _array(text: str, kind: np.dtype[Any], count: int) -> Array:
    data = base64.b64decode(text, validate=True)
    if len(data) != kind.itemsize * count:
        raise ValueError(f"{len(data)} bytes in place of {kind.itemsize * count}")
    return np.frombuffer(data, kind)


def picture_key(name: str) -> int:
    """What stands for a picture's name in tables."""
    return key_of("picture", name)
