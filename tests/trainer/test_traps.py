"""What TRL's source does that would break the method quietly (design, "Traps"): a test for each."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import FixedEngine, ScriptedJudge, build_trainer, loader_rows

from contextrl.data.images import open_image
from contextrl.errors import InputError, NonFiniteLossError, ServiceError
from contextrl.evaluation.generation import generate_greedy
from contextrl.judge.protocol import JudgeRequest
from contextrl.objective.advantages import group_advantages
from contextrl.policy.loading import load_policy
from contextrl.policy.prompts import Prompts
from contextrl.policy.vision import VisionInputs
from contextrl.rollout.groups import Group
from contextrl.rollout.sampling import Draws, Sampled
from contextrl.trainer.config import UNSUPPORTED, ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.group_recorder import GroupRecorder


def stage_of(request: JudgeRequest) -> int:
    return 2 if request.wants_standalone else 1


def recovering(request: JudgeRequest) -> str:
    """All groups negative at stage 1; every retry right."""
    return "correct" if stage_of(request) == 2 else "incorrect"


def groups_of(trainer: ContextRLTrainer) -> list[Group]:
    """The groups of the batch under way."""
    assert trainer.rows is not None
    return trainer.rows.rollout.groups


def prompts_of(trainer: ContextRLTrainer) -> Prompts:
    """Its prompts, each once."""
    assert trainer.rows is not None
    return trainer.rows.prompts.prompts


def test_images_are_processed_once_per_example(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 1: B = 8 rows show N = 2 pictures; GRPOTrainer would process 16 (twice B)."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"), stage2=False)
    processor = trainer.processing_class.image_processor
    seen: list[int] = []
    original = type(processor).__call__

    def counting(self: Any, images: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(sum(len(row) if isinstance(row, list) else 1 for row in images))
        return original(self, images, *args, **kwargs)

    monkeypatch.setattr(type(processor), "__call__", counting)
    trainer._generate_and_score_completions(loader_rows(0, 1))
    assert sum(seen) == 2


def test_loader_rows_carry_no_images(tiny_policy: Path, tmp_path: Path) -> None:
    """Trap 2: the loader repeats rows G times and prefetches them: they are numbers."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"))
    assert trainer.train_dataset.column_names == ["row"]
    batch = next(iter(trainer.get_train_dataloader()))
    assert [set(row) for row in batch] == [{"row"}] * 8


def test_groups_stay_with_their_pictures_through_the_shuffle(tiny_policy: Path, tmp_path: Path) -> None:
    """Trap 3: pictures differ where prompt ids do not; the group tensor and the pixels travel together."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"), rows=64)
    same: dict[tuple[str, int], list[int]] = {}
    for row, example in enumerate(trainer.examples):
        same.setdefault((example.question, len(example.image_ids)), []).append(row)
    pair = next(rows for rows in same.values() if len(rows) >= 2)[:2]
    batch = trainer._prepare_inputs(loader_rows(*pair))
    assert len({tuple(ids) for ids in batch["prompt_ids"].tolist()}) == 1
    assert [(group, len(list(rows))) for group, rows in groupby(batch["group"].tolist())] in (
        [(0, 4), (1, 4)],
        [(1, 4), (0, 4)],
    )
    assert not {"pixel_values", "image_grid_thw"} & set(batch), "memory must not grow with B images"
    for group in batch["group"].tolist():
        shown = prompts_of(trainer).features[group]["pixel_values"]
        picture = open_image(trainer.examples[pair[group]].images[0])
        expected = trainer.processing_class.image_processor(images=[picture], return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(shown, expected)


def test_rolled_back_rows_are_scored_under_the_original_prompt(tiny_policy: Path, tmp_path: Path) -> None:
    """The prompt of every row is the stage-1 prompt, and the ratio is 1 at the first update."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(recovering), num_iterations=2)
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert batch["off_policy"].any(), "some retry must have been rolled back"
    prompts = [group.prompt.ids[0] for group in groups_of(trainer)]
    # Rows of GRPOTrainer's, four a group; those that stage 2 adds follow them.
    scored = batch["prompt_ids"].size(0)
    assert (scored, batch["group"][:scored].tolist()) == (8, [0] * 4 + [1] * 4)
    for row in range(scored):
        assert batch["prompt_ids"][row][batch["prompt_mask"][row].bool()].tolist() == prompts[row // 4]
    rows = prompts_of(trainer).select(batch["group"].tolist())
    width, columns = max(map(len, prompts)), batch["completion_ids"].size(1)
    padded = [[0] * (width - len(prompts[n])) + prompts[n] for n in batch["group"].tolist()]
    real = [[0] * (width - len(prompts[n])) + [1] * len(prompts[n]) for n in batch["group"].tolist()]
    with torch.no_grad():
        logps, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([torch.tensor(padded), batch["completion_ids"]], 1),
            torch.cat([torch.tensor(real), batch["completion_mask"]], 1),
            columns,
            **VisionInputs(rows, torch.device("cpu")).fields(width, columns),
        )
    mask = batch["completion_mask"].bool()
    torch.testing.assert_close(logps[mask], batch["old_per_token_logps"][mask], rtol=0, atol=1e-5)


