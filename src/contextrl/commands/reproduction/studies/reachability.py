"""What the base policy never solves and training makes solvable, and what is forgotten for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from contextrl.commands.reproduction.arms import BASE, DEV, Arm, Study
from contextrl.commands.reproduction.probes import Probing
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.studies import reachability

#: Samples of a draw, questions that are sampled after training, and at each checkpoint on the way.
SAMPLES, QUESTIONS, ON_THE_WAY = 64, 300, 150
#: Steps between checkpoints.
_EVERY = 15


def _reached(probing: Probing) -> Mapping[str, Any]:
    """Counts of right samples; of the base policy two draws, of a run its checkpoints besides, by step."""
    from contextrl.trainer.checkpoint_folders import complete_checkpoints

    if probing.run_dir is None:
        return _sampled(probing, probing.target, QUESTIONS, 2 * SAMPLES)
    found = dict(_sampled(probing, probing.target, QUESTIONS, SAMPLES))
    kept = {int(path.name.rpartition("-")[2]): path for path in complete_checkpoints(probing.run.checkpoints)}
    last = max(kept, default=0)
    found["steps"] = {
        str(step): _sampled(probing, str(path), ON_THE_WAY, SAMPLES)
        for step, path in sorted(kept.items())
        if step < last
    }
    return found


def _sampled(probing: Probing, target: str, questions: int, samples: int) -> Mapping[str, Any]:
    predictions = Path(probing.scratch) / "samples.jsonl"
    how = ["--samples", str(samples), "--temperature", "1", "--seed", str(probing.seed)]
    limit = ["--limit", str(min(questions, probing.items))]
    probing.call(["eval", target, "--benchmark", DEV, *limit, *how, "--predictions", str(predictions), "--json"])
    with predictions.open(encoding="utf-8") as lines:
        return reachability.counts(map(json.loads, lines), SAMPLES)


def _keeping(name: str, label: str, config: str) -> Arm:
    """A run that keeps checkpoints on the way."""
    return Arm(name, label, config, (f"train.save_steps={_EVERY}", "train.save_total_limit=10"))


_OURS = _keeping("contextrl-kept", "ContextRL", "contextrl.yaml")
_PLAIN = _keeping("grpo-kept", "GRPO, answer reward", "grpo.yaml")

STUDY = Study(
    name="reachability",
    title="Reachability",
    claim="A group of G samples is all-negative with probability (1 - p)^G and then has no gradient: what the policy "
    "does not sample, GRPO does not learn. Stage 2 is to reach it. Table 1 has single answers only; nothing is said of "
    "pass@k or of what is forgotten.",
    arms=(BASE, _PLAIN, _OURS),
    sets=(DEV,),
    result=partial(reachability.result, benchmark=DEV, classes=FAMILIARITIES, ours=_OURS.name, plain=_PLAIN.name),
    quick=("base", _OURS.name, _PLAIN.name),
    measured={arm.name: (reachability.REACHED,) for arm in (BASE, _PLAIN, _OURS)},
    probes={reachability.REACHED: _reached},
)
