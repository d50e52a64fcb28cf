"""ContextRLConfig: TRL's GRPOConfig with the method's own settings and defaults that fit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from trl import GRPOConfig

from contextrl.errors import InputError
from contextrl.evaluation.settings import EvaluationSettings
from contextrl.judge.settings import JudgingSettings
from contextrl.objective.batch import LossSettings
from contextrl.objective.losses import LOSSES
from contextrl.objective.settings import ObjectiveSettings
from contextrl.policy.settings import PromptSettings
from contextrl.rollout.settings import DynamicSamplingSettings, Stage2Settings
from contextrl.settings import Section, validated
from contextrl.trainer.launched import check_joined, prepare_to_join
from contextrl.trainer.ranges import check_numbers
from contextrl.trainer.settings import RecordSettings
from contextrl.trainer.stage2_checks import check_stage2
from contextrl.trainer.vllm_settings import check_vllm_arguments

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
    "router_aux_loss_coef": None,
    "use_transformers_continuous_batching": False,
    "use_liger_kernel": False,
    "max_tool_calling_iterations": None,
    "remove_unused_columns": False,
    "num_generations_eval": None,
    "parallelism_config": None,
}


#: Families of options that belong to losses and engines we do not have; each must keep its default.
_UNSUPPORTED_FAMILIES = ("sapo_", "vespo_", "entropy_")


@dataclass
class ContextRLConfig(GRPOConfig):
    """Settings of `ContextRLTrainer`.

    `stage2`, `objective`, `dynamic_sampling`, `judging`, `prompts`, `record` and `evaluation` are the sections of a
    run's YAML, as objects or as mappings: `ContextRLConfig(stage2={"samples_per_negative": 2})`; `stage2=False` is GRPO
    with the judge as its reward. All other fields are GRPOConfig's, some with other defaults: `loss_type="grpo"`,
    `beta=0.01`, plain k3 KL, a log line every step, bfloat16 only where there is a GPU. `eval_strategy` with
    `eval_steps` says the same as `evaluation={"every": ...}`.
    """

    loss_type: str = field(default="grpo", metadata={"help": "A name in LOSSES: grpo or dapo."})
    vllm_importance_sampling_mode: str = field(
        default="token_truncate",
        metadata={
            "help": "How the policy loss is corrected for what vLLM samples from. TRL's own default, sequence_mask, "
            "drops whole responses as soon as their tokens' ratios multiply to more than 3, as long ones' do."
        },
    )
    beta: float = field(default=0.01, metadata={"help": "Weight of the KL term."})
    use_bias_correction_kl: bool = field(default=False, metadata={"help": "Must stay False: plain k3."})
    remove_unused_columns: bool | None = field(default=False, metadata={"help": "Must stay False."})
    logging_steps: float = field(default=1, metadata={"help": "A line every so many steps."})
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "A NaN is an error, never hidden."})
    bf16: bool | None = field(default=None, metadata={"help": "By default True on a GPU, False on a CPU."})
    gradient_checkpointing: bool = field(default=False, metadata={"help": "Trade compute for memory."})
    report_to: str | list[str] | None = field(default="none", metadata={"help": "Trackers, as in transformers."})

    stage2: Stage2Settings = field(default_factory=Stage2Settings, metadata={"help": "Retries with mistake reports."})
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings, metadata={"help": "What is optimised."})
    dynamic_sampling: DynamicSamplingSettings = field(
        default_factory=DynamicSamplingSettings, metadata={"help": "Refill groups without spread."}
    )
    judging: JudgingSettings = field(default_factory=JudgingSettings, metadata={"help": "What is asked of a judge."})
    prompts: PromptSettings = field(default_factory=PromptSettings, metadata={"help": "What holds for every prompt."})
    record: RecordSettings = field(default_factory=RecordSettings, metadata={"help": "What a run keeps to look at."})
    evaluation: EvaluationSettings = field(
        default_factory=EvaluationSettings, metadata={"help": "When eval_dataset is evaluated, and on how much."}
    )
    shared_prefix: bool = field(default=True, metadata={"help": "Read a group's prompt once, not once per sample."})
    compile_layers: bool = field(
        default=False,
        metadata={"help": "Compile decoder layers for scoring and learning: a GPU's learner, a fifth faster."},
    )

    def __post_init__(self) -> None:
        for name, section in SECTIONS.items():
            setattr(self, name, _as_section(section, getattr(self, name), name))
        check_numbers(vars(self))
        prepare_to_join(use_cpu=self.use_cpu)
        if self.bf16 is None:
            self.bf16 = torch.cuda.is_available() and not self.use_cpu and not self.fp16
        if self.use_cpu or not torch.cuda.is_available():
            self.dataloader_pin_memory = False
        self._check_batch_shape()
        self._move_evaluation()
        super().__post_init__()
        check_joined(self)
        self._check_unsupported()
        check_vllm_arguments(self)
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

    def _move_evaluation(self) -> None:
        """TRL's fields for when to evaluate become ours: its own evaluation samples, and knows no stage 2."""
        given: Any = vars(self)["eval_strategy"]
        strategy = str(getattr(given, "value", given))
        if self.load_best_model_at_end:
            fix = 'Set evaluation={"every": "epoch", "best": True}'
            raise InputError("the evaluation section", found="True", where="train.load_best_model_at_end", fix=fix)
        # Before training there is one in any case.
        self.eval_strategy, self.eval_on_start = "no", False
        if strategy == "no":
            return
        steps = self.eval_steps or self.logging_steps
        if strategy == "steps" and (steps < 1 or steps != int(steps)):
            raise InputError(
                "a number of steps", found=str(steps), where="train.eval_steps", fix="Use evaluation.every"
            )
        self.evaluation = self.evaluation.model_copy(update={"every": int(steps) if strategy == "steps" else "epoch"})

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
            ("loss_type", tuple(LOSSES)),
            ("scale_rewards", ("group", "none")),
        ):
            if getattr(self, name) not in choices:
                raise InputError(" or ".join(choices), found=repr(getattr(self, name)), where=f"train.{name}")
        check_stage2(self)
        if self.objective.overlong_buffer > (self.max_completion_length or 0):
            raise InputError(
                f"at most max_completion_length = {self.max_completion_length}",
                found=str(self.objective.overlong_buffer),
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
    def loss_settings(self) -> LossSettings:
        """The constants of the loss."""
        return LossSettings(
            epsilon_low=self.epsilon,
            epsilon_high=self.epsilon if self.epsilon_high is None else self.epsilon_high,
            beta=self.beta,
            objective=self.objective,
        )

    def to_dict(self) -> dict[str, Any]:
        """As TrainingArguments', sections as plain mappings, for trackers and model cards."""
        return {**super().to_dict(), **{name: getattr(self, name).model_dump(mode="json") for name in SECTIONS}}


#: The method's own settings, the same sections as in a run's YAML.
SECTIONS: dict[str, type[Section]] = {
    "stage2": Stage2Settings,
    "objective": ObjectiveSettings,
    "dynamic_sampling": DynamicSamplingSettings,
    "judging": JudgingSettings,
    "prompts": PromptSettings,
    "evaluation": EvaluationSettings,
    "record": RecordSettings,
}


def _as_section(section: type[Section], value: Any, where: str) -> Section:
    """A section, or what stands for one: a mapping of its fields; for one that can be switched, True or False.

    Raises:
        InputError: unknown field (with the nearest), wrong value.
    """
    if isinstance(value, section):
        return value
    if isinstance(value, bool) and "enabled" in section.model_fields:
        value = {"enabled": value}
    if not isinstance(value, Mapping):
        raise InputError(f"{section.__name__} or a mapping of its fields", found=repr(value), where=where)
    return validated(section, value, where=where)
