"""Sources by the kind that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contextrl.building.import_settings import ROWS, SourceSettings
from contextrl.building.sources import arxivqa, finevision, geometry3k, mm_math, mmfinereason, mmk12, thinklite
from contextrl.building.sources.rows import own_rows
from contextrl.building.sources.source import Source

#: What makes a source of its configuration.
KNOWN: Mapping[str, Callable[[str], Source]] = {
    arxivqa.NAME: arxivqa.arxivqa,
    finevision.NAME: finevision.finevision,
    geometry3k.NAME: geometry3k.geometry3k,
    mm_math.NAME: mm_math.mm_math,
    mmfinereason.NAME: mmfinereason.mmfinereason,
    mmk12.NAME: mmk12.mmk12,
    thinklite.NAME: thinklite.thinklite,
}


def source_of(settings: SourceSettings) -> Source:
    """The source that settings name.

    Raises:
        InputError: its configuration or its columns are none.
    """
    return own_rows(settings) if settings.kind == ROWS else KNOWN[settings.kind](settings.config)


def example_config(kind: str) -> str:
    """A configuration of a kind that has several; empty where it has one."""
    return {finevision.NAME: "arxivqa", thinklite.NAME: "70k", mmfinereason.NAME: "ViRL39K"}.get(kind, "")
