"""Whole miniature runs whose rollouts are vLLM's, colocated: both stages, retries, the weights of each step."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from colocated import build_colocated, engine_of
from runs import ScriptedJudge

from contextrl.records import metrics as names


@pytest.fixture(scope="module")
def run(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three steps in which every group is all-negative at first and all of its retries are right."""
    seen: dict[str, int] = defaultdict(int)

    def rule(request: Any) -> str:
        seen[request.example.id] += 1
        return "correct" if seen[request.example.id] > 4 else "incorrect"

    trainer = build_colocated(
        policy, tmp_path_factory.mktemp("run"), ScriptedJudge(rule), max_steps=3, beta=0.0, stage2={"standalone": False}
    )
    steps: list[dict[str, Any]] = []
    sample = trainer.engines.engine.sample

    def spying(prompts: Any, draws: Any) -> Any:
        sampled = sample(prompts, draws)
        steps.append(
            {"step": trainer.state.global_step, "prompts": prompts, "draws": draws, "sampled": sampled}
            | {"gap": trained_gap(trainer, prompts, draws, sampled)}
        )
        return sampled

    trainer.engines.engine.sample = spying  # type: ignore[method-assign]
    trainer.train()
    return trainer, steps


def trained_gap(trainer: Any, prompts: Any, draws: Any, sampled: Any) -> float:
    """Largest difference between vLLM's log-probabilities and the trainer's of the moment."""
    ids = [[*prompts.ids[n], *suffix] for n, suffix in zip(draws.prompt_of, draws.suffixes, strict=True)]
    rows = prompts.select(draws.prompt_of).extended(ids)
    logps = trainer.engines.engine.guard._logps(rows, [[one] for one in sampled.ids])
    pairs = zip(logps, sampled.logps, strict=True)
    return max(abs(a - b) for here, there in pairs for a, b in zip(here, there, strict=True))


def test_both_stages_are_sampled_by_vllm(run: Any) -> None:
    trainer, steps = run
    assert [step["step"] for step in steps] == [0, 0, 1, 1, 2, 2]
    for first, second in zip(steps[::2], steps[1::2], strict=True):
        assert not any(first["draws"].suffixes)
        assert all(second["draws"].suffixes)
        assert len(second["draws"]) == len(first["draws"]) == 8
    logged = [line for line in trainer.state.log_history if names.STAGE2_ATTEMPTS in line]
    assert [line[names.STAGE2_ATTEMPTS] for line in logged] == [8, 8, 8]
    assert sum(line[names.STAGE2_KEPT] for line in logged) > 0, logged
    assert trainer.state.global_step == 3


def test_vllm_samples_from_the_policy_of_every_step(run: Any) -> None:
    _, steps = run
    assert max(step["gap"] for step in steps) < 2e-3, [step["gap"] for step in steps]


def test_weights_have_moved_meanwhile(run: Any, policy: Path) -> None:
    """Else the test before this one would pass with weights that are never sent."""
    from contextrl.policy.loading import load_policy

    trainer, steps = run
    start = dict(load_policy(str(policy)).named_parameters())
    assert max((p - start[name]).abs().max().item() for name, p in trainer.model.named_parameters()) > 1e-3
    old = trainer.model.state_dict()
    trainer.model.load_state_dict(load_policy(str(policy)).state_dict())
    stale = trained_gap(trainer, *(steps[-1][name] for name in ("prompts", "draws", "sampled")))
    trainer.model.load_state_dict(old)
    assert stale > 0.05


def test_the_guard_told_real_pictures_from_blank_ones(run: Any) -> None:
    trainer, _ = run
    (gap,) = engine_of(trainer).guard.gaps
    assert gap.tokens > 8
    assert gap.engine < 0.02
    assert gap.blank > 5 * gap.engine
    assert gap.problem is None


def test_image_tokens_are_never_sampled_and_samples_of_a_prompt_differ(run: Any) -> None:
    trainer, steps = run
    forbidden = set(trainer.generation_config.suppress_tokens)
    assert forbidden
    for step in steps:
        assert not forbidden & {token for ids in step["sampled"].ids for token in ids}
    logps = [value for step in steps for row in step["sampled"].logps for value in row]
    assert all(value <= 1e-6 for value in logps)
    assert len({tuple(ids) for ids in steps[0]["sampled"].ids}) > 2


def test_groups_are_told_of_while_others_are_sampled(run: Any) -> None:
    """Twelve samples in an engine with eight places: the last group is begun when another has ended."""
    from contextrl.rollout.sampling import Draws

    trainer, _ = run
    engine = engine_of(trainer)
    told: list[tuple[int, list[int]]] = []
    others: list[bool] = []

    def ended(place: int, ids: list[int]) -> None:
        told.append((place, ids))
        others.append(engine.backend.llm.llm_engine.has_unfinished_requests())  # type: ignore[attr-defined]

    draws = Draws([n for n in range(3) for _ in range(4)], [()] * 12, [2**60 + n for n in range(12)], ended)
    sampled = engine.read(trainer.own_prompts(range(3))).sample(draws)
    assert sorted(told) == list(enumerate(sampled.ids))
    groups = [place // 4 for place, _ in told]
    assert groups[::4] == groups[1::4] == groups[2::4] == groups[3::4]
    assert others[0]
    assert not others[-1]


def test_the_same_draws_give_the_same_samples_whatever_is_drawn_beside_them(run: Any) -> None:
    from contextrl.rollout.sampling import Draws

    trainer, _ = run
    prompts = trainer.own_prompts(range(3))
    reading = trainer.engines.engine.read(prompts)
    seeds = [2**61 + n for n in range(8)]
    whole = reading.sample(Draws([0] * 4 + [2] * 4, [()] * 8, seeds))
    alone = reading.sample(Draws([2, 0, 0], [()] * 3, [seeds[6], seeds[1], seeds[3]]))
    assert alone.ids == [whole.ids[6], whole.ids[1], whole.ids[3]]
    torch.testing.assert_close(torch.tensor(alone.logps[1]), torch.tensor(whole.logps[1]), atol=1e-3, rtol=0)
