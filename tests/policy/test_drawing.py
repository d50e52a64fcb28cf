"""Every sample has random numbers of its own, so that neither order nor company changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from runs import SETTINGS, ScriptedJudge, build_trainer
from scipy.stats import chisquare

from contextrl.policy.drawing import OwnNumbers, drawn, uniforms
from contextrl.rollout.sampling import Draws
from contextrl.rollout.seeds import GroupSeeds, retry_seed


def test_numbers_depend_on_a_rows_seed_alone() -> None:
    both = uniforms([7, 8], 5, "cpu")
    assert torch.equal(uniforms([8], 5, "cpu")[0], both[1])
    assert torch.equal(uniforms([7], 9, "cpu")[0, :5], both[0]), "a longer sample begins the same"
    assert not torch.equal(both[0], both[1])
    assert uniforms([], 5, "cpu").shape == (0, 5)


def test_what_is_drawn_has_the_distribution_of_the_scores() -> None:
    scores = torch.tensor([0.0, float("-inf"), 1.0, -2.0, 3.0])
    numbers = uniforms([3], 20_000, "cpu")[0]
    tokens = drawn(scores.expand(len(numbers), -1), numbers)
    counts = torch.bincount(tokens, minlength=5)
    assert counts[1] == 0
    wanted = torch.softmax(scores, 0) * len(numbers)
    possible = [0, 2, 3, 4]
    assert chisquare(counts[possible], wanted[possible] * (counts.sum() / wanted[possible].sum())).pvalue > 1e-3


@pytest.mark.parametrize("number", [0.0, 0.5, 1 - 2**-53])
def test_a_token_without_probability_is_never_drawn(number: float) -> None:
    for alone in (0, 3, 4):
        scores = torch.full((1, 5), float("-inf"))
        scores[0, alone] = 1.0
        assert drawn(scores, torch.tensor([number], dtype=torch.float64)).tolist() == [alone]


def test_generate_is_left_one_token() -> None:
    scores = torch.randn(3, 11)
    numbers = uniforms([1, 2, 3], 2, "cpu")
    left = OwnNumbers(numbers, 4)(torch.zeros(3, 5, dtype=torch.long), scores)
    assert torch.softmax(left, 1).argmax(1).tolist() == drawn(scores, numbers[:, 1]).tolist()
    assert torch.softmax(left, 1).amax(1).tolist() == [1.0] * 3


@pytest.mark.parametrize("penalty", [1.0, 1.8], ids=["plain", "penalty"])
@pytest.mark.parametrize("shared_prefix", [False, True], ids=["separate", "shared"])
def test_a_sample_does_not_depend_on_the_others(
    tiny_policy: Path, tmp_path: Path, shared_prefix: bool, penalty: float
) -> None:
    """Nor, where repeating is penalised, on how much padding a longer one beside it makes."""
    trainer = trained(tiny_policy, tmp_path, shared_prefix=shared_prefix, repetition_penalty=penalty)
    read = trainer.engines.engine.read
    prompts = trainer.collector.build_prompts(trainer.examples[:3])
    suffix = [65, 66]
    together = read(prompts).sample(Draws([0, 0, 1, 2], [(), (), (), suffix], [11, 12, 11, 14])).ids
    assert together[0] != together[1]
    for n, (prompt, own, seed) in enumerate([(0, (), 11), (0, (), 12), (1, (), 11), (2, suffix, 14)]):
        assert read(prompts).sample(Draws([prompt], [own], [seed])).ids == [together[n]]


def test_both_ways_of_reading_draw_the_same(tiny_policy: Path, tmp_path: Path) -> None:
    sampled = []
    for shared_prefix in (False, True):
        trainer = trained(tiny_policy, tmp_path / str(shared_prefix), shared_prefix=shared_prefix)
        rollout = trainer.collect([0, 1, 2, 3])
        sampled.append([[one.completion.ids for one in group.attempts + group.retries] for group in rollout.groups])
        assert any(group.retries for group in rollout.groups)
    assert sampled[0] == sampled[1]


def test_the_global_generator_moves_nothing(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = trained(tiny_policy, tmp_path)
    prompts = trainer.collector.build_prompts(trainer.examples[:1])
    draws = Draws([0, 0], [(), ()], [5, 6])
    first = trainer.engines.engine.read(prompts).sample(draws)
    torch.manual_seed(1234)
    assert trainer.engines.engine.read(prompts).sample(draws) == first


def trained(policy: Path, folder: Path, **settings: Any) -> Any:
    judge = ScriptedJudge(lambda request: "incorrect")
    return build_trainer(policy, folder, judge, **{**SETTINGS, **settings})


# ---- seeds -------------------------------------------------------------------------------------------------------


def test_a_group_is_known_by_run_step_and_row() -> None:
    seeds = {GroupSeeds(run, step).of(row) for run in (0, 1) for step in (0, 1) for row in range(50)}
    assert len(seeds) == 200
    assert GroupSeeds(0, 1).of(7) == GroupSeeds(0, 1).of(7), "whoever samples it"
    assert GroupSeeds(0, 1).of_refill(7, 3) == GroupSeeds(0, 1).of_refill(7, 3)
    assert all(0 <= seed < 2**62 for seed in seeds)


def test_a_row_that_comes_again_samples_something_else() -> None:
    seeds = GroupSeeds(0, 0)
    assert len({seeds.of(7), seeds.of(7), seeds.of_refill(7, 0), seeds.of_refill(7, 1)}) == 4


def test_retries_have_seeds_of_their_own() -> None:
    assert len({retry_seed(group, parent, n) for group in (1, 2) for parent in (0, 1) for n in (0, 1)}) == 8
