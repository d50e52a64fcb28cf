"""The figures of one evaluation, as run files hold them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from contextrl.records.jsonl import json_ready, number


@dataclass(frozen=True)
class Part:
    """Accuracies over some of an evaluation's scored items.

    Attributes:
        process_accuracy: see `Evaluation`.
    """

    n: int
    answer_accuracy: float
    process_accuracy: float | None

    @property
    def score(self) -> float:
        """Process accuracy, answer accuracy where nobody looked at the process."""
        return self.answer_accuracy if self.process_accuracy is None else self.process_accuracy

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Part:
        """Several parts taken together; at least one."""
        taken = list(parts)
        n = sum(part.n for part in taken)
        process = [(part.n, part.process_accuracy) for part in taken if part.process_accuracy is not None]
        looked = sum(count for count, _ in process)
        right = sum(count * share for count, share in process)
        return cls(n, sum(part.n * part.answer_accuracy for part in taken) / n, right / looked if process else None)


@dataclass(frozen=True)
class Evaluation:
    """Accuracies over the scored items, each with its 95 % interval.

    Attributes:
        process_accuracy: right answer and right process; None where the judge cannot look at the process.
        n: scored items.
        unscored: items the judge failed on; in no mean.
        by_source: the scored items by their rows' `source`.
        data: what the items are, as the configuration names it.
    """

    answer_accuracy: float
    answer_accuracy_ci95: tuple[float, float]
    process_accuracy: float | None
    process_accuracy_ci95: tuple[float, float] | None
    n: int
    unscored: int
    by_source: Mapping[str, Part] = field(default_factory=dict)
    data: str = ""

    @property
    def score(self) -> float:
        """What policies are chosen by; see `Part.score`."""
        return Part(self.n, self.answer_accuracy, self.process_accuracy).score

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Evaluation:
        """What `as_json` wrote."""
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
        fields["by_source"] = parts_of(row.get("by_source"))
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        """Rounded to four digits; null where there is nothing to say; `data` only where the items have a name."""
        columns = dict(json_ready(asdict(self), digits=4))
        return columns if self.data else {name: value for name, value in columns.items() if name != "data"}


def parts_of(value: Any) -> dict[str, Part]:
    """What `by_source` of a file says; whatever has another form is left out, because a file may hold anything."""
    rows = value.items() if isinstance(value, dict) else ()
    return {source: part for source, row in rows if (part := _part(row)) is not None}


def _part(row: Any) -> Part | None:
    if not isinstance(row, dict):
        return None
    n, answer, process = (number(row.get(name)) for name in ("n", "answer_accuracy", "process_accuracy"))
    return Part(int(n), answer, process) if n and n >= 1 and answer is not None else None


def by_class(by_source: Mapping[str, Part]) -> dict[str, Part]:
    """By the last component of sources that are paths of three: set, kind of question, class (`digits/sum/known`).

    Classes come in the order of their score, best first; sources of another form are in none.
    """
    classes: defaultdict[str, list[Part]] = defaultdict(list)
    for source, part in by_source.items():
        if (name := class_of(source)) is not None:
            classes[name].append(part)
    together = {name: Part.of(parts) for name, parts in sorted(classes.items())}
    return dict(sorted(together.items(), key=lambda item: -item[1].score))


def class_of(source: str) -> str | None:
    """The class that a source of the form `set/kind/class` names, else None."""
    parts = source.split("/")
    return parts[2] if len(parts) == 3 and all(parts) else None


#: Stands where nobody looked.
NOTHING = "–"


def percent(share: float | None, interval: Sequence[float | None] | None) -> str:
    """`84.1% [81.9%, 86.2%]`."""
    if share is None:
        return NOTHING
    if not interval or None in interval:
        return f"{share:.1%}"
    return f"{share:.1%} [{interval[0]:.1%}, {interval[1]:.1%}]"
