"""The settings of a run that was started from Python, in the sections of a run's YAML, which everything reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any

import yaml

from contextrl.judge.protocol import Judge
from contextrl.judge.rules import RulesJudge
from contextrl.records.jsonl import json_ready
from contextrl.records.run_directory import RunDirectory
from contextrl.records.secrets import without_secrets
from contextrl.settings import changed_settings, flat_settings, other_run
from contextrl.trainer.config import SECTIONS, ContextRLConfig
from contextrl.trainer.inputs import TrainerInputs

#: Fields that say where and how often things are written, or that follow from others.
_NOT_OF_THE_RUN = {
    "output_dir",
    "seed",
    "run_name",
    "logging_dir",
    "generation_batch_size",
    "dataloader_pin_memory",
    "do_eval",
    "eval_strategy",
    "eval_on_start",
    "trust_remote_code",
    "reward_weights",
    "accelerator_config",
    "debug",
    "disable_tqdm",
}
#: What may differ when a run is resumed; as the fields of a run's YAML that are operational.
_OPERATIONAL = (
    "run_dir",
    "eval.",
    "record.",
    "judge.path",
    "judge.max_unscored_share",
    "judge.max_failed_steps",
    "train.max_steps",
    "train.save_",
    "train.report_to",
    "train.logging_",
    "train.push_to_hub",
)
_PLAIN = (bool, int, float, str)


def method_of(args: ContextRLConfig) -> str:
    """As `method` of a configuration names it."""
    if args.stage2.in_use:
        return "contextrl"
    return "dapo" if args.loss_type == "dapo" else "grpo"


def run_settings(
    args: ContextRLConfig,
    given: TrainerInputs,
    judge: Judge,
    audit: Judge | None,
    peft_config: Any,
    directory: RunDirectory | None,
) -> dict[str, Any]:
    """Sections and keys as in a run's YAML; what is secret is left out."""
    sections = {name: getattr(args, name).model_dump(mode="json") for name in SECTIONS}
    settings = {
        "method": method_of(args),
        "seed": args.seed,
        "run_dir": None if directory is None else str(directory.path),
        "model": {"path": given.path, "lora": _changed(peft_config), "trust_remote_code": args.trust_remote_code},
        "data": {"train": given.data, "eval": given.held_out and given.held_out.data, **sections["prompts"]},
        "judge": {**_judge(judge), "audit": None if audit is None else audit.name, **sections["judging"]},
        "rewards": [{"path": _path(reward.call), "weight": reward.weight} for reward in given.rewards],
        "stage2": sections["stage2"],
        "objective": sections["objective"],
        "dynamic_sampling": sections["dynamic_sampling"],
        "train": _train(args),
        "eval": sections["evaluation"],
        "record": sections["record"],
    }
    return dict(without_secrets(json_ready(settings)))


def _train(args: ContextRLConfig) -> dict[str, Any]:
    changed = _changed(args) or {}
    if args.steps_per_generation == args.gradient_accumulation_steps:
        changed.pop("steps_per_generation", None)  # where it follows from it
    return {name: value for name, value in changed.items() if name not in SECTIONS}


def as_yaml(settings: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)


def check_same_run(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A resumed run must be the run that was started.

    Raises:
        InputError: names the settings that differ.
    """
    before, after = _of_the_run(then), _of_the_run(now)
    if changed := changed_settings(before, after):
        fix = "Resume with the same settings, or start a new run in another run_dir"
        raise other_run(before, after, changed, where="train(resume_from_checkpoint=...)", fix=fix)


def _of_the_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat = flat_settings(settings)
    # Names of code may change while it is mended, in a notebook above all.
    flat["rewards"] = [reward.get("weight") for reward in flat.get("rewards") or []]
    return {key: value for key, value in flat.items() if not key.startswith(_OPERATIONAL) and value is not None}


def _judge(judge: Judge) -> dict[str, Any]:
    if isinstance(judge, RulesJudge):
        return {"kind": "rules", "context": judge.context}
    return {"kind": "python", "path": _path(type(judge)), "context": judge.context}


def _path(thing: Any) -> str:
    """`module:name`, as `judge.path` and `rewards[].path` are written."""
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return f"{getattr(thing, '__module__', None) or type(thing).__module__}:{name}"


def _changed(settings: Any) -> dict[str, Any] | None:
    """Plain values of a dataclass that differ from its defaults; secrets are never among them."""
    if settings is None or not is_dataclass(settings):
        return None
    changed = {}
    for field in fields(settings):
        value, default = getattr(settings, field.name), field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory()
        if field.name in _NOT_OF_THE_RUN or field.name.endswith("_token") or not field.init:
            continue
        value, default = (_plain(part) for part in (value, default))
        if value is not None and value != default:
            changed[field.name] = value
    return changed


def _plain(value: Any) -> Any:
    """What YAML can hold, as such; None for anything else."""
    value = getattr(value, "value", value)  # of an enum
    if isinstance(value, set | frozenset | tuple):
        value = sorted(value, key=str) if not isinstance(value, tuple) else list(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    return value if isinstance(value, _PLAIN) else None
