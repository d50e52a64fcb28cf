"""From a RunConfig to the arguments of a trainer; every mistake is found before a model is loaded."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from contextrl.commands.chat_template import OURS_IN_SFT
from contextrl.commands.config import RunConfig
from contextrl.errors import InputError, nearest_key
from contextrl.judge.settings import JudgingSettings
from contextrl.policy.settings import PromptSettings
from contextrl.settings import Section, section_in
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.launched import check_joined, prepare_to_join
from contextrl.trainer.ranges import check_numbers

S = TypeVar("S", bound=Section)

#: Fields of TRL's that another setting decides.
_DECIDED_ELSEWHERE = {
    "output_dir": "run_dir",
    "seed": "seed",
    "eval_strategy": "eval.every",
    "eval_steps": "eval.every",
    "do_eval": "eval.every",
    "eval_on_start": "eval.every",
    "resume_from_checkpoint": "--resume",
    "judging": "judge",
    "prompts": "data",
    "evaluation": "eval",
    "record": "record",
    "reward_weights": "rewards",
    "trust_remote_code": "model.trust_remote_code",
}
#: What each method means in TRL's fields, unless `train` says otherwise.
_METHOD_DEFAULTS: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo"},
    "contextrl": {"loss_type": "grpo"},
    "dapo": {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28, "beta": 0.0},
}
_SFT_DEFAULTS = {"logging_steps": 1, "report_to": "none", "gradient_checkpointing": False, "max_length": None}


def _dtype(config: RunConfig) -> dict[str, Any]:
    """`model.dtype` where TRL takes it, for the policy and the reference model alike."""
    init_kwargs = dict(config.train.get("model_init_kwargs") or {})
    if config.model.dtype is None:
        return {}
    if init_kwargs.setdefault("dtype", config.model.dtype) != config.model.dtype:
        raise InputError(
            "one dtype",
            found=f"{config.model.dtype} and {init_kwargs['dtype']}",
            where="model.dtype and train.model_init_kwargs",
            fix="Leave one of them out",
        )
    return {"model_init_kwargs": init_kwargs}


def training_arguments(config: RunConfig) -> Any:
    """ContextRLConfig, or TRL's SFTConfig for `method: sft`.

    Raises:
        InputError: unknown field (with the nearest), a field decided elsewhere, a value that TRL refuses.
    """
    _check_best(config)
    if config.method == "sft":
        if config.rewards:
            raise InputError("none with method: sft, which samples nothing", found="some", where="rewards")
        from trl import SFTConfig

        return _build(SFTConfig, config, dict(_SFT_DEFAULTS))
    return _build(ContextRLConfig, config, _rl_fields(config))


def _rl_fields(config: RunConfig) -> dict[str, Any]:
    """The run's sections as the trainer takes them, with what the method decides filled in."""
    _check_method(config)
    contextrl = config.method == "contextrl"
    decided: dict[str, tuple[str, Any]] = {
        "stage2": ("enabled", contextrl),
        "objective": ("kl_scope", "on_policy" if contextrl else "all"),
        "dynamic_sampling": ("enabled", config.method == "dapo"),
    }
    sections: dict[str, Any] = {
        "judging": _narrowed(JudgingSettings, config.judge),
        "prompts": _narrowed(PromptSettings, config.data),
        "record": config.record,
    }
    for name, (field, value) in decided.items():
        section = getattr(config, name)
        undecided = getattr(section, field) is None
        sections[name] = section.model_copy(update={field: value} if undecided else None)
    return _METHOD_DEFAULTS[config.method] | sections


def _check_best(config: RunConfig) -> None:
    if not config.eval.best:
        return
    kept = config.train.get("save_strategy") == "epoch" and config.train.get("save_total_limit") is None
    if config.eval.every != "epoch" or config.data.evaluated_on is None or not kept:
        raise InputError(
            "a checkpoint and an evaluation of every epoch",
            found=f"eval.every: {config.eval.every}, data.eval: {config.data.evaluated_on}, train.save_strategy: "
            f"{config.train.get('save_strategy', 'steps')}, train.save_total_limit: "
            f"{config.train.get('save_total_limit')}",
            where="eval.best",
            fix="Set eval.every and train.save_strategy to epoch, data.eval, and no train.save_total_limit",
        )


