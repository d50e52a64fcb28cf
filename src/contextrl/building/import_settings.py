"""The `sources` of a recipe: which sets, how much of them, where copies are."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from contextrl.data.row_files import FILE_SUFFIXES
from contextrl.errors import nearest_key
from contextrl.records.example import AnswerType, Task
from contextrl.settings import INPUT_PATH, OPERATIONAL, Section

#: The kind of any set of one's own.
ROWS = "rows"
#: Kinds that have several configurations, and what a recipe calls theirs.
CONFIGURED = ("finevision", "thinklite", "mmfinereason")
KINDS = (ROWS, *CONFIGURED, "arxivqa", "geometry3k", "mm_math", "mmk12")
#: What only `rows` has: of the others the schema is known.
_OWN = ("path", "columns", "answer_type")
_WILD = re.compile(r"\[[^\]]*\]|[*?]+")


class SourceSettings(Section):
    """One source of questions."""

    kind: str = ROWS
    """`rows`: any file, folder or hub set, `path`. Or a set whose schema is known: finevision, thinklite, arxivqa,
    mmk12, mmfinereason, mm_math, geometry3k."""

    name: str = ""
    """What its rows are called: `source` of every row, and the beginning of their ids. By default the kind, or the
    configuration."""

    config: str = ""
    """finevision, thinklite, mmfinereason: which of its configurations or parts."""

    path: Annotated[str, INPUT_PATH] = ""
    """rows: a file, a folder, or a hub id (`owner/name`, `owner/name:config`)."""

    split: str = ""
    """By default the one that is meant for training."""

    revision: str | None = None
    """Commit of the hub set. By default the one that its schema was read at, where one is known; for others pin one, or
    a later build may find other rows."""

    local: Annotated[str | None, INPUT_PATH, OPERATIONAL] = None
    """A copy of it: a file, or a folder. `--local DIR` names a folder with copies of several."""

    limit: int | None = Field(default=None, ge=1)
    """Questions that are looked at, the first so many."""

    columns: dict[str, str | list[str] | None] = Field(default_factory=dict)
    """rows: which column holds a field, as `data.columns` of a run."""

    task: Task | None = None
    """perception or reasoning; by default what is known of the source, or what a row says."""

    answer_type: AnswerType | Literal["auto"] = "auto"
    """rows: of rows that name none; `auto` goes by the look of each answer."""

    licence: str = ""
    """Of its rows, where it is not the set's own."""

    ratings: Annotated[dict[str, float], OPERATIONAL] = Field(default_factory=dict)
    """Least ratings by name, for the step `filter`: `visual_dependency: 3`."""

    solutions: Literal["keep", "ignore"] = "keep"
    """`ignore` leaves its own solutions out: references are sampled instead, or the rows dropped."""

    @property
    def unit(self) -> str:
        """Its name in the build."""
        *above, last = self.path.rstrip("/").split("/")
        file = next((last.removesuffix(suffix) for suffix in FILE_SUFFIXES if last.endswith(suffix)), last)
        # Of a pattern, what it says plainly: `train-*.parquet` is `train`, `mine/*.jsonl` is `mine`.
        plain = (_WILD.sub("", part).strip("-_.") if _WILD.search(part) else part for part in (file, *reversed(above)))
        return self.name or self.config or next(filter(None, plain), self.kind).replace(":", "-")

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if name and not (name.isprintable() and name.strip()):
            raise ValueError(f"expected a name that can be printed on one line, found {name!a}")
        return name

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"expected {', '.join(KINDS)}, found {kind!r}{nearest_key(kind, KINDS)}")
        return kind

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name)}
        if self.kind != ROWS and (strange := sorted(given & set(_OWN))):
            raise ValueError(f"{strange[0]}: expected none for kind {self.kind}, whose schema is known")
        if self.kind == ROWS and not self.path:
            raise ValueError("path: expected a file, a folder or a hub id for kind rows, found none")
        if self.config and self.kind not in CONFIGURED:
            raise ValueError(f"config: expected none for kind {self.kind}, found {self.config!r}")
        return self

    def of_the_outcome(self) -> dict[str, Any]:
        """What candidates depend on."""
        return self.model_dump(mode="json", exclude={"local", "ratings"})
