"""Numbers of TRL's that make no sense: it takes them, and a run fails late, or trains nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contextrl.errors import InputError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; an end that is `open` is not among them. `also` is what else has a meaning."""

    low: float
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    also: float | None = None

    def holds(self, value: float) -> bool:
        """NaN and infinity are in no range."""
        if not math.isfinite(value):
            return False
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return (above and below) or value == self.also

    def __str__(self) -> str:
        low = f"more than {self.low:g}" if self.low_open else f"at least {self.low:g}"
        high = f" and {'less than' if self.high_open else 'at most'} {self.high:g}" if self.high < math.inf else ""
        return f"{low}{high}" + (f", or {self.also:g}" if self.also is not None else "")


_COUNT, _NOT_NEGATIVE, _POSITIVE = Range(1), Range(0), Range(0, low_open=True)
_SHARE = Range(0, 1)

#: By field of GRPOConfig and SFTConfig.
RANGES: dict[str, Range] = {
    **dict.fromkeys(
        (
            "per_device_train_batch_size",
            "per_device_eval_batch_size",
            "gradient_accumulation_steps",
            "generation_batch_size",
            "steps_per_generation",
            "num_iterations",
            "max_completion_length",
            "max_length",
            "ref_model_sync_steps",
            "pad_to_multiple_of",
            "dataset_num_proc",
            "dataloader_prefetch_factor",
            "eval_accumulation_steps",
            "torch_empty_cache_steps",
            "ddp_bucket_cap_mb",
            "ddp_timeout",
        ),
        _COUNT,
    ),
    "max_steps": Range(1, also=-1),
    **dict.fromkeys(
        ("num_train_epochs", "temperature", "repetition_penalty", "logging_steps", "save_steps"), _POSITIVE
    ),
    **dict.fromkeys(
        (
            "learning_rate",
            "weight_decay",
            "adam_epsilon",
            "max_grad_norm",
            "warmup_steps",
            "beta",
            "epsilon",
            "epsilon_high",
            "top_k",
            "seed",
            "data_seed",
            "save_total_limit",
            "dataloader_num_workers",
            "neftune_noise_alpha",
            "eval_delay",
        ),
        _NOT_NEGATIVE,
    ),
    "adam_beta1": Range(0, 1, high_open=True),
    "adam_beta2": Range(0, 1, high_open=True),
    "top_p": Range(0, 1, low_open=True),
    "min_p": _SHARE,
    "warmup_ratio": _SHARE,
    "label_smoothing_factor": _SHARE,
    "ref_model_mixup_alpha": _SHARE,
}


def check_numbers(values: Mapping[str, Any]) -> None:
    """Refuse a number that is outside its range, naming the field.

    Args:
        values: fields of a training configuration; what is no number, or not set, is not looked at.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        allowed = RANGES.get(name)
        if allowed is not None and not allowed.holds(value):
            raise InputError(str(allowed), found=f"{value:g}", where=f"train.{name}", fix=f"Change train.{name}")
