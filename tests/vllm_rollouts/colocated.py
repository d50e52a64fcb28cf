"""Trainers whose rollouts are vLLM's, in the tests' own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runs import build_trainer

from contextrl.engines.vllm.engine import VLLMEngine


def build_colocated(policy: Path, folder: Path, judge: Any, **settings: Any) -> Any:
    """As `build_trainer`, on vLLM."""
    chosen = {"use_vllm": True, "max_completion_length": 24, "prompts": {"max_prompt_tokens": 256}}
    trainer: Any = build_trainer(policy, folder, judge, **(chosen | settings))
    trainer.own_prompts = lambda rows: trainer.collector.build_prompts([trainer.examples[row] for row in rows])
    return trainer


def engine_of(trainer: Any) -> VLLMEngine:
    """The trainer's engine, which is vLLM's."""
    engine = trainer.engines.engine
    assert isinstance(engine, VLLMEngine)
    return engine
