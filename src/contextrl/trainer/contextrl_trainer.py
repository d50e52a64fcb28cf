"""ContextRL (arXiv 2602.22623) on TRL's GRPOTrainer.

Sampling comes first, then TRL's own scoring replays it: a `Collector` runs both stages and mixes the groups, and
`GRPOTrainer._generate_and_score_completions` is then given those rows, their completions and their rewards. The
differences from GRPO are stage 2 and rollback (`contextrl.rollout`), advantage scaling, the shaped ratio and
selective KL (`contextrl.objective`); GRPO and DAPO are the same code with those switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from accelerate.utils import gather
from datasets import Dataset
from transformers import AutoConfig
from trl import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from contextrl.engines import build_engines
from contextrl.errors import InputError
from contextrl.judge.protocol import Judge
from contextrl.objective.batch import LossBatch, TokenSum
from contextrl.objective.contextrl import scale_off_policy_advantages
from contextrl.objective.dapo import soft_overlong_penalty
from contextrl.objective.losses import LOSSES
from contextrl.policy.loading import has_vision
from contextrl.policy.prompts import Prompts, build_prompts
from contextrl.records import metrics as names
from contextrl.records.example import Example
from contextrl.rollout.collect import Collector, JudgeLostError, Rollout
from contextrl.rollout.dynamic import RefillCursor
from contextrl.rollout.groups import Attempt
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.sampling import Completions
from contextrl.rollout.verify import Verifier
from contextrl.trainer.batches import ScoredRows, shuffle_groups
from contextrl.trainer.checkpoints import Checkpoints, CheckpointState, EpochRepeatSampler
from contextrl.trainer.checks import as_examples, check_policy, check_prompts, prompt_room
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.finite import FiniteGradients, non_finite
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.processes import Processes
from contextrl.trainer.rollout_log import RolloutLog
from contextrl.trainer.stopping import Stopping


def judge_reward(**_: Any) -> list[float]:
    """Names the reward column; the rewards themselves come from the rollout (`_calculate_rewards`)."""
    raise RuntimeError("rewards are replayed from the rollout")


class ContextRLTrainer(GRPOTrainer):
    """Trains a vision-language policy with a judge that sees the reference solution.

    Args:
        model: policy, or its path or hub id.
        judge: the rewarded judge.
        args: see `ContextRLConfig`.
        train_dataset: rows with the columns of `Example`, or Examples; images as paths or PIL images.
        processing_class: the policy's processor (or tokenizer, for text-only rows).
        audit: a second judge, recorded and never rewarded.
        recorder: writes a line per group, if given.
        kwargs: passed to GRPOTrainer (callbacks, optimizers, peft_config, ...).

    Attributes:
        collector: runs the method on data rows.
        engines: what samples and scores.
        progress: what the run has counted so far.
        rows: the rollout that is being trained, None before the first.

    Raises:
        InputError: data, model or settings are wrong; before any training starts.
        ServiceError: the judge is gone, or left too many verdicts unscored; resumable.
        NonFiniteLossError: the loss became NaN or infinite.
    """

    _tag_names = ("trl", "contextrl")
    _name = "ContextRL"
    args: ContextRLConfig
    _buffered_inputs: list[dict[str, Any]] | None

    def __init__(
        self,
        model: Any,
        judge: Judge,
        args: ContextRLConfig,
        train_dataset: Any,
        processing_class: Any,
        audit: Judge | None = None,
        recorder: GroupRecorder | None = None,
        **kwargs: Any,
    ) -> None:
        config = AutoConfig.from_pretrained(model) if isinstance(model, str) else model.config
        self.examples: Sequence[Example] = as_examples(train_dataset, vision=has_vision(config))
        check_policy(model if isinstance(model, str) else config._name_or_path, args, self.examples)
        room = prompt_room(config, args.max_completion_length)
        check_prompts(processing_class, self.examples, min(args.prompts.max_prompt_tokens, room))
        rows = Dataset.from_dict({"row": list(range(len(self.examples)))})
        super().__init__(
            model=model,
            reward_funcs=[judge_reward],
            args=args,
            train_dataset=rows,
            processing_class=processing_class,
            **kwargs,
        )
        self.progress = CheckpointState()
        self.rows: ScoredRows | None = None
        self._is_scoring = False
        # GRPOTrainer then takes completions from us, and still decodes, counts and logs them.
        self.rollout_func = self._replay
        placeholders = self._forbid_placeholders()
        self.processes = Processes(self.accelerator)
        self.log_of_rollouts = RolloutLog(self.processes, self._metrics["train"], args.judging, recorder)
        self.checkpoints = Checkpoints(self)
        self.stopping = Stopping(self, self.checkpoints)
        self.engines = build_engines(self, super()._get_per_token_logps_and_entropies)
        self.engines.scorer.on_choice = lambda shared: self._metrics["train"][names.SHARED_PREFIX_USED].append(
            float(shared)
        )
        self.collector = self._collector(
            Completions(self._tokenizer, self.eos_token_ids, placeholders), judge, audit, room
        )
        self.add_callback(FiniteGradients(self._names_of_batch, self.checkpoints.last))

    def _collector(self, completions: Completions, judge: Judge, audit: Judge | None, room: int) -> Collector:
        args = self.args
        return Collector(
            examples=self.examples,
            num_generations=self.num_generations,
            build_prompts=lambda rows: build_prompts(self.processing_class, rows, **self.chat_template_kwargs),
            engine=self.engines.engine,
            completions=completions,
            verifier=partial(Verifier, judge, audit, args.judging.report.disclose),
            stage2=args.stage2,
            retry_prompt=RetryPrompt(
                self._tokenizer,
                self._render,
                args.stage2.instruction,
                min(args.stage2.max_context_tokens, room),
                self.eos_token_ids,
            ),
            dynamic_sampling=args.dynamic_sampling,
            cursor=RefillCursor(len(self.examples), args.seed + self.accelerator.process_index),
            processes=self.accelerator.num_processes,
            any_process=self.processes.any,
        )

    @property
    def recorder(self) -> GroupRecorder | None:
        """Writes a line per group."""
        return self.log_of_rollouts.recorder

    @recorder.setter
    def recorder(self, recorder: GroupRecorder | None) -> None:
        self.log_of_rollouts.recorder = recorder

    # ---- rollout -----------------------------------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Sample both stages, then let GRPOTrainer score the mixed groups under the original prompts."""
        start = self.stopping.start()
        try:
            rollout = self.collect([row["row"] for row in inputs[:: self.num_generations]])
        except JudgeLostError as lost:
            self.stopping.stop(str(lost), start)
        batch = self._score(rollout)
        assert self.rows is not None
        reason = self.log_of_rollouts.write(self.rows, batch, self.progress, self.state.global_step + 1)
        if reason is not None:
            self.stopping.stop(reason, start)
        return batch

    def collect(self, rows: Sequence[int]) -> Rollout:
        """Stage 1, judge, stage 2, mixing and DAPO's refill for data rows."""
        return self.collector.collect(rows)

    def _score(self, rollout: Rollout) -> dict[str, Any]:
        """GRPOTrainer's batch of the mixed groups, with what our loss needs beside it."""
        slots = [slot for group in rollout.groups for slot in group.slots]
        group = [n for n, group in enumerate(rollout.groups) for _ in group.slots]
        with rollout.timed(names.TIME_SCORE):
            prompts = self.engines.scorer.encode(Prompts.join([group.prompt for group in rollout.groups]))
            self.rows = ScoredRows(rollout, prompts, group, slots, [self._reward(slot) for slot in slots])
            self._is_scoring = True
            try:
                batch: dict[str, Any] = super()._generate_and_score_completions(self.rows.as_dataset_rows())
            finally:
                self._is_scoring = False
        device = self.accelerator.device
        batch["off_policy"] = torch.tensor([slot.rolled_back for slot in slots], device=device)
        # Only tensors and per-row lists survive GRPOTrainer's shuffle and split.
        batch["group"] = torch.tensor(group, device=device)
        batch["advantages"] = scale_off_policy_advantages(
            batch["advantages"], batch["off_policy"], self.args.objective.off_policy_advantage_scale
        )
        return batch

    def _forbid_placeholders(self) -> set[int]:
        """Image tokens, which are never sampled: scoring would look for images that are not there."""
        fields = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
        ids = [getattr(self.model.config, name, None) for name in fields]
        placeholders = {int(token) for token in ids if token is not None}
        if placeholders:
            suppressed = sorted(placeholders | set(self.generation_kwargs.get("suppress_tokens") or ()))
            self.generation_kwargs["suppress_tokens"] = suppressed
            self.generation_config.suppress_tokens = suppressed
        return placeholders

    def _render(self, messages: list[dict[str, Any]]) -> str:
        if not self._is_vlm:
            messages = [{**m, "content": "".join(part["text"] for part in m["content"])} for m in messages]
        return str(
            self.processing_class.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False, **self.chat_template_kwargs
            )
        )

    # ---- what GRPOTrainer asks for while it scores the rollout ---------------------------------------------------

    def _replay(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:  # noqa: ARG002
        """GRPOTrainer's `rollout_func`: the mixed rows, in token ids."""
        assert self.rows is not None
        return self.rows.as_generated()

    def _calculate_rewards(self, *_: Any) -> torch.Tensor:
        """Gathered rewards [B over all processes, 1]; NaN where the judge failed."""
        assert self.rows is not None
        local = torch.tensor(self.rows.rewards, dtype=torch.float32, device=self.accelerator.device)
        gathered: torch.Tensor = gather(local.unsqueeze(1))
        return gathered

    def _reward(self, slot: Attempt) -> float:
        """The verdict's reward with DAPO's overlong penalty, NaN where unscored."""
        if slot.reward is None:
            return float("nan")
        if not (buffer := self.args.objective.overlong_buffer):
            return slot.reward
        return slot.reward + soft_overlong_penalty(len(slot.completion.ids), self.max_completion_length, buffer)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """GRPOTrainer's old and reference passes over the rollout; every other call is GRPOTrainer's own."""
        if not self._is_scoring or self.rows is None:
            score = super()._get_per_token_logps_and_entropies
            return score(model, input_ids, attention_mask, logits_to_keep, batch_size, **kwargs)  # type: ignore[no-any-return]
        logps, entropies = self.engines.scorer.score_chunks(
            model,
            self.rows.prompts,
            self.rows.group,
            input_ids[:, -logits_to_keep:],
            attention_mask[:, -logits_to_keep:],
            batch_size or len(self.rows.group),
            entropy=bool(kwargs.get("compute_entropy")),
        )
        return logps, entropies, None

    # ---- micro-batches and their loss ----------------------------------------------------------------------------

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """As GRPOTrainer's, but groups stay together when rows are shuffled, so that micro-batches can share."""
        if not self.model.training:
            raise InputError(
                "evaluation by contextrl.evaluation, or eval.every in a configuration",
                found="trainer.evaluate(), which would sample groups into the training batch",
                where="eval_dataset",
            )
        generate_every = self.args.steps_per_generation * self.num_iterations
        if self._step % generate_every == 0 or self._buffered_inputs is None:
            batch = shuffle_groups(self._generate_and_score_completions(generation_batch))
            self._buffered_inputs = split_tensor_dict(batch, self.args.steps_per_generation)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """The objective on one micro-batch; replaces GRPOTrainer's, which knows no rolled-back rows."""
        assert self.rows is not None
        groups = inputs["group"].tolist()
        per_token_logps, entropies = self.engines.scorer.score(
            model, self.rows.prompts, groups, inputs["completion_ids"], inputs["completion_mask"]
        )
        old = inputs.get("old_per_token_logps")
        # GRPOTrainer's `num_items_in_batch` spans the generation batch: rescale it to one optimizer step.
        steps = self.current_gradient_accumulation_steps
        tokens = inputs["num_items_in_batch"].clamp(min=1.0) / self.accelerator.num_processes
        batch = LossBatch(
            per_token_logps=per_token_logps,
            # None means that this is the first update after sampling: the ratio is 1.
            old_per_token_logps=per_token_logps.detach() if old is None else old,
            ref_per_token_logps=inputs.get("ref_per_token_logps"),
            advantages=inputs["advantages"],
            mask=inputs["completion_mask"],
            off_policy=inputs["off_policy"],
            accumulation_steps=steps,
            token_normalizer=tokens * steps / self.args.steps_per_generation,
        )
        result = LOSSES[self.args.loss_type](batch, self.args.loss_settings)
        if not torch.isfinite(result.loss):
            # Before the optimizer can spread it.
            found, step = f"the loss is {result.loss.item()}", self.state.global_step + 1
            raise non_finite(found, step, self.checkpoints.last(), self.rows.example_ids(groups))
        assert entropies is not None
        mask = batch.mask.bool()
        entropy = TokenSum(entropies[mask].sum(), mask.sum().float())
        self.log_of_rollouts.log_sums({**result.sums, names.ENTROPY: entropy})
        return result.loss

    def _names_of_batch(self) -> list[str]:
        return self.rows.example_ids(self.rows.group) if self.rows is not None else []

    # ---- checkpoints and resuming --------------------------------------------------------------------------------

    def _get_train_sampler(self, dataset: Any = None) -> EpochRepeatSampler:
        """TRL's, with an order that a resumed run can repeat."""
        return EpochRepeatSampler(
            data_source=self.train_dataset if dataset is None else dataset,
            mini_repeat_count=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            shuffle=self.shuffle_dataset,
            seed=self.args.seed,
        )

    def checkpoint_state(self) -> dict[str, Any]:
        """See `Resumable`."""
        # Restored rather than derived: an epoch's last optimizer step may hold fewer micro-batches.
        cursor = self.collector.cursor
        return {"progress": asdict(self.progress), "refill": cursor.position, "micro_batch": self._step}

    def restore_state(self, state: dict[str, Any]) -> None:
        """See `Resumable`."""
        self.progress = CheckpointState(**state["progress"])
        self.collector.cursor.position = state["refill"]
        # GRPOTrainer counts from 0 in every process; generation batches begin where this count says.
        self._step = state["micro_batch"]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.checkpoints.save(partial(super()._save_checkpoint, model, trial))

    def train(self, resume_from_checkpoint: Any = None, **kwargs: Any) -> Any:
        """As Trainer's; resumes from complete checkpoints only."""
        train = partial(super().train, resume_from_checkpoint=resume_from_checkpoint, **kwargs)
        return self.checkpoints.train(train, resume_from_checkpoint)