def test_token_ids_travel(tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt enters stage 2 as the ids that were sampled, and what is trained is what was sampled."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(recovering))
    prompts: list[list[list[int]]] = []
    original = trainer.collector.engine

    class Spy:
        """Remembers what the engine was asked to continue."""

        def read(self, rows: Prompts) -> Any:
            reading = original.read(rows)
            sample = reading.sample

            def spying(draws: Draws) -> Any:
                pairs = zip(draws.prompt_of, draws.suffixes, strict=True)
                prompts.append([[*rows.ids[n], *suffix] for n, suffix in pairs])
                return sample(draws)

            reading.sample = spying
            return reading

    trainer.collector.engine = Spy()
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    stage1, stage2 = prompts
    first = groups_of(trainer)[0]
    attempt = [i for i in first.attempts[0].completion.ids if i != trainer._tokenizer.eos_token_id]
    assert stage2[0][: len(stage1[0]) + len(attempt)] == stage1[0] + attempt
    trained = [
        (n, tuple(ids[mask.bool()].tolist()))
        for n, ids, mask in zip(batch["group"].tolist(), batch["completion_ids"], batch["completion_mask"], strict=True)
    ]
    members = [(n, member.completion.ids) for n, group in enumerate(groups_of(trainer)) for member in group.members]
    assert sorted(trained) == sorted(members)


def test_an_unscored_row_is_out_of_the_baseline(tiny_policy: Path, tmp_path: Path) -> None:
    """Trap 8: one reward column, so a row without verdict is NaN, not 0: advantage 0, the others' mean without it."""
    order: dict[str, str] = {}

    def rule(request: JudgeRequest) -> str:
        statuses = ("correct", "incorrect", "unscored", "incorrect")
        return order.setdefault(request.example.id + request.response, statuses[len(order) % 4])

    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(rule), stage2=False, judging={"max_failed_steps": 9})
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    statuses = [slot.verdict.status for group in groups_of(trainer) for slot in group.members if slot.verdict]
    assert statuses == ["correct", "incorrect", "unscored", "incorrect"] * 2
    # Scored rewards 1, 0, 0: mean 1/3, sample deviation sqrt(1/3) = 0.57735.
    expected = [(1 - 1 / 3) / 0.57745, -1 / 3 / 0.57745, 0.0, -1 / 3 / 0.57745] * 2
    assert batch["advantages"].tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("scale_rewards", ["group", "none"])
