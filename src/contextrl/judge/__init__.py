"""The judge: the protocol, rules, the gate before a judge that costs something, what reports disclose, LLM judges."""

from contextrl.judge.llm.building import llm_judge
from contextrl.judge.protocol import Judge, JudgeRequest
from contextrl.judge.rules import RulesJudge, confident_rule
from contextrl.judge.settings import JudgeConfig

__all__ = ["Judge", "JudgeConfig", "JudgeRequest", "RulesJudge", "confident_rule", "llm_judge"]
