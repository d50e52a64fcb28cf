"""One YAML file per run. Every field is documented here; unknown keys are refused with the nearest name.

This module imports neither torch nor TRL: `train` is checked against TRL's own config class when a run is built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from contextrl.errors import InputError, nearest_key
from contextrl.evaluation.settings import EvaluationSettings
from contextrl.judge.settings import JudgeConfig
from contextrl.miniature.plugin import register
from contextrl.objective.settings import ObjectiveSettings
from contextrl.plugins import DATA, JUDGES
from contextrl.policy.settings import PromptSettings
from contextrl.records.yaml_files import parse_yaml
from contextrl.rollout.settings import DynamicSamplingSettings, Stage2Settings
from contextrl.settings import OPERATIONAL, Section, flat_settings, validated, without_marked

#: Longest answer where nothing says otherwise.
DEFAULT_NEW_TOKENS = 256

# Configurations name the miniature's model, data, judge and evaluation.
register()

Method = Literal["sft", "grpo", "dapo", "contextrl"]


class ModelConfig(Section):
    path: str = "miniature"
    """`miniature`, a folder, or a hub id such as Qwen/Qwen3-VL-8B-Instruct."""
    dtype: Literal["float32", "bfloat16", "float16", "auto"] | None = None
    """Of the weights; `auto` is the checkpoint's own. By default float32, which training in mixed precision
    (`train.bf16`) wants; bfloat16 halves a frozen base's memory under LoRA."""
    lora: bool | dict[str, Any] | None = None
    """`true`: rank 16 on every linear layer of the language model. Or fields of peft's LoraConfig, where
    `target_modules: language-linear` means the same layers. None trains all weights."""
    max_pixels: int | None = Field(None, gt=0)
    """Larger pictures are scaled down to so many pixels before the policy sees them (the paper: 3M); by default what
    the processor's own files say. Checkpoints keep it."""
    min_pixels: int | None = Field(None, gt=0)
    """Smaller pictures are scaled up to so many pixels; otherwise as max_pixels."""
    trust_remote_code: bool = False
    """Run Python files that the model brings along; without it such a model is refused."""
    freeze_vision: bool = False
    """Keep the vision tower's weights as they are."""


class DataConfig(PromptSettings):
    train: str = "miniature"
    """`miniature`, a .jsonl / .json / .parquet file, a folder from `datasets`, or a hub id."""
    eval: str | None = "miniature"
    """The same for evaluation; `miniature` is its held-out test split, `miniature:dev` the development split. null is
    no evaluation, and the default beside rows of your own."""
    examples: int = Field(4000, gt=0)
    """Training rows drawn for the miniature."""
    voice: Literal["own", "foreign"] = "own"
    """Who wrote the miniature's reference solutions: the policy's own voice, or a foreign one in prose."""
    limit: int | None = Field(None, gt=0)
    """Use only the first rows of a training file."""
    allow_outside: bool = False
    """Take pictures from anywhere: by default a row that names a file outside its own file's folder is refused, because
    pictures are sent to the judge."""

    @model_validator(mode="before")
    @classmethod
    def _evaluated_on_what_was_asked(cls, section: Any) -> Any:
        """Figures on the miniature's digits would say nothing of a policy that is trained on other rows."""
        if isinstance(section, Mapping) and "eval" not in section:
            train = section.get("train", "miniature")
            if isinstance(train, str) and train.partition(":")[0] not in DATA:
                return {**section, "eval": None}
        return section


class JudgeSection(JudgeConfig):
    """The judge of a run: by default the miniature's, as its data and its model are."""

    kind: str = "steps"
    """`steps`: the miniature's process verifier. `rules`: the final answer only. `llm`: a model behind a server."""

    @model_validator(mode="after")
    def _named(self) -> JudgeSection:
        for key, others in (("kind", ("rules", "llm")), ("audit", ("llm",))):
            value, known = getattr(self, key), [*JUDGES, *others]
            if value is not None and value not in known:
                raise ValueError(f"{key}: expected {' or '.join(known)}, found {value!r}{nearest_key(value, known)}")
        return self


class RunConfig(Section):
    """A whole run."""

    method: Method = "contextrl"
    """contextrl | grpo | dapo | sft"""
    seed: int = 0
    """Seeds data order, sampling and the miniature's training problems."""
    run_dir: Annotated[Path, OPERATIONAL] = Path("runs/run")
    """Where everything the run writes goes."""
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    judge: JudgeSection = JudgeSection()
    stage2: Stage2Settings = Stage2Settings()
    objective: ObjectiveSettings = ObjectiveSettings()
    dynamic_sampling: DynamicSamplingSettings = DynamicSamplingSettings()
    train: Annotated[dict[str, Any], OPERATIONAL.of("save_steps", "save_total_limit", "report_to", "logging_*")] = (
        Field(default_factory=dict)
    )
    """Fields of TRL's GRPOConfig, or of its SFTConfig for `method: sft`."""
    eval: Annotated[EvaluationSettings, OPERATIONAL] = EvaluationSettings()

    @property
    def max_new_tokens(self) -> int:
        """Longest answer in evaluations."""
        return int(self.eval.max_new_tokens or self.train.get("max_completion_length") or DEFAULT_NEW_TOKENS)

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file and apply `key=value` overrides.

    Raises:
        InputError: missing file, bad YAML, unknown key (with the nearest name), wrong value.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("a configuration file", found="no such file", where=str(path))
    try:
        raw = parse_yaml(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError("valid YAML", found=" ".join(str(error).split()), where=str(path)) from error
    if not isinstance(raw, dict):
        raise InputError("a mapping of sections", found=type(raw).__name__, where=str(path))
    for override in overrides:
        apply_override(raw, override)
    return parse_config(raw, where=str(path))


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set a dotted key, `train.learning_rate=1e-4`, in place; the value is YAML."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError("--set key=value", found=repr(override), where="--set")
    node = raw
    *parents, last = key.strip().split(".")
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        node = node[parent]
        if not isinstance(node, dict):
            raise InputError(f"a section at {parent}", found=type(node).__name__, where=f"--set {key}")
    try:
        node[last] = _number(parse_yaml(text))
    except yaml.YAMLError as error:
        raise InputError("a YAML value", found=repr(text), where=f"--set {key}") from error


def _number(value: Any) -> Any:
    """YAML 1.1 reads `1e-4` as text; free sections have no pydantic field that would turn it into a number."""
    if isinstance(value, dict):
        return {key: _number(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_number(part) for part in value]
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return float(value)
    return value


def parse_config(raw: dict[str, Any], *, where: str = "config") -> RunConfig:
    """Validate a mapping. Raises InputError with one line per problem."""
    # A section whose lines are all commented out is read as null: it is empty, not wrong.
    raw = {key: {} if value is None and key in _SECTIONS else _number(value) for key, value in raw.items()}
    return validated(RunConfig, raw, where=where)


_SECTIONS = [name for name, field in RunConfig.model_fields.items() if not isinstance(field.default, str | int | Path)]


def settings_of_the_run(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of what a resumed run must keep: everything but what is operational.

    Args:
        config: a resolved configuration, dumped or as a run directory holds it.
    """
    return flat_settings(without_marked(config, RunConfig, OPERATIONAL))


def settings_of_the_method(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of what makes a method: runs that differ in its seed alone, or in when they are saved, are one.

    What is not written has its default: another version may have had fewer settings.
    """
    settings = settings_of_the_run(RunConfig().model_dump(mode="json")) | settings_of_the_run(config)
    return {key: value for key, value in settings.items() if key not in ("seed", "train.save_strategy")}