def test_trls_advantages_are_those_of_the_oracle(tiny_policy: Path, tmp_path: Path, scale_rewards: str) -> None:
    """GRPOTrainer's advantages are scaled, never computed again: `group_advantages` says the same of all groups."""
    every = list(itertools.product([0.0, 1.0, math.nan, -0.5], repeat=4))
    trainer = build_trainer(
        tiny_policy,
        tmp_path,
        ScriptedJudge(lambda r: "incorrect"),
        rows=256,
        stage2=False,
        per_device_train_batch_size=1024,
        max_completion_length=1,
        scale_rewards=scale_rewards,
        beta=0.0,
    )
    rewards = iter(reward for group in every for reward in group)
    trainer._reward = lambda slot: next(rewards)  # type: ignore[method-assign]
    batch = trainer._generate_and_score_completions(loader_rows(*range(256)))
    oracle = group_advantages(torch.tensor(every), scale=scale_rewards == "group")
    assert batch["advantages"].view(256, 4).tolist() == [pytest.approx(row, abs=1e-6) for row in oracle.tolist()]


def test_stage_2_does_not_count_twice_in_trls_metrics(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 9: TRL's length metrics get one entry per generation batch, of what GRPOTrainer itself would sample."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(recovering))
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    lengths = trainer._metrics["train"]["completions/mean_length"]
    assert lengths == [pytest.approx(batch["completion_mask"][:8].sum().item() / 8)]
    retried = sum(len(retry.completion.ids) for group in groups_of(trainer) for retry in group.retries)
    assert retried > 0
    assert trainer.progress.tokens_sampled == batch["completion_mask"][:8].sum() + retried


def test_empty_completions_do_not_break_the_replay(tiny_policy: Path, tmp_path: Path) -> None:
    """Trap 9: GRPOTrainer reads `ids[-1]` of every completion."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"), stage2=False)
    trainer.collector.engine = FixedEngine([])
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert batch["completion_ids"].tolist() == [[trainer._tokenizer.eos_token_id]] * 8


def test_sampled_image_tokens_neither_appear_nor_break_scoring(tiny_policy: Path, tmp_path: Path) -> None:
    """A policy that wants nothing but image tokens: sampling forbids them; an engine that does not is cut."""
    judge = ScriptedJudge(lambda r: "incorrect")
    trainer = build_trainer(tiny_policy, tmp_path, judge, stage2=False, truncation=True)
    image = trainer.model.config.image_token_id
    video = trainer.model.config.video_token_id
    head = torch.nn.Linear(trainer.model.lm_head.in_features, trainer.model.lm_head.out_features)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.bias[[image, video]] = 50.0
    trainer.model.lm_head = head
    sampled = [s.completion.ids for g in trainer.collect([0, 1]).groups for s in g.members]
    assert not {image, video} & {token for ids in sampled for token in ids}
    trainer.collector.engine = FixedEngine([image])
    assert all(slot.completion.truncated for group in trainer.collect([0]).groups for slot in group.members)
    told = Sampled([[7, 8, image, 9], [video]], logps=[[-1.0, -2.0, -3.0, -4.0], [-5.0]])
    cut, empty = trainer.collector.completions.of(told)
    assert (cut.ids, cut.logps) == ((7, 8), (-1.0, -2.0))
    assert (empty.ids, empty.logps) == ((trainer._tokenizer.eos_token_id,), None)
    trainer.collector.engine = FixedEngine([7, 8, image, 9])
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    loss = trainer._compute_loss(trainer.model, {**batch})
    assert math.isfinite(loss.item())
    assert all(slot.completion.truncated for group in groups_of(trainer) for slot in group.members)


def test_a_nan_stops_the_run_before_the_optimizer(tiny_policy: Path, tmp_path: Path) -> None:
    """Trap 11: nothing hides a NaN; the message names the groups of the batch."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"), stage2=False)
    original = trainer._generate_and_score_completions

    def poisoned(rows: Any) -> Any:
        return {**(batch := original(rows)), "advantages": batch["advantages"] * float("nan")}

    trainer._generate_and_score_completions = poisoned  # type: ignore[method-assign]
    before = {name: weights.clone() for name, weights in trainer.model.state_dict().items()}
    with pytest.raises(NonFiniteLossError, match=r"miniature-train-0-\d+, miniature-train-0-\d+"):
        trainer.train()
    for name, weights in trainer.model.state_dict().items():
        assert torch.equal(weights, before[name])


