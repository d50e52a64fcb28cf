"""Reading a judge's reply: one JSON object where the server enforces it, text with statements otherwise.

A reply may quote the response that it judges, and a response may hold a forged verdict. So one complete JSON object
that is the whole reply is read and nothing inside its strings; in any other reply everything that could be meant as a
verdict must agree, and nothing after it may take it back. A reply with two readings, or with none, is a failure with a
name, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from contextrl.judge.llm.claims import NO_CLAIMS, Claims, claims_of
from contextrl.judge.llm.json_objects import Conflict, MalformedObjectError, objects_in, whole_object
from contextrl.judge.llm.menu import FLAGS, VERDICTS, field_of, shown, value_of
from contextrl.judge.llm.remarks import against, takes_back
from contextrl.judge.llm.statements import (
    OBJECT,
    Statement,
    is_disowned,
    is_quoted,
    plain,
    statements_in,
    without_tables,
)
from contextrl.records.verdict import UnscoredKind

#: Longer replies are not read.
MAX_REPLY_CHARS = 200_000
#: Longer replies are read only where they are one object: a verdict in words is short, and every word of it counts.
MAX_WORDED_CHARS = 32_000
#: Objects that one reply may hold, and statements that are looked at until one is its own.
_MAX_OBJECTS = 50

_KEYS = (*FLAGS, *VERDICTS, "mistake_report", "step")
#: Keys whose value may be the object with the flags.
_WRAPPERS = (*VERDICTS, "result", "evaluation")
_REPORT = re.compile(
    r"(?:^|[\n.])[ \t]{0,8}\*{0,2}(?:mistake report|mistake|错误报告|错误)\*{0,2}[ \t]{0,4}[:：][ \t]{0,8}"
    r"(\S[^\n]*(?:\n(?!\s*\n)[^\n]*)*)",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"(?:^|[\n.])[ \t]{0,8}\*{0,2}(?:wrong )?step\*{0,2}[ \t]{0,4}[:：][ \t]{0,8}(\d{1,3})\b", re.IGNORECASE
)
_THOUGHTS = re.compile(r"\s{0,80}(?:<(think|thinking|thought|reasoning|analysis)>|\[(THINK)\])", re.IGNORECASE)
_END_OF_THOUGHTS = {
    name: re.compile(rf"</{name}>|\[/{name}\]" if name == "think" else f"</{name}>", re.IGNORECASE)
    for name in ("think", "thinking", "thought", "reasoning", "analysis")
}
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
        answer_correct, process_correct, self_consistent: None where the reply does not say.
        report: the mistake report, if it has one.
        step: the first wrong step, if it names one.
        failure: why no verdict could be read; None if one was.
        detail: what was found instead, for the message.
        free_text: the reply is not one JSON object, so the server has not enforced a schema.
    """

    answer_correct: bool | None = None
    process_correct: bool | None = None
    self_consistent: bool | None = None
    report: str | None = None
    step: int | None = None
    failure: UnscoredKind | None = None
    detail: str = ""
    free_text: bool = False

    @property
    def passes(self) -> bool:
        """Whether it finds nothing wrong."""
        return self.process_correct is True and self.answer_correct is not False and self.self_consistent is not False


def parse_reply(reply: str, *, response: str | None = None) -> Reading:
    """Read a verdict, and the mistake report where the reply has one.

    Args:
        reply: the judge's text, untrusted.
        response: what was judged. In free text a statement that it makes too may be a quote and is no verdict alone;
            where the response is not known, nothing in the text may speak for another verdict.
    """
    text = _readable(reply)
    if isinstance(text, Reading):
        return text
    try:
        fields = whole_object(text)
        claims = NO_CLAIMS if response is None else claims_of(response)
        if fields is not None and claims.hold_all(fields.get("analysis"), text):
            return Reading(failure="missing", detail="the reply only repeats what the response says")
        if fields is not None:
            return _judge(_flat(fields)) if _flat(fields) else _unreadable(text)
        if len(text) > MAX_WORDED_CHARS:
            return Reading(failure="missing", detail=f"{len(text):,} characters of free text", free_text=True)
        return replace(_judge_text(without_tables(text), claims), free_text=True)
    except MalformedObjectError as error:
        return Reading(failure="missing", detail=f"a JSON object that cannot be read: {str(error)!r}", free_text=True)


def parse_report(reply: str) -> Reading:
    """Read a mistake report: `mistake_report` in JSON, or what follows its label in free text."""
    text = _readable(reply)
    if isinstance(text, Reading):
        return text
    try:
        whole = whole_object(text)
        found = [whole] if whole is not None else [fields for _, _, fields in _objects(text)]
    except MalformedObjectError as error:
        return Reading(failure="missing", detail=f"a JSON object that cannot be read: {str(error)!r}", free_text=True)
    for fields in reversed(found):
        if (report := _report_of(_flat(fields))) is not None:
            return Reading(report=report, step=_step(fields.get("step")), free_text=whole is None)
    reports = list(_REPORT.finditer(text)) if whole is None else []
    if reports:
        steps = _STEP.findall(text)
        return Reading(report=reports[-1][1].strip(), step=_step(steps[-1]) if steps else None, free_text=True)
    return replace(_unreadable(text), free_text=True)


