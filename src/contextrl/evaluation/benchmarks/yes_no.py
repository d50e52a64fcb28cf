"""Yes or no, as a response finally says it: the last commitment counts, a mention is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from contextrl.answers.extraction import after_thinking

#: Characters that are searched, from the end; before them only the opening.
_TAIL_CHARS = 20_000
_HEAD_CHARS = 400
#: Places where the words stand that are looked at, from the last one; after them only those of the opening.
_LAST_PLACES = 40
_OPENING_CHARS = 120
#: Places that are passed over, in other words or not ("piano").
_MAX_PLACES = 400
#: Characters of the clause before a word that are looked at.
_CLAUSE_CHARS = 160

_FULL_WIDTH = {0xFEE0 + code: code for code in (*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1))}
_ENDS = re.compile(r"[.,;:!?\n()\[\]{}<>—–。，；：！？、…|]|(?:^|\s)-+\s")
_MARKUP = "✅✔✓☑❌✗\ufe0f*_`#~$\\\"'“”‘’「」《》 \t\r\u3000"
#: Words that answer, and whether they say yes.
_DIRECT = {"yes": True, "yeah": True, "yep": True, "yup": True, "no": False, "nope": False}
_VERDICTS = {"true": True, "correct": True, "right": True, "false": False, "untrue": False, "incorrect": False}
_WORDS = {**_DIRECT, **_VERDICTS, "wrong": False}
_APART = re.compile(r"(?![\w\-]|['’]\w)")
#: "Answer yes or no": neither.
_EITHER = re.compile(
    r"\b(?:yes|no|true|false|correct|incorrect)\b[^\w\n]{0,3}(?:\s*/\s*|\s+(?:or|and|nor)\s+)[^\w\n]{0,3}"
    r"\b(?:yes|no|not|true|false|correct|incorrect)\b"
)
#: Characters around a word in which the other one stands.
_EITHER_CHARS = 24
#: What may stand before a yes or a no in its own clause.
_LEAD = re.compile(
    r"(?:^|\b)(?:so|therefore|thus|hence|then|but|and|well|ok|okay|actually|wait|oh|sorry|rather|sure|indeed"
    r"|\w+ly|again|still|answer|response|verdict|conclusion|say|conclude"
    r"|(?:it|which|this|that)(?:['’]s| is| would be)|(?:it['’]s|is|be) an?(?: \w+)?"
    r"|\b(?:answer|response|conclusion|verdict|reply|result)\b.{0,80}\b(?:is|be|was|remains|becomes|as|:))$",
)
#: A clause that goes on after the word without a comma: "No it is not".
_GOES_ON = re.compile(
    r"(?:it|they|this|that|these|those|the|there|he|she|we|you|i|because|since|as|both|all|sir|based|according)\b",
)
#: Words about a statement: "the statement is not correct".
_JUDGED = re.compile(
    r"\b(?:statement|claim|assertion|sentence|description|caption|title|proposition|premise|conclusion|answer|question"
    r"|hypothesis|it|this|that)\b.{0,80}?\b(?:is|was|are)(?P<not>n['’]t|\s+not)?"
    r"(?:\s+(?:\w+ly|in fact|indeed|also|thus|still|considered))?$"
    r"|\b(?:it|that|this)['’]s(?P<not_so>\s+not)?(?:\s+(?:\w+ly|in fact|indeed|also))?$",
)
_JUDGED_GOES_ON = re.compile(r"(?:that|because|since|as|based|according|in|for this|given|when)\b")
_CONDITION = re.compile(
    r"\b(?:if|whether|unless|suppose|supposing|assuming|otherwise|might|may|could|would"
    r"|(?:hard|difficult|impossible|unable) to)\b.{0,80}$",
)
_WOULD_BE = re.compile(r"\b(?:would|should|must) (?:then |therefore |thus )?(?:be|say)(?: an?)?$")
_SAID = re.compile(r"\b(?:you|one|some|many|people|someone|others)\b")
#: "Yes would be wrong" answers nothing.
_DISMISSED = re.compile(r"(?:would be|is|was) (?:\w+ly )?(?:wrong|incorrect|false|ruled out)\b")
_NOT = re.compile(r"(?:\b(?:is |would )?not|\b(?:can|could|is|would)n['’]t|\bcan['’]t|\bcannot)(?: be)?$")

_ZH_NO = "不是的?|不对|不正确|错误的?|错的?|否|没有|并非|不(?![一-鿿])|いいえ"
_ZH_YES = "是的?|对的?|正确的?|没错|有|はい"
_ZH_ENDS = r"[.,;:!?\n()（）。，；：！？、\s]"
_ZH_MARKUP = "[*_“”\"'‘’「」]{0,4}"
_ZH = re.compile(
    rf"(?:^|(?<={_ZH_ENDS})|(?<=[*“\"'‘「]))"
    r"(?:所以|因此|故|那么|最终|但是|但|不过|然而)?(?:其实|实际上|应该说)?(?:(?:我的)?(?:最终)?(?:答案|结论|回答)(?:应该|应|就)?(?:是|为)?|应该|应为|我认为)?"
    rf"[：:]?{_ZH_MARKUP}(?:(?P<no>{_ZH_NO})|(?P<yes>{_ZH_YES})){_ZH_MARKUP}(?=$|{_ZH_ENDS})"
)
_ZH_JUDGED = re.compile(
    r"(?:说法|陈述|描述|结论|判断|命题|句话|标题|题目|这)(?P<between>[^.,;!?\n。，；！？]{0,12}?)"
    rf"(?:(?P<no>不正确|不对|不成立|不属实|错误|错|假)|(?P<yes>正确|对|成立|属实|真))的?{_ZH_MARKUP}(?=$|{_ZH_ENDS})"
)
_ZH_NOT = re.compile(r"不|并非|没")
_ZH_CONDITION = re.compile(r"如果|是否|若|假如|假设")
_RETRACTED = re.compile(
    r"(?:^|[.!?\n,;—–(-])\s*(?:but\s+|oh,?\s+|no,?\s+)?(?:wait|hold on|hmm+|correction|scratch that|strike that"
    r"|on (?:second thoughts?|reflection)|let me (?:re-?\w+|correct|look again))\b"
    r"|\b(?:i (?:was wrong|was mistaken|made a mistake|misread|misspoke)|my mistake"
    r"|my (?:\w+ )?answer (?:is|was) (?:wrong|incorrect|not (?:right|correct)))\b"
    r"|等等|等一下|我错了|更正|重新看",
)


@dataclass(frozen=True)
class _Commitment:
    """Where a text says yes or no; `direct` with these words, else by a statement's being right or wrong."""

    place: int
    yes: bool
    direct: bool


