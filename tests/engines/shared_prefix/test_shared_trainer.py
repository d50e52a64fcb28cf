"""The trainer with the prompt once per group against the same trainer with the prompt once per sample."""

from __future__ import annotations

import gc
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from runs import SETTINGS, ScriptedJudge, build_trainer, loader_rows

from contextrl.engines.shared_prefix import scorer, sharing
from contextrl.engines.shared_prefix.cost import ModelCost
from contextrl.engines.shared_prefix.decoding import PrefixStates
from contextrl.engines.shared_prefix.generation import SharedDecoder
from contextrl.engines.shared_prefix.scorer import PromptScorer
from contextrl.engines.shared_prefix.support import Support
from contextrl.errors import InputError
from contextrl.judge.protocol import JudgeRequest
from contextrl.policy.loading import load_policy, policy_config
from contextrl.policy.prompts import build_prompts
from contextrl.rollout.sampling import Draws
from contextrl.trainer.batches import micro_batches
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

VARIANTS: dict[str, dict[str, Any]] = {
    "one-update": {"beta": 0.05},
    "two-updates": {"beta": 0.05, "num_iterations": 2},
    "accumulated": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "num_iterations": 2},
    "micro-batches-smaller-than-a-group": {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 4,
        "num_iterations": 2,
    },
    "several-updates-of-a-rollout": {"per_device_train_batch_size": 4, "steps_per_generation": 2, "beta": 0.05},
    "checkpointing": {"gradient_checkpointing": True, "num_iterations": 2},
    "lora": {"beta": 0.05, "num_iterations": 2, "peft_config": {"init_lora_weights": False}},
    "lora-checkpointing": {"beta": 0.05, "gradient_checkpointing": True, "peft_config": {"init_lora_weights": False}},
}


def half_recover(request: JudgeRequest) -> str:
    """Even examples fail at stage 1 and recover; odd ones are right or wrong by length."""
    if request.wants_standalone:
        return "correct"
    return "correct" if int(request.example.id[-1]) % 2 and len(request.response) % 2 else "incorrect"


def never_ending(policy: Path) -> dict[str, Any]:
    """A sample that ends leaves the batch, and the random numbers then fall to other samples."""
    return {"suppress_tokens": [policy_config(str(policy)).get_text_config().eos_token_id]}


