"""Threads that ask judges while the main thread samples."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable


class Threads:
    """Threads that ask judges. They stay from rollout to rollout, and do not keep a program from ending."""

    def __init__(self) -> None:
        self._start_anew()

    def _start_anew(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count, self._pid = 0, os.getpid()
        self._end = weakref.finalize(self, _end, self._jobs)
        self._end.atexit = False

    def submit(self, job: Callable[[], None], width: int) -> None:
        """Do a job that raises nothing, at most `width` at a time."""
        if self._pid != os.getpid():  # forked: the threads are the parent's
            self._start_anew()
        self._jobs.put(job)
        if self._count < width:
            self._count += 1
            threading.Thread(target=_work, args=(self._jobs,), name="contextrl-verdicts", daemon=True).start()


def _work(jobs: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job
    jobs.put(None)


def _end(jobs: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    jobs.put(None)
