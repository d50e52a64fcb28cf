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
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather
from datasets import Dataset
from trl import GRPOTrainer

from contextrl.engines import build_engines
from contextrl.engines.processes import Processes
from contextrl.errors import InputError
from contextrl.judge.protocol import Judge
from contextrl.objective.batch import TokenSum
from contextrl.objective.contextrl import scale_mixed_advantages
from contextrl.objective.dapo import soft_overlong_penalty
from contextrl.objective.losses import LOSSES
from contextrl.policy.prompts import Prompts
from contextrl.records import metrics as names
from contextrl.records.example import Example
from contextrl.rollout.collect import Rollout, RolloutLostError
from contextrl.rollout.groups import Attempt
from contextrl.trainer.batches import ScoredRows, loss_batch, loss_mask, micro_batches, parts_of, stacked
from contextrl.trainer.checkpoints import Checkpoints, CheckpointState, EpochRepeatSampler
from contextrl.trainer.collecting import build_collector, never_sample, placeholder_ids
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.finite import FiniteGradients, non_finite
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.inputs import TrainerInputs, checked_inputs, without_reward_weights
from contextrl.trainer.own_run import OwnRun
from contextrl.trainer.rollout_log import RolloutLog
from contextrl.trainer.sharing_out import backward_of_part
from contextrl.trainer.step_sums import StepSums
from contextrl.trainer.stopping import Stopping
from contextrl.trainer.vllm_settings import corrected, without_vllm


def judge_reward(**_: Any) -> list[float]:
    """Names the reward column; the rewards themselves come from the rollout (`_calculate_rewards`)."""
    raise RuntimeError("rewards are replayed from the rollout")


