"""The `data` section of a run's YAML: where rows are, how they are read, and which of them nobody trains on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from contextrl.data.columns import FIELDS
from contextrl.errors import nearest_key
from contextrl.plugins import DATA
from contextrl.policy.settings import PromptSettings
from contextrl.settings import INPUT_PATH

ColumnNames = dict[str, str | list[str] | None]


class DataConfig(PromptSettings):
    """Rows to train and to evaluate on. A path in a YAML file is relative to that file's folder."""

    train: Annotated[str, INPUT_PATH] = "miniature"
    """`miniature`; `miniature:second-half`, the half of its images that no learned judge has seen; `miniature:long`,
    whose solutions take six and more steps; a .jsonl, .json, .parquet, .csv or .tsv file; a folder of such files or
    from `datasets`; or a hub id, `owner/name` or `owner/name:config`."""
    eval: Annotated[str | None, INPUT_PATH] = "miniature"
    """The same for evaluation; `miniature` is its held-out test split, `miniature:dev` the development split. null is
    no evaluation, and the default beside rows of your own."""
    columns: ColumnNames = Field(default_factory=dict)
    """Which column holds which field, where names differ: `{question: query, solution: meta.rationale}`; dots lead into
    objects and lists (`conversations.0.value`). Images may be in several, `{images: [image_1, image_2]}`, or nowhere,
    `{images: null}`. Where answer and solution are one column, the answer is what the solution ends with."""
    answer_type: Literal["text", "number", "choice", "yes_no", "math", "auto"] = "text"
    """How answers are compared in rows that do not say; `auto` goes by the look of each answer."""
    split: str = "train"
    """Split of `train`, where it is a hub dataset, a saved dataset dictionary or a folder of files named by split."""
    revision: str | None = None
    """Commit, tag or branch of `train` on the hub, and of `eval` where it is the same dataset."""
    eval_columns: ColumnNames | None = None
    """The same as `columns` for `eval`; by default those, and a row without such a column is read by the field's own
    name."""
    eval_split: str = "test"
    """Split of `eval`."""
    eval_revision: str | None = None
    """Commit, tag or branch of `eval` on the hub."""
    holdout: float | None = Field(None, gt=0)
    """In place of `eval`: so many rows of `train` are held out, or below 1 such a share of them. Always the same ones,
    whatever the seed; rows that show the same picture are on one side."""
    examples: int = Field(4000, gt=0)
    """Training rows drawn for the miniature."""
    voice: Literal["own", "foreign"] = "own"
    """Who wrote the miniature's reference solutions: the policy's own voice, or a foreign one in prose."""
    references: Literal["whole", "partial", "wrong_step"] = "whole"
    """What the miniature's reference solutions are worth: whole; `partial`, with the final answer but only some of the
    digits and no step after them; or with one digit read wrong in an otherwise right solution (`wrong_step`)."""
    references_share: float = Field(1.0, gt=0, le=1)
    """Share of the miniature's rows whose reference is so."""
    facts: Literal["none", "some", "all"] = "none"
    """Facts that the miniature's rows bring as `documents`, for `judge.context: documents`: which digits are shown, all
    of them, or some (at least one and not all)."""
    limit: int | None = Field(None, gt=0)
    """Use only the first rows of a training file."""
    allow_outside: bool = False
    """Take pictures from anywhere: by default a row that names a file outside its own file's folder is refused, because
    pictures are sent to the judge."""

    @model_validator(mode="before")
    @classmethod
    def _evaluated_on_what_was_asked(cls, section: Any) -> Any:
        """Figures on the miniature's digits would say nothing of a policy that is trained on other rows."""
        if isinstance(section, Mapping) and "eval" not in section:
            train = section.get("train", "miniature")
            if isinstance(train, str) and train.partition(":")[0] not in DATA:
                return {**section, "eval": None}
        return section

    @field_validator("columns", "eval_columns")
    @classmethod
    def _fields_to_columns(cls, columns: ColumnNames | None) -> ColumnNames | None:
        for field, column in (columns or {}).items():
            if field not in FIELDS:
                turned = isinstance(column, str) and column in FIELDS
                hint = f"; write {{{column}: {field}}}" if turned else nearest_key(field, FIELDS)
                raise ValueError(f"expected a field of an example before the colon, found {field!r}{hint}")
            if not isinstance(column, str) and field != "images":
                raise ValueError(f"{field}: expected one column, found {column!r}")
        return columns

    @model_validator(mode="after")
    def _one_evaluation(self) -> DataConfig:
        if self.train.partition(":")[0] in DATA:
            own = DataConfig.model_fields
            given = [
                name
                for name in ("columns", "split", "revision", "holdout")
                if getattr(self, name) != _default(own, name)
            ]
            if given:
                raise ValueError(f"{given[0]}: expected rows of your own in train, found {self.train}")
        elif self.facts != "none":
            raise ValueError(f"facts: expected none beside rows of your own, found {self.facts}")
        elif self.references != "whole":
            raise ValueError(f"references: expected whole beside rows of your own, found {self.references}")
        if self.holdout is not None and self.eval is not None:
            raise ValueError(
                f"expected eval or holdout, found both ({self.eval} and {self.holdout:g}); set one of them to null"
            )
        if self.holdout is not None and self.holdout > 1 and self.holdout % 1:
            raise ValueError(f"holdout: expected a whole number of rows or a share below 1, found {self.holdout:g}")
        return self

    @property
    def evaluated_on(self) -> str | None:
        """What the rows that nobody trains on are called; None where there are none."""
        return self.eval if self.holdout is None else f"{self.train}, held out"

    def reading(self, *, evaluation: bool) -> dict[str, Any]:
        """How rows of `train` or of an evaluation are read: arguments of `load_examples`.

        Args:
            evaluation: rows of `eval`, or of another file that stands in its place.
        """
        common = {"allow_outside": self.allow_outside, "answer_type": self.answer_type}
        if not evaluation:
            return {**common, "columns": self.columns, "split": self.split, "revision": self.revision}
        own = self.eval_columns is not None
        columns = self.eval_columns if own else self.columns
        return {**common, "columns": columns, "lenient_columns": not own, "split": self.eval_split}

    def own_to_plug_ins(self) -> dict[str, Any]:
        """Fields of a plug-in's own rows: see `contextrl.plugins.DATA`."""
        own = ("voice", "references", "references_share", "facts")
        return {name: getattr(self, name) for name in own}

    def revision_of(self, spec: str) -> str | None:
        """The revision of an evaluation set."""
        if spec != self.eval:
            return None
        same = spec.partition(":")[0] == self.train.partition(":")[0]
        return self.eval_revision or (self.revision if same else None)


def _default(fields: Mapping[str, Any], name: str) -> Any:
    return fields[name].get_default(call_default_factory=True)
