"""ContextRL (arXiv 2602.22623) on TRL's GRPOTrainer.

Sampling comes first, then TRL's own scoring replays it: `collect` runs both stages and mixes the groups, and
`GRPOTrainer._generate_and_score_completions` is then given those rows, their completions and their rewards. The
differences from GRPO are stage 2 and rollback (`contextrl.rollout`), advantage scaling, the shaped ratio and
selective KL (`contextrl.objective`); GRPO and DAPO are the same code with those switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import torch
from accelerate.utils import gather
from datasets import Dataset
from transformers import AutoConfig

from contextrl.data.example import Example
from contextrl.judge.types import Disclosure, Judge
from contextrl.objective.batch import LossBatch, TokenSum
from contextrl.objective.contextrl import scale_off_policy_advantages
from contextrl.objective.dapo import dapo_loss, soft_overlong_penalty
from contextrl.objective.grpo import grpo_loss
from contextrl.policies import has_vision
from contextrl.rollout.dynamic import RefillCursor, refill
from contextrl.rollout.groups import Attempt, Completion, Group, has_spread
from contextrl.rollout.prompts import Prompts, build_prompts
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.two_stage import judge_groups, recover, sample_groups
from contextrl.rollout.verify import Verifier
from contextrl.trainer.checkpoints import CheckpointState, EpochRepeatSampler
from contextrl.trainer.checks import as_examples, check_policy, check_prompts, prompt_room
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.finite import FiniteGradients, non_finite
from contextrl.trainer.groups_log import GroupRecorder
from contextrl.trainer.rollout_log import RolloutLog
from contextrl.trainer.shared_prompts import SharedPrompts


def judge_reward(**_: Any) -> list[float]:
    """Names the reward column; the rewards themselves come from the rollout (`_calculate_rewards`)."""
    raise RuntimeError("rewards are replayed from the rollout")


class ContextRLTrainer(RolloutLog, SharedPrompts):
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

    Raises:
        InputError: data, model or settings are wrong; before any training starts.
        ServiceError: the judge is gone, or left too many verdicts unscored; resumable.
        NonFiniteLossError: the loss became NaN or infinite.
    """

    _tag_names = ("trl", "contextrl")
    _name = "ContextRL"

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
        check_prompts(processing_class, self.examples, min(args.max_prompt_tokens, room))
        rows = Dataset.from_dict({"row": list(range(len(self.examples)))})
        super().__init__(
            model=model,
            reward_funcs=[judge_reward],
            args=args,
            train_dataset=rows,
            processing_class=processing_class,
            **kwargs,
        )
        self.judge, self.audit, self.recorder = judge, audit, recorder
        self.progress = CheckpointState()
        self.refill_cursor = RefillCursor(len(self.examples), args.seed + self.accelerator.process_index)
        self.retry_prompt = RetryPrompt(
            self._tokenizer,
            self._render,
            args.stage2_instruction,
            min(args.stage2_max_context_tokens, room),
            self.eos_token_ids,
        )
        self._groups: list[Group] = []
        self._set_up_sharing()
        # GRPOTrainer then takes completions from us, and still decodes, counts and logs them.
        self.rollout_func = self._replay
        self._forbid_placeholders()
        self.add_callback(FiniteGradients(lambda: [group.example.id for group in self._groups], self.last_checkpoint))

    # ---- rollout -----------------------------------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Sample both stages, then let GRPOTrainer score the mixed groups under the original prompts."""
        self._remember_start()
        self._groups = groups = self.collect([row["row"] for row in inputs[:: self.num_generations]])
        slots = [slot for group in groups for slot in group.slots]
        group_of_slot = [n for n in range(len(groups)) for _ in range(self.num_generations)]
        prompts = Prompts.join([group.prompt for group in groups])
        self._replayed = {
            "prompt_ids": [prompts.ids[n] for n in group_of_slot],
            "completion_ids": [list(slot.completion.ids) for slot in slots],
            "logprobs": None,
        }
        self._rewards = [self._reward(slot) for slot in slots]
        # Without images in its rows GRPOTrainer neither decodes nor processes B of them.
        questions = [groups[n].example.question for n in group_of_slot]
        rows = [{"prompt": [{"role": "user", "content": question}]} for question in questions]
        with self._timed("score"), self._scoring(prompts, group_of_slot):
            batch: dict[str, Any] = super()._generate_and_score_completions(rows)
        device = self.accelerator.device
        batch["off_policy"] = torch.tensor([slot.rolled_back for slot in slots], device=device)
        # Only tensors and per-row lists survive GRPOTrainer's shuffle and split.
        batch["group"] = torch.tensor(group_of_slot, device=device)
        batch["advantages"] = scale_off_policy_advantages(
            batch["advantages"], batch["off_policy"], self.args.off_policy_advantage_scale
        )
        self._finish_rollout(batch)
        return batch

    def collect(self, rows: Sequence[int]) -> list[Group]:
        """Stage 1, judge, stage 2, mixing and DAPO's refill for data rows."""
        self._verifier = Verifier(self.judge, self.audit, cast(Disclosure, self.args.report_disclose))
        self._sampled_tokens = 0
        self._seconds = dict.fromkeys(("stage1", "judge", "stage2", "score"), 0.0)
        groups = self._roll_out(rows)
        self._drawn = list(groups)
        self._sampled = list(groups)
        if self.args.dynamic_sampling_rounds:
            self._sampled += refill(
                groups,
                lambda group: not has_spread([slot.reward for slot in group.slots]),
                self._roll_out,
                self.refill_cursor,
                max_rounds=self.args.dynamic_sampling_rounds,
                any_process=self._any_process,
            )
        return groups

    def _roll_out(self, rows: Sequence[int]) -> list[Group]:
        """Both stages for data rows; with none, this process only takes part in the others' generation."""
        examples = [self.examples[row] for row in rows]
        with self._timed("stage1"):
            prompts = build_prompts(self.processing_class, examples, **self.chat_template_kwargs)
            groups = sample_groups(examples, rows, prompts, self.num_generations, self._sample)
        with self._timed("judge"):
            judge_groups(groups, self._verifier, reports=self.args.stage2)
        self._stop_if_judge_is_gone()
        if self.args.stage2:
            with self._timed("stage2"):
                recover(
                    groups,
                    settings=self.args.recovery,
                    retry_prompt=self.retry_prompt,
                    sample=self._sample,
                    verifier=self._verifier,
                    any_process=self._any_process,
                )
            self._stop_if_judge_is_gone()
        self._states = None
        return groups

    def _sample(self, prompts: Prompts, row: Sequence[int], suffixes: Sequence[Sequence[int]]) -> list[Completion]:
        """See `two_stage.Sample`."""
        if not row:
            if self.accelerator.num_processes > 1:
                # Generation is collective: stand in with a prompt of our own and throw its completion away.
                self._sample_ids(build_prompts(self.processing_class, self.examples[:1]), [0], [()])
            return []
        sampled = self._sample_ids(prompts, row, suffixes)
        completions = [self._cut_at_placeholder(ids) for ids in sampled]
        cut = [short != ids for short, ids in zip(completions, sampled, strict=True)]
        texts = self._tokenizer.batch_decode(completions, skip_special_tokens=True)
        self._sampled_tokens += sum(len(ids) for ids in sampled)
        return [
            Completion(tuple(ids), text, truncated=was_cut or ids[-1] not in self.eos_token_ids)
            for ids, text, was_cut in zip(completions, texts, cut, strict=True)
        ]

    def _cut_at_placeholder(self, ids: list[int]) -> list[int]:
        """End a completion before a sampled image token: scoring would look for an image that is not there.

        Sampling suppresses these tokens; an engine that does not must not break the run. What is left is truncated,
        so never a positive. GRPOTrainer reads every completion's last token, so an empty one becomes an end token.
        """
        end = next((n for n, token in enumerate(ids) if token in self._placeholders), len(ids))
        return ids[:end] or [self._tokenizer.eos_token_id]

    def _forbid_placeholders(self) -> None:
        names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
        ids = [getattr(self.model.config, name, None) for name in names]
        self._placeholders: set[int] = {int(token) for token in ids if token is not None}
        if self._placeholders:
            suppressed = sorted(self._placeholders | set(self.generation_kwargs.get("suppress_tokens") or ()))
            self.generation_kwargs["suppress_tokens"] = suppressed
            self.generation_config.suppress_tokens = suppressed

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
        return self._replayed

    def _calculate_rewards(self, *_: Any) -> torch.Tensor:
        """Gathered rewards [B over all processes, 1]; NaN where the judge failed."""
        local = torch.tensor(self._rewards, dtype=torch.float32, device=self.accelerator.device)
        gathered: torch.Tensor = gather(local.unsqueeze(1))
        return gathered

    def _reward(self, slot: Attempt) -> float:
        """The verdict's reward with DAPO's overlong penalty, NaN where unscored."""
        if slot.reward is None:
            return float("nan")
        if not self.args.overlong_buffer:
            return slot.reward
        length = len(slot.completion.ids)
        return slot.reward + soft_overlong_penalty(length, self.max_completion_length, self.args.overlong_buffer)

    # ---- resuming ------------------------------------------------------------------------------------------------

    def _get_train_sampler(self, dataset: Any = None) -> EpochRepeatSampler:
        sampler = super()._get_train_sampler(dataset)
        sampler.__class__ = EpochRepeatSampler
        return sampler  # type: ignore[no-any-return]

    def checkpoint_state(self) -> dict[str, Any]:
        # Restored rather than derived: an epoch's last optimizer step may hold fewer micro-batches.
        return {"progress": asdict(self.progress), "refill": self.refill_cursor.position, "micro_batch": self._step}

    def restore_state(self, state: dict[str, Any]) -> None:
        self.progress = CheckpointState(**state["progress"])
        self.refill_cursor.position = state["refill"]
        # GRPOTrainer counts from 0 in every process; generation batches begin where this count says.
        self._step = state["micro_batch"]

    # ---- loss ----------------------------------------------------------------------------------------------------

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """The objective on one micro-batch; replaces GRPOTrainer's, which knows no rolled-back rows."""
        per_token_logps, entropies = self._score(
            model, inputs["group"].tolist(), inputs["completion_ids"], inputs["completion_mask"]
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
        loss_function = dapo_loss if self.args.loss_type == "dapo" else grpo_loss
        result = loss_function(batch, self.args.objective)
        self._check_finite(result.loss, inputs["group"])
        assert entropies is not None
        mask = batch.mask.bool()
        self._log_sums({**result.sums, "entropy": TokenSum(entropies[mask].sum(), mask.sum().float())})
        return result.loss

    def _check_finite(self, loss: torch.Tensor, group: torch.Tensor) -> None:
        """Raise before the optimizer can spread a NaN; name the groups of the micro-batch."""
        if torch.isfinite(loss):
            return
        ids = [self._groups[n].example.id for n in sorted(set(group.tolist()))]
        raise non_finite(f"the loss is {loss.item()}", self.state.global_step + 1, self.last_checkpoint(), ids)
