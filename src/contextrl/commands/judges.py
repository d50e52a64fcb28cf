"""The judges that a configuration names, plug-ins' included."""

from __future__ import annotations

from contextrl.judge.gate import GatedJudge
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.protocol import Judge
from contextrl.judge.rules import RulesJudge
from contextrl.judge.settings import JudgeConfig
from contextrl.plugins import JUDGES, named


def judge_from_config(config: JudgeConfig, *, gate: bool = False, defer_reports: bool = False) -> Judge:
    """The judge that `judge.kind` names.

    Args:
        config: the section.
        gate: put `GatedJudge` before it, where its context includes the answer.
        defer_reports: see `GatedJudge`.

    Raises:
        InputError: no judge has that name; prompts, cache or key are not as they must be.
    """
    if config.kind == "rules":
        return RulesJudge()
    if config.kind == "llm":
        judge: Judge = llm_judge(config)
    else:
        entry = named(JUDGES, config.kind, where="judge.kind", others=("rules", "llm"))
        judge = entry.build(config.context, config.report.disclose)
    if not gate or config.context == "none":
        return judge
    return GatedJudge(judge, config.gate_audit_share, defer_reports=defer_reports)


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
    return entry.build("solution", config.report.disclose)
