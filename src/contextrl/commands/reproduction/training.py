"""Runs of arms: commands in processes of their own, and what they leave."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrl.commands.reproduction.artifacts import Call
from contextrl.errors import ContextRLError
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import number
from contextrl.records.metrics import ENTROPY
from contextrl.records.run_directory import RunDirectory
from contextrl.studies.cells import Cell

#: Written into a run when it is whole: what it took.
_COST = "cost.json"


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        processor: seconds of one processor that its command took; None where that is not known.
        anew: whether it was trained just now, and not found.
    """

    run_dir: Path
    processor: float | None
    anew: bool


def trained_in(folder: Path, config: Path, seed: int, settings: Sequence[str], call: Call) -> Trained:
    """The run in a folder; what is finished there is not trained again, so that a study can ask it something else.

    Raises:
        ContextRLError: the command failed.
    """
    cost = folder / _COST
    anew = not cost.exists()
    if anew:
        spent = call([*train_command(folder, config, seed, settings), "--overwrite"])
        if len(list(folder.glob("checkpoints/checkpoint-*"))) == 1:
            shutil.rmtree(folder / "checkpoints")  # the model itself, once more
        write_atomically(cost, json.dumps({"processor": spent if isinstance(spent, float) else None}))
    return Trained(folder, number(json.loads(cost.read_text(encoding="utf-8"))["processor"]), anew)


def train_command(folder: Path, config: Path, seed: int, settings: Sequence[str]) -> list[str]:
    """Arguments of a run that is evaluated afterwards, by `contextrl eval`, and keeps its last weights alone."""
    kept = ["data.eval=null", "train.save_steps=100000", "train.save_total_limit=1"]
    sets = [f"run_dir={folder}", f"seed={seed}", *kept, *settings]
    return ["train", str(config), *(part for setting in sets for part in ("--set", setting))]


def cell_of(
    arm: str,
    seed: int,
    settings: str,
    trained: Trained | None,
    outcomes: Mapping[str, str],
    measures: Mapping[str, Any],
) -> Cell:
    """A cell, with what the run says of itself."""
    results: dict[str, Any] = {}
    entropy = None
    if trained is not None:
        directory = RunDirectory(trained.run_dir)
        results, entropy = directory.results() or {}, late_mean(directory.metrics(), ENTROPY)
    return Cell(
        arm,
        seed,
        settings,
        steps=results.get("steps", 0),
        seconds=results.get("seconds", {}).get("train", 0.0),
        tokens=results.get("tokens", {}),
        knowledge=results.get("knowledge", {}),
        groups=results.get("groups", {}),
        entropy=entropy,
        outcomes=outcomes,
        measures=measures,
    )


def late_mean(records: Iterable[Mapping[str, Any]], metric: str) -> float | None:
    """Mean of a metric over the last third of the steps that logged it; None where none did."""
    values = [value for record in records if (value := number(record.get(metric))) is not None]
    late = values[len(values) * 2 // 3 :]
    return sum(late) / len(late) if late else None


def call_contextrl(arguments: Sequence[str]) -> float:
    """Run the command in a process of its own, with one thread.

    Returns:
        Processor seconds that it took.

    Raises:
        ContextRLError: it failed; the end of what it said.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "contextrl", *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
        code, spent = _waited(process)
        if code:
            said.seek(0)
            end = said.read().strip()[-1500:]
            raise ContextRLError(f"contextrl {shlex.join(arguments)} ended with {code}:\n{end}")
    return spent


def _waited(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Exit code and processor seconds of a process, and of those that it waited for."""
    started = time.monotonic()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except (AttributeError, ChildProcessError):  # no such call here: the wall time stands in
        return process.wait(), time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime
