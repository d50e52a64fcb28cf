"""What the gate, reports on demand, identical responses judged once and the cache save: calls and tokens per step.

Trains the miniature for a few steps with the judge behind HTTP, then asks about every attempt of that run again as an
eager trainer would: each response verified, each negative reported on, nothing shared. Both count what the server
answered.

    python benchmarks/judge_laziness.py [--steps 10]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from contextrl.commands.config import parse_config
from contextrl.commands.judges import judge_from_config
from contextrl.judge.protocol import JudgeRequest, close_judge
from contextrl.miniature.tasks import miniature_examples
from contextrl.records.jsonl import read_objects
from contextrl.records.verdict import Usage

ROOT = Path(__file__).resolve().parents[1]


def start_server() -> tuple[subprocess.Popen[str], str]:
    """The miniature's judge on a free port, and its address."""
    command = [sys.executable, "-m", "contextrl.miniature.judge_server", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()
    return server, next(word for word in line.split() if word.startswith("http")).rstrip(",")


def train(run: Path, url: str, steps: int) -> None:
    """A short run of the shipped configuration."""
    changes = {
        "run_dir": run,
        "train.max_steps": steps,
        "train.save_strategy": "no",
        "data.eval": "null",
        "judge.base_url": url,
        "judge.cache": run.parent / "cache.sqlite",
    }
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    config = str(ROOT / "configs" / "miniature" / "llm-judge.yaml")
    subprocess.run([sys.executable, "-m", "contextrl", "train", config, *settings], check=True)


def eager(run: Path, url: str) -> Usage:
    """Every attempt of the run: verified, and reported on where it is negative."""
    judge = judge_from_config(
        parse_config({"judge": {"kind": "llm", "base_url": url, "model": "miniature-judge", "cache": False}}).judge
    )
    examples = {example.id: example for example in miniature_examples("train", 2000, seed=0)}
    total = Usage()
    for group in read_objects(run / "groups.jsonl"):
        example = examples[group["example_id"]]
        for attempt in group["attempts"]:
            request = JudgeRequest(example, attempt["text"], wants_report=True, wants_standalone=attempt["stage"] == 2)
            # One at a time: equal requests under way would be asked once.
            total += judge.judge([request])[0].usage
    close_judge(judge)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    steps = parser.parse_args().steps
    server, url = start_server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            train(run, url, steps)
            lines = [line for line in read_objects(run / "metrics.jsonl") if "judge/calls" in line]
            lazy = {name: sum(line[f"judge/{name}"] for line in lines) / steps for name in ("calls", "tokens", "gated")}
            spent = eager(run, url)
    finally:
        server.terminate()
        server.wait()
    print(f"a step, lazy:  {lazy['calls']:7.1f} calls {lazy['tokens']:10.0f} tokens ({lazy['gated']:.1f} gated)")
    print(f"a step, eager: {spent.calls / steps:7.1f} calls {spent.tokens / steps:10.0f} tokens")
    calls, tokens = lazy["calls"] * steps / spent.calls, lazy["tokens"] * steps / spent.tokens
    print(f"ratio: {calls:.3f} of the calls, {tokens:.3f} of the tokens")


if __name__ == "__main__":
    main()
