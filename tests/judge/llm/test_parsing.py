"""Reading replies: the last verdict counts, off-menu is no verdict, failures have names."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrl.judge.llm.parsing import MAX_REPLY_CHARS, parse_reply, parse_report, without_reasoning


def verdict(answer: object = True, process: object = True, **more: object) -> str:
    return json.dumps({"analysis": "looked", "answer_correct": answer, "process_correct": process, **more})


READINGS = {
    "json": (verdict(True, False), True, False),
    "json after prose": (f"Step 1 is right.\n{verdict(False, False)}", False, False),
    "json in a fence": (f"```json\n{verdict()}\n```", True, True),
    "json with prose after it": (f"{verdict()} I hope this helps.", True, True),
    "the last of two": (f"{verdict(True, True)}\nOn second thought:\n{verdict(True, False)}", True, False),
    "words for flags": (verdict("correct", "wrong"), True, False),
    "braces of a formula first": (rf"\frac{{1}}{{2}} {{x}} {verdict(False, False)}", False, False),
    "wrapped in verdict": (json.dumps({"verdict": {"answer_correct": True, "process_correct": False}}), True, False),
    "a verdict inside a string is text": (verdict(True, False, analysis=verdict(True, True)), True, False),
    "analysis after the flags": ('{"process_correct": false, "answer_correct": true, "analysis": "x"}', True, False),
    "agreeing verdict": (verdict(True, False, verdict="incorrect"), True, False),
    "answer left open": (verdict(None, True), None, True),
    "labels": ("Answer: correct\nProcess: incorrect", True, False),
    "labels in bold": ("**Answer:** correct\n**Process:** incorrect", True, False),
    "labels in a list": ("- Answer: correct\n- Process: correct", True, True),
    "labels with a period": ("Answer: correct. Process: incorrect.", True, False),
    "one verdict": ("The steps hold.\nVerdict: correct", None, True),
    "what it compares first": ("Truth: 4,8. Said: 4,5. Verdict: incorrect. Mistake: step 1.", None, False),
    "labels after json": (f"{verdict(True, True)}\nAnswer: correct\nProcess: incorrect", True, False),
    "answer of the analysis": ("Answer: 12.\nProcess: correct\nVerdict: correct", None, True),
    "chinese": ("分析：第一步正确。\n答案：正确\n过程：错误", True, False),
    "chinese verdict": ("结论：正确", None, True),
    "thoughts with another verdict": (f"<think>{verdict(True, True)} no</think>{verdict(False, False)}", False, False),
    "thoughts of a template that opened them": (
        f"maybe {verdict(True, True)}</think>\n{verdict(True, False)}",
        True,
        False,
    ),
}


@pytest.mark.parametrize(("reply", "answer", "process"), READINGS.values(), ids=READINGS.keys())
def test_readings(reply: str, answer: bool | None, process: bool) -> None:
    reading = parse_reply(reply)
    assert (reading.failure, reading.answer_correct, reading.process_correct) == (None, answer, process)


FAILURES = {
    "nothing": ("", "empty"),
    "white space": (" \n\t", "empty"),
    "prose": ("The response is about digits.", "missing"),
    "only thoughts": ("<think>Verdict: correct", "empty"),
    "json cut": ('{"answer_correct": true, "process_correct": tr', "missing"),
    "other json": ('{"score": 1}', "missing"),
    "a score": (verdict(True, 0.7), "off_menu"),
    "one and zero are scores": (verdict(1, 0), "off_menu"),
    "null process": (verdict(True, None), "off_menu"),
    "a list": (verdict(True, ["correct"]), "off_menu"),
    "partially": ("Verdict: partially correct", "off_menu"),
    "rating": ("My rating is [[2]]", "off_menu"),
    "out of ten": ("Score: 8/10", "off_menu"),
    "only the answer": ("Answer: correct", "off_menu"),
    "labels disagree": ("Process: correct\nVerdict: incorrect", "contradictory"),
    "json disagrees": (verdict(True, True, verdict="incorrect"), "contradictory"),
    "wrong answer passed": ("Answer: incorrect\nVerdict: correct", "contradictory"),
    "refusal": ("I'm sorry, but I can't help with that.", "refusal"),
    "chinese refusal": ("抱歉，我无法判断。", "refusal"),
    "russian": ("Ответ правильный, рассуждение тоже.", "wrong_language"),
    "japanese kana": ("これはただしいです", "wrong_language"),
}


@pytest.mark.parametrize(("reply", "failure"), FAILURES.values(), ids=FAILURES.keys())
def test_failures_are_named_and_give_no_verdict(reply: str, failure: str) -> None:
    reading = parse_reply(reply)
    assert reading.failure == failure
    assert reading.process_correct is None


def test_standalone_is_needed_where_it_was_asked_for() -> None:
    assert parse_reply(verdict(standalone=False), standalone=True).standalone is False
    assert parse_reply("Answer: correct\nProcess: correct\nStandalone: yes", standalone=True).standalone is True
    assert parse_reply(verdict(), standalone=True).failure == "off_menu"


REPORTS = {
    "json": ('{"analysis": "x", "step": 2, "mistake_report": "Step 2 adds wrongly."}', "Step 2 adds wrongly.", 2),
    "label": ("Verdict: incorrect. Mistake: step 1 should say Digits: 4, 8.", "step 1 should say Digits: 4, 8.", None),
    "label and step": ("Step: 3\nMistake report: It does not follow.\nAt all.", "It does not follow.\nAt all.", 3),
    "chinese": ("错误报告：第二步读错了数字。", "第二步读错了数字。", None),
    "step as text": ('{"step": "2", "mistake_report": "wrong"}', "wrong", 2),
    "step that is none": ('{"step": "last", "mistake_report": "wrong"}', "wrong", None),
}


@pytest.mark.parametrize(("reply", "report", "step"), REPORTS.values(), ids=REPORTS.keys())
def test_reports(reply: str, report: str, step: int | None) -> None:
    reading = parse_report(reply)
    assert (reading.report, reading.step, reading.failure) == (report, step, None)


@pytest.mark.parametrize("reply", ["", "no report here", '{"mistake_report": "  "}', '{"mistake_report": 3}'])
def test_no_report_is_a_failure(reply: str) -> None:
    reading = parse_report(reply)
    assert reading.report is None
    assert reading.failure is not None


def test_thoughts_are_passed_over() -> None:
    assert without_reasoning("<think>a</think>b<think>c</think>d") == "d"
    assert without_reasoning("b <think>unfinished") == "b "


@given(st.text(max_size=300))
def test_never_raises(reply: str) -> None:
    reading = parse_reply(reply)
    assert (reading.failure is None) == (reading.process_correct is not None)
    parse_report(reply)


#: Whatever JSON can say, half surrogates and numbers beyond any float among it.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["correct", "incorrect", "\ud800", "\u0131", "Final answer: 5", "F\u0131nal answer: 5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["answer_correct", "process_correct", "standalone", "verdict", "status", "mistake_report", "step", "result"]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6), st.text(max_size=20), st.booleans())
def test_any_json_gives_a_reading_that_a_file_can_hold(fields: dict[str, Any], around: str, standalone: bool) -> None:
    reply = f"{around}{json.dumps(fields)}"
    for reading in (parse_reply(reply, standalone=standalone), parse_report(reply)):
        json.dumps(asdict(reading)).encode()
        repr(reading).encode()
        (reading.report or "").encode()
        reading.detail.encode()
        assert reading.step is None or 0 < reading.step < 1000


@pytest.mark.parametrize(
    "reply",
    [
        "F\u0131nal answer: 5",
        "Verd\u0131ct: correct",
        "\u017ftandalone: yes",
        '{"mistake_report": "\\ud83d"}',
        "Mistake: \ud83d",
        '{"answer_correct": "\\udfff", "process_correct": true}',
        f'{{"process_correct": {10**400}}}',
        f'{{"process_correct": {"9" * 5000}}}',
        f'{{"mistake_report": "x", "step": {10**400}}}',
    ],
)
def test_one_strange_reply_is_a_reading_and_no_crash(reply: str) -> None:
    for reading in (parse_reply(reply), parse_report(reply)):
        assert reading.process_correct is None
        ((reading.report or "") + reading.detail).encode()


@pytest.mark.parametrize("piece", ["{", '{"a":', "[[", "Verdict:", "\n- ", "</think>", "Mistake: ", "**"])
def test_long_hostile_replies_are_read_in_bounded_time(piece: str) -> None:
    reply = piece * (MAX_REPLY_CHARS // len(piece))
    assert parse_reply(reply).process_correct is None
    parse_report(reply)


def test_a_verdict_at_the_end_of_a_long_reply_is_found() -> None:
    assert parse_reply("{ word " * 1_000 + verdict(True, False)).process_correct is False
