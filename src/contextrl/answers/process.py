"""A child process that answers one request at a time and is killed when it takes too long.

Python has no way to stop a computation on another thread: signals reach the main thread alone, and a power of big
integers does not return to the interpreter at all. So what may take for ever runs in a child, which speaks JSON lines
over pipes. `multiprocessing` is no help: `spawn` runs the main module again, and `fork` is unsafe beside threads.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import contextrl

logger = logging.getLogger("contextrl.judge")

#: Seconds for the child to import its libraries; a loaded machine needs many.
_START_SECONDS = 60.0
#: After this many starts that failed, the child is not tried again.
_MAX_FAILED_STARTS = 3


class WorkerUnavailable(Exception):
    """The child cannot be started: that says nothing about the request."""


class WorkerProcess:
    """Runs `python -m module`; started on first use, and again after it was stopped or died.

    Any thread may ask; requests wait for one another. A forked process starts a child of its own.

    Args:
        module: reads one JSON object a line from stdin and writes one reply a line to stdout, the first of them
            `{"ready": true}`; ends when stdin is closed.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        self.starts = 0
        self._failed_starts = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is no child."""
        return None if self._process is None else self._process.pid

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """Return the reply, or None if the child took longer than `seconds` (wall-clock) or died of it twice.

        Raises:
            WorkerUnavailable: the child could not be started.
        """
        with self._lock:
            try:
                for _ in range(2):  # a child that died once may have been killed from outside
                    process = self._running()
                    reply, late = _exchange(process, {**request, "seconds": seconds}, seconds)
                    if reply is None or late:
                        self.close()
                    if reply is not None or late:
                        return reply
            except BaseException:
                self.close()  # the next request would take this one's reply for its own
                raise
            return None

    def close(self) -> None:
        """Kill the child, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            _close_pipes(process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        if self._failed_starts >= _MAX_FAILED_STARTS:
            raise WorkerUnavailable(self.module)
        try:
            self._process = _launch(self.module)
            reply, _ = _exchange(self._process, None, _START_SECONDS)
        except OSError as error:
            reply = {"reason": str(error)}
        if self._process is None or not reply or reply.get("ready") is not True:
            self._failed_starts += 1
            reason = (reply or {}).get("reason", "it ended or took too long")
            logger.warning("Expressions cannot be compared: %s did not start (%s)", self.module, reason)
            self.close()
            raise WorkerUnavailable(self.module)
        self._failed_starts = 0
        self.starts += 1
        return self._process

    def _forget(self) -> None:
        """In a forked process: the child is the parent's, and a thread that held the lock does not exist here."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0  # not ours to wait for
            _close_pipes(process)


def _launch(module: str) -> subprocess.Popen[bytes]:
    root = Path(contextrl.__file__).parents[1]
    paths = [] if root.name in ("site-packages", "dist-packages") else [str(root)]
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    # A fixed hash seed: sympy's simplifications depend on the order of sets, and a verdict should not.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],  # -P: no module of the working directory is imported
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,  # a fork must not find half a request in a buffer
        env=environment,
    )


def _exchange(
    process: subprocess.Popen[bytes], request: dict[str, Any] | None, seconds: float
) -> tuple[dict[str, Any] | None, bool]:
    """Send a request (None: wait for the first line) and return (reply, whether the child was killed for time)."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        line = _talk(process, b"" if request is None else json.dumps(request).encode("ascii") + b"\n")
    finally:
        timer.cancel()
        timer.join()
    return (json.loads(line) if line else None), expired.is_set()


def _talk(process: subprocess.Popen[bytes], message: bytes) -> bytes:
    """Write the message and read one line; empty if the child ended first."""
    assert process.stdin is not None
    assert process.stdout is not None
    received = b""
    try:
        while message:
            message = message[process.stdin.write(message) :]
        while not received.endswith(b"\n"):
            chunk = process.stdout.read(65_536)
            if not chunk:
                return b""
            received += chunk
    except OSError:
        return b""
    return received


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
