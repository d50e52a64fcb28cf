"""From the options that judge commands share to a judge's configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contextrl.commands.config import load_config, parse_config
from contextrl.commands.settings_files import apply_override
from contextrl.errors import InputError
from contextrl.judge.settings import JudgeConfig
from contextrl.records.verdict import Disclosure, ReferenceContext

_WAYS = "--base-url URL and --model NAME, --judge steps, learned or rules, or --config RUN.yaml"


@dataclass(frozen=True)
class JudgeOptions:
    """What the user typed; what is None or empty was not given.

    Attributes:
        config: a run's YAML whose `judge` section is the start; every other option overrides it.
        judge: a judge that needs no server.
        base_url: servers of an LLM judge, all serving the same model.
        model: its name there.
        context: how much of the reference the judge may see.
        disclose: how much its mistake reports may say.
        overrides: `judge.key=value`, last of all.
    """

    config: Path | None = None
    judge: Literal["steps", "learned", "rules"] | None = None
    base_url: Sequence[str] = ()
    model: str | None = None
    context: ReferenceContext | None = None
    disclose: Disclosure | None = None
    overrides: Sequence[str] = ()


def judge_config(options: JudgeOptions) -> JudgeConfig:
    """The `judge` section that the options amount to.

    Raises:
        InputError: no judge is named, options contradict each other, or a key or value is wrong.
    """
    for override in options.overrides:
        if not override.partition("=")[0].strip().startswith("judge."):
            raise InputError("a key of the judge section", found=repr(override), where="--set", fix=_SET_EXAMPLE)
    if options.judge is not None and (options.base_url or options.model):
        raise InputError(
            "one judge", found=f"--judge {options.judge} beside --base-url or --model", fix="Leave out one of them"
        )
    changes = [*_changes(options), *options.overrides]
    config: JudgeConfig
    if options.config is not None:
        config = load_config(options.config, changes).judge
    else:
        config = _without_file(changes)
    if config.kind == "rules":
        if options.context == "none":
            raise InputError(
                "a context that includes the answer", found="none", where="--context", fix="Rules compare with it"
            )
        config = config.model_copy(update={"context": "answer"})
    return config


def second_judge_config(
    first: JudgeOptions, judge: Literal["steps", "rules"] | None, base_url: Sequence[str], model: str | None
) -> JudgeConfig | None:
    """The judge that the first one is compared with: asked in the same way, by another model; None if none is named.

    Raises:
        InputError: its options contradict each other or lack something.
    """
    if judge is None and not base_url and model is None:
        return None
    if judge is not None and (base_url or model):
        raise InputError("one second judge", found=f"--second-judge {judge} beside --second-base-url or --second-model")
    if judge is not None:
        return judge_config(JudgeOptions(judge=judge))
    section = judge_config(first)
    urls = base_url or section.base_urls
    if not urls or model is None:
        raise InputError("--second-model NAME, and --second-base-url URL if it is elsewhere", found="one of them")
    changes = {"kind": "llm", "base_url": list(urls), "model": model, "panel": [], "context": "solution"}
    return parse_config({"judge": section.model_dump(mode="json") | changes}, where="the second judge").judge


_SET_EXAMPLE = "For example --set judge.votes=3"


def _changes(options: JudgeOptions) -> Iterator[str]:
    """The options as overrides; their values are JSON, which YAML reads."""
    values = {
        "kind": options.judge or ("llm" if options.base_url or options.model else None),
        "base_url": list(options.base_url) or None,
        "model": options.model,
        "context": options.context,
        "report.disclose": options.disclose,
    }
    for key, value in values.items():
        if value is not None:
            yield f"judge.{key}={json.dumps(value, ensure_ascii=False)}"


def _without_file(changes: Sequence[str]) -> JudgeConfig:
    raw: dict[str, dict[str, object]] = {"judge": {}}
    for change in changes:
        apply_override(raw, change)
    section = raw["judge"]
    if "kind" not in section and {"base_url", "model"} & section.keys():
        section["kind"] = "llm"
    if "kind" not in section:
        raise InputError("a judge", found="none", where="the command line", fix=f"Give {_WAYS}")
    if section["kind"] == "llm":
        missing = [option for option in ("base_url", "model") if not section.get(option)]
        if missing:
            names = " and ".join({"base_url": "--base-url URL", "model": "--model NAME"}[name] for name in missing)
            raise InputError(names, found="none", where="the command line", fix="An LLM judge needs both")
    return parse_config(raw, where="the command line").judge