def test_a_judge_that_is_gone_stops_the_run(tiny_policy: Path, tmp_path: Path) -> None:
    judge = ScriptedJudge(lambda r: "unscored")
    trainer = build_trainer(tiny_policy, tmp_path, judge, max_steps=9, judging={"max_failed_steps": 2})
    with pytest.raises(ServiceError, match=r"in 2 steps in a row: refusal 8 \(refusal: the judge is out\).*--resume"):
        trainer.train()
    assert trainer.state.global_step == 1


def test_an_unsaved_policy_has_no_reference_model(tiny_policy: Path, tmp_path: Path) -> None:
    """Trap 11: TRL reloads the reference from `_name_or_path`."""
    from contextrl.miniature.policy import build_model
    from contextrl.miniature.tasks import miniature_examples
    from contextrl.policy.loading import load_processor, policy_config
    from contextrl.trainer.contextrl_trainer import ContextRLTrainer

    processor = load_processor(str(tiny_policy), policy_config(str(tiny_policy)))
    args = ContextRLConfig(
        output_dir=str(tmp_path), num_generations=4, per_device_train_batch_size=8, use_cpu=True, beta=0.1
    )
    with pytest.raises(InputError, match="never saved"):
        ContextRLTrainer(
            build_model(processor.tokenizer),
            ScriptedJudge(lambda r: "incorrect"),
            args,
            miniature_examples("train", 4),
            processor,
        )


def test_defaults_fit_a_cpu_and_the_method(tmp_path: Path) -> None:
    """Trap 12."""
    args = ContextRLConfig(output_dir=str(tmp_path), use_cpu=True)
    assert (args.bf16, args.gradient_checkpointing, args.logging_steps, args.beta) == (False, False, 1, 0.01)
    assert (args.loss_type, args.use_bias_correction_kl, args.logging_nan_inf_filter) == ("grpo", False, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("delta", 2.0),
        ("loss_type", "sapo"),
        ("loss_type", "vespo"),
        ("entropy_coef", 0.1),
        ("top_entropy_quantile", 0.5),
        ("off_policy_mask_threshold", 0.5),
        ("importance_sampling_level", "sequence"),
        ("use_bias_correction_kl", True),
        ("multi_objective_aggregation", "normalize_then_sum"),
    ],
)
def test_options_that_our_loss_does_not_implement_are_refused_by_name(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"train.{name}"):
        ContextRLConfig(output_dir=str(tmp_path), use_cpu=True, **{name: value})


def test_every_refused_option_exists_in_trl(tmp_path: Path) -> None:
    args = ContextRLConfig(output_dir=str(tmp_path), use_cpu=True)
    assert [name for name in UNSUPPORTED if not hasattr(args, name)] == []


