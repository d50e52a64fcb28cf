"""One YAML file per run. Every field is documented here; unknown keys are refused with the nearest name.

This module imports neither torch nor TRL: `train` is checked against TRL's own config class when a run is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from contextrl.commands.data_config import DataConfig
from contextrl.commands.input_paths import with_input_paths
from contextrl.commands.launch_config import LaunchConfig
from contextrl.commands.settings_files import read_settings, with_numbers
from contextrl.errors import nearest_key
from contextrl.evaluation.settings import EvaluationSettings
from contextrl.judge.settings import JudgeConfig
from contextrl.objective.settings import ObjectiveSettings
from contextrl.plugins import JUDGES
from contextrl.records.run_directory import RunDirectory
from contextrl.records.secrets import without_secrets
from contextrl.rollout.settings import DynamicSamplingSettings, RewardSettings, Stage2Settings
from contextrl.settings import INPUT_PATH, OPERATIONAL, Section, flat_settings, validated, without_marked
from contextrl.trainer.settings import RecordSettings

#: Longest answer where nothing says otherwise.
DEFAULT_NEW_TOKENS = 256

Method = Literal["sft", "grpo", "dapo", "contextrl"]


class ModelConfig(Section):
    path: Annotated[str, INPUT_PATH] = "miniature"
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


class JudgeSection(JudgeConfig):
    """The judge of a run: by default the miniature's, as its data and its model are."""

    kind: str = "steps"
    """`steps`: the miniature's process verifier; `long-steps`: that of `data.train: miniature:long`. `learned`: a small
    model that was taught to judge, `path`. `rules`: the final answer only. `llm`: a model behind a server. `python`:
    code of your own, `path`."""

    @model_validator(mode="after")
    def _named(self) -> JudgeSection:
        for key, others in (("kind", ("rules", "llm", "python")), ("audit", ("llm",))):
            value, known = getattr(self, key), [*JUDGES, *others]
            if value is not None and value not in known:
                raise ValueError(f"{key}: expected {' or '.join(known)}, found {value!r}{nearest_key(value, known)}")
        if self.audit in JUDGES and JUDGES[self.audit].folder:
            raise ValueError(f"audit: {self.audit!r} needs a folder of its own, and only judge.kind has judge.path")
        if self.kind in JUDGES and JUDGES[self.kind].folder != (self.path is not None):
            needs = "needs judge.path, its folder" if self.path is None else "has no judge.path"
            raise ValueError(f"`kind: {self.kind}` {needs}")
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
    rewards: list[RewardSettings] = Field(default_factory=list)
    """Functions of your own beside the judge: what is positive or negative stays the verdict's, and they shift the
    advantage."""
    stage2: Stage2Settings = Stage2Settings()
    objective: ObjectiveSettings = ObjectiveSettings()
    dynamic_sampling: DynamicSamplingSettings = DynamicSamplingSettings()
    train: Annotated[dict[str, Any], OPERATIONAL.of("save_steps", "save_total_limit", "report_to", "logging_*")] = (
        Field(default_factory=dict)
    )
    """Fields of TRL's GRPOConfig, or of its SFTConfig for `method: sft`."""
    eval: Annotated[EvaluationSettings, OPERATIONAL] = EvaluationSettings()
    record: Annotated[RecordSettings, OPERATIONAL] = RecordSettings()
    launch: Annotated[LaunchConfig, OPERATIONAL] = LaunchConfig()

    @field_validator("rewards", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        """A list whose lines are all commented out."""
        return value or []

    @property
    def max_new_tokens(self) -> int:
        """Longest answer in evaluations."""
        return int(self.eval.max_new_tokens or self.train.get("max_completion_length") or DEFAULT_NEW_TOKENS)

    def recorded(self) -> str:
        """As a run directory keeps it: it serves from any working directory."""
        return self.model_copy(update={"run_dir": self.run_dir.absolute()}).to_yaml()

    def to_yaml(self) -> str:
        """What is written into the run directory, without its secrets."""
        settings = without_secrets(self.model_dump(mode="json"), prose=False)
        return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file and apply `key=value` overrides; see `input_paths` for what paths are relative to.

    Raises:
        InputError: missing file, bad YAML, unknown key (with the nearest name), wrong value.
    """
    raw = read_settings(Path(path), RunConfig, overrides, instead=f"Write one with contextrl init --data {path}")
    return parse_config(raw, where=str(path))


def config_of_run(directory: RunDirectory) -> RunConfig:
    """The settings of the run that is in a folder."""
    placed = with_input_paths(directory.settings(), RunConfig, directory.path)
    return parse_config(placed, where=str(directory.path / "config.yaml"))


def parse_config(raw: dict[str, Any], *, where: str = "config") -> RunConfig:
    """Validate a mapping. Raises InputError with one line per problem."""
    # A section whose lines are all commented out is read as null: it is empty, not wrong.
    raw = {key: {} if value is None and key in _SECTIONS else with_numbers(value) for key, value in raw.items()}
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
