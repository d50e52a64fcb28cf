"""Cards by name, as their makers' data sheets have them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from contextrl.errors import InputError, nearest_key

_TABLE = Path(__file__).with_name("gpus.yaml")
_MEMORY_UNIT, _TERA, _GIGA = 1e9, 1e12, 1e9


@dataclass(frozen=True)
class Gpu:
    """One card.

    Attributes:
        memory: bytes.
        flops: dense bfloat16 operations a second, a multiplication and an addition being two.
        bandwidth: bytes a second of its memory.
        link: bytes a second to other cards of its machine, one way.
        source: where that stands.
    """

    name: str
    memory: float
    flops: float
    bandwidth: float
    link: float
    source: str


@cache
def gpus() -> dict[str, Gpu]:
    """The table, by name."""
    table = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return {
        name: Gpu(
            name,
            row["memory"] * _MEMORY_UNIT,
            row["tflops"] * _TERA,
            row["bandwidth"] * _GIGA,
            row["link"] * _GIGA,
            row["source"],
        )
        for name, row in table.items()
    }


def gpu_named(name: str, *, where: str) -> Gpu:
    """A card of the table.

    Raises:
        InputError: there is none of that name; it gives the nearest.
    """
    found = gpus().get(name.strip().lower())
    if found is None:
        known = ", ".join(gpus())
        raise InputError(f"one of {known}", found=f"{name!r}{nearest_key(name.lower(), gpus())}", where=where)
    return found
