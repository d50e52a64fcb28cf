"""All problems of a file in one error."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.errors import InputError

#: Problems that the error spells out; it counts the rest.
SHOWN_PROBLEMS = 10


def problems_error(problems: Sequence[str], *, total: str, where: str, fix: str = "") -> InputError:
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
    return InputError("usable rows", found=found, where=where, fix=fix)
