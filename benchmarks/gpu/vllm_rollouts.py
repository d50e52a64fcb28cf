"""Rollouts by a colocated vLLM on a GPU: do they work, do weights follow, does sleeping give memory back, how fast?

    python benchmarks/gpu/vllm_rollouts.py [--minutes 6] [--cases full,lora] [--out FOLDER] [--tiny]

Trains the miniature's own policy for a few steps with `train.use_vllm` (all weights, LoRA, with sleep mode, compiled),
and a random policy in the shape of Qwen3-VL-2B with sleep mode; times sampling of one group by vLLM and by transformers
with a shared prefix. Every rollout's log-probabilities are compared with the trainer's of the moment. No network.

Each case is a process of its own with a time limit; one that fails is a line, and the others go on. Writes `vllm.json`
and `vllm.md` as it goes, and what the cases said to `vllm.log`. `--tiny` is for a CPU with the environment of
`make vllm`: it leaves out what needs a GPU. Further arguments of vLLM's LLM can be given as JSON in the variable
CONTEXTRL_BENCHMARK_VLLM.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Row = dict[str, Any]
#: Characters of an error that a line shows; the log has all of it.
SHOWN = 300
#: Without network and telemetry; kernels that are compiled at run time by other packages are left out.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_USE_DEEP_GEMM": "0",
    "PYTHONUNBUFFERED": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def result_of(name: str, code: int | None, figures: Row, said: str) -> Row:
    """A case's line.

    Args:
        code: its exit status; None if it was stopped by the clock.
        figures: those that it had written, with `error` if it raised.
        said: the end of its output, for a process that ended without a word.
    """
    error = figures.pop("error", "")
    if code is None:
        error = error or "stopped: out of time"
    elif code and not error:
        error = (f"ended with {code}: " + " ".join(said.split())[-SHOWN:])[:SHOWN]
    failed = [check for check, passed in figures.get("checks", {}).items() if not passed]
    passed = not error and not failed and bool(figures.get("checks"))
    return {"case": name, "passed": passed, "error": error[:SHOWN], "failed_checks": failed, **figures}


def markdown(report: Row) -> str:
    """One row a case, and one a timed length."""
    about = ", ".join(f"{name} {value}" for name, value in report["machine"].items() if value)
    columns = ["case", "result", "gap mean, first / last", "gap max", "cache hits", "GB sampling", "GB learning"]
    columns += ["GB given back", "seconds", "what was wrong"]
    lines = [columns, ["---"] * len(columns)]
    lines += [_line(row) for row in report["cases"]]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    speeds = [
        f"| {row['case']}, {name} | {found['seconds']} | {found['tokens_per_second']:,} |"
        for row in report["cases"]
        for name, found in row.get("speed", {}).items()
    ]
    second = "\n".join(["| sampling, tokens each | s | tokens/s |", "|---|---:|---:|", *speeds]) if speeds else ""
    return "\n\n".join(part for part in (f"**{about}**", table, second) if part) + "\n"


def _line(row: Row) -> list[str]:
    gaps = row.get("gaps") or ([row["gap"]] if row.get("gap") else [])
    hits = row.get("prefix_cache_hits") or []
    wrong = row["error"] or ", ".join(f"not: {check}" for check in row["failed_checks"])
    if not (wrong or row["passed"]):
        wrong = "it checked nothing"
    return [
        row["case"],
        "pass" if row["passed"] else "FAIL",
        f"{gaps[0]['mean']} / {gaps[-1]['mean']}" if gaps else "",
        str(max(gap["max"] for gap in gaps)) if gaps else "",
        f"{min(hits)} to {max(hits)}" if hits else "",
        *(str(max(row[name])) if row.get(name) else "" for name in ("sampling_gb", "learning_gb")),
        str(min(row["given_back_gb"])) if row.get("given_back_gb") else "",
        str(row.get("seconds", "")),
        " ".join(wrong.replace("|", "/").split()),
    ]


def write(out: Path, report: Row) -> None:
    """What is known so far."""
    (out / "vllm.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "vllm.md").write_text(markdown(report), encoding="utf-8")


def one_case(name: str, file: Path, folder: Path, *, tiny: bool) -> int:
    """In the case's own process: its figures to a file, as it goes."""
    import vllm_cases

    from contextrl.commands.quiet import quiet_libraries

    quiet_libraries()
    trials = {trial.name: trial for trial in (vllm_cases.TINY_TRIALS if tiny else vllm_cases.TRIALS)}
    figures: Row = {}

    def save(found: Row) -> None:
        figures.update(found)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(figures), encoding="utf-8")
        part.replace(file)

    try:
        save(vllm_cases.run(trials[name], folder, save))
    except Exception as error:  # it becomes a line of the table
        traceback.print_exc()
        first = f"{type(error).__name__}: {' '.join(str(error).split())}"
        save({"error": first[:SHOWN]})
        return 1
    return 0


