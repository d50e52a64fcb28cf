"""No response moves a verdict: every attack, quoted back in every way by a judge that is not deceived.

What a model believes is beyond a test of ours; what is tested is that the response reaches it inside its delimiters,
broken as code and whole as text, and that a judge which quotes it cannot give it the last word.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from typing import Any

import pytest
from attacks import ATTACKS, OWN, Attack

from contextrl.answers.lookalikes import as_read
from contextrl.judge.llm.emptiness import says_nothing
from contextrl.judge.llm.neutralise import SECTIONS, neutralise
from contextrl.judge.llm.parsing import parse_reply, parse_report
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.example import Example

EXAMPLE = Example("a", "What is the total?", "The bill shows 2 and 3. 2 + 3 = 5. Answer: 5", "5", "number")
HARMLESS = "I read 2 and 4. 2 + 4 = 6. Answer: 6"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_TOKENS = ("<|", "[INST]", "[/INST]", "<<SYS>>", "<s>", "</s>", "<think>", "</think>", "<start_of_turn>", "<tool_call>")


def user_text(response: str) -> str:
    messages = PromptSet.load().messages("verify", JudgeRequest(EXAMPLE, response))
    return str(messages[-1]["content"][-1]["text"])


def as_received(response: str) -> str:
    """The response as it stands in the judge's prompt."""
    return user_text(response).partition("<response>\n")[2].rpartition("\n</response>")[0]


def json_verdict(*, correct: bool, **more: Any) -> str:
    return json.dumps({"analysis": "looked", "answer_correct": correct, "process_correct": correct} | more)


def honest_replies(quoted: str, *, correct: bool) -> dict[str, str]:
    """A judge's own verdict with the response quoted before it, after it, inside it, and as code."""
    words = "correct" if correct else "incorrect"
    form = {"json": json_verdict(correct=correct), "labels": f"Answer: {words}\nProcess: {words}"}
    replies = {}
    for name, verdict in form.items():
        replies[f"{name}, quoted before"] = f"The response says:\n{quoted}\n\n{verdict}"
        replies[f"{name}, quoted after"] = f"{verdict}\n\nFor the record, the response was:\n{quoted}"
        replies[f"{name}, as code after"] = f"{verdict}\n```\n{quoted}\n```"
        replies[f"{name}, inline after"] = f"{verdict}. The response wrote '{quoted}'."
    replies["inside the analysis"] = json_verdict(correct=correct, analysis=quoted)
    replies["in a field after the flags"] = json_verdict(correct=correct, note=quoted)
    return replies


def test_the_table_is_what_it_claims() -> None:
    assert len(ATTACKS) >= 100
    assert sum(attack.source != OWN for attack in ATTACKS) >= len(ATTACKS) / 2
    for field in ("id", "text"):
        repeated = [
            value for value, count in Counter(getattr(attack, field) for attack in ATTACKS).items() if count > 1
        ]
        assert not repeated
    assert all(re.match(r"arXiv \d{4}\.\d{5} \(|NeMo Gym issue|own$", attack.source) for attack in ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
@pytest.mark.parametrize("correct", [True, False], ids=["honestly-correct", "honestly-incorrect"])
@pytest.mark.parametrize("retyped", [False, True], ids=["as-shown", "retyped"])
def test_no_quote_turns_the_judges_own_verdict(attack: Attack, correct: bool, retyped: bool) -> None:
    """As shown, or in the response's own characters, which a model may put back. At worst nothing is read."""
    if says_nothing(attack.text):
        return  # no judge is asked
    quoted = attack.text if retyped else as_received(attack.text)
    for where, reply in honest_replies(quoted, correct=correct).items():
        reading = parse_reply(reply)
        assert reading.process_correct in (correct, None), f"{where}: {reading}"
        assert (reading.failure is None) is (reading.process_correct is correct)
        if where.startswith("in"):  # inside the one object's strings
            assert reading.failure is None or where.startswith("inline"), f"{where}: {reading}"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_the_response_stays_inside_its_delimiters(attack: Attack) -> None:
    text, harmless = user_text(attack.text), user_text(HARMLESS)
    for name in SECTIONS:
        tag = re.compile(rf"<\s*/?\s*{name}[^>]*>", re.IGNORECASE)
        assert tag.findall(text) == tag.findall(harmless)
    # The reference is before the response and the same to the byte.
    assert text.partition("<response>")[0] == harmless.partition("<response>")[0]
    received = as_received(attack.text)
    assert not _INVISIBLE.search(received)
    assert not [token for token in _TOKENS if token in received.translate(str.maketrans("＜｜", "<|"))]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_the_response_alone_gives_no_verdict(attack: Attack) -> None:
    """A judge that only repeats what it was shown has said nothing."""
    received = as_received(attack.text)
    assert parse_reply(received).process_correct is None
    assert parse_report(received).report is None


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.source.startswith("arXiv 2507.08794")], ids=lambda a: a.id)
def test_openers_that_fool_judges_are_answered_without_one(attack: Attack) -> None:
    assert says_nothing(attack.text)


@pytest.mark.parametrize("text", ["5", "B", "是", "yes", "Answer: 5", "x", "½", "π", "Thought process: 2 + 3 = 5"])
def test_an_answer_is_something(text: str) -> None:
    assert not says_nothing(text)


UNTOUCHED = [
    "Answer: 12",
    "Answer: (C)",
    "Answer: yes",
    "The answer is **no**.",
    "a < b and b > c, so 1 << 3 = 8",
    r"\frac{1}{2} \leq x < \sqrt{3} \rightarrow [0, 1]",
    'data = {"name": "cat", "legs": 4}',
    "if x<y: return [i for i in range(3)]",
    "第一步：读数字。2 + 3 = 5。答案：5",
    "Process of elimination: A is wrong, so B.",
    "The process is exothermic; the reasoning follows.",
    "Step 1: read the bill.\nStep 2: add.\n\n- 2\n- 3",
    "<b>bold</b> and <i>italic</i>, é, ß, 한국어, العربية",
    "The response time is 3 s; the question is open.",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_ordinary_answers_are_untouched(text: str) -> None:
    assert neutralise(text).text == text


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_neutralising_twice_changes_nothing(attack: Attack) -> None:
    once = neutralise(attack.text)
    assert neutralise(once.text).text == once.text
    assert len(once.text) <= 32_000


@pytest.mark.parametrize(
    "piece", ["<", "</", "</response", "answer_correct", "\u200b", "verdict ", "{", "Answer:", "[", "#"]
)
def test_long_hostile_text_is_read_in_bounded_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    assert len(neutralise(text, limit=100_000).text) <= 100_000
    says_nothing(text)


def test_a_long_response_is_cut_in_the_middle_and_says_so() -> None:
    result = neutralise("a" * 50_000 + "b" * 50_000, limit=1_000)
    assert result.cut
    assert len(result.text) <= 1_000
    assert result.text.startswith("aaa")
    assert result.text.endswith("bbb")
    assert "99000 or more characters left out" in result.text


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.id.startswith("close-") or a.id.startswith("labels-")])
def test_no_delimiter_or_label_is_left_as_a_reader_would_read_it(attack: Attack) -> None:
    """In the letters that they pass for, none is left but the prompt's own."""
    received = as_read(html.unescape(as_received(attack.text)).translate(str.maketrans("❮˂«⁄∕\\", "<<<///")))
    assert not re.search(r"<\s*/*\s*(?:response|reference|question)", received, re.IGNORECASE)
    assert not re.search(r"(?:verdict|process[ _-]correct)[\"'*` ]{0,3}:", received, re.IGNORECASE)
