"""Answers of another harness, matched with a benchmark's questions; what does not match is counted and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Response
from contextrl.evaluation.result_files.forms import TITLES, Form, Told, form_of, read_row
from contextrl.evaluation.result_files.tables import ResultRow, result_rows

#: Fewer reference answers than this say nothing of the order of the rows.
_ENOUGH = 10


@dataclass(frozen=True)
class ItemKeys:
    """How files of results name a benchmark's questions.

    Attributes:
        ids: the questions that are asked for.
        by_position: the id of each of the benchmark's rows in their order, None of those that are not scored;
            lmms-eval's `doc_id` counts them from 0.
        by_index: ids by VLMEvalKit's `index`; where it is empty, an index is an id.
        references: right answers by id, to notice rows that are in another order; may be empty.
    """

    ids: Collection[str]
    by_position: Sequence[str | None] = ()
    by_index: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportedAnswers:
    """What a file of results holds for a benchmark.

    Attributes:
        form: whose form it has.
        responses: by question's id.
        failed: questions whose row holds no answer, with why; to be counted apart, never as wrong.
        missing: questions without a row.
        strangers: rows that match no question of the benchmark.
        unasked: rows of questions that are not asked for, or not scored.
        unreadable: rows that could not be read, with what is wrong.
        noticed: remarks on answers, with how many they are about.
    """

    path: Path
    form: Form
    responses: Mapping[str, Response]
    failed: Mapping[str, str]
    missing: Sequence[str]
    strangers: Sequence[str]
    unasked: int
    unreadable: Sequence[str]
    noticed: Mapping[str, int]

    def remarks(self) -> Iterator[str]:
        """What to tell, a line each; the first says what was found."""
        yield f"{self.path.name}: {len(self.responses)} answers, read as {TITLES[self.form]} results"
        if self.failed:
            reasons = Counter(self.failed.values()).most_common(3)
            yield f"{len(self.failed)} without an answer: {', '.join(f'{count} x {why}' for why, count in reasons)}"
        if self.missing:
            yield f"{len(self.missing)} questions have no row: {_some(self.missing)}"
        if self.strangers:
            yield f"{len(self.strangers)} rows match no question: {_some(self.strangers)}"
        if self.unreadable:
            yield f"{len(self.unreadable)} rows could not be read: {_some(self.unreadable)}"
        if self.unasked:
            yield f"{self.unasked} rows are of questions that are not asked for"
        for remark, count in self.noticed.items():
            yield f"{count} answers {remark}"


def import_answers(path: Path, keys: ItemKeys) -> ImportedAnswers:
    """Read a file of results.

    Raises:
        InputError: the file is of no known form or of two, two rows are of one question, its rows are in another
            order than the benchmark's, or none of them is of the benchmark.
    """
    form, told, unreadable = _told(path)
    if form == "lmms-eval" and not keys.by_position:
        fix = "Give it as lines of id and response"
        raise InputError("results with questions' ids", found="lmms-eval's, by row", where=str(path), fix=fix)
    known = {*keys.ids, *(one for one in keys.by_position if one is not None), *keys.by_index.values()}
    first: dict[str, str] = {}
    matched: list[tuple[str, Told]] = []
    strangers: list[str] = []
    unasked = 0
    for where, row in told:
        scored, identity = _identity(row.key, form, keys)
        if not scored:
            unasked += 1
        elif identity is None or identity not in known:
            strangers.append(f"{where} ({row.key[:60]})")
        elif identity in first:
            found = f"{identity!r}, already in {first[identity]}"
            raise InputError("one row a question", found=found, where=where, fix="Leave the right one in")
        else:
            first[identity] = where
            matched.append((identity, row))
    if told and len(strangers) == len(told):
        raise InputError("results of this benchmark", found=f"no row of its: {_some(strangers)}", where=str(path))
    _check_order(matched, keys, path)
    asked = set(keys.ids)
    taken = {identity: row for identity, row in matched if identity in asked}
    return ImportedAnswers(
        path=path,
        form=form,
        responses={one: row.answer for one, row in taken.items() if isinstance(row.answer, Response)},
        failed={one: row.answer for one, row in taken.items() if isinstance(row.answer, str)},
        missing=[one for one in keys.ids if one not in taken],
        strangers=strangers,
        unasked=unasked + len(matched) - len(taken),
        unreadable=unreadable,
        noticed=dict(Counter(row.remark for row in taken.values() if row.remark)),
    )


def _told(path: Path) -> tuple[Form, list[tuple[str, Told]], list[str]]:
    """The file's form, what its rows say by their place, and what is wrong with those that cannot be read."""
    form: Form | None = None
    told: list[tuple[str, Told]] = []
    unreadable: list[InputError] = []
    for row in result_rows(path):
        try:
            if not isinstance(row, ResultRow):
                raise row
            form = form or form_of(row.columns, row.where)
            told.append((row.where.removeprefix(f"{path}, "), read_row(row, form)))
        except InputError as error:
            if form is None and isinstance(row, ResultRow):
                raise
            unreadable.append(error)
    if form is None or not told:
        raise unreadable[0] if unreadable else InputError("at least one row", found="none", where=str(path))
    return form, told, [str(error).removeprefix(f"{path}, ") for error in unreadable]


def _identity(key: str, form: Form, keys: ItemKeys) -> tuple[bool, str | None]:
    """Whether a row's question is scored at all, and its id; None where there is no such question."""
    if form == "contextrl" or (form == "vlmevalkit" and not keys.by_index):
        return True, key
    if form == "vlmevalkit":
        whole = key.removesuffix(".0")
        return True, keys.by_index.get(key, keys.by_index.get(whole))
    position = int(key) if key.isascii() and key.isdigit() and len(key) < 12 else -1
    if not 0 <= position < len(keys.by_position):
        return True, None
    identity = keys.by_position[position]
    return identity is not None, identity


def _check_order(matched: Sequence[tuple[str, Told]], keys: ItemKeys, path: Path) -> None:
    """Refuse a file whose right answers are the benchmark's, but at other questions: its rows were shuffled or cut.

    A file that writes its right answers in another way says nothing.
    """
    pairs = [
        (row.reference, keys.references[identity].strip())
        for identity, row in matched
        if row.reference and keys.references.get(identity)
    ]
    if len(pairs) < _ENOUGH:
        return
    known = {reference.strip() for reference in keys.references.values()}
    familiar = sum(told in known for told, _ in pairs)
    apart = sum(told != reference for told, reference in pairs)
    if familiar >= 0.95 * len(pairs) and apart > 0.1 * len(pairs):
        expected = "the benchmark's rows in their order"
        found = f"{apart} of {len(pairs)} right answers that are another question's"
        fix = "Give the data that the results were made with (--data), or lines of id and response"
        raise InputError(expected, found=found, where=str(path), fix=fix)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