def run_case(name: str, seconds: float, out: Path, *, tiny: bool) -> Row:
    """A case in a process of its own, ended with all its children when its time is over."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "figures.json", Path(folder) / "log"
        command = [sys.executable, str(Path(__file__).resolve()), "--case", name, "--figures", str(file)]
        with log.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                [*command, *(["--tiny"] if tiny else [])],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=dict(ENVIRONMENT) | dict(os.environ),
                start_new_session=True,
            )
            code: int | None
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(process)
        said = log.read_text(encoding="utf-8", errors="replace")
        with (out / "vllm.log").open("a", encoding="utf-8") as stream:
            stream.write(f"=== {name}: exit {code}\n{said}\n")
        figures = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return result_of(name, code, figures, said) | {"seconds": round(time.monotonic() - began, 1)}


def _end(process: subprocess.Popen[Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def machine() -> dict[str, str | None]:
    """Card and versions, without taking memory on the card."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        card = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        card = "CPU"
    found: dict[str, str | None] = {"card": card}
    for name in ("vllm", "torch", "transformers", "trl"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def run_all(trials: Sequence[tuple[str, float]], minutes: float, out: Path, *, tiny: bool) -> Row:
    """Every case, written after each.

    Args:
        trials: names, and seconds that each may take.
    """
    end = time.monotonic() + 60 * minutes
    report: Row = {"machine": machine(), "cases": []}
    (out / "vllm.log").write_text("", encoding="utf-8")
    for name, seconds in trials:
        left = end - time.monotonic()
        print(f"{name}: {left:.0f} s left", file=sys.stderr, flush=True)
        if left < 15:
            found: Mapping[str, Any] = {"case": name, "passed": False, "error": "no time left", "failed_checks": []}
        else:
            found = run_case(name, min(seconds, left), out, tiny=tiny)
        report["cases"].append(found)
        write(out, report)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6.0, help="for everything")
    parser.add_argument("--cases", default="", help="names, with commas between; by default all")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for vllm.json, vllm.md and vllm.log")
    parser.add_argument("--tiny", action="store_true", help="on a CPU: what runs there")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--figures", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        sys.exit(one_case(options.case, options.figures, options.figures.parent, tiny=options.tiny))
    import torch
    from vllm_cases import TINY_TRIALS, TRIALS

    if not options.tiny and not torch.cuda.is_available():
        parser.error("no CUDA device is visible to torch; --tiny runs on the CPU")
    trials = {trial.name: trial.seconds for trial in (TINY_TRIALS if options.tiny else TRIALS)}
    wanted = options.cases.split(",") if options.cases else list(trials)
    if unknown := sorted(set(wanted) - set(trials)):
        parser.error(f"--cases are among {', '.join(trials)}; found {', '.join(unknown)}")
    options.out.mkdir(parents=True, exist_ok=True)
    report = run_all([(name, trials[name]) for name in wanted], options.minutes, options.out, tiny=options.tiny)
    print(markdown(report))
    sys.exit(0 if all(row["passed"] for row in report["cases"]) else 1)


if __name__ == "__main__":
    main()
