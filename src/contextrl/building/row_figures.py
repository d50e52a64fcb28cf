"""Figures of a set's rows, gathered in one pass in memory of a fixed size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contextrl.building.picture_tokens import TokenRule
from contextrl.building.tallies import Distribution, Tally, cut
from contextrl.data.images import image_size
from contextrl.data.problems import by_kind
from contextrl.errors import InputError
from contextrl.records.example import Example
from contextrl.records.jsonl import number, parse_json

#: Ratings that have a distribution each, and problems of each kind that are kept.
_MOST_RATINGS, _MOST_PROBLEMS = 12, 5
#: Columns that a licence may be in.
_LICENCE = ("licence", "license", "license_name", "licence_name")
NOT_STATED = "not stated"
#: Tallies of how many of something a row has.
_NUMBERED = ("pictures", "documents")


class RowFigures:
    """What a set's rows are like.

    Args:
        rule: how pictures become tokens.

    Attributes:
        rows: that there are; `sick`: of these, those that cannot be read.
        pictures: that rows show; `unreadable`: of these, those whose size cannot be read.
        problems: lines by kind, the first few of each, and `problem_counts` how many there are.
        licences: (licence, source) to rows.
    """

    def __init__(self, rule: TokenRule) -> None:
        self.rule = rule
        self.rows = self.sick = self.pictures = self.unreadable = self.refused = 0
        self.problem_counts, self.problems = Tally(100), dict[str, list[str]]()
        names = ("source", "task", "answer_type", "reference", "language", "right", "pictures", "documents")
        self.tallies = {name: Tally() for name in names}
        measured = ("question", "solution", "documents", "side", "tokens", "row_tokens")
        self.lengths = {name: Distribution() for name in measured}
        self.ratings = dict[str, Distribution]()
        self.licences = dict[str, Tally]()
        self.tried = Tally()

    @property
    def readable(self) -> int:
        return self.rows - self.sick

    def problem(self, line: str) -> None:
        """Keep one thing that is wrong, in words that name row and field."""
        for kind, lines in by_kind([line]).items():
            self.problem_counts.add(kind)
            if kind in self.problem_counts.counts:
                kept = self.problems.setdefault(kind, [])
                kept += lines[: _MOST_PROBLEMS - len(kept)]

    def add_sick(self, lines: list[str]) -> None:
        """Count a row that cannot be read, and what is wrong with it."""
        self.rows += 1
        self.sick += 1
        for line in lines:
            self.problem(line)

    def add(self, example: Example, columns: Mapping[str, object], where: str, *, pictures: bool = True) -> None:
        """Count a row.

        Args:
            columns: all that its row has.
            pictures: whether its pictures may be looked at.
        """
        self.rows += 1
        source = example.source.strip() or NOT_STATED
        self.tallies["source"].add(source)
        self.tallies["task"].add(example.task)
        self.tallies["answer_type"].add(example.answer_type)
        self.tallies["pictures"].add(str(len(example.images)))
        self.lengths["question"].add(len(example.question))
        self.lengths["solution"].add(len(example.solution))
        self._add_documents(example)
        for name in ("reference", "language"):
            if value := _text(columns.get(name)):
                self.tallies[name].add(value)
        if (right := _whole(columns.get("right"))) is not None:
            self.tallies["right"].add(str(right))
            if (tried := _whole(columns.get("tried"))) is not None:
                self.tried.add(str(tried))
        self._add_ratings(columns.get("ratings"))
        self._add_licence(columns, source)
        if pictures:
            self._add_pictures(example, where)
        else:
            self.pictures += len(example.images)
            self.unreadable += len(example.images)

    def _add_documents(self, example: Example) -> None:
        self.tallies["documents"].add(str(len(example.documents)))
        if example.documents:
            self.lengths["documents"].add(sum(map(len, example.documents)))

    def _add_ratings(self, value: object) -> None:
        """As a build writes them, JSON text, or an object."""
        if isinstance(value, str):
            value, _ = parse_json(value.encode("utf-8", "replace"))
        if not isinstance(value, Mapping):
            return
        for name, rating in value.items():
            known = number(rating)
            if known is None or known < 0:
                continue
            name = cut(str(name))
            if name in self.ratings or len(self.ratings) < _MOST_RATINGS:
                self.ratings.setdefault(name, Distribution()).add(known)

    def _add_licence(self, columns: Mapping[str, object], source: str) -> None:
        licence = cut(next((text for name in _LICENCE if (text := _text(columns.get(name)))), NOT_STATED))
        if licence not in self.licences and len(self.licences) >= 100:
            licence = "(other licences)"
        self.licences.setdefault(licence, Tally(100)).add(source)

    def _add_pictures(self, example: Example, where: str) -> None:
        tokens = 0
        for index, handle in enumerate(example.images):
            self.pictures += 1
            try:
                width, height = image_size(handle)
            except InputError as error:
                self.unreadable += 1
                self.problem(f"{where}, field 'images[{index}]': expected {error.expected}, found {error.found}")
                continue
            self.lengths["side"].add(max(width, height))
            one = self.rule.count(width, height)
            if one is None:
                self.refused += 1
                continue
            self.lengths["tokens"].add(one)
            tokens += one
        if example.images:
            self.lengths["row_tokens"].add(tokens)

    def as_json(self) -> dict[str, Any]:
        """The figures, as `--json` prints them; names as they are in the rows."""
        return {
            "rows": self.rows,
            "unreadable_rows": self.sick,
            "pictures": {
                "shown": self.pictures,
                "unreadable": self.unreadable,
                "longest_side": self.lengths["side"].summary(),
                "tokens": self.lengths["tokens"].summary(),
                "tokens_of_a_row": self.lengths["row_tokens"].summary(),
                "processor": self.rule.name,
                "rule": self.rule.said,
                "refused_by_processor": self.refused,
            },
            "counts": {
                name: dict(self.ordered(name)) for name in self.tallies if name not in _NUMBERED and self.ordered(name)
            },
            "pictures_of_a_row": dict(self.ordered("pictures")),
            "documents_of_a_row": dict(self.ordered("documents")),
            "responses_tried": dict(self.tried.by_count()),
            "question_characters": self.lengths["question"].summary(),
            "solution_characters": self.lengths["solution"].summary(),
            "documents_characters": self.lengths["documents"].summary(),
            "ratings": {name: one.summary() for name, one in sorted(self.ratings.items())},
            "licences": {name: dict(tally.by_count()) for name, tally in sorted(self.licences.items())},
            "problems": {
                name: {"count": count, "first": self.problems.get(name, [])}
                for name, count in self.problem_counts.by_count()
            },
        }

    def ordered(self, name: str) -> list[tuple[str, int]]:
        """Names of a tally with their rows: numbers in their order, others the commonest first."""
        counts = self.tallies[name].by_count()
        if name in ("right", *_NUMBERED):
            return sorted(counts, key=lambda one: (_order(one[0]), one[0]))
        return counts


def _order(name: str) -> int:
    return int(name) if name.isdecimal() else 10**9


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    known = number(value)
    return int(known) if known is not None and known == int(known) and known >= 0 else None
