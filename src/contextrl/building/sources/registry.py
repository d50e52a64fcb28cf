"""Sources by the kind that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contextrl.building.import_settings import ROWS, SourceSettings
from contextrl.building.sources.finevision import finevision
from contextrl.building.sources.rows import own_rows
from contextrl.building.sources.source import Source

#: What makes a source of its configuration.
_KNOWN: Mapping[str, Callable[[str], Source]] = {
    "finevision": finevision,
}


def source_of(settings: SourceSettings) -> Source:
    """The source that settings name.

    Raises:
        InputError: its configuration or its columns are none.
    """
    return own_rows(settings) if settings.kind == ROWS else _KNOWN[settings.kind](settings.config)
