"""`contextrl data hashes`: what a data build needs of the benchmarks, so that none of their questions is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from contextrl.building.benchmark_hashes import write_hashes
from contextrl.console import Advance, progress_bar
from contextrl.disk import writing
from contextrl.evaluation.benchmarks.items import Item
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.evaluation.benchmarks.rows import Items, local_copy
from contextrl.records.example import ImageHandle


def write_benchmark_hashes(
    names: Sequence[str], data: Path | None, out: Path, permutations: int, console: Console
) -> dict[str, int]:
    """A file of hashes for each benchmark, from which neither questions nor pictures can be had.

    Args:
        names: of benchmarks.
        data: a folder of local copies, or the copy of the only one; None reads the hub.
        permutations: as `duplicates.permutations` of the recipes that they are for.

    Returns:
        Questions of each.

    Raises:
        InputError: a copy is none; a picture cannot be read.
        ServiceError: the hub cannot be reached: which set it was, and how to have a copy.
    """
    copies = {name: local_copy(data, BENCHMARKS[name], alone=len(names) == 1) for name in names}
    with suppress(FileExistsError), writing(out):
        out.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name in names:
        items = Items(BENCHMARKS[name], copies[name])
        with progress_bar(console, f"Hashing {BENCHMARKS[name].title}", BENCHMARKS[name].source.rows) as advance:
            counts[name] = write_hashes(out / f"{name}.jsonl", _hashed(items, advance), permutations=permutations)
        for where, fault in items.sick.items():
            console.print(f"Left out, {escape(where)}: {escape(fault)}", soft_wrap=True, highlight=False)
    return counts


def _hashed(items: Items, advance: Advance) -> Iterator[tuple[str, str, Sequence[ImageHandle]]]:
    for item in items:
        advance(1)
        yield item.id, asked(item), item.images


def asked(item: Item) -> str:
    """An item's question as the benchmark has it, which may be with a hint and options."""
    question = item.columns.get("question")
    return question if isinstance(question, str) else str(item.columns["query"])
