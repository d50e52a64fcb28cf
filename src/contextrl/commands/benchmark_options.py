"""What the command line says of the 11 benchmarks: which, by which protocol, answered and judged by whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contextrl.commands.settings_files import apply_override
from contextrl.errors import InputError
from contextrl.evaluation.answering.controls import Control, control_named
from contextrl.evaluation.benchmarks.items import PROTOCOLS, Protocol
from contextrl.evaluation.benchmarks.registry import benchmark_names, unknown
from contextrl.judge.settings import ServerConfig
from contextrl.miniature.plugin import register
from contextrl.plugins import EVALUATIONS
from contextrl.settings import validated

# `--benchmark` names its sets.
register()

_SECTIONS = ("server", "judge")


@dataclass(frozen=True)
class BenchmarkOptions:
    """What the user typed.

    Attributes:
        target: a run, a configuration or a model; the model's name at the servers where there are some.
        names: benchmarks, in table 1's order.
        protocol: how they are asked and read.
        controls: what is asked beside the plain questions.
        data: local copies.
        limit: questions of each.
        seed: of the draw of questions, of sampling, and of random options.
        server: who answers; None answers in process.
        judge: who extracts and judges answers; None leaves that undone.
        predictions: answers made elsewhere.
        output: the folder of answers and marks.
        max_new_tokens: longest answer, where it is not the protocol's.
        exports: other harnesses' forms that answers are written in too.
        image_max_side: larger pictures are scaled down to it, in pixels; None shows them as they are.
    """

    target: str
    names: Sequence[str]
    protocol: Protocol = "official"
    controls: Sequence[Control] = ()
    data: Path | None = None
    limit: int | None = None
    seed: int = 0
    server: ServerConfig | None = None
    judge: ServerConfig | None = None
    predictions: Path | None = None
    output: Path = Path("evaluations")
    max_new_tokens: int | None = None
    image_max_side: int | None = None
    exports: Sequence[Literal["lmms-eval", "vlmevalkit"]] = ()


def sorted_names(asked: str) -> tuple[list[str], list[str]]:
    """(benchmarks, a plug-in's evaluations) of names separated by commas.

    Raises:
        InputError: a name that nobody knows; it gives the nearest.
    """
    benchmarks: list[str] = []
    own: list[str] = []
    for name in filter(None, (part.strip() for part in asked.split(","))):
        if name in EVALUATIONS:
            own.append(name)
        elif (several := benchmark_names(name)) is not None:
            benchmarks += several
        else:
            raise unknown(name, list(EVALUATIONS))
    return list(dict.fromkeys(benchmarks)), list(dict.fromkeys(own))


def file_name(target: str, mark: str) -> str:
    """A model's name as a file's or folder's, or a part of it.

    Args:
        mark: stands for what such names do not have.
    """
    return re.sub(r"[^\w.-]+", mark, target).strip(f"{mark}.") or "model"


def protocol_named(name: str) -> Protocol:
    """A protocol.

    Raises:
        InputError: it is none.
    """
    for protocol in PROTOCOLS:
        if name == protocol:
            return protocol
    raise InputError(" or ".join(PROTOCOLS), found=repr(name), where="--protocol")


def controls_named(names: str) -> list[Control]:
    """Controls, separated by commas.

    Raises:
        InputError: one is none.
    """
    return list(dict.fromkeys(control_named(name.strip()) for name in names.split(",") if name.strip()))


def servers(
    target: str, base_url: Sequence[str], judge_url: Sequence[str], judge_model: str | None, overrides: Sequence[str]
) -> tuple[ServerConfig | None, ServerConfig | None]:
    """(who answers, who judges) by the options; None for one that has no address.

    Raises:
        InputError: an option or a setting is wrong, or a judge has a name and no address, or the other way round.
    """
    raw: dict[str, dict[str, Any]] = {"server": {}, "judge": {"cache": True}}
    for override in overrides:
        if override.partition(".")[0].strip() not in _SECTIONS:
            fix = "For example --set server.max_concurrency=256"
            raise InputError("a key of `server` or `judge`", found=repr(override), where="--set", fix=fix)
        apply_override(raw, override)
    if base_url:
        raw["server"] |= {"base_url": list(base_url), "model": target}
    if judge_url:
        raw["judge"]["base_url"] = list(judge_url)
    if judge_model is not None:
        raw["judge"]["model"] = judge_model
    judge = raw["judge"]
    if ("base_url" in judge) != ("model" in judge):
        raise InputError("--judge-url and --judge-model", found="one of them", where="the judge")
    answering = validated(ServerConfig, raw["server"], where="--set server") if "base_url" in raw["server"] else None
    judging = validated(ServerConfig, judge, where="--set judge") if "base_url" in judge else None
    return answering, judging
