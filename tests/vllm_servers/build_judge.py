"""Train the learned judge, or take it from the cache, and print its folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from contextrl.judge.llm.prompts import PromptSet
from contextrl.miniature.learned_judge.training import learned_judge

PROMPTS = Path(__file__).resolve().parents[2] / "configs" / "miniature" / "judge-prompts"

if __name__ == "__main__":
    torch.set_num_threads(1)
    # The first server is bound to core 0: side by side there, both would take many times as long.
    if len(cores := os.sched_getaffinity(0) - {0}) > 0:
        os.sched_setaffinity(0, cores)
    sys.stdout.write(f"{learned_judge(PromptSet.load(PROMPTS))}\n")
