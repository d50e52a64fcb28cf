"""All problems of a file in one error."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from contextrl.errors import InputError
from contextrl.records.example import Example

#: Problems that the error spells out; it counts the rest.
SHOWN_PROBLEMS = 10
#: A problem's kind: the field, and what was expected of it; the place before them is the row's own.
_KIND = re.compile(
    r"(?:.*?(?:, |: ))??(?:field '(?P<field>[^']*)': )?expected (?P<expected>.*?)(?:, found |$)", re.DOTALL
)
#: What is expected may name the row's own answer, file or number of pictures: kinds are told apart by the rest.
_OF_THE_ROW = re.compile(r"(a (?:field|column) '[^']*')|'.*|\s\(.*?\)| at (?:[/\\~.]|[A-Za-z]:).*", re.DOTALL)


class RowsError(InputError):
    """Rows of a file are wrong.

    Attributes:
        problems: a line for each, in order, all of them.
        usable: the rows that have none, where that is known.
    """

    problems: Sequence[str] = ()
    usable: Sequence[Example] = ()


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


def row_name(example: Example, places: Mapping[str, str] | None = None) -> str:
    """How a problem names its row: by its id, and by its place where that is known."""
    place = (places or {}).get(example.id)
    return f"{place}, row {example.id!r}" if place else f"row {example.id!r}"


def by_kind(problems: Sequence[str]) -> Mapping[str, list[str]]:
    """Problems by what was expected of which field, the commonest kind first."""
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for problem in problems:
        match = _KIND.match(problem)
        field = re.sub(r"\[\d+\]", "", match["field"] or "") if match else ""
        expected = _OF_THE_ROW.sub(r"\1", match["expected"]).strip() if match else problem
        kinds[f"{field}: {expected}" if field else expected].append(problem)
    return dict(sorted(kinds.items(), key=lambda item: -len(item[1])))
