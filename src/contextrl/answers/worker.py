"""The child process that compares expressions: `python -m contextrl.answers.worker`.

Reads `{"predicted", "gold", "tolerance", "seconds"}` a line and replies `{"equal": true | false | null}`. Ends when its
stdin is closed, and while it computes by an alarm: a parent that was killed cannot stop it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

_MEMORY_BYTES = 2 * 1024**3
#: The parent's limit comes first; this is for when there is no parent any more.
_EXTRA_SECONDS = 5.0


def main() -> None:
    requests, replies = _take_over_pipes()
    _limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent, which closes the pipe
    try:
        compare = importlib.import_module("contextrl.answers.symbolic").symbolic_equal
        compare("x^{2}+1", "\\frac{1}{2}", 1e-3)  # loads the grammar and what sympy imports when needed
    except Exception as error:
        _send(replies, {"ready": False, "reason": f"{type(error).__name__}: {error}"})
        return
    _send(replies, {"ready": True})
    for line in requests:
        request = json.loads(line)
        _set_alarm(request["seconds"] + _EXTRA_SECONDS)
        _send(replies, {"equal": _outcome(compare, request)})
        _set_alarm(0)


def _outcome(compare: Any, request: dict[str, Any]) -> bool | None:
    try:
        outcome = compare(request["predicted"], request["gold"], request["tolerance"])
    except Exception:  # sympy raises anything on expressions it cannot handle, and memory may run out
        return None
    return outcome if outcome is None else bool(outcome)


def _take_over_pipes() -> tuple[Any, int]:
    """Keep stdin and stdout for the protocol; a library that prints or reads finds the null device."""
    requests = os.fdopen(os.dup(0), encoding="ascii")
    replies = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return requests, replies


def _send(replies: int, message: dict[str, Any]) -> None:
    os.write(replies, json.dumps(message).encode("ascii") + b"\n")


def _limit_memory() -> None:
    try:
        resource: Any = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    except (ImportError, ValueError, OSError):  # not on this system: the time limit remains
        return


def _set_alarm(seconds: float) -> None:
    """Have the kernel end this process after `seconds`, even inside a computation that never yields; 0 is never."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main()
