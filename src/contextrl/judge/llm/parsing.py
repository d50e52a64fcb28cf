"""Reading a judge's reply: JSON where the server enforces it, free text with labels otherwise.

The last verdict in the reply counts, reasoning before it is passed over, and what is not on the menu is no verdict. A
reply in which nothing can be read is a failure with a name, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from contextrl.records.verdict import UnscoredKind

#: Longer replies are read from this many characters before their end.
MAX_REPLY_CHARS = 200_000
#: Openings of objects that are tried in one reply: braces in formulas are no JSON and cost a try each.
_MAX_OBJECTS = 2_000

_FLAGS = ("answer_correct", "process_correct", "standalone")
_VERDICTS = ("verdict", "status")
_KEYS = (*_FLAGS, *_VERDICTS, "mistake_report", "step")
_TRUE = {"true", "correct", "right", "yes", "valid", "pass", "passed", "正确", "对", "是", "成立", "无误"}
_FALSE = {
    "false",
    "incorrect",
    "wrong",
    "no",
    "invalid",
    "fail",
    "failed",
    "not correct",
    "not right",
    "错误",
    "不正确",
    "错",
    "不对",
    "否",
    "不成立",
    "有误",
}
#: Words of the menu that are answers to a question more often than verdicts on one.
_ANSWERS = {"yes", "no", "true", "false", "是", "否"}
_LABELS = {
    "answer": "answer_correct",
    "final answer": "answer_correct",
    "answer correct": "answer_correct",
    "答案": "answer_correct",
    "最终答案": "answer_correct",
    "process": "process_correct",
    "process correct": "process_correct",
    "reasoning": "process_correct",
    "过程": "process_correct",
    "推理": "process_correct",
    "推理过程": "process_correct",
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
_NAMES = "|".join(sorted(_LABELS, key=len, reverse=True))
#: A label begins a line or a sentence; its value is short.
_LABEL = re.compile(
    r"(?:^|[\n.;。；!?]|\*\*)[ \t]{0,8}(?:[-*#>]{1,3}[ \t]{0,4}){0,2}\*{0,2}(" + _NAMES + r")\*{0,2}"
    r"[ \t]{0,4}[:：][ \t]{0,4}\*{0,2}[ \t]{0,4}([^\n。；;.,，(（*]{1,60})",
    re.IGNORECASE,
)
_REPORT = re.compile(
    r"(?:^|[\n.])[ \t]{0,8}\*{0,2}(?:mistake report|mistake|错误报告|错误)\*{0,2}[ \t]{0,4}[:：][ \t]{0,8}"
    r"(\S[^\n]*(?:\n(?!\s*\n)[^\n]*)*)",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"(?:^|[\n.])[ \t]{0,8}\*{0,2}(?:wrong )?step\*{0,2}[ \t]{0,4}[:：][ \t]{0,8}(\d{1,3})\b", re.IGNORECASE
)
_RATING = re.compile(
    r"\[\[.{0,20}\]\]|\b(?:rating|score|grade)\b\s*[:=：]|\b\d{1,3}\s?/\s?(?:5|10|100)\b|评分\s*[:：]", re.IGNORECASE
)
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able)|i (?:can(?:no|')t|won't|must decline)|cannot assist|as an ai\b)"
    r"|抱歉|对不起|无法(?:提供|回答|协助|判断)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """What a reply says.

    Attributes:
        answer_correct, process_correct, standalone: None where the reply does not say.
        report: the mistake report, if it has one.
        step: the first wrong step, if it names one.
        failure: why no verdict could be read; None if one was.
        detail: what was found instead, for the message.
        free_text: read from labels, so the server has not enforced a schema.
    """

    answer_correct: bool | None = None
    process_correct: bool | None = None
    standalone: bool | None = None
    report: str | None = None
    step: int | None = None
    failure: UnscoredKind | None = None
    detail: str = ""
    free_text: bool = False


def parse_reply(reply: str, *, standalone: bool = False) -> Reading:
    """Read a verdict.

    Args:
        reply: the judge's text, untrusted.
        standalone: whether the question of standing alone was asked; without an answer to it the reply is off the menu.
    """
    text = without_reasoning(writable(reply[-MAX_REPLY_CHARS:]))
    fields, free_text = _last_statement(text)
    if not fields:
        return _unreadable(text)
    reading = replace(_judge(fields), free_text=free_text)
    if reading.failure is None and standalone and reading.standalone is None:
        return replace(reading, failure="off_menu", detail="it does not say whether the response stands alone")
    return reading


def parse_report(reply: str) -> Reading:
    """Read a mistake report: `mistake_report` in JSON, or what follows its label in free text."""
    text = without_reasoning(writable(reply[-MAX_REPLY_CHARS:]))
    for _, fields in reversed(list(_objects(text))):
        report = fields.get("mistake_report")
        if isinstance(report, str) and report.strip():
            return Reading(report=writable(report).strip(), step=_step(fields.get("step")))
    reports = list(_REPORT.finditer(text))
    if reports:
        steps = _STEP.findall(text)
        return Reading(report=reports[-1][1].strip(), step=_step(steps[-1]) if steps else None, free_text=True)
    return replace(_unreadable(text), free_text=True)


def without_reasoning(text: str) -> str:
    """What follows a reasoning model's thoughts; thoughts without an end are no reply."""
    _, closed, after = text.rpartition("</think>")
    if closed:
        return after
    return text.partition("<think>")[0]


