"""All problems of a file in one error."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from contextrl.data.raw_rows import quoted
from contextrl.errors import InputError
from contextrl.records.example import Example

#: Problems that the error spells out; it counts the rest.
SHOWN_PROBLEMS = 10
#: A problem's kind: the field, and what was expected of it; the place before them is the row's own.
_KIND = re.compile(
    r"(?:.*?(?:, |: ))??(?:field '(?P<field>[^']*)': )?expected (?P<expected>.*?)(?:, found |$)", re.DOTALL
)
#: What is expected may name the row's own answer or number of pictures: kinds are told apart by the rest.
_OF_THE_ROW = re.compile(r"(a (?:field|column) '[^']*')|'.*|\s\(.*?\)", re.DOTALL)


class RowsError(InputError):
    """Rows of a file are wrong.

    Attributes:
        problems: a line for each, in order, all of them.
        usable: the rows that have none, where that is known; `rows`: how many were looked at.
    """

    problems: Sequence[str] = ()
    usable: Sequence[Example] = ()
    rows: int = 0


class LoadedExamples(list[Example]):
    """Examples that know where they come from.

    Attributes:
        places: the place of each by its id: `file.jsonl, line 3`.
    """

    places: Mapping[str, str] = {}


def faulty_rows(examples: Sequence[Example], faults: Sequence[Sequence[str]], *, where: str, fix: str = "") -> None:
    """Refuse rows of which some have faults.

    Args:
        faults: of each example, a line each, without its name.
        where, fix: see `problems_error`.

    Raises:
        RowsError: all faults; the others are its `usable`.
    """
    places = getattr(examples, "places", {})
    problems = [
        f"{_row_name(example, places)}, {fault}" for example, own in zip(examples, faults, strict=True) for fault in own
    ]
    if not problems:
        return
    error = problems_error(problems, total=f"{len(examples)} rows", where=where, fix=fix)
    usable = LoadedExamples(example for example, own in zip(examples, faults, strict=True) if not own)
    usable.places = places
    error.usable, error.rows = usable, len(examples)
    raise error


def _row_name(example: Example, places: Mapping[str, str]) -> str:
    """By its id, and by its place where that is known."""
    place = places.get(example.id)
    return f"{place}, row {quoted(example.id)}" if place else f"row {quoted(example.id)}"


def sifted(
    read: Callable[[], Sequence[Example]], *checks: Callable[[Sequence[Example]], None], where: str
) -> Sequence[Example]:
    """Rows that can be read and pass all checks; whatever is wrong with them is one error.

    Args:
        read: the rows.
        checks: each looks at the rows that those before it have left.
        where: the file or dataset.

    Raises:
        RowsError: the rows that everything has left are its `usable`.
    """
    wrong: list[RowsError] = []
    examples: Sequence[Example] = ()
    try:
        examples = read()
    except RowsError as error:
        wrong.append(error)
        examples = error.usable
    for check in checks:
        try:
            check(examples)
        except RowsError as error:
            wrong.append(error)
            examples = error.usable
    if not wrong:
        return examples
    told = wrong[0]
    if len(wrong) > 1:
        problems = [problem for one in wrong for problem in one.problems]
        told = problems_error(problems, total=f"{wrong[0].rows} rows", where=where, fix=wrong[-1].fix)
    told.usable, told.rows = examples, wrong[0].rows
    raise told


def one_problem(error: InputError, line: str) -> RowsError:
    """The error of a file of which one row is wrong, and how `problems` says it."""
    only = RowsError(error.expected, found=error.found, where=error.where, fix=error.fix)
    only.problems = [line]
    return only


def problems_error(problems: Sequence[str], *, total: str, where: str, fix: str = "") -> RowsError:
    """One error for all problems of a file.

    Args:
        problems: a line each, in order.
        total: what was checked: `1000 rows`.
        where: the file or dataset.
        fix: what to change, where one thing mends all of them.
    """
    more = f", the first {SHOWN_PROBLEMS}" if len(problems) > SHOWN_PROBLEMS else ""
    listing = "".join(f"\n  {problem}" for problem in problems[:SHOWN_PROBLEMS])
    found = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {total}{more}:{listing}"
    error = RowsError("usable rows", found=found, where=where, fix=fix)
    error.problems = list(problems)
    return error


def by_kind(problems: Sequence[str]) -> Mapping[str, list[str]]:
    """Problems by what was expected of which field, the commonest kind first."""
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for problem in problems:
        match = _KIND.match(problem)
        field = re.sub(r"\[\d+\]", "", match["field"] or "") if match else ""
        expected = _OF_THE_ROW.sub(r"\1", match["expected"]).strip() if match else problem
        kinds[f"{field}: {expected}" if field else expected].append(problem)
    return dict(sorted(kinds.items(), key=lambda item: -len(item[1])))
