"""Groups of different sizes: what a mixed group trains is the mean over its own members, however it is cut up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from runs import SETTINGS, FunctionEngine, FunctionReading, ScriptedJudge, build_trainer, loader_rows
from two_processes import on_two_processes

from contextrl.judge.protocol import JudgeRequest
from contextrl.objective.advantages import group_advantages
from contextrl.policy.prompts import Prompts
from contextrl.records.verdict import Verdict
from contextrl.rollout.groups import Attempt, Group
from contextrl.rollout.sampling import Draws, Sampled
from contextrl.trainer.batches import loss_mask
from contextrl.trainer.contextrl_trainer import ContextRLTrainer


def uneven(request: JudgeRequest) -> str:
    """Even examples fail at stage 1 and most of their retries are right; of odd ones a third is."""
    lot = sum(request.response.encode())
    if request.wants_standalone:
        return "correct" if lot % 4 else "incorrect"
    return "correct" if int(request.example.id[-1]) % 2 and lot % 3 == 2 else "incorrect"


def trainer_of(policy: Path, folder: Path, **settings: Any) -> ContextRLTrainer:
    options: dict[str, Any] = SETTINGS | {
        "beta": 0.05,
        "objective": {"mixed_group_scale": 0.5},
        "optim": "sgd",
        "learning_rate": 0.1,
        "lr_scheduler_type": "constant",
        **settings,
    }
    trainer = build_trainer(policy, folder, ScriptedJudge(uneven), **options)
    trainer.collector.engine = FunctionEngine(trainer._tokenizer.eos_token_id)
    return trainer


def gradient(trainer: ContextRLTrainer) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])


def log_probabilities(trainer: ContextRLTrainer, model: Any, group: Group, member: Attempt) -> torch.Tensor:
    """[C] of one completion under the prompt that it is trained under, by the model's plain forward."""
    ids = list(member.completion.ids)
    before = [*group.prompt.ids[0], *member.context]
    inputs = group.prompt.extended([[*before, *ids]]).padded(0).tensors
    logits = model(**inputs).logits[0, len(before) - 1 : -1] / trainer.temperature
    return torch.log_softmax(logits.float(), -1).gather(1, torch.tensor(ids)[:, None])[:, 0]