def run(policy: Path, folder: Path, settings: dict[str, Any], **more: Any) -> ContextRLTrainer:
    settings = dict(settings)
    peft = settings.pop("peft_config", None)
    trainer = build_trainer(
        policy,
        folder,
        ScriptedJudge(half_recover),
        peft_config=LoraConfig(r=4, target_modules=["q_proj", "down_proj"], **peft) if peft else None,
        generation_kwargs=never_ending(policy),
        optim="sgd",
        lr_scheduler_type="constant",
        **(SETTINGS | {"learning_rate": 0.1, "max_steps": 3} | settings | more),
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_sharing_leaves_the_weights_of_a_run_as_they_are(
    tiny_policy: Path, tmp_path: Path, variant: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    shared = run(tiny_policy, tmp_path / "shared", variant)
    torch.manual_seed(0)
    separate = run(tiny_policy, tmp_path / "separate", variant, shared_prefix=False)
    logged = shared.state.log_history
    assert all(row["shared_prefix/used"] == 1.0 for row in logged if "loss" in row)
    assert sum(row.get("stage2/kept", 0) for row in logged) > 0, "mixed groups must have been trained"
    assert not any("shared_prefix/used" in row for row in separate.state.log_history)
    expected = separate.model.state_dict()
    start = load_policy(str(tiny_policy)).state_dict()
    if "peft_config" not in variant:
        assert max(float((expected[name] - start[name]).abs().max()) for name in expected) > 1e-3
    for name, weights in shared.model.state_dict().items():
        torch.testing.assert_close(weights, expected[name], rtol=0, atol=2e-6, msg=f"{name} differs")


@pytest.mark.parametrize(
    "variant",
    [{"num_iterations": 2}, {"beta": 0.05, "peft_config": {"init_lora_weights": False}}],
    ids=["old", "reference"],
)
def test_chunks_of_one_pass_may_go_different_ways(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: dict[str, Any]
) -> None:
    """Lengths decide for each chunk; the old and the reference pass join what comes of them."""
    small = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    torch.manual_seed(0)
    separate = run(tiny_policy, tmp_path / "separate", variant | small, shared_prefix=False)
    turns = itertools.cycle(["dense", "separate", "separate"])
    monkeypatch.setattr(ModelCost, "layout", lambda *_: next(turns))
    torch.manual_seed(0)
    mixed = run(tiny_policy, tmp_path / "mixed", variant | small)
    used = [row["shared_prefix/used"] for row in mixed.state.log_history if "shared_prefix/used" in row]
    assert 0 < sum(used) / len(used) < 1
    expected = separate.model.state_dict()
    for name, weights in mixed.model.state_dict().items():
        torch.testing.assert_close(weights, expected[name], rtol=0, atol=2e-6, msg=f"{name} differs")


def test_stage_2_does_not_look_at_the_images_again(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    trainer.collect([1])  # the probe has its own forwards
    seen: list[int] = []
    vision = type(trainer.model.model.visual)
    original = vision.forward

    def counting(self: Any, pixels: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(pixels.size(0))
        return original(self, pixels, *args, **kwargs)

    monkeypatch.setattr(vision, "forward", counting)
    groups = trainer.collect([0, 2]).groups
    assert all(group.retries for group in groups)
    assert seen == [sum(group.prompt.features[0]["pixel_values"].size(0) for group in groups)]
    assert not [one for one in gc.get_objects() if isinstance(one, PrefixStates)], "they must not outlive the rollout"


def test_a_batch_holds_each_image_once(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    batch = trainer._prepare_inputs(loader_rows(0, 1))
    assert not [name for name in batch if "pixel" in name or "image" in name]
    assert trainer.rows is not None
    assert len(trainer.rows.prompts.prompts.features) == 2


# ---- models that cannot share --------------------------------------------------------------------------------------


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "read once per sample" in record.getMessage()]


def two_steps(trainer: ContextRLTrainer) -> None:
    for _ in range(2):
        batch = trainer._prepare_inputs(loader_rows(0, 1))
        trainer._compute_loss(trainer.model, batch).backward()
        trainer._step += 1


def wrong_scores(*_: Any, **__: Any) -> Any:
    completions = _[3]
    return torch.full(completions.shape, -7.0), None


def failing(*_: Any, **__: Any) -> Any:
    raise TypeError("forward() got an unexpected keyword argument 'shared_prefix'")


@pytest.mark.parametrize(
    ("score", "reason"),
    [(wrong_scores, "log-probabilities then differ by"), (failing, "unexpected keyword argument 'shared_prefix'")],
    ids=["other-numbers", "error"],
)
def test_a_model_that_computes_something_else_falls_back_with_one_warning(
    tiny_policy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    score: Any,
    reason: str,
) -> None:
    monkeypatch.setattr(scorer, "score_packed", score)
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    two_steps(trainer)
    assert len(said(caplog)) == 1
    assert reason in said(caplog)[0]
    assert "train.shared_prefix" in said(caplog)[0]
    assert trainer.engines.sharing.way == "separate"


def test_decoding_is_probed_too(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = SharedDecoder.step
    monkeypatch.setattr(SharedDecoder, "step", lambda self, tokens: original(self, tokens * 0))
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    two_steps(trainer)
    assert ["differ by" in one for one in said(caplog)] == [True]


def test_dropout_is_not_taken_for_another_model(
    tiny_policy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = build_trainer(
        tiny_policy,
        tmp_path,
        ScriptedJudge(half_recover),
        peft_config=LoraConfig(r=4, target_modules=["q_proj"], lora_dropout=0.5, init_lora_weights=False),
    )
    two_steps(trainer)
    assert not said(caplog)
    assert trainer.engines.sharing.way == "packed"
    assert trainer.model.training


def test_beams_take_transformers_own_path(tiny_policy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover), generation_kwargs={"num_beams": 2})
    two_steps(trainer)
    assert [one.startswith("In sampling, prompts are") and "beam_sample" in one for one in said(caplog)] == [True]
    assert trainer.engines.sharing.way == "packed", "scoring still shares"


def test_a_model_without_support_trains_with_one_warning(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("contextrl.engines.shared_prefix.support.REPLACEABLE", ("none",))
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    two_steps(trainer)
    assert ["its attention is sdpa, not none, and its positions follow" in one for one in said(caplog)] == [True]


def test_a_probe_that_fails_puts_the_model_back(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """TRL takes gradient checkpointing off while it generates, and on again only where nothing was raised."""
    monkeypatch.setattr(SharedDecoder, "step", failing)
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover), gradient_checkpointing=True)
    trainer.model.gradient_checkpointing_enable()
    two_steps(trainer)
    assert ["unexpected keyword argument" in one for one in said(caplog)] == [True]
    assert trainer.model.is_gradient_checkpointing
    assert trainer.model.training


def test_the_probe_looks_at_images(tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    probed: list[list[int]] = []
    original = PromptScorer.score_by

    def spying(self: Any, way: Any, model: Any, encoded: Any, *args: Any, **kwargs: Any) -> Any:
        probed.append(encoded.prompts.num_images)
        return original(self, way, model, encoded, *args, **kwargs)

    monkeypatch.setattr(PromptScorer, "score_by", spying)
    with_image, text_only = trainer.examples[0], replace(trainer.examples[1], images=())
    reading = trainer.engines.engine.read(build_prompts(trainer.processing_class, [text_only, with_image]))
    reading.sample(Draws([0, 1], [[], []], [1, 2]))
    assert probed == [[1], [1]], "both ways, and once"
    reading.sample(Draws([0, 1], [[], []], [1, 2]))
    assert len(probed) == 2


def test_a_repeated_cache_says_that_stage_2_does_not_share(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    way = Support("repeated", "it has layers of sliding_attention")
    monkeypatch.setattr(sharing, "supported_way", lambda *_, **__: way)
    build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    assert [one.startswith("In stage 2, prompts are") and "sliding_attention" in one for one in said(caplog)] == [True]


def test_evaluate_is_refused(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(half_recover))
    trainer.model.eval()
    with pytest.raises(InputError, match="expected a model in training mode"):
        trainer._prepare_inputs(loader_rows(0, 1))


# ---- micro-batches -------------------------------------------------------------------------------------------------


def test_shuffling_moves_groups_and_keeps_rows_together() -> None:
    batch = {
        "group": torch.arange(6).repeat_interleave(3),
        "travels_with": torch.arange(18),
        "tokens": torch.arange(18)[:, None],
        "num_items_in_batch": torch.tensor(5.0),
    }
    torch.manual_seed(0)
    (shuffled,) = micro_batches(batch, 1)
    groups, tokens = shuffled["group"].tolist(), shuffled["tokens"][:, 0].tolist()
    assert sorted(tokens) == list(range(18))
    assert [token // 3 for token in tokens] == groups, "rows must move as a whole"
    runs = [group for n, group in enumerate(groups) if n == 0 or groups[n - 1] != group]
    assert sorted(runs) == list(range(6)), "a group must not be torn apart"
    assert runs != list(range(6)), "and the order must be random"
    assert shuffled["num_items_in_batch"] == 5.0


def test_added_rows_follow_their_group_and_leave_the_others_where_they_would_be() -> None:
    # Groups 0 and 2 of three rows have two and three rows more.
    added = {18: 0, 19: 0, 20: 2, 21: 2, 22: 2}
    groups = [row // 3 for row in range(18)] + list(added.values())
    batch = {
        "group": torch.tensor(groups),
        "travels_with": torch.tensor([*range(18), *(3 * group + 2 for group in added.values())]),
        "tokens": torch.arange(23)[:, None],
        "prompts": torch.arange(18)[:, None],
    }
    torch.manual_seed(0)
    parts = micro_batches(batch, 3)
    torch.manual_seed(0)
    without = micro_batches({name: batch[name][:18] for name in ("group", "travels_with", "tokens")}, 3)
    for part, online in zip(parts, without, strict=True):
        tokens = part["tokens"][:, 0].tolist()
        assert [token for token in tokens if token < 18] == online["tokens"][:, 0].tolist()
        assert part["group"].tolist() == [groups[token] for token in tokens]
        assert {token for token in tokens if token >= 18} == {t for t, n in added.items() if n in online["group"]}
        assert "prompts" not in part, "of some rows only"
