"""Learner and whole step on a GPU beside TRL's GRPOTrainer: seconds, memory, tokens a second, MFU, and exactness.

    python benchmarks/gpu/speed.py [--minutes 9] [--cases 1,2] [--out FOLDER] [--tiny]

Random weights in the shape of Qwen3-VL-2B (all trained) and 8B (LoRA), bfloat16, gradient checkpointing, one group of 8
samples a micro-batch, a drawn picture of 0.3 to 3 megapixels. Neither network nor weights are needed; for a machine
without network see `pack.py` and `run.sh`. What does not fit in memory or time is said to be so. `--tiny` is for a CPU.

Writes `speed.json` and `speed.md`, after every case. MFU counts the products of the layout that a side uses, forward
and backward, without what checkpointing computes again; causal attention counts half.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

import torch
from exactness import exactness
from meter import Clock, Measured, attempt, card, free, measure
from sides import batch_of, laid_out, learn, side_of
from transformers.utils.logging import disable_progress_bar
from workload import CASES, SHAPES, TINY_CASES, Case

from contextrl.commands.quiet import quiet_libraries
from report import markdown

#: Seconds that one measurement may take, so that no case takes all the time.
A_MEASUREMENT = 40.0
VARIANTS = (("dense", False), ("dense", True), ("blocks", False), ("blocks", True), ("separate", False))
Row = dict[str, Any]


def products(side: Any, name: str, case: Case) -> tuple[float, int]:
    """FLOPs of forward and backward in the layout that the side uses, and tokens of the prompt."""
    sharing = side.trainer.engines.sharing
    prompts, row = side.prompts([0]), [0] * case.generations
    lengths = [case.completion] * case.generations
    cost = sharing.cost
    separate = cost.separate(prompts, row, lengths) - cost.spared_by_causality(prompts, row, lengths)
    forward = cost.packed_by_blocks(prompts, row, lengths)
    if name == "trl" or sharing.layout(prompts, row, lengths) == "separate":
        forward = separate
    # Frozen matrices have no gradient: backward is then once forward, not twice.
    return forward * (2 if SHAPES[case.model].lora else 3), len(prompts.ids[0])


def figures(found: Measured, flops: float, tokens: int, peak: float) -> Row:
    """A measurement with what follows from it."""
    row: Row = {"seconds": found.seconds, "runs": found.runs, "why": found.why}
    row["peak_gb"] = None if found.peak_bytes is None else round(found.peak_bytes / 2**30, 2)
    if found.seconds:
        row["seconds"] = round(found.seconds, 4)
        row["tokens_per_second"] = round(tokens / found.seconds, 1)
        row["mfu"] = round(flops / found.seconds / peak, 4) if flops else None
    return row


def take_step(side: Any, tokens: int) -> None:
    """Rollout of so many tokens a sample, judging, update."""
    trainer = side.trainer
    trainer.max_completion_length = trainer.generation_config.max_new_tokens = tokens
    trainer.generation_config.min_new_tokens = tokens
    trainer.training_step(trainer.model, side.rows([0]), None)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()


class Bench:
    """All cases, one after another, in the time that there is.

    Args:
        device: where models are.
        clock: what is left of the time.
        folder: for trainers.
        peak: FLOPs a second that MFU is a share of.
    """

    def __init__(self, device: torch.device, clock: Clock, folder: str, peak: float) -> None:
        self.device, self.clock, self.folder, self.peak = device, clock, folder, peak

    def case(self, case: Case) -> Row:
        result: Row = {**asdict(case), "megapixels": round(case.megapixels, 2), "lora": SHAPES[case.model].lora}
        flops = {"trl": 0.0, "ours": 0.0}
        # Ours first: it knows what both must compute.
        for name in ("ours", "trl"):
            if self.clock.left <= 0:
                result[name] = {"learner": {"seconds": None, "why": "no time left"}}
                continue
            done, why = attempt(partial(self._side, name, case, result, flops))
            if why:
                result[name] = {"learner": {"seconds": None, "why": why}}
            elif done:
                result[name] = done
            free()
        return result

    def _side(self, name: str, case: Case, result: Row, flops: dict[str, float]) -> Row:
        with side_of(name, case, self.folder, self.device) as side:
            if name == "ours":
                for one in flops:
                    flops[one], result["prompt_tokens"] = products(side, one, case)
            tokens = case.generations * case.completion
            batch = batch_of(side, case)
            found = self._measure(partial(learn, side, batch))
            measured: Row = {"checkpointing": side.trainer.model.is_gradient_checkpointing}
            measured["learner"] = figures(found, flops[name], tokens, self.peak)
            if name == "ours":
                measured["layout"] = self._layout(side, case)
                if case.compare:
                    result["variants"] = self._variants(side, batch, tokens, flops["ours"])
                    result["exactness"], why = attempt(partial(exactness, side, case))
                    result["exactness_why"] = why
            if case.step:
                found = self._measure(partial(take_step, side, case.step), repeats=2)
                measured["step"] = figures(found, 0.0, case.generations * case.step, self.peak)
            return measured

    def _layout(self, side: Any, case: Case) -> str:
        lengths = [case.completion] * case.generations
        return str(side.trainer.engines.sharing.layout(side.prompts([0]), [0] * case.generations, lengths))

    def _variants(self, side: Any, batch: dict[str, Any], tokens: int, flops: float) -> dict[str, Row]:
        rows = {}
        for layout, compiled in VARIANTS:

            def run(layout: Any = layout, compiled: bool = compiled) -> Measured:
                with laid_out(side, layout, compiled=compiled), torch.enable_grad():
                    return self._measure(partial(learn, side, batch))

            found, why = attempt(run)
            name = f"{layout}, compiled" if compiled else layout
            rows[name] = figures(found or Measured(why=why), 0.0 if layout == "separate" else flops, tokens, self.peak)
        return rows

    def _measure(self, run: Callable[[], Any], repeats: int = 3) -> Measured:
        return measure(run, self.clock, A_MEASUREMENT, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything; what is left is said to be skipped")
    parser.add_argument("--cases", default="", help="numbers of the cases to run, from 1; by default all")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for speed.json and speed.md")
    parser.add_argument("--tiny", action="store_true", help="two tiny models on the CPU: does it run at all?")
    options = parser.parse_args()
    cases: tuple[Case, ...] = TINY_CASES if options.tiny else CASES
    numbers = [int(number) for number in options.cases.split(",") if number.strip().isdigit()] if options.cases else []
    if options.cases and (not numbers or not all(1 <= number <= len(cases) for number in numbers)):
        parser.error(f"--cases are numbers from 1 to {len(cases)}, found {options.cases}")
    if not options.tiny and not torch.cuda.is_available():
        parser.error("no CUDA device is visible to torch; --tiny runs tiny models on the CPU")
    quiet_libraries()
    disable_progress_bar()
    device = torch.device("cpu" if options.tiny else "cuda")
    clock, about = Clock(60 * options.minutes), card(device)
    options.out.mkdir(parents=True, exist_ok=True)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(device, clock, folder, about["peak_tflops"] * 1e12)
        for number, case in enumerate(cases, start=1):
            if numbers and number not in numbers:
                continue
            print(f"case {number} of {len(cases)}: {case.model}, {clock.left:.0f} s left", file=sys.stderr, flush=True)
            results.append(bench.case(case))
            report = {"machine": about, "tiny": options.tiny, "cases": results}
            (options.out / "speed.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
            (options.out / "speed.md").write_text(markdown(report), encoding="utf-8")
    print(markdown(report))


if __name__ == "__main__":
    main()
