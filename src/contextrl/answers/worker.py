"""A process that compares expressions or converts units: `python -m contextrl.answers.worker expressions|conversion`.

It imports its libraries once and forks; the fork reads a request a line and replies `{"id", "outcome"}`. A request that
takes longer than its `seconds` is ended by an alarm, even inside a computation that never yields; then the process
says so and forks again, which takes milliseconds. Ends when its stdin is closed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

_MEMORY_BYTES = 2 * 1024**3
_TASKS = {"expressions": "contextrl.answers.symbolic", "conversion": "contextrl.answers.quantities"}

Handler = Callable[[dict[str, Any]], Any]


def main() -> None:
    requests, replies = _take_over_pipes()
    _limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent, which closes the pipe
    try:
        module = importlib.import_module(_TASKS[sys.argv[1]])
        module.warm_up()  # loads the grammar and what sympy imports when needed
    except Exception as error:
        _send(replies, {"ready": False, "reason": f"{type(error).__name__}: {error}"})
        return
    _send(replies, {"ready": True})
    if not hasattr(os, "fork"):
        _serve(module.handle, requests, replies)
        return
    while True:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _serve(module.handle, requests, replies)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return
        _send(replies, {"id": None, "outcome": None})


def _serve(handle: Handler, requests: int, replies: int) -> None:
    """Answer until stdin is closed."""
    received = b""
    while chunk := os.read(requests, 65_536):
        received += chunk
        while b"\n" in received:
            line, _, received = received.partition(b"\n")
            request = json.loads(line)
            _set_alarm(request["seconds"])
            outcome = _outcome(handle, request)
            _set_alarm(0)
            _send(replies, {"id": request["id"], "outcome": outcome})


def _outcome(handle: Handler, request: dict[str, Any]) -> bool | str | None:
    try:
        outcome = handle(request)
    except Exception:  # sympy raises anything on expressions it cannot handle, and memory may run out
        return None
    return outcome if outcome is None or isinstance(outcome, str) else bool(outcome)


def _take_over_pipes() -> tuple[int, int]:
    """Keep stdin and stdout for the protocol; a library that prints or reads finds the null device."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return requests, replies


def _send(replies: int, message: dict[str, Any]) -> None:
    try:
        os.write(replies, json.dumps(message).encode("ascii") + b"\n")
    except BrokenPipeError:  # nobody listens any more
        return


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
