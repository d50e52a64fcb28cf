"""Where a response states its answer: sentences, headings, tags and boxes, denials and corrections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from contextrl.answers.options import choice_statements
from contextrl.answers.wrapping import MAX_ANSWER_CHARS, boxed
from contextrl.records.example import AnswerType

_ADVERBS = (
    r"(?:\s+(?:therefore|thus|then|hence|simply|just|clearly|indeed|still|actually|definitely|certainly|probably"
    r"|likely))?"
)
_VERB = (
    rf"(?:is|are|should be|must be|would be|equals|becomes|was|comes out (?:to be|as|to)|turns out to be)\b{_ADVERBS}"
)
_SUBJECT = (
    r"(?<![A-Za-z])(?<!wrong )(?<!incorrect )"
    r"(?:ans(?:wers?)?|(?:correct|right|best|final) (?:option|choice|result|value))"
    r"(?:\s+to\s+(?:\w+\s+){1,4}?)?(?:\s*\([^()\n]{0,40}\))?[\"'”]?\s*"
)
_STATEMENT = re.compile(
    rf"{_SUBJECT}(?:{_VERB}(?!\s+(?:\w{{2,12}}\s+)?(?:not|never|neither)\b)\s*[:：]?|[:：=])", re.IGNORECASE
)
_DENIAL = re.compile(
    rf"{_SUBJECT}(?:{_VERB}\s+(?:not|never|neither)\b|isn['’]t|is(?:n't)? not|cannot be|can['’]t be|can not be"
    rf"|couldn['’]t be|wasn['’]t)"
    r"\s*[:：]?",
    re.IGNORECASE,
)
_STATEMENT_ZH = re.compile(r"(?<![的个])(?:答案|正确选项)(?:应该|应当|应|就)?(?:是|为|[:：】\]])[:：]?")
_DENIAL_ZH = re.compile(r"答案(?:应该|应|就)?(?:不是|不为|不选|绝不是|并不是|并非)[:：]?")
_HEADING = re.compile(r"^#+[ \t]*(?:final[ \t]+)?answer[ \t]*$|^####(?=[ \t]*[^#\s])", re.IGNORECASE | re.MULTILINE)
_VALUE = re.compile(r"\s*(?:(?:\$\$|\\\[|```)[ \t]*\n\s*)?([^\n]{1,2000})")
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_OTHER_TAG = re.compile(r"</?[A-Za-z_]{2,20}>|<\|")
#: Somebody else's answer, or one under a condition.
_NOT_ASSERTED = re.compile(
    r"\b(?:one|you|some|many|most|people|students?|others?|someone|anyone|we)\s+(?:might|may|could|would|will)\b"
    r"|\b(?:if|unless|suppose|supposing|assuming|otherwise|had)\b(?!\s+(?:needed|necessary))"
    r"|\b(?:whether|doubt|not sure|tempt\w*|naive\w*|wrongly|mistakenly|incorrectly"
    r"|not (?:the case|true|so|correct|say|claim) that|(?:isn['’]t|n['’]t) (?:the case|true|so|say|claim) that)\b"
    r"|如果|假如|若|否则|是否|误以为|可能会认为",
    re.IGNORECASE,
)
_SENTENCE_BREAK = re.compile(r"[.!?](?=\s)|[。！？\n]")
#: After these, what was stated before does not hold any more.
_RETRACTION = re.compile(
    r"(?:^|[.!?\n,;—–(-])\s*(?:but\s+|and\s+|oh,?\s+|ah,?\s+|so\s+|er+,?\s+|uh+,?\s+)?(?:(?:actually|wait|hold on|hmm+"
    r"|oops|whoops|sorry|correction|(?:scratch|strike) that|on (?:second thoughts?|reflection)|no wait|i mean|apologies"
    r"|in fact|make (?:that|it)|let me (?:correct|fix|revise|redo)|i (?:correct|stand corrected)|my bad"
    r"|rather(?!\s+than)|edit(?=\s*:)|update(?=\s*:))\b"
    r"|no(?:pe)?(?=\s*[,.;:!—–]))|\b(?:i (?:made|have made|missed|was wrong|miscounted"
    r"|misread|forgot|meant)"
    r"|my mistake|but the (?:true|correct|real|actual|right) (?:answer|value|result)"
    r"|(?:that|this|it|which|(?:my|this|that|the) answer)(?:['’]s| is| was) (?:wrong|incorrect"
    r"|not right|not correct)"
    r"|should (?:have been|instead be))\b"
    r"|更正|不对|等等|等一下|其实|应该是|错了|抱歉|修正|重新(?:算|数|看)|改[为成]|(?:^|[。！？，,.\n])\s*[哦啊噢呃]?不[，,]",
    re.IGNORECASE,
)
_BOX_REJECTED = re.compile(
    r"[}\])$*_\\ ]{0,8},?\s*(?:which\s+|that\s+)?(?:(?:is|was|seems|would be|must be)\s+(?:\w+ly\s+)?"
    r"(?:wrong|incorrect|false|not\b|a\s+(?:\w+\s+)?(?:mistake|trap|distractor|error))|isn['’]t\b|wasn['’]t\b"
    r"|can(?:not|['’]t) be\b|不对|是错|错了|不正确)",
    re.IGNORECASE,
)
#: Looking again, with whatever comes of it.
_REVIEW = re.compile(
    r"\b(?:re-?(?:count|check|calculat|comput|examin|consider|read)\w*|looking again|double-?check\w*)\b", re.IGNORECASE
)
_NEW_VALUE = re.compile(
    r"(?:\b(?:it|this|that|which|result|value|total|sum|count|number|there|one|option|choice|x)\s*(?:['’]s|is|are"
    r"|should (?:really )?be|must be"
    r"|equals|would be|comes to|makes|gives|becomes)|\bshould be|\bmeant|\bmakes|\bto be|\bmake (?:that|it)"
    r"|应该是|应为|而是|更正为|=|→|->)"
    r"\s+?(?:actually\s+|really\s+|in fact\s+|therefore\s+|rather\s+|instead\s+|now\s+)?(?!not\b)(?=[^\s])"
    r"|(?:^|[.!?\n])\s*(?:wait|no(?:pe)?|actually|sorry|w?h?oops|correction|edit|update|(?:scratch|strike) that|i mean"
    r"|rather)\b[\s,:.!—–-]*(?:(?:it"
    r"|that)['’]?s\s+)?"
    r"|应该是|应为|而是|更正为?[:：]?|改[为成]|[，,。]\s*(?:答案)?是(?![否不])|(?:^|[。！？，,.\n])\s*[哦啊噢呃]?不[，,]",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"(?:\bbut\s+(?:rather\s+|actually\s+|is\s+)?|\brather\s+|[,;.—–-]\s*(?:it(?:['’]s|\s+is)|instead)\s+|而是)"
    r"(?!not\b|n['’]t)([^\n]{1,60})",
    re.IGNORECASE,
)

_SUBJECTS = ("answer", "ans", " option", " choice", " result", " value")
_PATTERNS = (
    (_SUBJECTS, _STATEMENT, False),
    (("答案", "选项"), _STATEMENT_ZH, False),
    (("#",), _HEADING, False),
    (_SUBJECTS, _DENIAL, True),
    (("答案",), _DENIAL_ZH, True),
)


@dataclass(frozen=True)
class Statement:
    """A place that names an answer.

    Attributes:
        start: its first character; the last one counts.
        value_start: where the value begins.
        value: raw, up to the end of the line.
        denied: "the answer is not …".
        asserted: neither under a condition nor somebody else's.
        boxes: the values of several boxes that belong to one statement, this one's last; empty for anything else.
        joint: what stands between them: a comma, or "or" where they are offered as alternatives.
    """

    start: int
    value_start: int
    value: str
    denied: bool = False
    asserted: bool = True
    boxes: tuple[str, ...] = ()
    joint: str = ", "

    @property
    def end(self) -> int:
        return self.value_start + len(self.value)


def statements(text: str, answer_type: AnswerType) -> Iterator[Statement]:
    """Yield everything that states an answer, in no order."""
    small = text.lower()
    for needed, pattern, denied in _PATTERNS:  # most responses hold few of the words, and a search for one is cheap
        places = [place for word in needed if (place := small.find(word)) >= 0]
        if not places:
            continue
        first = max(min(places) - 20, 0) if len(small) == len(text) else 0
        for match in pattern.finditer(text, first):
            value = _VALUE.match(text, match.end())
            if value:
                raw = _OTHER_TAG.split(value[1], maxsplit=1)[0] if "<" in value[1] else value[1]
                yield Statement(match.start(), value.start(1), raw, denied, _asserted(text, match.start()))
    yield from _boxes(text)
    yield from _tags(text)
    if answer_type == "choice":
        yield from (Statement(start, end - len(raw), raw) for start, end, raw in choice_statements(text))


def _asserted(text: str, start: int) -> bool:
    before = _SENTENCE_BREAK.split(text[max(0, start - 160) : start])[-1]
    return _NOT_ASSERTED.search(before) is None


def _tags(text: str) -> Iterator[Statement]:
    """What stands between an `<answer>` and the next `</answer>`."""
    if "<" not in text:
        return
    opened = None
    for tag in _TAG.finditer(text):
        if not tag[1]:
            opened = tag
        elif opened is not None:
            value = text[opened.end() : tag.start()]
            if len(value) <= MAX_ANSWER_CHARS:
                yield Statement(opened.start(), opened.end(), value)
            opened = None


_BETWEEN_BOXES = re.compile(
    r"(?:[\s$,;，；、.。/()\[\]&]|\\[()\[\],;:! ]|\\q?quad|\\text\s*\{\s*(?:and|or|或|和)\s*\}|\b(?:and|or|and also"
    r"|as well as|otherwise|else|alternatively|maybe|perhaps|possibly)\b|或者|或|和|以及|及|否则"
    r"|\b(?:if|when)\s[^.\n]{1,20}?(?=[,;]|\b(?:and|or|otherwise|else)\b)"
    r"|(?<![A-Za-z])[A-Za-z](?:_\{?\w\}?)?\s*(?:=|\\in|:)){1,12}"
)


#: Alternatives: one of them is meant, and nothing says which.
_OFFERED = re.compile(r"\b(?:or|otherwise|else|alternatively|maybe|perhaps|possibly|if|when)\b|/|或|否则")
#: Directly before a box: "the answer is not $\\boxed{5}$".
_BOX_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor)\b|n['’]t\b|不是|并非|不为|≠|\\neq?(?![a-z]))"
    r"(?:\s+(?:simply|just|really|equal to|be))?[\s$:：(*]*(?:\\[(\[]\s*)?$",
    re.IGNORECASE,
)
#: What a box says besides a box inside it, if that is a value of its own: `\\boxed{5}+1`.
_CALCULATES = re.compile(r"[\d+*/^=<>-]")


def _boxes(text: str) -> Iterator[Statement]:
    """Each box; with it those before it that only a connective separates (`x=\\boxed{2}` or `x=\\boxed{3}`)."""
    group: tuple[str, ...] = ()
    joint, last_end, whole = ", ", -1, ""
    for start, value in sorted(boxed(text)):
        if start < last_end:  # inside another box
            group = ()
            if not _CALCULATES.search(whole.replace(f"\\boxed{{{value}}}", "")):
                yield Statement(start, start, value)
            continue
        opening = text.rfind("\\boxed", 0, start)
        between = text[last_end + 1 : opening] if last_end >= 0 else "x" * 99
        joined = len(between) <= 40 and "\n\n" not in between and _BETWEEN_BOXES.fullmatch(between) is not None
        group = (*group, value) if joined else (value,)
        joint = " or " if joined and (joint == " or " or _OFFERED.search(between)) else ", "
        last_end, whole = start + len(value), value
        denied = _BOX_DENIED.search(text[max(0, opening - 40) : opening]) is not None
        yield Statement(start, start, value, denied, boxes=group[-20:] if len(group) > 1 else (), joint=joint)


def instead(value: str) -> Iterator[str]:
    """What a denial puts in its place: 6 of "the answer is not 5 but 6"."""
    yield from (match[1] for match in _INSTEAD.finditer(value))


def retracted(text: str, answer: str) -> bool:
    """Whether `text`, which follows a statement of `answer`, takes it back."""
    if _RETRACTION.search(text) is not None:
        return True
    if answer not in text:  # a pattern of its own for each answer is dear to compile
        return False
    rejected = rf"(?<!\w){re.escape(answer)}\)?\s+(?:is|was)\s+(?:wrong|incorrect|not\s+(?:right|correct))"
    return re.search(rejected, text) is not None


def rejected_box(text: str) -> bool:
    """Whether `text`, which follows a box's value, calls it wrong in the same breath: `\\boxed{5} is incorrect`."""
    return _BOX_REJECTED.match(text) is not None


def reviewed(text: str) -> bool:
    """Whether `text`, which follows a statement, looks at it again."""
    return _REVIEW.search(text) is not None


def new_values(text: str) -> Iterator[tuple[int, str]]:
    """(end, raw value) of what a correction puts in a statement's place, in order."""
    for match in _NEW_VALUE.finditer(text):
        value = _VALUE.match(text, match.end())
        if value:
            yield value.start(1), value[1][:200]
