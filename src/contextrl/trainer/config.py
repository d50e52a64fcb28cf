"""ContextRLConfig: TRL's GRPOConfig with the method's own settings and defaults that fit it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, cast

import torch
from trl import GRPOConfig

from contextrl.errors import InputError
from contextrl.objective.batch import KlScope, LossType, ObjectiveSettings, RatioKind
from contextrl.rollout.recovery import DEFAULT_INSTRUCTION
from contextrl.rollout.two_stage import RecoverySettings

#: Options of GRPOConfig that our loss or rollout does not implement, and the one value that is accepted.
UNSUPPORTED: dict[str, Any] = {
    "delta": None,
    "importance_sampling_level": "token",
    "top_entropy_quantile": 1.0,
    "entropy_coef": 0.0,
    "use_adaptive_entropy": False,
    "off_policy_mask_threshold": None,
    "use_bias_correction_kl": False,
    "multi_objective_aggregation": "sum_then_normalize",
    "reward_weights": None,
    "router_aux_loss_coef": None,
    "use_vllm": False,
    "use_transformers_continuous_batching": False,
    "use_liger_kernel": False,
    "max_tool_calling_iterations": None,
    "remove_unused_columns": False,
    "num_generations_eval": None,
    "parallelism_config": None,
}


#: Families of options that belong to losses and engines we do not have; each must keep its default.
_UNSUPPORTED_FAMILIES = ("sapo_", "vespo_", "vllm_", "entropy_")


@dataclass
class ContextRLConfig(GRPOConfig):
    """Settings of `ContextRLTrainer`.

    Fields below are the method's; all others are GRPOConfig's, some with other defaults: `loss_type="grpo"`,
    `beta=0.01`, plain k3 KL, a log line every step, bfloat16 only where there is a GPU.
    """

    loss_type: str = field(default="grpo", metadata={"help": "grpo or dapo."})
    beta: float = field(default=0.01, metadata={"help": "Weight of the KL term."})
    use_bias_correction_kl: bool = field(default=False, metadata={"help": "Must stay False: plain k3."})
    remove_unused_columns: bool | None = field(default=False, metadata={"help": "Must stay False."})
    logging_steps: float = field(default=1, metadata={"help": "A line every so many steps."})
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "A NaN is an error, never hidden."})
    bf16: bool | None = field(default=None, metadata={"help": "By default True on a GPU, False on a CPU."})
    gradient_checkpointing: bool = field(default=False, metadata={"help": "Trade compute for memory."})
    report_to: str | list[str] | None = field(default="none", metadata={"help": "Trackers, as in transformers."})

    stage2: bool = field(default=True, metadata={"help": "Retry all-negative groups with mistake reports."})
    stage2_samples_per_negative: int = field(default=1, metadata={"help": "Retries of each negative."})
    stage2_max_positives: int | None = field(default=None, metadata={"help": "Most retries kept; default G / 2."})
    stage2_standalone: bool = field(default=True, metadata={"help": "Reject retries that speak of the report."})
    stage2_instruction: str = field(default=DEFAULT_INSTRUCTION, metadata={"help": "What follows the report."})
    stage2_max_context_tokens: int = field(default=4096, metadata={"help": "Budget of a retry's prompt."})
    off_policy_advantage_scale: float = field(default=1.0, metadata={"help": "alpha for rolled-back responses."})
    ratio: str = field(default="rollback", metadata={"help": "rollback or shaped."})
    shaping_gamma: float = field(default=0.1, metadata={"help": "gamma of the shaped ratio."})
    kl_scope: str = field(default="on_policy", metadata={"help": "on_policy or all."})
    overlong_buffer: int = field(default=0, metadata={"help": "DAPO's soft overlong penalty, in tokens; 0 is off."})
    dynamic_sampling_rounds: int = field(default=0, metadata={"help": "Most refill rounds a step; 0 is off."})
    report_disclose: str = field(default="correction", metadata={"help": "What mistake reports may say."})
    shared_prefix: bool = field(default=True, metadata={"help": "Read a group's prompt once, not once per sample."})
    max_prompt_tokens: int = field(default=4096, metadata={"help": "Longer prompts are refused before training."})
    max_unscored_share: float = field(default=0.5, metadata={"help": "More unscored verdicts fail a step."})
    max_failed_steps: int = field(default=3, metadata={"help": "So many failed steps in a row stop the run."})

    def __post_init__(self) -> None:
        if self.bf16 is None:
            self.bf16 = torch.cuda.is_available() and not self.use_cpu and not self.fp16
        if self.use_cpu or not torch.cuda.is_available():
            self.dataloader_pin_memory = False
        self._check_batch_shape()
        super().__post_init__()
        self._check_unsupported()
        self._check_choices()
        self._check_save_boundary()

    def _check_batch_shape(self) -> None:
        """G must divide each process's generation batch: groups never straddle processes."""
        steps = self.steps_per_generation or self.gradient_accumulation_steps
        local = self.per_device_train_batch_size * steps
        if self.generation_batch_size is not None:
            local = self.generation_batch_size // max(1, self.world_size)
        generations = self.num_generations or 0
        if generations < 2:
            raise InputError(
                "at least 2 samples per prompt",
                found=str(generations),
                where="train.num_generations",
                fix="Set train.num_generations to 2 or more",
            )
        if local % generations:
            nearest = (-(-local // generations) * generations) // steps or generations
            raise InputError(
                f"num_generations to divide the {local} samples that a process generates at once",
                found=f"num_generations {generations}, per_device_train_batch_size "
                f"{self.per_device_train_batch_size} x {steps} steps",
                where="train.num_generations",
                fix=f"Set train.per_device_train_batch_size to {nearest} or change train.num_generations",
            )

    def _check_unsupported(self) -> None:
        others = {f.name: f.default for f in fields(self) if f.name.startswith(_UNSUPPORTED_FAMILIES)}
        for name, accepted in (others | UNSUPPORTED).items():
            value = getattr(self, name, accepted)
            if value != accepted:
                raise InputError(
                    f"{accepted!r}: contextrl does not implement this option of TRL's",
                    found=repr(value),
                    where=f"train.{name}",
                    fix="Remove it",
                )

    def _check_choices(self) -> None:
        for name, choices in (
            ("loss_type", ("grpo", "dapo")),
            ("scale_rewards", ("group", "none")),
            ("ratio", ("rollback", "shaped")),
            ("report_disclose", ("location", "hint", "correction", "answer")),
            ("kl_scope", ("on_policy", "all")),
        ):
            if getattr(self, name) not in choices:
                raise InputError(" or ".join(choices), found=repr(getattr(self, name)), where=f"train.{name}")
        if self.eval_strategy != "no":
            raise InputError(
                "'no': TRL's evaluation samples and knows no stage 2",
                found=repr(str(self.eval_strategy)),
                where="train.eval_strategy",
                fix="Use eval.every",
            )
        cap = self.stage2_max_positives
        if self.stage2 and cap is not None and not 0 < cap < self.num_generations:
            raise InputError(
                f"between 1 and num_generations - 1 = {self.num_generations - 1}, so that negatives remain",
                found=str(cap),
                where="stage2.max_positives",
            )
        if not 0 <= self.overlong_buffer <= (self.max_completion_length or 0):
            raise InputError(
                f"at most max_completion_length = {self.max_completion_length}",
                found=str(self.overlong_buffer),
                where="objective.overlong_buffer",
            )

    def _check_save_boundary(self) -> None:
        """A checkpoint inside a generation batch would lose its samples: resuming could not repeat the run."""
        per_generation = self.steps_per_generation * self.num_iterations
        unit = -(-per_generation // self.gradient_accumulation_steps)
        if self.save_strategy != "steps" or unit == 1:
            return
        if self.save_steps < 1 or (int(self.save_steps) * self.gradient_accumulation_steps) % per_generation:
            raise InputError(
                f"a multiple of {unit}, the optimizer steps that one generation batch serves",
                found=str(int(self.save_steps)),
                where="train.save_steps",
            )

    @property
    def objective(self) -> ObjectiveSettings:
        """The constants of the loss."""
        # `_check_choices` has seen that the three names are among the literals.
        return ObjectiveSettings(
            loss_type=cast(LossType, self.loss_type),
            epsilon_low=self.epsilon,
            epsilon_high=self.epsilon if self.epsilon_high is None else self.epsilon_high,
            beta=self.beta,
            ratio=cast(RatioKind, self.ratio),
            shaping_gamma=self.shaping_gamma,
            kl_scope=cast(KlScope, self.kl_scope),
        )

    @property
    def recovery(self) -> RecoverySettings:
        """Stage 2's settings."""
        return RecoverySettings(
            samples_per_negative=self.stage2_samples_per_negative,
            max_positives=self.stage2_max_positives or self.num_generations // 2,
            standalone=self.stage2_standalone,
        )
