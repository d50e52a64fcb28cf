"""Held-out answer and process accuracy of every method on the miniature, at equal steps.

Every step has the same number of prompts; DAPO's refill adds some.

    python benchmarks/methods.py --seeds 0,1,2 --json results.json --runs runs/methods
    contextrl report runs/methods/* --output methods.html

Runs the shipped configs as a user would, each in a process of its own with one thread, and prints the mean over seeds
with the range. Intervals of single runs are bootstrapped by image. About 25 minutes on two cores; every choice of
ours was made on the development images (`--set "data.eval='miniature:dev'"`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

CONFIGS = Path(__file__).resolve().parent.parent / "configs" / "miniature"


@dataclass(frozen=True)
class Method:
    """A row of the table: a shipped config and what is changed in it."""

    name: str
    config: str
    overrides: tuple[str, ...] = ()


METHODS = (
    Method("SFT", "sft.yaml"),
    Method("SFT, foreign voice", "sft.yaml", ("data.voice=foreign",)),
    Method("GRPO, answer reward", "grpo.yaml"),
    Method("DAPO, answer reward", "dapo.yaml"),
    Method("GRPO, process reward", "grpo-process.yaml"),
    Method("ContextRL", "contextrl.yaml"),
    Method("ContextRL, foreign voice", "contextrl.yaml", ("data.voice=foreign",)),
)


def run_one(method: Method, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Train one method with one seed; returns its results.json."""
    run_dir = folder / f"{method.name.replace(' ', '-').replace(',', '')}-{seed}"
    settings = [f"run_dir={run_dir}", f"seed={seed}", "eval.every=0", "train.save_strategy='no'", *overrides]
    command = [sys.executable, "-m", "contextrl", "train", str(CONFIGS / method.config)]
    for setting in (*method.overrides, *settings):
        command += ["--set", setting]
    # One thread each: two runs side by side finish sooner than one after another with two.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{method.name}, seed {seed} failed:\n{done.stderr[-2000:]}")
    results: dict[str, Any] = json.loads((run_dir / "results.json").read_text(encoding="utf-8"))
    return {"name": method.name, **results}


def summary(rows: list[dict[str, Any]]) -> Table:
    """Means over seeds with the lowest and highest seed."""
    table = Table(title="Held-out accuracy after training, mean over seeds (lowest to highest)")
    for column in ("method", "answer", "answer and process", "seconds"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        cells = [_spread([row["after"][key] for row in own]) for key in ("answer_accuracy", "process_accuracy")]
        table.add_row(name, *cells, f"{sum(row['seconds']['train'] for row in own) / len(own):.0f}")
    before = rows[0]["before"]
    table.caption = f"before: {before['answer_accuracy']:.3f} and {before['process_accuracy']:.3f}, n {before['n']}"
    return table


def _interval(after: dict[str, Any], key: str) -> str:
    low, high = after[f"{key}_ci95"]
    return f"{after[key]:.3f} [{low:.3f}, {high:.3f}]"


def _spread(values: list[float]) -> str:
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated")
    parser.add_argument("--methods", help="comma-separated parts of names, e.g. ContextRL,DAPO", default="")
    parser.add_argument("--json", nargs="?", const="-", help="write every run's results to a file, or print them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once")
    parser.add_argument("--runs", type=Path, help="keep the run directories here, for `contextrl report`")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="as contextrl train --set")
    options = parser.parse_args()
    wanted = [part.strip() for part in options.methods.split(",") if part.strip()]
    methods = [m for m in METHODS if not wanted or any(part.lower() in m.name.lower() for part in wanted)]
    jobs = [(method, int(seed)) for seed in options.seeds.split(",") for method in methods]

    from contextrl.miniature.base import base_policy

    base_policy()  # once, before the runs would all build it
    console = Console(stderr=options.json == "-")
    with tempfile.TemporaryDirectory() as scratch, Progress(console=console, transient=True) as bar:
        folder = options.runs or Path(scratch)
        task = bar.add_task("Training", total=len(jobs))

        def run(job: tuple[Method, int]) -> dict[str, Any]:
            row = run_one(job[0], job[1], folder, options.overrides)
            after = row["after"]
            console.print(
                f"{row['name']}, seed {job[1]}: answer {_interval(after, 'answer_accuracy')}, "
                f"process {_interval(after, 'process_accuracy')}, train {row['seconds']['train']:.0f} s"
            )
            bar.advance(task)
            return row

        with ThreadPoolExecutor(options.jobs) as pool:
            rows = list(pool.map(run, jobs))
    console.print(summary(rows))
    if options.json == "-":
        print(json.dumps(rows, indent=2))
    elif options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
