"""What runs took, as studies' tables say it."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.studies.cells import Cell


def processor_seconds(cells: Sequence[Cell]) -> list[float]:
    """Of the cells whose run was measured."""
    return [float(seconds) for cell in cells if (seconds := cell.measures.get("processor")) is not None]


def rounded_mean(values: Sequence[float]) -> str:
    """A mean in whole numbers; a dash where there is nothing."""
    return f"{sum(values) / len(values):.0f}" if values else "–"