def loss_of_group(trainer: ContextRLTrainer, group: Group, *, aligned: bool = False) -> torch.Tensor:
    """Written again, one member after the other: -A + beta KL by token, KL on what the policy sampled alone.

    Args:
        aligned: of a retry, only from where it leaves its failed attempt.
    """
    rewards = [member.reward for member in group.members if member.reward is not None]
    mean = sum(rewards) / len(rewards)
    deviation = (sum((reward - mean) ** 2 for reward in rewards) / max(len(rewards) - 1, 1)) ** 0.5
    losses = []
    for member in group.members:
        logps = log_probabilities(trainer, trainer.model, group, member)
        advantage = 0.0 if member.reward is None else (member.reward - mean) / (deviation + 1e-4)
        advantage *= 0.5 if group.mixed else 1.0
        tokens = -torch.exp(logps - logps.detach()) * advantage
        if not member.rolled_back:
            with torch.no_grad():
                reference = log_probabilities(trainer, trainer.ref_model, group, member)
            tokens = tokens + 0.05 * (torch.exp(reference - logps) - (reference - logps) - 1)
        begin = 0
        if aligned and member.stage == 2:
            ids, failed = member.completion.ids, group.attempts[member.parent or 0].completion.ids
            while ids[begin] == failed[begin]:
                begin += 1
            assert begin >= 2, "the engine begins as the attempt does"
        losses.append(tokens[begin:].mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize(
    "stage2",
    [{}, {"rollback": False}],
    ids=["rolled-back", "context-kept"],
)
@pytest.mark.parametrize("shared_prefix", [True, False], ids=["shared", "separate"])
def test_the_gradient_is_that_of_a_loop_over_groups(
    tiny_policy: Path, tmp_path: Path, shared_prefix: bool, stage2: dict[str, Any]
) -> None:
    """A group's loss is the mean over its own members, K + |P| of them in a mixed one; groups weigh the same."""
    trainer = trainer_of(
        tiny_policy,
        tmp_path,
        shared_prefix=shared_prefix,
        num_generations=3,
        per_device_train_batch_size=12,
        stage2=stage2,
    )
    with torch.no_grad():  # away from the reference, or KL would have no gradient
        trainer.model.lm_head.weight.mul_(1.05)
    inputs = trainer._prepare_inputs(loader_rows(0, 1, 2, 4, repeats=3))
    trainer.model.zero_grad()
    trainer._compute_loss(trainer.model, inputs).backward()
    found = gradient(trainer)
    assert trainer.rows is not None
    groups = trainer.rows.rollout.groups
    sizes = [len(group.members) for group in groups]
    assert sizes[1] == 3, "one group is online"
    assert len(set(sizes)) > 2, "and mixed ones differ in size"
    kept = [member for group in groups for member in group.members if member.stage == 2]
    assert [member.rolled_back for member in kept] == [not stage2] * len(kept)
    assert [bool(member.context) for member in kept] == ["rollback" in stage2] * len(kept)
    trainer.model.zero_grad()
    torch.stack([loss_of_group(trainer, group) for group in groups]).mean().backward()
    expected = gradient(trainer)
    assert float((found - expected).norm() / expected.norm()) < 1e-4


class Repeating(FunctionReading):
    """Retries begin with the first two tokens of the failed attempt, which is the first that follows their prompt."""

    def sample(self, draws: Draws) -> Sampled:
        ids = super().sample(draws).ids
        return Sampled([[*suffix[:2], *own] for suffix, own in zip(draws.suffixes, ids, strict=True)])


class RepeatingEngine(FunctionEngine):
    def read(self, prompts: Prompts) -> Repeating:
        return Repeating(prompts, self.end)


@pytest.mark.parametrize("mixing", ["union", "replace"])
def test_what_a_retry_shares_with_its_failed_attempt_gets_no_gradient(
    tiny_policy: Path, tmp_path: Path, mixing: str
) -> None:
    objective = {"rolled_back_tokens": "after_divergence", "mixing": mixing, "mixed_group_scale": 0.5}
    options = {"num_generations": 3, "per_device_train_batch_size": 12, "objective": objective}
    trainer = trainer_of(tiny_policy, tmp_path, **options)
    trainer.collector.engine = RepeatingEngine(trainer._tokenizer.eos_token_id)
    inputs = trainer._prepare_inputs(loader_rows(0, 1, 2, 4, repeats=3))
    trainer.model.zero_grad()
    trainer._compute_loss(trainer.model, inputs).backward()
    found = gradient(trainer)
    assert trainer.rows is not None
    groups = trainer.rows.rollout.groups
    assert any(group.mixed for group in groups)
    shared = inputs["completion_mask"].sum(1) - loss_mask(inputs).sum(1)
    assert [bool(count) for count in shared] == inputs["off_policy"].tolist()
    trainer.model.zero_grad()
    torch.stack([loss_of_group(trainer, group, aligned=True) for group in groups]).mean().backward()
    expected = gradient(trainer)
    assert float((found - expected).norm() / expected.norm()) < 1e-4


class Stepping(FunctionReading):
    """Retries that have two lines, the second of them another in each."""

    first: ClassVar[list[int]] = []

    def sample(self, draws: Draws) -> Sampled:
        ids = super().sample(draws).ids
        return Sampled([[*self.first, *own] if len(s) else own for s, own in zip(draws.suffixes, ids, strict=True)])


class SteppingEngine(FunctionEngine):
    def read(self, prompts: Prompts) -> Stepping:
        return Stepping(prompts, self.end)


class NamesStep(ScriptedJudge):
    """The second step is wrong, or none is named where a response is long."""

    def _one(self, request: JudgeRequest) -> Verdict:
        return replace(super()._one(request), mistake_report="Mistake: it is.", mistake_step=self.step(request))

    @staticmethod
    def step(request: JudgeRequest) -> int | None:
        return 2 if len(request.response) % 2 else None


def test_a_retry_is_trained_from_the_step_on_that_its_report_names(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"num_generations": 4, "objective": {"rolled_back_tokens": "after_wrong_step"}}
    trainer = trainer_of(tiny_policy, tmp_path, **options)
    tokenizer = trainer._tokenizer
    line = tokenizer("Digits: 4, 8.\n", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(Stepping, "first", line)
    trainer.collector.engine = SteppingEngine(tokenizer.eos_token_id)
    trainer.collector.verifier.args[0]._one = NamesStep(uneven)._one  # type: ignore[attr-defined]
    batch = trainer._generate_and_score_completions(loader_rows(0, 1, 2, 4))
    assert trainer.rows is not None
    trained, named = loss_mask(batch), []
    for row, attempt in enumerate(trainer.rows.attempts):
        group = trainer.rows.rollout.groups[trainer.rows.group[row]]
        scored = int(batch["completion_mask"][row].sum())
        begins = 0
        if attempt.rolled_back:
            failed = group.attempts[attempt.parent or 0]
            step = NamesStep.step(JudgeRequest(group.example, failed.completion.text))
            named.append(step)
            # The second line may be empty, and is then no step.
            begins = len(line) if step and len(attempt.completion.text.split()) > 3 else 0
        assert trained[row].nonzero().flatten().tolist() == list(range(begins, scored))
    assert {2, None} == set(named)
    unaligned = trainer._metrics["train"]["off_policy/unaligned"][-1]
    assert unaligned == pytest.approx(named.count(None) / len(named))


def test_unscored_responses_are_in_online_groups_and_in_no_mixed_one(tiny_policy: Path, tmp_path: Path) -> None:
    def rule(request: JudgeRequest) -> str:
        if not request.wants_standalone and sum(request.response.encode()) % 2 == 0:
            return "unscored"
        return "correct" if int(request.example.id[-1]) % 2 else uneven(request)

    trainer = trainer_of(tiny_policy, tmp_path, judging={"max_failed_steps": 99})
    trainer.collector.verifier.args[0].rule = rule  # type: ignore[attr-defined]
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert trainer.rows is not None
    mixed, online = trainer.rows.rollout.groups
    assert mixed.mixed
    assert not online.mixed
    lost = [attempt for attempt in mixed.attempts if not attempt.scored]
    assert lost, "the judge must have failed on some"
    assert not [attempt for attempt in lost if any(attempt is member for member in mixed.members)]
    weight = dict(zip(map(id, trainer.rows.attempts), batch["weights"].tolist(), strict=True))
    tokens = dict(zip(map(id, trainer.rows.attempts), batch["completion_mask"].sum(1).tolist(), strict=True))
    assert [(weight[id(attempt)], tokens[id(attempt)]) for attempt in lost] == [(0.0, 0)] * len(lost)
    assert [weight[id(attempt)] for attempt in online.attempts] == [1.0] * 4, "as GRPO has them"


def test_without_rollback_a_retry_is_trained_after_what_it_has_seen(tiny_policy: Path, tmp_path: Path) -> None:
    """Its row holds attempt and report, which are scored and not trained; its log-probabilities are the dialogue's."""
    settings = {"num_generations": 4, "num_iterations": 2, "stage2": {"rollback": False}}
    trainer = trainer_of(tiny_policy, tmp_path, **settings)
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert trainer.rows is not None
    trained, added = loss_mask(batch), trainer.rows.added
    assert added, "some retries must have been kept"
    assert not batch["off_policy"].any(), "they are sampled from what they are trained under"
    for row in added:
        attempt, group = trainer.rows.attempts[row], trainer.rows.rollout.groups[trainer.rows.group[row]]
        failed = group.attempts[attempt.parent or 0]
        whole = trainer.collector.retry_prompt.suffix(
            group.prompt.ids[0], failed.completion.ids, "Mistake: step 1 is wrong."
        )
        assert whole is not None
        end = len(whole) + len(attempt.completion.ids)
        assert batch["completion_ids"][row][:end].tolist() == [*whole, *attempt.completion.ids]
        assert trained[row].nonzero().flatten().tolist() == list(range(len(whole), end))
        with torch.no_grad():
            expected = log_probabilities(trainer, trainer.model, group, attempt)
        torch.testing.assert_close(batch["old_per_token_logps"][row][len(whole) : end], expected, rtol=0, atol=1e-5)
    assert int(batch["num_items_in_batch"]) == int(trained.sum())


def test_further_samples_are_trained_as_the_policys_own(tiny_policy: Path, tmp_path: Path) -> None:
    """They make a group mixed, and lambda holds; but they are on-policy, so that the KL term covers them."""

    def lot(request: JudgeRequest) -> str:
        return "correct" if sum(request.response.encode()) % 5 == 0 else "incorrect"

    trainer = build_trainer(
        tiny_policy, tmp_path, ScriptedJudge(lot), stage2={"guidance": "none", "samples_per_negative": 4}
    )
    batch = trainer._generate_and_score_completions(loader_rows(0, 1, 2, 3))
    assert trainer.rows is not None
    rows, groups = trainer.rows, trainer.rows.rollout.groups
    assert rows.added, "some further sample must have been right"
    assert not batch["off_policy"].any()
    assert "untrained" not in batch
    for row in rows.added:
        group = groups[rows.group[row]]
        ids = list(rows.attempts[row].completion.ids)
        assert batch["completion_ids"][row][: len(ids)].tolist() == ids
        rewards = torch.tensor([[float(member.correct) for member in group.members]])
        expected = 0.5 * group_advantages(rewards)[0, group.members.index(rows.attempts[row])]
        torch.testing.assert_close(batch["advantages"][row], expected)


def weights_after(policy: Path, folder: Path, **settings: Any) -> dict[str, torch.Tensor]:
    trainer = trainer_of(policy, folder, max_steps=3, **settings)
    trainer.train()
    logged = trainer.state.log_history
    assert sum(row.get("stage2/kept", 0) for row in logged) > 0, "mixed groups must have been trained"
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


@pytest.mark.parametrize(
    ("num_iterations", "settings"),
    [
        pytest.param(1, {}, id="once"),
        pytest.param(2, {}, id="twice"),
        pytest.param(1, {"stage2": {"rollback": False}}, id="context-kept"),
        pytest.param(1, {"stage2": {"rollback": False}, "loss_type": "dapo"}, id="context-kept-by-tokens"),
    ],
)
def test_micro_batches_of_any_size_train_the_same(
    tiny_policy: Path, tmp_path: Path, num_iterations: int, settings: dict[str, Any]
) -> None:
    sizes = {"all": (6, 1), "three": (3, 2), "one": (1, 6)}
    found = {
        name: weights_after(
            tiny_policy,
            tmp_path / name,
            num_generations=3,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated,
            num_iterations=num_iterations,
            **settings,
        )
        for name, (size, accumulated) in sizes.items()
    }
    for name in ("three", "one"):
        for parameter, expected in found["all"].items():
            torch.testing.assert_close(found[name][parameter], expected, rtol=0, atol=2e-6, msg=f"{name}: {parameter}")


def test_two_processes_train_what_one_does(tiny_policy: Path, tmp_path: Path) -> None:
    """One of them has mixed groups and the other has not: its rows must not be outvoted, nor outvote."""
    expected = weights_after(tiny_policy, tmp_path / "one", per_device_train_batch_size=8)
    on_two_processes(
        Path(__file__).with_name("mixed_on_two_processes.py"), str(tiny_policy), str(tmp_path / "two"), timeout=180
    )
    found = torch.load(tmp_path / "two" / "weights.pt", weights_only=True)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=2e-6, msg=lambda m, name=name: f"{name}: {m}")
