"""What a launcher has told this process of itself and of those beside it; read without torch."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: The process that started this one, where `contextrl train` did.
LAUNCHER = "CONTEXTRL_LAUNCHER"
#: Exit code of a process that has only lost the others: who started it says what happened to them.
LOST = 75
#: Where launchers say which process this is: torchrun and accelerate, then those of MPI.
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK")
_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
#: prctl's request to be told when the parent ends (Linux).
_PR_SET_PDEATHSIG = 1


def processes_started() -> int:
    """How many processes a launcher has started, this one included; 1 without a launcher."""
    found = (os.environ.get(name, "") for name in _SIZES)
    return max([1, *(int(value) for value in found if value.isdigit())])


def is_started() -> bool:
    """Whether a launcher has started this process, and says which of them it is."""
    return any(os.environ.get(name) for name in _RANKS)


def rank() -> int:
    """Which of the processes that train together this is; the first, 0, alone writes and shows."""
    return int(next((value for name in _RANKS if (value := os.environ.get(name, "")).isdigit()), "0"))


def is_launched_here() -> bool:
    """Whether `contextrl train` started this process and speaks for it."""
    return LAUNCHER in os.environ


def end_with_launcher() -> None:
    """A killed launcher leaves no process behind that goes on writing where nobody looks."""
    launcher = os.environ.get(LAUNCHER, "")
    if not launcher.isdigit() or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(launcher):
        os.kill(os.getpid(), signal.SIGTERM)
