"""ContextRL (arXiv 2602.22623): RL post-training of vision-language models with context-augmented judging.

Importing this package is light: torch and TRL are imported only by the modules that train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextrl.judge.protocol import Judge, JudgeRequest
    from contextrl.records.example import Example
    from contextrl.records.verdict import Verdict
    from contextrl.trainer.config import ContextRLConfig
    from contextrl.trainer.contextrl_trainer import ContextRLTrainer

__version__ = "0.1.0"
__all__ = ["ContextRLConfig", "ContextRLTrainer", "Example", "Judge", "JudgeRequest", "Verdict"]

_HOMES = {
    "ContextRLConfig": "contextrl.trainer.config",
    "ContextRLTrainer": "contextrl.trainer.contextrl_trainer",
    "Example": "contextrl.records.example",
    "Judge": "contextrl.judge.protocol",
    "JudgeRequest": "contextrl.judge.protocol",
    "Verdict": "contextrl.records.verdict",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
