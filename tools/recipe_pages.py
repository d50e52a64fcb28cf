"""What the page about data sets says of recipes and sources."""

from __future__ import annotations

import sys

from setting_tables import section_tables, table


def recipe() -> str:
    """Every section of a data build's recipe."""
    from contextrl.building.recipe import BuildRecipe

    return "\n".join(section_tables("", BuildRecipe, level="####"))


def sources() -> str:
    """The sets whose schema is known."""
    from contextrl.building.sources.registry import KNOWN, example_config

    rows = []
    for kind, make in KNOWN.items():
        source = make(example_config(kind))
        module = sys.modules[type(source).__module__]
        first = (module.__doc__ or "").partition("\n")[0]
        pinned = f"`{source.revision[:12]}`" if source.revision else "–"
        rows.append([f"`{kind}`", first, pinned, source.licence or "not stated", source.needs_copy or ""])
    return table(["kind", "what it is", "revision", "licence", "needs a copy"], rows)