def without_reasoning(text: str) -> str:
    """What follows the thoughts that a reply begins with; thoughts without an end are no reply.

    The first end counts: what a thought quotes may hold another one.
    """
    place = 0
    while opening := _THOUGHTS.match(text, place):
        end = _END_OF_THOUGHTS[(opening[1] or opening[2]).casefold()].search(text, opening.end())
        if end is None:
            return ""
        place = end.end()
    return text[place:]


def writable(text: str) -> str:
    """Text that a file can hold: half of a surrogate pair, which JSON can spell, becomes the replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _readable(reply: str) -> str | Reading:
    """The reply after its thoughts, or why there is nothing to read."""
    if len(reply) > MAX_REPLY_CHARS:
        return Reading(failure="missing", detail=f"a reply of {len(reply):,} characters", free_text=True)
    text = without_reasoning(writable(reply))
    return text if text.strip() else Reading(failure="empty", detail="the reply is empty", free_text=True)


def _objects(text: str) -> list[tuple[int, int, dict[str, Any]]]:
    """The objects with keys of ours."""
    found = []
    for number, (start, end, fields) in enumerate(objects_in(text)):
        if number >= _MAX_OBJECTS:
            raise MalformedObjectError(text[start : start + 80])
        if _flat(fields):
            found.append((start, end, _flat(fields)))
    return found


def _judge_text(text: str, claims: Claims) -> Reading:
    """A verdict that stands in text: all statements agree, and no remark on them takes anything back."""
    objects = _objects(text)
    starts, ends = [start for start, _, _ in objects], [end for _, end, _ in objects]
    around = [text[a:b] for a, b in zip([0, *ends], [*starts, len(text)], strict=True)]
    flat = OBJECT.join(plain(piece) for piece in around)
    if len(flat) > MAX_WORDED_CHARS:  # a few characters stand for a sentence
        return Reading(failure="missing", detail=f"{len(flat):,} characters of free text")
    said = list(statements_in(flat))
    own = _own_statements(text, objects, around, claims)
    if not own:
        return _unreadable(text)
    if wrong := next((s for s in said if s.value is None), None):
        return Reading(failure="off_menu", detail=f"{wrong.field} is {shown(wrong.words)}")
    reading = _judge(_merged([fields for _, _, fields in objects] + [{s.field: s.value} for s in said]))
    if reading.failure is None:
        # What is not its own may agree, and decides nothing.
        alone = _judge(_merged(own))
        reading = reading if alone.failure is None and alone.passes == reading.passes else _disagreeing(alone)
    if reading.failure is None:
        remark = _taken_back(flat, said, reading) or (claims is NO_CLAIMS and _beside(flat, said, reading))
        if remark:
            return Reading(failure="contradictory", detail=f"beside its verdict the reply says {remark[:80]!r}")
    if reading.report is None and (reports := list(_REPORT.finditer(text))):
        return replace(reading, report=reports[-1][1].strip())
    return reading


def _own_statements(
    text: str, objects: list[tuple[int, int, dict[str, Any]]], around: list[str], claims: Claims
) -> list[dict[str, Any]]:
    """The statements that are the judge's own, and not what it was shown.

    Look-alikes are what `neutralise` has put into the response: in them a judge only repeats it.
    """
    own: list[dict[str, Any]] = []
    for start, _, fields in objects:
        flags = {name: value for name, value in fields.items() if name in (*FLAGS, *VERDICTS)}
        copied = [claims.hold(field_of(name), value_of(value), f"{name}{value}") for name, value in flags.items()]
        if flags and not all(copied) and not is_quoted(text, start) and not is_disowned(text, start):
            own.append(flags)
    raw = "\n".join(around)
    begin = (statement for statement in statements_in(raw) if statement.begins)
    own += [
        {s.field: s.value}
        for s in islice(begin, _MAX_OBJECTS)
        if not claims.hold(s.field, s.value, raw[s.start : s.end])
        and not is_quoted(raw, s.start)
        and not is_disowned(raw, s.start)
    ]
    return own


def _disagreeing(alone: Reading) -> Reading:
    """Why the judge's own statements do not give the verdict that all statements give."""
    if alone.failure is not None:
        return alone
    return Reading(failure="contradictory", detail="its own statements and quoted ones disagree")


