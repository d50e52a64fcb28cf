"""The judges and rewards that a configuration names, plug-ins' and the user's own included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from contextrl.commands.user_code import named_object
from contextrl.errors import ContextRLError, InputError
from contextrl.judge.adaptive import AdaptiveJudge
from contextrl.judge.contract import check_judge_object, describe, place_of
from contextrl.judge.gate import GatedJudge
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.llm.naming import JUDGE, Naming
from contextrl.judge.protocol import Judge
from contextrl.judge.rules import RulesJudge
from contextrl.judge.settings import JudgeConfig
from contextrl.plugins import JUDGES, named
from contextrl.rollout.settings import RewardSettings


def judge_from_config(
    config: JudgeConfig, *, gate: bool = False, defer_reports: bool = False, naming: Naming = JUDGE
) -> Judge:
    """The judge that `judge.kind` names.

    Args:
        config: the section.
        gate: put `GatedJudge` before it, where its context includes the answer.
        defer_reports: see `GatedJudge`.
        naming: what messages of a judge behind a server call it and its settings.

    Raises:
        InputError: no judge has that name; prompts, cache or key are not as they must be.
    """
    if config.kind == "rules":
        return RulesJudge()
    if config.kind == "llm":
        judge: Judge = llm_judge(config, naming=naming)
    elif config.kind == "python":
        judge = python_judge(config)
    else:
        judge = _plugin_judge(config, naming)
    if config.adaptive is not None:
        judge = AdaptiveJudge(judge, config.adaptive)
    if not gate or config.context == "none":
        return judge
    return GatedJudge(judge, config.gate_audit_share, defer_reports=defer_reports)


def _plugin_judge(config: JudgeConfig, naming: Naming) -> Judge:
    entry = named(JUDGES, config.kind, where=naming.spelled("judge.kind"), others=("rules", "llm", "python"))
    sampling = config.sampling
    draws = entry.sampled is not None and bool(sampling.temperature)
    if config.adaptive is not None and not draws:
        where = "judge.adaptive" if entry.sampled is None else "judge.sampling.temperature"
        fix = "" if entry.sampled is None else "Raise it: at 0 votes never part"
        raise InputError("a judge whose votes can part", found=config.kind, where=where, fix=fix)
    judge = entry.build(config.context, config.report.disclose, None if config.path is None else Path(config.path))
    if entry.sampled is None or not sampling.temperature:
        return judge
    return entry.sampled(judge, sampling.temperature, sampling.seed or 0)


def python_judge(config: JudgeConfig) -> Judge:
    """The judge of `judge.path`: a class or a function that `judge.options` make one of, or a judge itself.

    Raises:
        InputError: there is none, it cannot be made, or what it may see is not `judge.context`.
    """
    assert config.path is not None
    judge = named_object(config.path, where="judge.path")
    made = isinstance(judge, type) or not callable(getattr(judge, "judge", None))
    if made:
        judge = _made(judge, config)
    elif config.options:
        raise InputError("none for what is a judge already", found=str(config.options), where="judge.options")
    check_judge_object(judge, where="judge.path")
    if judge.context != config.context:
        raise InputError(
            f"{judge.context}, as {type(judge).__name__}.context says",
            found=config.context,
            where="judge.context",
            fix=f"Set judge.context to {judge.context}, or change the class",
        )
    return cast(Judge, judge)


def _made(maker: Any, config: JudgeConfig) -> Any:
    if not callable(maker):
        raise InputError("a class with a method judge(requests)", found=describe(maker), where="judge.path")
    try:
        return maker(**config.options)
    except ContextRLError:
        raise
    except Exception as error:
        raise InputError(
            f"{getattr(maker, '__name__', 'what judge.path names')}(**judge.options) to make a judge",
            found=f"{type(error).__name__}: {error}{place_of(error)}",
            where="judge.path",
            fix="Set judge.options, or change the class",
        ) from error


def rewards_from_config(rewards: Sequence[RewardSettings]) -> list[Callable[..., Any]]:
    """The functions that `rewards` names.

    Raises:
        InputError: there is no such function.
    """
    return [named_object(reward.path, where=f"rewards[{n}].path") for n, reward in enumerate(rewards)]


def audit_from_config(config: JudgeConfig) -> Judge | None:
    """The judge that is recorded and never rewarded: it sees the whole solution.

    Raises:
        InputError: no judge has that name.
    """
    if config.audit is None:
        return None
    if config.audit == "llm":
        return llm_judge(config, "solution")
    entry = named(JUDGES, config.audit, where="judge.audit", others=("llm",))
    return entry.build("solution", config.report.disclose, None)