def read_yes_no(text: str) -> bool | None:
    """What a response finally answers; None where it commits itself to neither, or only takes back what it said.

    Only what follows a closed think block counts. `Yes`, `No, it is …`, `the answer is **no**`, `\\boxed{Yes}`, `是的`
    and `不正确` are answers; where none stands, what is said of the statement is ("the claim is false"). "Yes or no", a
    condition, a quotation (the sign says "No") and "no" before a noun are none. Never raises.
    """
    spoken = after_thinking(text)
    if spoken is None:
        return None
    if len(spoken) > _TAIL_CHARS + _HEAD_CHARS:
        spoken = f"{spoken[:_HEAD_CHARS]}\n{spoken[-_TAIL_CHARS:]}"
    spoken = _lowered(spoken)
    found: list[_Commitment] = []
    for one in _from_the_end(spoken):
        found.append(one)
        if one.direct:
            break
    if not found:
        return None
    taken_back = _RETRACTED.search(spoken, found[-1].place)
    if taken_back is None:
        return found[-1].yes if found[-1].direct else found[0].yes
    return found[0].yes if found[0].place > taken_back.start() else None


def _lowered(text: str) -> str:
    """Lower case, letters of full width as others, no longer than it was: every place stays where it is."""
    text = text if text.isascii() else text.translate(_FULL_WIDTH)
    small = text.lower()
    return small if len(small) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _from_the_end(text: str) -> Iterator[_Commitment]:
    """Commitments from the last one backwards."""
    chinese = sorted(_chinese(text), key=lambda one: one.place)
    for one in _english(text):
        while chinese and chinese[-1].place > one.place:
            yield chinese.pop()
        yield one
    yield from reversed(chinese)


