"""What can go wrong by the user's hand or a service's, each with the exit code of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ContextRLError(Exception):
    """Base of every error this package raises on purpose; the command line prints it without a traceback."""

    exit_code = 1
    #: Whether every process that trains in this run raises it too, in the same words.
    on_all = False


class InputError(ContextRLError):
    """The user's configuration, data or model is wrong (exit code 2); raised before work starts.

    Args:
        expected: what would have been right, in the user's terms.
        found: what was there.
        where: file, row and field, or the configuration key.
        fix: the setting or file to change.
    """

    exit_code = 2

    def __init__(self, expected: str, *, found: str = "", where: str = "", fix: str = "") -> None:
        self.expected, self.found, self.where, self.fix = expected, found, where, fix
        lines = [f"{where}: expected {expected}" if where else f"expected {expected}"]
        if found:
            lines.append(f"found {found}")
        message = ", ".join(lines)
        super().__init__(f"{message}. {fix}." if fix else f"{message}.")

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their message, which is not what this one is made of.
        return _input_error, (type(self), self.expected, self.found, self.where, self.fix), self.__dict__


def _input_error(kind: type[InputError], expected: str, found: str, where: str, fix: str) -> InputError:
    """An error that comes from another process."""
    return kind(expected, found=found, where=where, fix=fix)


class ServiceError(ContextRLError):
    """A service that the run needs (a judge, a model server) failed for good (exit code 3)."""

    exit_code = 3


class LostProcessError(ServiceError):
    """Another of the processes that train together has ended, or does not answer any more."""


class DiskError(ContextRLError, OSError):
    """A disk is full, read-only or otherwise unable to take what is to be written (exit code 2).

    Args:
        problem: what could not be written and why.
        fix: what to do about it.
    """

    exit_code = 2

    def __init__(self, problem: str, *, fix: str = "") -> None:
        self.problem, self.fix = problem, fix
        super().__init__(f"{problem}. {fix}." if fix else f"{problem}.")


class NonFiniteLossError(ContextRLError):
    """The loss became NaN or infinite: the run stops before the optimizer can spread it into the weights."""


def nearest_key(key: str, known: Iterable[str]) -> str:
    """`, did you mean X?`, or the known keys where none is near."""
    known = list(known)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f", did you mean {near[0]}?"
    return f" (known: {', '.join(known)})" if len(known) <= 12 else ""
