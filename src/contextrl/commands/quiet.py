"""Libraries that talk too much."""

from __future__ import annotations

import os
import warnings


def quiet_libraries() -> None:
    """Keep libraries' bars and deprecation notes, which say nothing to our users, off the terminal."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft)\b.*")
