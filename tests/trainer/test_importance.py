"""What an engine samples from is not quite what the trainer computes: corrected on on-policy rows, and on no others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import ScriptedJudge, build_trainer, loader_rows

from contextrl.judge.protocol import JudgeRequest
from contextrl.policy.prompts import Prompts
from contextrl.rollout.sampling import Draws, Engine, Reading, Sampled
from contextrl.trainer.config import ContextRLConfig

#: What the engine says is the trainer's own number, plus this, by the place of the token.
GAPS = (0.0, 0.05, -0.3, -1.5)


@dataclass
class TellingEngine:
    """Samples as another engine does, and says what it must be corrected by."""

    engine: Engine
    says: bool = True

    def read(self, prompts: Prompts) -> TellingReading:
        return TellingReading(self.engine.read(prompts), self.says)


@dataclass
class TellingReading:
    reading: Reading
    says: bool

    @property
    def prompts(self) -> Prompts:
        return self.reading.prompts

    def sample(self, draws: Draws) -> Sampled:
        # Nobody is told of samples while they are whole.
        sampled = self.reading.sample(replace(draws, ended=None))
        # Retries are longer than what they retry.
        sampled = Sampled([ids if suffix else ids[:5] for ids, suffix in zip(sampled.ids, draws.suffixes, strict=True)])
        # Filled in by the test, which knows the trainer's numbers: here only how far they are apart.
        gaps = [[GAPS[n % len(GAPS)] for n in range(len(ids))] for ids in sampled.ids]
        return replace(sampled, logps=gaps if self.says else None)


def first_is_right(request: JudgeRequest) -> str:
    """Retries are right: every group is mixed."""
    return "correct" if request.wants_standalone else "incorrect"


def spread(request: JudgeRequest) -> str:
    return "correct" if len(request.response) % 2 else "incorrect"


def scored(
    policy: Path, folder: Path, rule: Any = spread, says: bool = True, **settings: Any
) -> tuple[Any, dict[str, Any]]:
    """A trainer that believes that vLLM samples, and the batch that it made."""
    of_engine = {name: value for name, value in settings.items() if name.startswith("vllm_")}
    others = {name: value for name, value in settings.items() if name not in of_engine}
    trainer = build_trainer(policy, folder, ScriptedJudge(rule), **others)
    for name, value in of_engine.items():
        setattr(trainer, name, value)
    trainer.args.use_vllm = True
    trainer.collector.engine = TellingEngine(trainer.engines.engine, says)
    usual = trainer.engines.scorer.score_chunks
    # The engine's gap becomes its log-probability, as soon as the trainer has computed its own.
    generated = type(trainer)._replay

    def told(prompts: Any, host: Any) -> Any:
        output = generated(trainer, prompts, host)
        if output["logprobs"] is None:
            return output
        rows = trainer.rows
        ids, mask = rows.completions(range(rows.replayed), 0)
        with torch.no_grad():
            own, _ = usual(trainer.model, rows.prompts, rows.group[: rows.replayed], ids, mask, 8, entropy=False)
        output["logprobs"] = [
            [value + gap for value, gap in zip(values, gaps, strict=False)]
            for values, gaps in zip(own.tolist(), output["logprobs"], strict=True)
        ]
        return output

    trainer.rollout_func = told
    return trainer, trainer._generate_and_score_completions(loader_rows(0, 1))


def wanted(batch: dict[str, Any], top: float) -> torch.Tensor:
    """exp(-gap), at most `top`; 1 in rolled-back rows."""
    columns = batch["completion_ids"].size(1)
    ratios = torch.tensor([min(math.exp(-GAPS[n % len(GAPS)]), top) for n in range(columns)])
    return torch.where(batch["off_policy"][:, None], torch.ones(columns), ratios)


def test_tokens_ratios_are_cut_at_the_top(tiny_policy: Path, tmp_path: Path) -> None:
    trainer, batch = scored(tiny_policy, tmp_path, stage2=False)
    mask = batch["completion_mask"].bool()
    ratio = batch["importance_sampling_ratio"]
    torch.testing.assert_close(ratio[mask], wanted(batch, 3.0)[mask], rtol=1e-4, atol=1e-4)
    assert ratio[mask].max() == 3.0, "the largest gap must have been cut"
    logged = trainer._metrics["train"]
    gaps = torch.tensor([abs(GAPS[n % len(GAPS)]) for n in range(mask.size(1))])
    mean = float(gaps.expand_as(ratio)[mask].mean())
    assert logged["sampling/sampling_logp_difference/mean"][-1] == pytest.approx(mean, abs=1e-3)


@pytest.mark.parametrize(("mode", "kept"), [("token_mask", 0.0), ("token_truncate", 1.2)])
def test_masked_or_cut_by_setting(tiny_policy: Path, tmp_path: Path, mode: str, kept: float) -> None:
    trainer = build_trainer(tiny_policy, tmp_path / "once", ScriptedJudge(spread), stage2=False)
    assert trainer.vllm_importance_sampling_mode == "token_truncate"
    chosen = {"vllm_importance_sampling_mode": mode, "vllm_importance_sampling_clip_max": 1.2}
    _, batch = scored(tiny_policy, tmp_path, stage2=False, **chosen)
    mask = batch["completion_mask"].bool()
    ratio = batch["importance_sampling_ratio"]
    assert ratio[:, 3][mask[:, 3]].unique().tolist() == pytest.approx([kept])
    assert ratio[:, 1][mask[:, 1]].mean() == pytest.approx(math.exp(-0.05), abs=1e-3)


@pytest.mark.parametrize("mixing", ["union", "replace"])
def test_rolled_back_rows_are_not_corrected(tiny_policy: Path, tmp_path: Path, mixing: str) -> None:
    trainer, batch = scored(tiny_policy, tmp_path, first_is_right, objective={"mixing": mixing})
    rolled_back = batch["off_policy"]
    assert rolled_back.any()
    assert any(group.mixed for group in trainer.rows.rollout.groups)
    mask = batch["completion_mask"].bool()
    ratio = batch["importance_sampling_ratio"]
    assert ratio[rolled_back].unique().tolist() == [1.0]
    torch.testing.assert_close(ratio[mask], wanted(batch, 3.0)[mask], rtol=1e-4, atol=1e-4)
    assert (ratio[mask] != 1).any()
    loss = trainer._compute_loss(trainer.model, {**batch})
    plain = trainer._compute_loss(trainer.model, {**batch, "importance_sampling_ratio": torch.ones_like(ratio)})
    assert math.isfinite(loss.item())
    assert loss.item() != plain.item(), "the correction must reach the loss"


def test_off_by_setting(tiny_policy: Path, tmp_path: Path) -> None:
    _, batch = scored(tiny_policy, tmp_path, stage2=False, vllm_importance_sampling_correction=False)
    assert "importance_sampling_ratio" not in batch


def test_an_engine_that_says_nothing_is_the_trainer_itself(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(spread), stage2=False)
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert trainer.rows.sampling_logps() is None
    assert "importance_sampling_ratio" not in batch


def test_the_default_does_not_drop_long_responses() -> None:
    assert ContextRLConfig("out").vllm_importance_sampling_mode == "token_truncate"