def writable(text: str) -> str:
    """Text that a file can hold: half of a surrogate pair, which JSON can spell, becomes the replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _last_statement(text: str) -> tuple[dict[str, Any], bool]:
    """The fields that the last verdict in the text gives, and whether it is in free text.

    Labels that follow each other are one statement; a JSON object is one of its own.
    """
    objects = [(end, reply) for end, reply in _objects(text) if any(key in reply for key in (*_FLAGS, *_VERDICTS))]
    after = objects[-1][0] if objects else 0
    labels = {
        field: match[2].strip()
        for match in _LABEL.finditer(text, after)
        if (field := _field(match[1])) is not None and _is_statement(field, match[2])
    }
    if labels:
        return labels, True
    return (objects[-1][1], False) if objects else ({}, False)


def _field(label: str) -> str | None:
    """What a label names; None where letters only look alike to the search (a dotless i matches an i there)."""
    return _LABELS.get(" ".join(label.casefold().split()))


def _is_statement(field: str, value: str) -> bool:
    """`Answer: 12` or `Answer: yes` in the judge's analysis is no verdict; what follows `Verdict:` is meant as one."""
    if field == "answer_correct":
        return _menu(value) is not None and value.strip(" *`\"'").casefold() not in _ANSWERS
    return field == "verdict" or _menu(value) is not None


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(end, object) of each JSON object in the text that is not inside another one and has a key of ours."""
    decoder, start, tries = json.JSONDecoder(), text.find("{"), 0
    while start >= 0 and tries < _MAX_OBJECTS:
        tries += 1
        try:
            reply, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        fields = _flat(reply)
        if fields:
            yield end, fields
        start = text.find("{", end)


def _flat(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Our keys of an object; of one that wraps them, `{"verdict": {...}}`, the inner ones."""
    for key in (*_VERDICTS, "result", "evaluation"):
        inner = reply.get(key)
        if isinstance(inner, dict):
            return {name: inner[name] for name in _KEYS if name in inner}
    return {name: reply[name] for name in _KEYS if name in reply}


def _judge(fields: Mapping[str, Any]) -> Reading:
    """The flags of one statement, if they are on the menu and agree with each other."""
    values: dict[str, bool | None] = {}
    for name in (*_FLAGS, *_VERDICTS):
        if name not in fields:
            continue
        values[name] = _menu(fields[name])
        # Without a reference a judge may leave the answer open; everything else is yes or no.
        if values[name] is None and not (name == "answer_correct" and fields[name] is None):
            return Reading(failure="off_menu", detail=f"{name} is {_shown(fields[name])}")
    answer, process = values.get("answer_correct"), values.get("process_correct")
    verdict = values.get("verdict", values.get("status"))
    if process is None:
        if verdict is None:
            return Reading(failure="off_menu", detail="it does not say whether the process is correct")
        # One verdict for both: it speaks of the process, and contradicts itself if it passes a wrong answer.
        process = verdict
    if verdict is not None and verdict != (process and answer is not False):
        return Reading(failure="contradictory", detail=f"verdict {verdict}, answer {answer}, process {process}")
    report = fields.get("mistake_report")
    return Reading(
        answer_correct=answer,
        process_correct=process,
        standalone=values.get("standalone"),
        report=writable(report).strip() if isinstance(report, str) and report.strip() else None,
        step=_step(fields.get("step")),
    )


def _menu(value: Any) -> bool | None:
    """True or False for what the menu offers, None for anything else: a number is a score, not a verdict."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    word = " ".join(value.strip().strip("*`\"'<>[]!").casefold().split())
    return True if word in _TRUE else False if word in _FALSE else None


def _shown(value: Any) -> str:
    """A value off the menu, for a message; a number of a million digits is none to print."""
    return repr(str(value)[:60]) if isinstance(value, str | bool | None) else f"a {type(value).__name__}"


def _step(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 < value < 1000 else None
    if not isinstance(value, str) or not value.isascii():
        return None
    digits = value.strip()
    return int(digits) if digits.isdigit() and len(digits) <= 3 and int(digits) > 0 else None


def _unreadable(text: str) -> Reading:
    """Name what is there instead of a verdict."""
    plain = " ".join(text.split())
    if not plain:
        return Reading(failure="empty", detail="the reply is empty")
    shown = f"the reply says {plain[:80]!r}"
    if _REFUSAL.search(plain[:400]):
        return Reading(failure="refusal", detail=shown)
    if _RATING.search(plain):
        return Reading(failure="off_menu", detail=shown)
    letters = [char for char in plain[:2_000] if char.isalpha()]
    foreign = [char for char in letters if not (char.isascii() or "一" <= char <= "鿿" or "À" <= char <= "ɏ")]
    if letters and len(foreign) > len(letters) / 2:
        return Reading(failure="wrong_language", detail=shown)
    return Reading(failure="missing", detail=shown)
