"""Steps for the tests of builds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.pipeline import Context, WholeStep


class Turned(WholeStep):
    """The other way round."""

    name = "turned"

    def identity(self) -> Mapping[str, Any]:
        return {}

    def whole(self, candidates: Callable[[], Iterator[Candidate]], context: Context) -> Iterator[Candidate | Dropped]:
        yield from reversed(list(candidates()))