class ContextRLTrainer(GRPOTrainer):
    """Trains a vision-language policy with a judge that sees the reference solution.

    Args:
        model: policy, or its path or hub id.
        judge: the rewarded judge; what it returns is checked at its every call.
        args: see `ContextRLConfig`.
        train_dataset: rows with the columns of `Example`, or Examples; images as paths or PIL images. Or a file.
        processing_class: the policy's processor (or tokenizer, for text-only rows); by default the model's own.
        audit: a second judge, recorded and never rewarded.
        recorder: writes a line per group, if given.
        eval_dataset: rows to evaluate on before, after and, as `args.evaluation` says, during training.
        eval_judge: who counts accuracy on them; by default answers are compared by rule.
        reward_funcs: functions with TRL's signature, whose rewards (weighted by `args.reward_weights`) are added to the
            verdict's and shift the advantage; what is positive stays the verdict's. See `RewardFunction`.
        run_dir: where the run is kept as `contextrl train` keeps one, so that `contextrl report` and the other commands
            read it; checkpoints go there too. By default only checkpoints are written, to `args.output_dir`.
        overwrite_run_dir: replace a run that is there.
        kwargs: passed to GRPOTrainer (callbacks, optimizers, peft_config, ...).

    Attributes:
        collector: runs the method on data rows.
        engines: what samples and scores.
        progress: what the run has counted so far.
        rows: the rollout that is being trained, None before the first.
        own_run: what `train` keeps and `evaluate` evaluates; its `results` are what results.json holds.

    Raises:
        InputError: data, model or settings are wrong, before any training starts; judge or rewards return what they
            must not, with all that was trained so far kept.
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
        args: ContextRLConfig | None = None,
        train_dataset: Any = None,
        processing_class: Any = None,
        audit: Judge | None = None,
        recorder: GroupRecorder | None = None,
        *,
        eval_dataset: Any = None,
        eval_judge: Judge | None = None,
        reward_funcs: Any = None,
        run_dir: str | Path | None = None,
        overwrite_run_dir: bool = False,
        **kwargs: Any,
    ) -> None:
        args = ContextRLConfig("contextrl-output") if args is None else args
        given = checked_inputs(
            model,
            judge,
            args,
            train_dataset,
            processing_class,
            audit=audit,
            eval_dataset=eval_dataset,
            eval_judge=eval_judge,
            reward_funcs=reward_funcs,
            peft_config=kwargs.get("peft_config"),
        )
        self.own_run = OwnRun.of(
            self, given, args, judge, audit, kwargs.get("peft_config"), run_dir, overwrite=overwrite_run_dir
        )
        self.examples: Sequence[Example] = given.examples
        self.prompting = given.prompting
        with without_reward_weights(args), without_vllm(args):
            super().__init__(
                model=given.model,
                reward_funcs=[judge_reward],
                args=args,
                train_dataset=Dataset.from_dict({"row": list(range(len(given.examples)))}),
                processing_class=given.prompting.processor,
                **kwargs,
            )
        self._build(given, judge, audit, recorder)

    def _build(self, given: TrainerInputs, judge: Judge, audit: Judge | None, recorder: GroupRecorder | None) -> None:
        """What GRPOTrainer does not have; it has built its own parts."""
        args = self.args
        self.progress = CheckpointState()
        self.rows: ScoredRows | None = None
        self._is_scoring = False
        self._added_logps: list[torch.Tensor] = []
        # The same on every process, so that all of them take part in what added rows need.
        self._may_add_rows = args.stage2.in_use and args.objective.mixing == "union"
        # GRPOTrainer then takes completions from us, and still decodes, counts and logs them.
        self.rollout_func = self._replay
        never_sample(self, placeholder_ids(self.model.config))
        self.processes = Processes(self.accelerator)
        rewards = [function.name for function in given.rewards]
        metrics, objective = self._metrics["train"], args.objective
        self.log_of_rollouts = RolloutLog(self.processes, metrics, args.judging, recorder, rewards, objective)
        self.checkpoints = Checkpoints(self)
        self.stopping = Stopping(self, self.checkpoints)
        self.engines = build_engines(self)
        self.step_sums = StepSums(self.processes, self._metrics["train"])
        self.engines.scorer.on_choice = partial(self.step_sums.count, names.SHARED_PREFIX_USED)
        self.collector = build_collector(self, given, judge, audit)
        self.add_callback(FiniteGradients(self._names_of_batch, self.checkpoints.last))
        self.add_callback(self.step_sums)

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
        except RolloutLostError as lost:
            self.stopping.stop(str(lost), start, lost.__cause__, who=lost.who)
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
        """GRPOTrainer's batch of N G rows, with the rows that mixed groups add and what our loss needs beside them."""
        self.engines.rest()
        with rollout.timed(names.TIME_SCORE), corrected(self):
            prompts = self.engines.scorer.encode(Prompts.join([group.prompt for group in rollout.groups]))
            self.rows = rows = ScoredRows.of(rollout, prompts, self._reward)
            self._is_scoring, self._added_logps = True, []
            try:
                batch: dict[str, Any] = super()._generate_and_score_completions(rows.as_dataset_rows())
            finally:
                self._is_scoring = False
        self.log_of_rollouts.correct_importance(batch)
        of_replayed = batch["advantages"].tolist()
        trained = self.args.objective.rolled_back_tokens
        rows.add_to(batch, self._added_logps, self._tokenizer, trained)
        batch["weights"] = batch["advantages"].new_tensor(rows.weights(self.num_generations))
        batch["completion_mask"] = batch["completion_mask"] * (batch["weights"] > 0)[:, None]
        if self.args.stage2.in_use:
            tokens = self.processes.sums({"tokens": loss_mask(batch).sum()})["tokens"]
            batch["num_items_in_batch"] = batch["num_items_in_batch"].new_tensor(tokens)
        advantages = rows.advantages(of_replayed, scale=self.args.scale_rewards == "group")
        batch["advantages"] = scale_mixed_advantages(
            batch["advantages"].new_tensor(advantages),
            batch["off_policy"].new_tensor(rows.mixed),
            batch["off_policy"],
            mixed_group_scale=self.args.objective.mixed_group_scale,
            off_policy_scale=self.args.objective.off_policy_advantage_scale,
        )
        return batch

    def _score_added(self, model: Any, size: int, *, entropy: bool) -> torch.Tensor:
        """Log-probabilities [b, C] of the rows that GRPOTrainer does not score; as many forwards on every process."""
        assert self.rows is not None
        forwards = self.processes.largest([-(-len(self.rows.added) // size)])[0]
        parts = []
        for chosen, ids, mask in self.rows.added_in_parts(forwards, size, self._tokenizer.pad_token_id):
            ids, mask = ids.to(self.accelerator.device), mask.to(self.accelerator.device)
            logps, _ = self.engines.scorer.score(model, self.rows.prompts, chosen, ids, mask, entropy=entropy)
            parts.append(logps)
        return stacked(parts)[: len(self.rows.added)]

    # ---- what GRPOTrainer asks for while it scores the rollout ---------------------------------------------------

    def _replay(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:  # noqa: ARG002
        """GRPOTrainer's `rollout_func`: the mixed rows, in token ids."""
        assert self.rows is not None
        return self.rows.as_generated()

    def _calculate_rewards(self, *_: Any) -> torch.Tensor:
        """Gathered rewards [N G over all processes, 1]; NaN where the judge failed."""
        assert self.rows is not None
        local = torch.tensor(
            self.rows.rewards[: self.rows.replayed], dtype=torch.float32, device=self.accelerator.device
        )
        gathered: torch.Tensor = gather(local.unsqueeze(1))
        return gathered

    def _reward(self, attempt: Attempt) -> float:
        """The verdict's reward, those beside it and DAPO's overlong penalty; NaN where unscored."""
        if (reward := attempt.reward_with(self.args.objective.answer_only_reward)) is None:
            return float("nan")
        reward += attempt.shift
        if not (buffer := self.args.objective.overlong_buffer):
            return reward
        return reward + soft_overlong_penalty(len(attempt.completion.ids), self.max_completion_length, buffer)

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
        size, entropy = batch_size or self.rows.replayed, bool(kwargs.get("compute_entropy"))
        logps, entropies = self.engines.scorer.score_chunks(
            model,
            self.rows.prompts,
            self.rows.group[: self.rows.replayed],
            input_ids[:, -logits_to_keep:],
            attention_mask[:, -logits_to_keep:],
            size,
            entropy=entropy,
        )
        if self._may_add_rows:
            # In the same context, so that adapters are on or off as they are for the other rows.
            self._added_logps.append(self._score_added(model, size, entropy=entropy))
        return logps, entropies, None

    # ---- micro-batches and their loss ----------------------------------------------------------------------------

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """As GRPOTrainer's, but groups stay together when rows are shuffled, so that micro-batches can share."""
        if not self.model.training:
            raise InputError(
                "a model in training mode",
                found="one in evaluation mode, for which Trainer would sample groups into the training batch",
                where="prediction",
                fix="Use trainer.evaluate()",
            )
        generate_every = self.args.steps_per_generation * self.num_iterations
        if self._step % generate_every == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(generation_batch)
            self._buffered_inputs = micro_batches(batch, self.args.steps_per_generation)
            if self._may_add_rows:
                size = self.args.per_device_train_batch_size
                parts = self.processes.largest([-(-len(part["group"]) // size) for part in self._buffered_inputs])
                for inputs, count in zip(self._buffered_inputs, parts, strict=True):
                    inputs["parts"] = count
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """The objective on one micro-batch; replaces GRPOTrainer's, which knows no rolled-back rows.

        Rows that stage 2 has added swell a micro-batch: it is then trained in parts of at most the size that memory was
        planned for. The last part's backward pass is Trainer's own.
        """
        *parts, last = parts_of(inputs, inputs.get("parts", 1))
        before = torch.zeros((), device=self.accelerator.device)
        for part in parts:
            with self.accelerator.no_sync(model):  # around the forward too: it is what decides
                loss = self._loss_of_part(model, part)
                backward_of_part(self.accelerator, loss)
            before += loss.detach()
        return self._loss_of_part(model, last) + before

    def _loss_of_part(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """The objective on rows of one micro-batch, as a part of the micro-batch's loss."""
        assert self.rows is not None
        groups = inputs["group"].tolist()
        per_token_logps, entropies = self.engines.scorer.score(
            model, self.rows.prompts, groups, inputs["completion_ids"], inputs["completion_mask"]
        )
        steps, processes = self.current_gradient_accumulation_steps, self.accelerator.num_processes
        batch = loss_batch(inputs, per_token_logps, self.args, steps, processes)
        result = LOSSES[self.args.loss_type](batch, self.args.loss_settings)
        if not torch.isfinite(result.loss):
            # Before the optimizer can spread it.
            problem, step = f"the loss is {result.loss.item()}", self.state.global_step + 1
            raise non_finite(problem, step, self.checkpoints.last(), self.rows.example_ids(groups))
        assert entropies is not None
        mask = batch.mask.bool()
        entropy = TokenSum(entropies[mask].sum(), mask.sum().float())
        self.step_sums.add({**result.sums, names.ENTROPY: entropy})
        return result.loss

    def _names_of_batch(self) -> list[str]:
        return self.rows.example_ids(self.rows.group) if self.rows else []

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
        refill, recovery = self.collector.cursor.position, self.collector.budget.counts
        return {"progress": asdict(self.progress), "refill": refill, "recovery": recovery, "micro_batch": self._step}

    def restore_state(self, state: dict[str, Any]) -> None:
        """See `Resumable`."""
        self.progress = CheckpointState(**state["progress"])
        self.collector.cursor.position = state["refill"]
        self.collector.budget.restore(state.get("recovery"))
        # GRPOTrainer counts from 0 in every process; generation batches begin where this count says.
        self._step = state["micro_batch"]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.checkpoints.save(partial(super()._save_checkpoint, model, trial))

    def train(self, resume_from_checkpoint: Any = None, **kwargs: Any) -> Any:
        """As Trainer's; resumes from complete checkpoints only, and evaluates and records where that is wanted."""
        train = super().train

        def steps(checkpoint: str | None) -> Any:
            return self.checkpoints.train(partial(train, resume_from_checkpoint=checkpoint, **kwargs), checkpoint)

        return self.own_run.train(steps, resume_from_checkpoint)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,  # noqa: ARG002
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Greedy, held-out figures in place of GRPOTrainer's sampled ones; see `OwnRun.evaluate`."""
        return self.own_run.evaluate(eval_dataset, metric_key_prefix)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As Trainer's; with a `run_dir` the default is its folder `model`."""
        if output_dir is None and not _internal_call:
            output_dir = self.own_run.model_folder
        super().save_model(output_dir, _internal_call)