def _merged(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One set of fields from all statements; a field that they give differently has no value."""
    merged: dict[str, Any] = {}
    for fields in statements:
        for name, value in fields.items():
            known = value_of(value) if name in (*FLAGS, *VERDICTS) and value_of(value) is not None else value
            merged[name] = Conflict() if name in merged and merged[name] != known else known
    return merged


def _beside(flat: str, said: Iterable[Statement], reading: Reading) -> str:
    """What speaks against the verdict in the text without its statements; empty if nothing does."""
    pieces, done = [], 0
    for statement in said:
        if statement.start >= done:
            pieces.append(flat[done : statement.start])
        done = max(done, statement.end)
    beside = OBJECT.join([*pieces, flat[done:]])
    return against(beside, passes=reading.passes, answer=reading.answer_correct, process=reading.process_correct)


def _taken_back(flat: str, said: Iterable[Statement], reading: Reading) -> str:
    """A remark that could mean another verdict than the one it follows; empty if there is none.

    A remark is what stands after a statement on its line, and all that stands after the last one.
    """
    marks = [(s.start, s.end, s.value is True) for s in said if s.begins]
    marks += [(place, place + 1, reading.passes) for place, char in enumerate(flat) if char == OBJECT]
    marks.sort()
    for number, (_, end, side) in enumerate(marks):
        is_last = number + 1 == len(marks)
        remark = flat[end:] if is_last else flat[end : marks[number + 1][0]].partition("\n")[0]
        if takes_back(remark, passes=side, answer=reading.answer_correct):
            return " ".join(remark.split())
    return ""


def _flat(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Our keys of an object and of those that it wraps, `{"verdict": {...}}`; they must agree."""
    wraps = {key for key in _WRAPPERS if isinstance(reply.get(key), dict)}
    return _merged(
        {name: fields[name] for name in _KEYS if name in fields and not (fields is reply and name in wraps)}
        for fields in (reply, *(reply[key] for key in _WRAPPERS if key in wraps))
    )


def _judge(fields: Mapping[str, Any]) -> Reading:
    """The flags of one statement, if they are on the menu and agree with each other."""
    values: dict[str, bool | None] = {}
    for name in (*FLAGS, *VERDICTS):
        if name not in fields:
            continue
        if isinstance(fields[name], Conflict):
            return Reading(failure="contradictory", detail=f"{name} is {shown(fields[name])}")
        values[name] = value_of(fields[name])
        # Without a reference a judge may leave the answer open; everything else is yes or no.
        if values[name] is None and not (name == "answer_correct" and fields[name] is None):
            return Reading(failure="off_menu", detail=f"{name} is {shown(fields[name])}")
    answer, process = values.get("answer_correct"), values.get("process_correct")
    alone = [value for name in ("self_consistent", "standalone") if (value := values.get(name)) is not None]
    reading = Reading(
        answer_correct=answer,
        process_correct=process,
        self_consistent=all(alone) if alone else None,
        report=_report_of(fields),
        step=_step(fields.get("step")),
    )
    verdicts = [value for name in VERDICTS if (value := values.get(name)) is not None]
    if len(set(verdicts)) > 1:
        return Reading(failure="contradictory", detail="verdict and status differ")
    if process is None:
        if not verdicts:
            return Reading(failure="off_menu", detail="it does not say whether the process is correct")
        # One verdict for both: it speaks of the process, and contradicts itself if it passes a wrong answer.
        reading = replace(reading, process_correct=verdicts[0])
    if verdicts and verdicts[0] != reading.passes:
        return Reading(failure="contradictory", detail=f"verdict {verdicts[0]}, answer {answer}, process {process}")
    return reading


def _report_of(fields: Mapping[str, Any]) -> str | None:
    """The report as text; a form feed or a backspace in it was LaTeX (`\\frac`, `\\beta`), which JSON unescaped."""
    report = fields.get("mistake_report")
    if not isinstance(report, str) or not report.strip():
        return None
    return writable(report).replace("\f", "\\f").replace("\b", "\\b").strip()


def _step(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 < value < 1000 else None
    if not isinstance(value, str) or not value.isascii():
        return None
    digits = value.strip()
    return int(digits) if digits.isdigit() and len(digits) <= 3 and int(digits) > 0 else None


def _unreadable(text: str) -> Reading:
    """Name what is there instead of a verdict."""
    plain_text = " ".join(text.split())
    if not plain_text:
        return Reading(failure="empty", detail="the reply is empty")
    shown_text = f"the reply says {plain_text[:80]!r}"
    if _REFUSAL.search(plain_text[:400]):
        return Reading(failure="refusal", detail=shown_text)
    if _RATING.search(plain_text):
        return Reading(failure="off_menu", detail=shown_text)
    letters = [char for char in plain_text[:2_000] if char.isalpha()]
    foreign = [char for char in letters if not (char.isascii() or "一" <= char <= "鿿" or "À" <= char <= "ɏ")]
    if letters and len(foreign) > len(letters) / 2:
        return Reading(failure="wrong_language", detail=shown_text)
    return Reading(failure="missing", detail=shown_text)
