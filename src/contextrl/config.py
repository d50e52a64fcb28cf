"""One YAML file per run. Every field is documented here; unknown keys are refused with the nearest name.

This module imports neither torch nor TRL: `train` is checked against TRL's own config class when a run is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from contextrl.errors import InputError, nearest_key
from contextrl.judge.settings import JudgeConfig
from contextrl.rollout.recovery import DEFAULT_INSTRUCTION
from contextrl.section import Section

#: Longest answer where nothing says otherwise.
DEFAULT_NEW_TOKENS = 256

Method = Literal["sft", "grpo", "dapo", "contextrl"]


class ModelConfig(Section):
    path: str = "miniature"
    """`miniature`, a folder, or a hub id such as Qwen/Qwen3-VL-8B-Instruct."""
    lora: dict[str, Any] | None = None
    """Fields of peft's LoraConfig; none trains all weights."""
    freeze_vision: bool = False
    """Keep the vision tower's weights as they are."""


class DataConfig(Section):
    train: str = "miniature"
    """`miniature`, a .jsonl / .json / .parquet file, a folder from `datasets`, or a hub id."""
    eval: str | None = "miniature"
    """The same for evaluation; `miniature` is its held-out test split, `miniature:dev` the development split."""
    examples: int = Field(4000, gt=0)
    """Training rows drawn for the miniature."""
    voice: Literal["own", "foreign"] = "own"
    """Who wrote the miniature's reference solutions: the policy's own voice, or a foreign one in prose."""
    max_prompt_tokens: int = Field(4096, gt=0)
    """Longer prompts are refused before training."""
    limit: int | None = Field(None, gt=0)
    """Use only the first rows of a training file."""


class Stage2Config(Section):
    enabled: bool | None = None
    """Retry all-negative groups; by default on for `contextrl` and off for every other method."""
    samples_per_negative: int = Field(1, gt=0)
    """Retries of each negative."""
    max_positives: int | None = Field(None, gt=0)
    """Most retries kept in a group; by default half of num_generations."""
    standalone: bool = True
    """Reject retries that speak of the report or the earlier attempt."""
    instruction: str = DEFAULT_INSTRUCTION
    """What follows the report in the retry's prompt."""
    max_context_tokens: int = Field(4096, gt=0)
    """Budget of a retry's prompt; the attempt is cut in its middle to fit, the report never."""


class ObjectiveConfig(Section):
    off_policy_advantage_scale: float = Field(1.0, gt=0)
    """alpha: what the advantage of rolled-back responses is multiplied by."""
    ratio: Literal["rollback", "shaped"] = "rollback"
    """`shaped` puts pi / (pi + gamma) in place of the ratio of rolled-back tokens (LUFFY)."""
    shaping_gamma: float = Field(0.1, gt=0)
    """gamma of the shaped ratio."""
    kl_scope: Literal["on_policy", "all"] | None = None
    """Tokens of the KL term; by default on_policy for `contextrl` and all for every other method."""
    overlong_buffer: int = Field(0, ge=0)
    """DAPO's soft overlong penalty begins so many tokens before max_completion_length; 0 is off."""


class DynamicSamplingConfig(Section):
    enabled: bool | None = None
    """Refill groups without spread; by default on for `dapo` and off for every other method."""
    max_rounds: int = Field(2, gt=0)
    """Most rounds of refilling in a step."""


class EvalConfig(Section):
    every: int = Field(0, ge=0)
    """Evaluate every so many steps, and before and after training; 0 only before and after."""
    examples: int = Field(200, gt=0)
    """Examples of the evaluations on the way."""
    final_examples: int = Field(1000, gt=0)
    """Examples of the evaluations before and after training."""
    batch_size: int = Field(128, gt=0)
    """Prompts generated at once."""
    max_new_tokens: int | None = Field(None, gt=0)
    """Longest answer; by default train.max_completion_length, or 256 where there is none."""


class RunConfig(Section):
    """A whole run."""

    method: Method = "contextrl"
    """contextrl | grpo | dapo | sft"""
    seed: int = 0
    """Seeds data order, sampling and the miniature's training problems."""
    run_dir: Path = Path("runs/run")
    """Where everything the run writes goes."""
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    judge: JudgeConfig = JudgeConfig()
    stage2: Stage2Config = Stage2Config()
    objective: ObjectiveConfig = ObjectiveConfig()
    dynamic_sampling: DynamicSamplingConfig = DynamicSamplingConfig()
    train: dict[str, Any] = Field(default_factory=dict)
    """Fields of TRL's GRPOConfig, or of its SFTConfig for `method: sft`."""
    eval: EvalConfig = EvalConfig()

    @property
    def max_new_tokens(self) -> int:
        """Longest answer in evaluations."""
        return int(self.eval.max_new_tokens or self.train.get("max_completion_length") or DEFAULT_NEW_TOKENS)

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


_SECTIONS = ("model", "data", "judge", "stage2", "objective", "dynamic_sampling", "train", "eval")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file and apply `key=value` overrides.

    Raises:
        InputError: missing file, bad YAML, unknown key (with the nearest name), wrong value.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("a configuration file", found="no such file", where=str(path))
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
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
        node[last] = _number(yaml.safe_load(text))
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
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        problems = [_describe(problem) for problem in error.errors()]
        raise InputError("known keys with valid values", found="; ".join(problems), where=where) from error


def _describe(problem: Any) -> str:
    location = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *parents, key = (str(part) for part in problem["loc"])
        return f"unknown key {location}{nearest_key(key, _known_keys(parents))}"
    if problem["type"] == "value_error":
        # Our own checks say what they found; their input may be a whole section, or an address with a secret in it.
        return f"{location}: {problem['ctx']['error']}"
    return f"{location}: {problem['msg']} (found {problem['input']!r})"


def _known_keys(parents: Iterable[str]) -> list[str]:
    section: type[BaseModel] = RunConfig
    for parent in parents:
        section = section.model_fields[parent].annotation  # type: ignore[assignment]
    return list(section.model_fields)
