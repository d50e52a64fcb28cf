"""Child processes that answer one request at a time and are stopped when it takes too long.

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
import time
from pathlib import Path
from typing import Any

import contextrl

logger = logging.getLogger("contextrl.judge")

#: Seconds for a child to import its libraries; a loaded machine needs many. Only the first request waits for it.
_START_SECONDS = 60.0
#: After this many starts that failed, no child is tried again.
_MAX_FAILED_STARTS = 3
#: A request waits for a free child at most so long, as a share of its own limit.
_WAIT_SHARE = 0.4
#: A child stops itself at the limit; one that does not is killed so many seconds later.
_GRACE_SECONDS = 0.1


class WorkerBusy(Exception):
    """No child is free: that says nothing about the request."""


class WorkerUnavailable(WorkerBusy):
    """No child can be started."""


class WorkerPool:
    """Runs `python -m module argument` several times; started on first use, in the background after that.

    Any thread may ask; a request waits for a free child, but not long, and never for one that starts: a child that
    died is replaced while the others work. A forked process starts children of its own.

    Args:
        module: reads one JSON object a line from stdin (`id` and `seconds` among its keys) and writes one reply a line
            to stdout with the same `id` (null where the computation died), the first line being `{"ready": true}`;
            ends when stdin is closed.
        argument: its only argument.
        size: how many children.
    """

    def __init__(self, module: str, argument: str = "", *, size: int = 2) -> None:
        self.module = module
        self.name = f"{module} {argument}".strip()
        self.argument = argument
        self.size = size
        self.starts = 0
        self._reset()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._idle: list[subprocess.Popen[bytes]] = []
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._starting = 0
        self._failed_starts = 0
        self._was_ready = False
        self._next_id = 0
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The children's process ids."""
        with self._changed:
            return [process.pid for process in self._alive]

    def start(self) -> bool:
        """Start the children; the first time, wait until one is ready. Returns whether it waited.

        Raises:
            WorkerUnavailable: none could be started.
        """
        if self._was_ready:
            return False
        with self._changed:
            self._closed = False
            self._fill()
            limit = time.monotonic() + _START_SECONDS
            while not self._was_ready and time.monotonic() < limit:
                if not self._starting:
                    self._fill()
                    if not self._starting:
                        break
                self._changed.wait(limit - time.monotonic())
            if not self._was_ready:
                raise WorkerUnavailable(self.name)
        return True

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """Return the reply, or None if a child took longer than `seconds` (wall-clock) or died of it.

        Raises:
            WorkerBusy: no child became free in time, or none can be started.
        """
        self.start()
        limit = time.monotonic() + seconds * (1 + _WAIT_SHARE)
        for _ in range(2):  # a child that died at once may have been killed from outside
            process = self._take(seconds * _WAIT_SHARE)
            reply, late = None, False
            try:
                left = max(min(seconds, limit - time.monotonic()), 0.01)
                reply, late = _exchange(
                    process, {**request, "id": self._new_id(), "seconds": left}, left + _GRACE_SECONDS
                )
            finally:  # an interrupted one may still send a reply, which is nobody's
                self._give_back(process, alive=reply is not None and not late)
            if reply is not None or late:
                return reply
        return None

    def close(self) -> None:
        """Kill the children."""
        with self._changed:
            self._closed, self._was_ready = True, False
            processes, self._alive, self._idle = self._alive, set(), []
        for process in processes:
            _stop(process)

    def _new_id(self) -> int:
        with self._changed:
            self._next_id += 1
            return self._next_id

    def _take(self, seconds: float) -> subprocess.Popen[bytes]:
        limit = time.monotonic() + seconds
        with self._changed:
            while True:
                while self._idle:
                    process = self._idle.pop()
                    if process.poll() is None:
                        return process
                    self._alive.discard(process)
                    _close_pipes(process)
                self._fill()
                left = limit - time.monotonic()
                if left <= 0 or (not self._alive and not self._starting):
                    raise WorkerBusy(self.name)
                self._changed.wait(left)

    def _give_back(self, process: subprocess.Popen[bytes], *, alive: bool) -> None:
        with self._changed:
            known = process in self._alive
            if alive and known:
                self._idle.append(process)
            else:
                self._alive.discard(process)
                if not self._closed:
                    self._fill()
            self._changed.notify()
        if not alive:
            _stop(process)

    def _fill(self) -> None:
        """Start what is missing, one at a time until one is known to work; the caller holds the lock."""
        missing = (self.size if self._was_ready else 1) - len(self._alive) - self._starting
        for _ in range(missing if self._failed_starts < _MAX_FAILED_STARTS else 0):
            self._starting += 1
            threading.Thread(target=self._start_one, args=(self._changed,), daemon=True).start()

    def _start_one(self, changed: threading.Condition) -> None:
        process, reply = None, None
        try:
            process = _launch(self.module, self.argument)
            reply, _ = _exchange(process, None, _START_SECONDS)
        except Exception as error:  # no memory, no processes left
            reply = {"reason": str(error)}
        ready = process is not None and reply is not None and reply.get("ready") is True
        with changed:
            self._starting -= 1
            if ready and process is not None and not self._closed:
                self._alive.add(process)
                self._idle.append(process)
                self.starts += 1
                self._failed_starts, first, self._was_ready = 0, not self._was_ready, True
                if first:
                    self._fill()
            elif not ready:
                self._failed_starts += 1
                reason = (reply or {}).get("reason", "it ended or took too long")
                logger.warning("Expressions cannot be compared: %s did not start (%s)", self.name, reason)
            changed.notify_all()
            kept = process in self._alive
        if process is not None and not kept:
            _stop(process)

    def _forget(self) -> None:
        """In a forked process: the children are the parent's, and a thread that held the lock does not exist here."""
        processes = list(self._alive)
        self._reset()
        for process in processes:
            process.returncode = 0  # not ours to wait for
            _close_pipes(process)


def _launch(module: str, argument: str) -> subprocess.Popen[bytes]:
    root = Path(contextrl.__file__).parents[1]
    paths = [] if root.name in ("site-packages", "dist-packages") else [str(root)]
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    # A fixed hash seed: sympy's simplifications depend on the order of sets, and a verdict should not.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, argument],  # -P: no module of the working directory is imported
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
        reply = json.loads(line) if line else None
        while request and reply and reply.get("id") not in (request["id"], None):  # of one that was given up
            line = _talk(process, b"")
            reply = json.loads(line) if line else None
    finally:
        timer.cancel()
    return reply, expired.is_set()


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
    except (OSError, ValueError):  # the pipe is broken, or was closed by another thread
        return b""
    return received.rstrip(b"\n").rpartition(b"\n")[2] + b"\n"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a child; its pipes are closed, so that what it forked ends too. Reaped in the background."""
    process.kill()
    _close_pipes(process)
    threading.Thread(target=process.wait, daemon=True).start()


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
