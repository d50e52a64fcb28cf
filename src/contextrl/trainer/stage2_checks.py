"""Settings of stage 2 and of mixed groups that contradict one another, or mean nothing, are refused."""

from __future__ import annotations

from typing import Any

from contextrl.errors import InputError
from contextrl.judge.protocol import Judge
from contextrl.judge.rules import RulesJudge
from contextrl.rollout.settings import Stage2Settings

#: Settings that say how retries are made, and so nothing without any.
_OF_RETRIES = ("rounds", "guidance", "budget", "rollback")


def check_stage2(args: Any) -> None:
    """Refuse what could not do what it says.

    Args:
        args: `ContextRLConfig`.

    Raises:
        InputError: names the setting.
    """
    stage2, objective = args.stage2, args.objective
    if not stage2.in_use:
        for name in _OF_RETRIES:
            if (value := getattr(stage2, name)) != Stage2Settings.model_fields[name].get_default():
                raise InputError(
                    "stage 2 in use (method: contextrl)", found=f"stage2.{name}: {value}", where=f"stage2.{name}"
                )
        _refuse_alignment(objective, "stage 2 off")
        return
    _check_cap(args)
    if objective.rolled_back_tokens == "after_wrong_step":
        where, expected = "stage2.report", "full with objective.rolled_back_tokens: after_wrong_step"
        _refuse(stage2.report != "full", where, f"{expected}: the step is the report's", stage2.report)
    if not stage2.rollback:
        _refuse(stage2.guidance == "none", "stage2.rollback", "true with stage2.guidance: none", "false")
        _refuse(objective.mixing == "replace", "objective.mixing", "union with stage2.rollback: false", "replace")
    if not stage2.rollback or stage2.guidance == "none":
        _refuse_alignment(objective, "nothing rolled back")
        _refuse(objective.ratio == "shaped", "objective.ratio", "rollback, as nothing is rolled back", "shaped")


def check_named_steps(judge: Judge, objective: Any) -> None:
    """Refuse to align retries to steps that the judge never names.

    Raises:
        InputError: names the setting.
    """
    named = objective.rolled_back_tokens != "after_wrong_step" or not isinstance(judge, RulesJudge)
    expected = "a judge whose reports name the first wrong step; rules look at no step"
    _refuse(not named, "objective.rolled_back_tokens", expected, "after_wrong_step")


def _refuse_alignment(objective: Any, reason: str) -> None:
    tokens = objective.rolled_back_tokens
    _refuse(tokens != "all", "objective.rolled_back_tokens", f"all with {reason}", tokens)


def _refuse(wrong: bool, where: str, expected: str, found: str) -> None:
    if wrong:
        raise InputError(expected, found=found, where=where)


def _check_cap(args: Any) -> None:
    cap = args.stage2.max_positives
    if args.objective.mixing == "replace" and cap is not None and not 0 < cap < args.num_generations:
        raise InputError(
            f"at most num_generations - 1 = {args.num_generations - 1}, so that negatives remain",
            found=str(cap),
            where="stage2.max_positives",
        )