def _english(text: str) -> Iterator[_Commitment]:
    """From the last one backwards; of a text with many such words only the last ones and the opening."""
    tail = list(islice(_words(text), _LAST_PLACES + 1))
    if len(tail) > _LAST_PLACES:
        tail = [*tail[:_LAST_PLACES], *_words(text[:_OPENING_CHARS])]
    for start, word in tail:
        commitment = _commitment(text, start, word)
        if commitment is not None:
            yield commitment


def _words(text: str) -> Iterator[tuple[int, str]]:
    for start, word in islice(_places(text), _MAX_PLACES):
        if _is_apart(text, start, start + len(word)):
            yield start, word


def _places(text: str) -> Iterator[tuple[int, str]]:
    """Where the words stand, from the last one backwards, in other words too."""
    ahead = {word: text.rfind(word) for word in _WORDS}
    while True:
        word = max(ahead, key=ahead.__getitem__)
        if (place := ahead[word]) < 0:
            return
        yield place, word
        ahead[word] = text.rfind(word, 0, place)


def _is_apart(text: str, start: int, end: int) -> bool:
    """Whether a word stands here alone: not in "piano", "yes-no" or "no-one"."""
    before = text[max(0, start - 2) : start]
    within = bool(before) and (before[-1].isalnum() or before[-1] in "_-")
    elided = len(before) > 1 and before[-1] in "'’" and before[0].isalnum()
    return not within and not elided and _APART.match(text, end) is not None


def _commitment(text: str, start: int, word: str) -> _Commitment | None:
    end = start + len(word)
    around = _EITHER.finditer(text, max(0, start - _EITHER_CHARS), end + _EITHER_CHARS)
    if any(match.start() <= start < match.end() for match in around):
        return None
    after = text[end : end + _CLAUSE_CHARS]
    clause = _ENDS.split(after, maxsplit=1)[0]
    ending, rest = after[len(clause) : len(clause) + 1], clause.strip(_MARKUP)
    if word in ("no", "nope") and ((rest and not _GOES_ON.match(rest)) or re.match(r"[.\s]*\d", after)):
        return None  # "no cats", "No. 3"
    if (ending in ("?", "？") and not rest) or _DISMISSED.match(rest):
        return None
    before = _ENDS.split(text[max(0, start - _CLAUSE_CHARS) : start])[-1].strip(_MARKUP)
    if before and _CONDITION.search(before) and not (_WOULD_BE.search(before) and not _SAID.search(before)):
        return None
    read = _direct if word in _DIRECT else _about_statement
    said = read(_WORDS[word], before, rest)
    return None if said is None else _Commitment(start, *said)


def _direct(yes: bool, before: str, rest: str) -> tuple[bool, bool] | None:
    """(says yes, directly) of a yes or no, by the rest of its clause; None where it is no answer."""
    denied = _NOT.search(before)
    lead = before[: denied.start()].rstrip() if denied else before
    if lead and not _LEAD.search(lead):
        return None
    if yes and rest and (re.match(r"(?:if|unless|when)\b", rest) or (before and len(rest) > 60)):
        return None
    return yes != (denied is not None), True


def _about_statement(right: bool, before: str, rest: str) -> tuple[bool, bool] | None:
    """The same of what a statement is called."""
    if before in ("", "not"):
        return None if rest else (right != bool(before), True)
    judged = _JUDGED.search(before)
    if judged is None or (rest and not _JUDGED_GOES_ON.match(rest)):
        return None
    return right != (bool(judged["not"] or judged["not_so"])), re.search(r"\banswer\b", before) is not None


def _chinese(text: str) -> Iterator[_Commitment]:
    if text.isascii():
        return
    for match in _ZH.finditer(text):
        if match.start() > 0 and text[max(0, match.start() - 1) : match.end() + 1].count("是否"):
            continue
        yield _Commitment(match.start(), match["yes"] is not None, direct=True)
    for match in _ZH_JUDGED.finditer(text):
        if _ZH_CONDITION.search(text, max(0, match.start() - 20), match.end()):
            continue
        denied = _ZH_NOT.search(match["between"]) is not None
        yield _Commitment(match.start(), (match["yes"] is not None) != denied, direct=False)
