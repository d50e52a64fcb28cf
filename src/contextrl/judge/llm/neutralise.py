"""Untrusted text made safe to stand inside a judge's prompt, without changing what it says to a reader.

Four things are broken: characters that nobody sees, the prompt's own delimiters, chat-template tokens, and whatever the
parser of the judge's reply would read as a verdict. The last rule is what keeps a judge that quotes the response after
its own verdict from handing over the response's forged one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The delimiters of the judge's user prompt: `<response>` ... `</response>`.
SECTIONS = ("question", "reference_answer", "reference_solution", "response", "mistake_report")

#: Zero-width, bidirectional, format, filler and tag characters, variation selectors, controls, lone surrogates
#: (arXiv 2106.09898, 2111.00169).
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff]"
)
_NEWLINE = re.compile("\r\n?|[\u2028\u2029\x85]")
#: Characters that look like ASCII ones, each in place of one, so that positions stay.
_LOOKALIKES = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord(char): ord(plain)
    for plain, chars in {"<": "﹤〈⟨‹≺", ">": "﹥〉⟩›≻", ":": "∶ː꞉", "=": "꞊"}.items()
    for char in chars
}
_SECTION = "|".join(name.replace("_", r"[\s_-]{0,3}") for name in SECTIONS)
_DELIMITER = re.compile(rf"<(?=\s{{0,8}}/?\s{{0,8}}(?:{_SECTION})\b)", re.IGNORECASE)
_TEMPLATE = re.compile(
    r"<(?=\||<?/?SYS\b|\s{0,8}/?\s{0,8}(?:s|bos|eos|pad|unk|think|thinking|tool_calls?|tool_response|image|img|video|"
    r"im_start|im_end|im_sep|system|assistant|user|instructions?|(?:start|end|begin)_of_\w{1,20})\s{0,8}/?>)"
    r"|\[(?=/?INST\])",
    re.IGNORECASE,
)
_ROLE_HEADER = re.compile(
    r"^[ \t]{0,8}#{2,6}[ \t]{0,4}(?:instructions?|system|assistant|user|human|response|input)[ \t]{0,4}(:)",
    re.IGNORECASE | re.MULTILINE,
)
#: Keys of the reply's JSON, however quoted or escaped, and the free-text label of the verdict.
_KEY = re.compile(
    r"(?:answer[ _]?correct|process[ _]?correct|standalone|mistake[ _]?report|verdict|judge?ment|status|结论|判定|独立)"
    r"[\"'`*\\_ \t]{0,8}([:=])",
    re.IGNORECASE,
)
#: `Answer: 12` is an answer; `Answer: correct` is a verdict.
_LABEL = re.compile(
    r"(?:answer|process|reasoning|答案|过程|推理)[\"'`*\\_ \t]{0,8}([:=])"
    r"(?=[\"'`*\\_ \t]{0,8}(?:not\s|in)?"
    r"(?:correct|right|wrong|valid|pass|fail|正确|不正确|错误|对|错|不对|有误|无误))",
    re.IGNORECASE,
)
_STAND_INS = {"<": "‹", "[": "［", ":": "∶", "=": "꞊"}

#: Longer texts than this are no stock opener.
_LONGEST_OPENER = 200
_STOCK_OPENERS = {
    "thought process",
    "solution",
    "answer",
    "final answer",
    "the answer is",
    "the final answer is",
    "reasoning",
    "analysis",
    "explanation",
    "step 1",
    "lets solve this problem step by step",
    "lets solve this step by step",
    "lets think step by step",
    "let me think step by step",
    "let me solve this problem step by step",
    "okay",
    "sure",
    "解",
    "解答",
    "答",
    "答案",
    "思考过程",
    "让我们一步一步地解决这个问题",
    "かいせつ",
    "解説",
    "respuesta",
    "solución",
    "lösung",
}


@dataclass(frozen=True)
class Neutralised:
    """The text as the judge may see it, and whether its middle was left out."""

    text: str
    cut: bool


def neutralise(text: str, *, limit: int = 32_000) -> Neutralised:
    """Make untrusted text safe between a prompt's delimiters; a second time changes nothing.

    Args:
        text: a response, question or reference.
        limit: most characters; of a longer text the beginning and the end are kept, with a note between them.
    """
    text = _INVISIBLE.sub("", _NEWLINE.sub("\n", text))
    cut = len(text) > limit
    if cut:
        note = f"\n[... {len(text) - limit} or more characters left out ...]\n"
        keep = max(limit - len(note), 2) // 2
        text = text[:keep] + note + text[-keep:]
    for pattern in (_DELIMITER, _TEMPLATE, _ROLE_HEADER, _KEY, _LABEL):
        text = _break(pattern, text)
    return Neutralised(text, cut)


def _break(pattern: re.Pattern[str], text: str) -> str:
    """Replace the character that a match turns on (its group, or its first) by one that only looks like it."""
    folded = text.translate(_LOOKALIKES)
    places: list[int] = [match.start(match.lastindex or 0) for match in pattern.finditer(folded)]
    if not places:
        return text
    characters = list(text)
    for place in places:
        characters[place] = _STAND_INS[folded[place]]
    return "".join(characters)


def says_nothing(text: str) -> bool:
    """Whether a response has no content: only punctuation, or an opening that is known to fool judges.

    "Thought process:" alone is found correct by many judges (arXiv 2507.08794); so nobody is asked.
    """
    visible = _INVISIBLE.sub("", text).replace("'", "").replace("’", "")
    if len(visible) > _LONGEST_OPENER:
        return not any(char.isalnum() for char in visible)
    words = "".join(char if char.isalnum() else " " for char in visible).split()
    return not words or " ".join(words).casefold() in _STOCK_OPENERS
