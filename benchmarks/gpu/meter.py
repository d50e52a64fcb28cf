"""Seconds, memory and the card: what is measured, and what becomes of a measurement that cannot be had."""

from __future__ import annotations

import gc
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

#: Dense bfloat16 products a second of cards by a part of their name, from their makers' data sheets.
PEAKS = {
    "B200": 2.25e15,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "4090": 165e12,
}


@dataclass(frozen=True)
class Measured:
    """Of one thing: figures, or why there are none.

    Attributes:
        seconds: median; None if it was not measured.
        peak_bytes: most memory allocated at once, weights included; None on a CPU.
        runs: that the median is of.
        why: "out of memory", "no time left", or an error.
    """

    seconds: float | None = None
    peak_bytes: int | None = None
    runs: int = 0
    why: str = ""


class Clock:
    """The time that is left.

    Args:
        limit: seconds for everything.
    """

    def __init__(self, limit: float) -> None:
        self._end = time.monotonic() + limit

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


def free() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def attempt(run: Callable[[], Any]) -> tuple[Any, str]:
    """What it returns, or why it failed: a card that is too small is a result."""
    try:
        return run(), ""
    except torch.cuda.OutOfMemoryError:
        why = "out of memory"
    except Exception as error:  # one case must not end the others
        first = (str(error).strip().splitlines() or [""])[0]
        why = f"{type(error).__name__}: {first[:160]}"
    free()
    return None, why


def measure(run: Callable[[], Any], clock: Clock, seconds: float, repeats: int = 3) -> Measured:
    """The median of a few runs after one to warm up, within a budget.

    Args:
        seconds: for this, warm-up included; once one run is done, no further one begins past it.
    """
    budget = min(seconds, clock.left)
    if budget <= 0:
        return Measured(why="no time left")
    began, times = time.monotonic(), []
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.synchronize()

    def timed() -> None:
        started = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)

    for number in range(repeats + 1):
        if number and time.monotonic() - began + times[-1] > budget:
            break
        if number == 1 and cuda:
            torch.cuda.reset_peak_memory_stats()
        _, why = attempt(timed)
        if why:
            return Measured(why=why)
    if len(times) < 2:
        # The only run compiled and warmed up: slower than what it stands for.
        return Measured(times[0], _peak(), 0, "only the first run fitted in its time")
    return Measured(statistics.median(times[1:]), _peak(), len(times) - 1)


def _peak() -> int | None:
    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else None


def card(device: torch.device) -> dict[str, Any]:
    """Names and versions, and the rate of a large product."""
    cuda = device.type == "cuda"
    name = (
        torch.cuda.get_device_name(device) if cuda else f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"
    )
    rate = product_rate(device)
    nominal = next((peak for part, peak in PEAKS.items() if cuda and part in name), None)
    return {
        "card": name,
        "memory_gb": round(torch.cuda.get_device_properties(device).total_memory / 2**30, 1) if cuda else None,
        "driver": _driver() if cuda else None,
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "product_tflops": round(rate / 1e12, 2),
        "peak_tflops": round((nominal or rate) / 1e12, 2),
        "peak_is": "the data sheet's" if nominal else "that of a large product, measured",
    }


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip().splitlines()[0]


def product_rate(device: torch.device) -> float:
    """Operations a second of a square product in bfloat16, on a CPU in float32."""
    cuda = device.type == "cuda"
    side, dtype = (8192, torch.bfloat16) if cuda else (512, torch.float32)
    a, b = torch.randn(2, side, side, device=device, dtype=dtype)
    seconds = []
    for _ in range(8):
        if cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        a @ b
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return float(2 * side**3 / statistics.median(seconds[2:]))
