"""What the gate, reports on demand, identical responses judged once and the cache save: calls and tokens per step.

Trains the miniature for a few steps with the judge behind HTTP, then asks about every attempt of that run again as an
eager trainer would: each response verified, each negative reported on, nothing shared. Both count what the server
answered. Then the same groups are judged with reports alone (`judge.reports: lazy`) and with the verdict, with and
without the gate, as they are and with long references and responses; there the words are counted too that a server's
prefix cache would not know.

    python benchmarks/judge_laziness.py [--steps 10]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from contextrl.commands.config import parse_config
from contextrl.commands.judges import judge_from_config
from contextrl.judge.gate import GatedJudge
from contextrl.judge.llm.judge import LLMJudge
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.protocol import JudgeRequest, close_judge
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.prompts import Prompts
from contextrl.records.jsonl import read_objects
from contextrl.records.verdict import ReportTiming, Usage
from contextrl.rollout.groups import Attempt, Completion, Group
from contextrl.rollout.two_stage import judge_groups
from contextrl.rollout.verify import Verifier

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
            request = JudgeRequest(example, attempt["text"], wants_report=True)
            # One at a time: equal requests under way would be asked once.
            total += judge.judge([request])[0].usage
    close_judge(judge)
    return total


class RecordingPrompts(PromptSet):
    """Remembers every conversation's words."""

    def messages(self, *arguments: Any, **keywords: Any) -> list[dict[str, Any]]:
        messages = super().messages(*arguments, **keywords)
        asked.append(" ".join(str(message["content"]) for message in messages).split())
        return messages


asked: list[list[str]] = []


def new_words() -> int:
    """Words of all conversations that stand behind none of an earlier one's beginning: what a prefix cache leaves."""
    seen: dict[str, Any] = {}
    new = 0
    for words in asked:
        known = seen
        for word in words:
            new += word not in known
            known = known.setdefault(word, {})
    return new


def stage_1(run: Path, padding: str) -> list[Group]:
    """The run's groups, not judged yet."""
    examples = {example.id: example for example in miniature_examples("train", 2000, seed=0)}
    groups = []
    for record in read_objects(run / "groups.jsonl"):
        example = examples[record["example_id"]]
        example = replace(example, solution=f"{padding}{example.solution}")
        first = [attempt for attempt in record["attempts"] if attempt["stage"] == 1]
        attempts = [Attempt(Completion((1,), f"{padding}{attempt['text']}", False)) for attempt in first]
        groups.append(Group(example, 0, Prompts([[0]]), attempts))
    return groups


def reported(run: Path, url: str, reports: ReportTiming, *, gate: bool, padding: str) -> tuple[Usage, int]:
    """What stage 1 costs with reports asked for one way or the other, and the words of prompts that were new."""
    asked.clear()
    section = {"kind": "llm", "base_url": url, "model": "miniature-judge", "cache": False, "reports": reports}
    config = parse_config({"judge": {**section, "gate_audit_share": 0.0}}).judge
    judge = judge_from_config(config, gate=gate, defer_reports=reports == "with_verdict")
    inner = judge.judge_ if isinstance(judge, GatedJudge) else judge
    assert isinstance(inner, LLMJudge)
    inner.prompts = RecordingPrompts(inner.prompts.texts)
    verifier = Verifier(judge, reports=reports)
    judge_groups(stage_1(run, padding), verifier, reports=True)
    close_judge(judge)
    return verifier.tally.usage, new_words()


def compare_reports(run: Path, url: str, steps: int) -> None:
    for kind, padding in (("as they are", ""), ("long", "That is what is seen here. " * 250)):
        for gate in (True, False):
            ways = {way: reported(run, url, way, gate=gate, padding=padding) for way in get_args(ReportTiming)}
            for way, (spent, new) in ways.items():
                replies = spent.tokens - spent.prompt_tokens
                print(
                    f"{kind:11}, gate {'on ' if gate else 'off'}, {way:12}: {spent.calls / steps:6.1f} calls, "
                    f"{spent.prompt_tokens / steps:9.0f} words of prompts ({new / steps:7.0f} new), "
                    f"{replies / steps:6.0f} of replies"
                )


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
            compare_reports(run, url, steps)
    finally:
        server.terminate()
        server.wait()
    print(f"a step, lazy:  {lazy['calls']:7.1f} calls {lazy['tokens']:10.0f} tokens ({lazy['gated']:.1f} gated)")
    print(f"a step, eager: {spent.calls / steps:7.1f} calls {spent.tokens / steps:10.0f} tokens")
    calls, tokens = lazy["calls"] * steps / spent.calls, lazy["tokens"] * steps / spent.tokens
    print(f"ratio: {calls:.3f} of the calls, {tokens:.3f} of the tokens")


if __name__ == "__main__":
    main()
