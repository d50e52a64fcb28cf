"""What no configuration says and nobody has measured for this run: each a named number that can be set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from contextrl.errors import InputError, nearest_key


def _said(default: float, meaning: str, *, share: bool = False, zero: bool = False) -> Any:
    """A number above 0.

    Args:
        share: it is at most 1; zero: it may be 0.
    """
    return field(default=default, metadata={"meaning": meaning, "share": share, "zero": zero})


@dataclass(frozen=True)
class Assumptions:
    """Efficiencies and properties of data; `meanings` says what each is and why it has its value."""

    mfu: float = _said(
        0.3,
        "share of a card's dense FLOP/s while learning; measured on one H100: 0.23 to 0.34, rows of 300 tokens 0.07",
        share=True,
    )
    prefill_mfu: float = _said(
        0.45, "the same while prompts are read and rows scored: no backward, no small products", share=True
    )
    decode_bandwidth: float = _said(0.6, "share of a card's memory bandwidth while tokens are decoded", share=True)
    step_overhead: float = _said(
        0.003, "seconds of a decoding step that neither memory nor products explain, vLLM", zero=True
    )
    plain_overhead: float = _said(
        0.06,
        "the same for sampling in the trainer, kernels launched from Python; measured: 0.05 (2B) to 0.15 (8B, LoRA)",
        zero=True,
    )
    link_share: float = _said(0.7, "share of a link's speed that collective operations reach", share=True)
    network: float = _said(50.0, "GB/s of one card to other machines, 400 Gbit/s as in current clusters")
    node: float = _said(8, "cards of one machine")
    workspace: float = _said(2.5, "GB of a card for the driver, libraries and fragmentation", zero=True)
    reserved: float = _said(0.05, "share of a card's memory that should stay free", share=True, zero=True)
    prompt_text: float = _said(250, "tokens of a prompt without its pictures, where rows cannot be measured", zero=True)
    pixels: float = _said(1.0e6, "pixels of a picture, at most model.max_pixels; one in a prompt, likewise")
    completion: float = _said(2048, "mean tokens of a response, at most 60 % of train.max_completion_length")
    spread: float = _said(
        0.8, "standard deviation of response lengths over their mean (log-normal, cut at the longest)", zero=True
    )
    all_negative: float = _said(
        0.2, "share of groups without a right response (contextrl: stage 2 for all of them)", share=True, zero=True
    )
    no_spread: float = _said(
        0.4, "share of groups that are all right or all wrong (dapo: sampled again)", share=True, zero=True
    )
    kept: float = _said(
        0.1,
        "share of retries that are right and standalone; the paper recovers 8.6 % of its queries",
        share=True,
        zero=True,
    )
    judge_reply: float = _said(700, "tokens of a verdict with its analysis, at most judge.sampling.max_tokens")
    judge_text: float = _said(900, "tokens of a judge's instruction and the reference solution", zero=True)
    judge_seconds: float = _said(15.0, "seconds of a call to a judge whose model's shape is not known here")


def meanings() -> dict[str, str]:
    """What each assumption is."""
    return {one.name: str(one.metadata["meaning"]) for one in fields(Assumptions)}


def assumptions_from(given: Sequence[str]) -> Assumptions:
    """`name=value`, each a field of Assumptions.

    Raises:
        InputError: an unknown name (with the nearest), or a value that makes no sense.
    """
    known = {one.name: one.metadata for one in fields(Assumptions)}
    values: dict[str, float] = {}
    for text in given:
        name, separator, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not separator or name not in known:
            raise InputError(
                "NAME=VALUE of an assumption", found=f"{text!r}{nearest_key(name, list(known))}", where="--assume"
            )
        mark = known[name]
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        most = 1.0 if mark["share"] else math.inf
        if not (0 <= number <= most and math.isfinite(number)) or (number == 0 and not mark["zero"]):
            expected = "a share from 0 to 1" if mark["share"] else "a number above 0"
            raise InputError(expected, found=repr(value), where=f"--assume {name}")
        values[name] = number
    return Assumptions(**values)