def _narrowed(kind: type[S], section: S) -> S:
    """A section as the wider kind that it extends."""
    return kind(**{name: getattr(section, name) for name in kind.model_fields})


def _check_method(config: RunConfig) -> None:
    if config.method != "contextrl" and config.stage2.enabled:
        raise InputError(
            "stage2.enabled only with method: contextrl",
            found=f"method: {config.method}",
            where="stage2.enabled",
        )
    if config.method != "contextrl" and config.objective.ratio == "shaped":
        raise InputError(
            "objective.ratio shaped only with method: contextrl, whose groups hold rolled-back responses",
            found=f"method: {config.method}",
            where="objective.ratio",
        )
    if config.objective.answer_only_reward and config.judge.kind == "rules":
        raise InputError(
            "0 with judge.kind: rules, which finds every right answer correct",
            found=f"{config.objective.answer_only_reward:g}",
            where="objective.answer_only_reward",
        )
    expected = "dapo" if config.method == "dapo" else None
    loss_type = config.train.get("loss_type", expected)
    if expected and loss_type != expected:
        raise InputError("loss_type dapo for method: dapo", found=repr(loss_type), where="train.loss_type")


def _build(arguments: type, config: RunConfig, fields: dict[str, Any]) -> Any:
    known = [field.name for field in dataclasses.fields(arguments)]
    for key in config.train:
        if instead := _DECIDED_ELSEWHERE.get(key) or _section_of(key):
            raise InputError(f"this in {instead}", found=f"train.{key}", where=f"train.{key}", fix=f"Set {instead}")
        if key not in known and key != OURS_IN_SFT:
            raise InputError(
                f"a field of TRL's {'SFTConfig' if config.method == 'sft' else 'GRPOConfig'}",
                found=f"unknown key train.{key}{nearest_key(key, known)}",
                where="train",
            )
    values = fields | _typed(
        arguments, {key: v for key, v in config.train.items() if key != OURS_IN_SFT or key in known}
    )
    values |= _dtype(config)
    values |= {"output_dir": str(config.run_dir / "checkpoints"), "seed": config.seed, "disable_tqdm": True}
    values["trust_remote_code"] = config.model.trust_remote_code
    if arguments is not ContextRLConfig:
        check_numbers(values)
        prepare_to_join(use_cpu=bool(values.get("use_cpu")))
        values = _cpu_defaults(values) | {"logging_nan_inf_filter": False, "remove_unused_columns": False}
    try:
        args = arguments(**values)
    except (ValueError, TypeError, ImportError) as error:
        raise InputError("values that TRL accepts", found=str(error), where="train") from error
    check_joined(args)
    return args


def _section_of(key: str) -> str | None:
    """Where a field of a section is set, if `key` is one; `stage2_...` as it would be called from outside."""
    sections = {name: section_in(field.annotation) for name, field in RunConfig.model_fields.items()}
    fields = {name: section.model_fields for name, section in sections.items() if section is not None}
    if key in fields:
        return key
    if (name := key.removeprefix("stage2_")) != key:
        return f"stage2.{name}"
    trained = ("objective", "dynamic_sampling", "stage2")
    return next((f"{section}.{key}" for section in trained if key in fields[section] and key != "enabled"), None)


def _typed(arguments: type, train: dict[str, Any]) -> dict[str, Any]:
    """Values as their fields' types want them: TRL's dataclasses do not look, and a step would fail much later."""
    hints = get_type_hints(arguments)
    values = {}
    for key, value in train.items():
        if value is False and key.endswith("_strategy"):
            value = "no"  # which YAML reads as false
        try:
            values[key] = TypeAdapter(hints[key]).validate_python(value)
        except PydanticSchemaGenerationError:
            values[key] = value  # a class of its own, which transformers converts
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise InputError(f"{_name_of(hints[key])} ({reason})", found=repr(value), where=f"train.{key}") from error
    return values


def _name_of(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _cpu_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """TRL's default is bfloat16, on a CPU too."""
    import torch

    gpu = torch.cuda.is_available() and not values.get("use_cpu", False)
    return {"bf16": gpu, "dataloader_pin_memory": gpu} | values