def test_evaluation_draws_no_random_numbers(tiny_policy: Path, tmp_path: Path) -> None:
    """Trap 6: greedy, outside TRL's evaluation; a run that evaluates trains the same."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"))
    state = torch.get_rng_state()
    model = load_policy(str(tiny_policy)).train()
    generate_greedy(model, trainer.prompting, trainer.examples[:3], max_new_tokens=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training


def test_the_group_log_tells_what_happened(tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(recovering))
    trainer.recorder = GroupRecorder(tmp_path)
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    trainer.recorder.drain()
    rows = [json.loads(line) for line in (tmp_path / "groups.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["example_id"] for row in rows] == [trainer.examples[i].id for i in (0, 1)]
    for n, row in enumerate(rows):
        assert row["kind"] == "all_negative"
        assert row["recovered"]
        assert (tmp_path / row["images"][0]).is_file()
        mixed = [attempt for attempt in row["attempts"] if attempt["in_mixed_group"]]
        assert len(mixed) == 8, "four negatives and the four retries of them"
        assert sorted(a["advantage"] for a in mixed) == sorted(batch["advantages"][batch["group"] == n].tolist())
        kept = [a for a in row["attempts"] if a["kept"]]
        assert kept
        assert all(a["off_policy"] and a["reward"] == 1.0 and a["seen"] for a in kept)


def test_metrics_speak_of_the_drawn_groups_and_the_log_keeps_the_replaced_ones(
    tiny_policy: Path, tmp_path: Path
) -> None:
    """Dynamic sampling replaces groups without spread; counting only what is left would flatter the policy."""
    calls: dict[str, int] = {}

    def rule(request: JudgeRequest) -> str:
        # The two drawn examples fail altogether; what the refill draws is right every other time.
        drawn = request.example.id in {trainer.examples[0].id, trainer.examples[1].id}
        calls[request.example.id] = calls.get(request.example.id, 0) + 1
        return "incorrect" if drawn or calls[request.example.id] % 2 else "correct"

    judge = ScriptedJudge(rule)
    trainer = build_trainer(tiny_policy, tmp_path, judge, stage2=False, dynamic_sampling=True, rows=32)
    trainer.recorder = GroupRecorder(tmp_path)
    trainer._generate_and_score_completions(loader_rows(0, 1))
    assert trainer._metrics["train"]["group/all_negative"] == [1.0]
    rows = [json.loads(line) for line in (tmp_path / "groups.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["trained"], row["refilled"], row["kind"]) for row in rows[:2]] == [(True, True, "spread")] * 2
    assert {row["example_id"] for row in rows} == set(calls), "every group that was sampled is on record"
    assert {(row["trained"], row["kind"]) for row in rows[2:]} == {(False, "all_negative")}
    assert all(attempt["reward"] is None for row in rows[2:] for attempt in row["attempts"])


def test_the_package_exports_its_public_names() -> None:
    import contextrl

    for name in contextrl.__all__:
        assert getattr(contextrl, name).__name__ == name
    with pytest.raises(AttributeError, match="Trainer2"):
        contextrl.Trainer2  # noqa: B018


def test_text_only_rows_may_stand_beside_rows_with_images(tiny_policy: Path, tmp_path: Path) -> None:
    """GRPOTrainer's chunks of text-only rows would reach the model with image tensors of length zero."""
    settings = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "num_iterations": 2}
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"), max_steps=4, **settings)
    trainer.examples = [
        replace(example, images=(), image_ids=()) if n % 2 else example for n, example in enumerate(trainer.examples)
    ]
    trainer.train()
    assert trainer.state.global_step == 4


def test_an_infinite_gradient_stops_the_run_before_the_optimizer(tiny_policy: Path, tmp_path: Path) -> None:
    """The loss can be finite where its gradient is not."""
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(lambda r: "incorrect"), stage2=False)
    weights = trainer.model.lm_head.weight
    weights.register_hook(lambda gradient: gradient * float("inf"))
    before = weights.detach().clone()
    with pytest.raises(NonFiniteLossError, match=r"gradient of .* is not finite.*miniature-train-0-\d+"):
        trainer.train()
    assert torch.equal(weights.detach(), before)


def test_a_report_that_leaks_is_cut_down_at_the_levels_that_forbid_it() -> None:
    from contextrl.miniature.tasks import miniature_examples
    from contextrl.records.verdict import Verdict
    from contextrl.rollout.groups import Attempt, Completion
    from contextrl.rollout.verify import Verifier

    example = next(e for e in miniature_examples("train", 500) if e.answer == "11")
    judge = ScriptedJudge(lambda r: "incorrect")
    judge._one = lambda request: Verdict("incorrect", mistake_report="Step 2: the result is 11.")  # type: ignore[method-assign]
    reports = {}
    for level in ("location", "hint", "correction"):
        verifier = Verifier(judge, disclose=level)  # type: ignore[arg-type]
        attempt = Attempt(Completion((1,), "Digits: 1, 2. Answer: 3", False))
        verifier.verify([(example, attempt)])
        verifier.add_reports([(example, attempt)])
        assert verifier.tally.leaked_reports == 1
        reports[level] = attempt.verdict.mistake_report if attempt.verdict else None
    cut = "Mistake: step 2 is wrong."
    assert reports == {"location": cut, "hint": cut, "correction": "Step 2: the result is 11."}
