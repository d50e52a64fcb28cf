"""The words of a verdict: names of what is judged, and the values on the menu. Everything else is no verdict."""

from __future__ import annotations

from typing import Any

from contextrl.judge.llm.json_objects import Conflict

#: What a reply says of a response, apart; `standalone` is the older name of `self_consistent`.
FLAGS = ("answer_correct", "process_correct", "self_consistent", "standalone")
#: One word for all of it.
VERDICTS = ("verdict", "status")
TRUE = {"true", "correct", "right", "yes", "valid", "pass", "passed", "正确", "对", "是", "成立", "无误"}
FALSE = {
    *("false", "incorrect", "wrong", "no", "invalid", "fail", "failed", "not correct", "not right"),
    *("错误", "不正确", "错", "不对", "否", "不成立", "有误"),
}
#: Words of the menu that are answers to a question more often than verdicts on one.
ANSWERS = {"yes", "no", "true", "false", "是", "否"}
LABELS = {
    "answer": "answer_correct",
    "final answer": "answer_correct",
    "answer correct": "answer_correct",
    "answer_correct": "answer_correct",
    "答案": "answer_correct",
    "最终答案": "answer_correct",
    "答案正确": "answer_correct",
    "process": "process_correct",
    "process correct": "process_correct",
    "process_correct": "process_correct",
    "reasoning": "process_correct",
    "过程": "process_correct",
    "过程正确": "process_correct",
    "推理": "process_correct",
    "推理过程": "process_correct",
    "self-consistent": "self_consistent",
    "self consistent": "self_consistent",
    "self_consistent": "self_consistent",
    "self-consistency": "self_consistent",
    "自洽": "self_consistent",
    "standalone": "standalone",
    "独立": "standalone",
    "verdict": "verdict",
    "final verdict": "verdict",
    "judgement": "verdict",
    "judgment": "verdict",
    "结论": "verdict",
    "判定": "verdict",
    "最终判定": "verdict",
}


def field_of(name: str) -> str:
    """The field that a key or a label is about; `verdict` and `status` are one."""
    return "verdict" if name in VERDICTS else name


def value_of(value: Any) -> bool | None:
    """True or False for what the menu offers, None for anything else: a number is a score, not a verdict."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    word = " ".join(value.strip().strip("*`\"'<>[]!").casefold().split())
    return True if word in TRUE else False if word in FALSE else None


def shown(value: Any) -> str:
    """A value off the menu, for a message; a number of a million digits is none to print."""
    if isinstance(value, Conflict):
        return "given twice, differently"
    return repr(str(value)[:60]) if isinstance(value, str | bool | None) else f"a {type(value).__name__}"
