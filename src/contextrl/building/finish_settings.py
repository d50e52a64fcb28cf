"""Settings of a build's last steps: duplicates, balance, writing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from contextrl.records.example import ANSWER_TYPES, TASKS, AnswerType, Task
from contextrl.settings import INPUT_PATH, OPERATIONAL, Section

#: What rows can be balanced by.
Feature = Literal["right", "task", "source", "answer_type"]
_BY: tuple[Feature, ...] = ("right", "task", "source", "answer_type")
#: Far more than any proportion needs, and sums of them stay numbers.
Share = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


def named(weights: Any) -> Any:
    """Classes by number right as YAML has them where they are not in quotes: `{0: 1, 1: 2}`."""
    if not isinstance(weights, dict):
        return weights
    return {str(name) if type(name) is int else name: weight for name, weight in weights.items()}


#: Weights by class.
Weights = Annotated[dict[str, Share], BeforeValidator(named)]


def _is_count(name: str) -> bool:
    """Whether a class is called as its rows' number right is written."""
    return name.isdecimal() and name == str(int(name))


class DuplicateSettings(Section):
    """What counts as the same question or the same picture, within the set and as in a benchmark."""

    text_similarity: float = Field(default=0.8, ge=0.5, le=0.95)
    """Texts are near from this Jaccard similarity of their 5-character shingles, estimated by MinHash. Hints,
    instructions on how to answer and options are no part of them."""

    permutations: int = Field(default=128, ge=32, le=512)
    """Numbers of a MinHash: the estimate's standard error is at most half of one over their root."""

    picture_distance: int = Field(default=20, ge=0, le=48)
    """Pictures are near up to this many of the 256 bits of their perceptual hashes."""

    colour_distance: int = Field(default=40, ge=0, le=255)
    """And up to this difference, of 255, in any cell of an 8 x 8 colour thumbnail: a red ball is not a blue one."""

    same_signs: bool = True
    """Near texts are duplicates only with the same numbers, single letters and words such as left, highest, red or not:
    `AB = 5` asks something else than `AB = 6`. Of questions of at most ten content words each must be the same too, but
    for inflection and slips. Texts of a benchmark are matched without regard to it."""

    same_answers: bool = True
    """Near texts within the set are duplicates only with the same answer, where both answers are of one type; equal
    texts are whatever the answers."""

    benchmarks: Annotated[str, INPUT_PATH] = ""
    """Folder of files of hashes, one a benchmark, that no row may be near to; empty: none is looked at."""

    benchmark_pictures: Literal["any_question", "near_question", "off"] = "any_question"
    """When a row that shows a benchmark's picture is removed: whatever it asks, or where its question is near too."""

    benchmark_words: int = Field(default=8, ge=1)
    """A benchmark's question alone removes a row with other pictures only where it has this many words: `What colour is
    the car?` is asked of many pictures. Its options count where the row has exactly these. Without pictures on both
    sides it always does."""

    workers: Annotated[int, OPERATIONAL] = Field(default=0, ge=0)
    """Processes that hash; 0: one for each core."""


class BalanceGroup(Section):
    """A part of the set with a size of its own."""

    name: str = Field(min_length=1)
    """What the table calls it."""

    rows: int | None = Field(default=None, ge=1)
    """Rows that are wanted; None: as many as there can be with its classes by number right in their shares."""

    sources: list[str] = Field(default_factory=list)
    """Names of sources whose rows belong to it; empty: all."""

    tasks: list[Task] = Field(default_factory=list)
    """Tasks whose rows belong to it; empty: all."""

    answer_types: list[AnswerType] = Field(default_factory=list)
    """Answer types whose rows belong to it; empty: all."""


class BalanceSettings(Section):
    """Which rows are taken, so that the set has the sizes and shares that are wanted."""

    groups: list[BalanceGroup] = Field(default_factory=lambda: [BalanceGroup(name="all")], min_length=1)
    """A row belongs to the first group that it fits; one that fits none is left out."""

    by: list[Feature] = Field(default_factory=lambda: list(_BY))
    """What a group is divided by, in this order: each class of the first is divided by the second, and so on."""

    shares: dict[Feature, Weights] = Field(default_factory=dict)
    """Weights of classes by feature: `right: {0: 1, 1: 2}`; a class that is not named gets none. A feature that is
    not named: its classes are of one size."""

    exact: list[Feature] = Field(default_factory=lambda: list(_BY[:1]))
    """Features whose classes never get more than their share when others run short; of the other features, a class that
    has too few leaves room to the others."""

    @model_validator(mode="after")
    def _known_classes(self) -> Self:
        known: Mapping[str, tuple[str, ...]] = {"task": TASKS, "answer_type": ANSWER_TYPES}
        for feature, weights in self.shares.items():
            strange = sorted(set(weights) - set(known.get(feature, weights)))
            if strange:
                raise ValueError(f"shares.{feature}: expected {', '.join(known[feature])}, found {', '.join(strange)}")
            if feature == "right" and any(not _is_count(name) and name != "untried" for name in weights):
                raise ValueError("shares.right: expected numbers of right responses, or untried")
            if feature not in self.by:
                raise ValueError(
                    f"shares.{feature}: expected {feature} among by, or its shares would count for nothing"
                )
            if not sum(weights.values()):
                raise ValueError(f"shares.{feature}: expected a weight above 0, found none")
        return self

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [group.name for group in self.groups]
        if len(set(names)) < len(names) or len(set(self.by)) < len(self.by):
            raise ValueError("expected each group and each feature once")
        return self


class WritingSettings(Section):
    """How the set is written."""

    pictures: Literal["embedded", "beside"] = "embedded"
    """In the shards, or as files in `pictures/` beside them."""

    shard_rows: int = Field(default=5_000, ge=1)
    """Rows of a shard at most."""

    shard_mb: int = Field(default=400, ge=1)
    """Megabytes of pictures in a shard at most, about."""

    name: str = Field(default="ContextRL training set", min_length=1)
    """Title of the data card."""

    licence: str = ""
    """Of the set as a whole, as the hub names licences; empty: `other`, and the card lists the rows' own."""
