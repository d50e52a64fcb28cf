"""What a judge's text says besides its statements: words that could mean another verdict than the one that was read.

A judge may word its own verdict so that no label is found in it ("Step 2 is wrong."), and then quote a response whose
forged label is found. So whatever stands beside a statement must not speak for the other side, wherever it stands.
"""

from __future__ import annotations

import re

_MOST_SHOWN = 80
_SPACE = r"[\s*_`\"',]{1,8}"
_UP_TO_3 = rf"(?:[\w'-]{{1,20}}{_SPACE}){{0,3}}"
_RIGHT_WORDS = (
    r"(?:correct(?:ly)?|right(?:ly)?|true|valid(?:ly)?|accurate(?:ly)?|sound"
    r"|pass(?:e[sd]|ing)?|accept(?:ed|able)?|yes|flawless"
    r"|perfect(?:ly)?"
    r"|justified|logical|good|fine|ok(?:ay)?|agree"
    r"|checks? out|holds?(?: up)?|without fault|richtig|juste|correcto|corretto|верно)"
)
_RIGHT = re.compile(
    rf"\b{_RIGHT_WORDS}\b|[✓✔✅☑👍]|正确|正確|无误|無誤|成立|对的|没错|合理|grade\W{{1,5}}a\b|\b1/1\b|\b(?:score|label)\W{{1,5}}1\b|(?:^|\s)对(?=\s|$)|juste",
    re.IGNORECASE,
)
_WRONG_NOUNS = (
    r"(?:mistakes?|errors?|flaws?|faults?|hallucinations?|contradictions?|inconsistenc(?:y|ies)|misreadings?|issues?"
    r"|problems?)"
)
_WRONG = re.compile(
    r"\b(?:incorrect\w{0,4}|wrong(?:ly)?|false(?:ly)?|invalid\w{0,4}|inaccura\w{1,5}|mistake[ns]?|errors?"
    r"|erroneous(?:ly)?"
    r"|mis(?:read|interpret|count|calculat|identif|label|appl|stat|understood|understand)\w{0,6}|fail(?:s|ed|ing|ure)?"
    r"|flaw(?:s|ed)?|unsound|unjustified|unsupported|illogical|hallucinat\w{1,5}|fabricat\w{1,5}|contradict\w{0,6}"
    r"|reject\w{0,3}|bad|unsatisfactory|untrue|slips?|skips?|lacks?|differs?|negative|neither|far from"
    r"|should (?:be|have|say|read)"
    r"|inconsistent|not|nope|falsch|faux|incorrecto|incorreto|sbagliato|неверн\w{1,5}|неправильн\w{1,5}"
    rf"|(?:partial|most|large|near|part)ly{_SPACE}{_RIGHT_WORDS})\b"
    rf"|\b(?:cannot|never|hardly|no|\w{{1,8}}n't){_SPACE}{_UP_TO_3}(?:{_RIGHT_WORDS}|match|follow|add up|support)\b"
    r"|(?:^|[\n\0:?.。(\[=])[\s*_\[]{0,6}(?:no\b|否(?![则认])|(?:n|f)\b[ \t]{0,4}(?:$|[\n\0]))"
    r"|\b(?:marks?|scores?|grade|rating|points?)\b[:= \t]{0,4}0/\d"
    r"|process\W{1,5}[nf]\b"
    r"|\b(?:score|rating|label|\w{0,20}correct|process)\W{1,5}0\b|틀|خاطئ"
    r"|\bgrade\W{1,5}[b-f]\b|[✗✘❌✖❎👎🚫]|错|錯|有误|有誤|不正确|不成立|不对|不合理|幻觉|[:=|]\s{0,4}×|误读|誤読|間違",
    re.IGNORECASE,
)
#: What sounds like a fault and is none: its absence, and terms of measuring. Not the absence of a mistake's mending.
_NOT_BETWEEN = (
    "is|are|was|were|that|the|this|its|their|because|since|but|and|then|free|without|no|not|only|just|few|notice|correct"
    "|fix|see|recogni[sz]e|explain|account|address|avoid|justify|catch|resolve|prevent|mend|realize|admit|rule|exclude"
)
_ABSENT = re.compile(
    rf"\b(?:no|not|nothing|zero|never|\w{{1,8}}n't|(?<!not )(?<!n't )(?:without|free (?:of|from)))[ \t]{{1,3}}"
    rf"(?:(?!(?:{_NOT_BETWEEN})\b)[\w-]{{1,20}}[ \t]{{1,3}}){{0,4}}"
    rf"{_WRONG_NOUNS}(?:[ \t]{{0,3}}(?:,|or|nor|and)[ \t]{{1,3}}{_WRONG_NOUNS}){{0,3}}\b"
    r"|\b(?:not|nothing|isn't|aren't|never)[ \t]{1,3}(?:(?:is|was|looks)[ \t]{1,3})?(?:wrong|incorrect|false"
    r"|invalid)\b|\b(?:percent(?:age)?|standard|relative|absolute|rounding|measurement|margin of)"
    r" error\b"
    r"|(?:没有|未|不存在|无)(?:任何|明显|发现|出现|什么|计算|逻辑|推理|事实|见|有){0,3}(?:错误|误|矛盾|问题)|没有?错|误差",
    re.IGNORECASE,
)
#: "not" where it denies a number or a name and no verdict: "3, not 4".
_DENIED = (
    rf"(?:{_RIGHT_WORDS}|match|follow|agree|add up|support(?:ed)?|consistent|self-consistent|properly|what|shown|exist"
    r"|answer|visible|depict|reflect|warranted|enough|sufficient|prove[nd]?|establish|convincing|in the image)"
)
_MERE_NOT = re.compile(rf"\bnot\b(?!{_SPACE}{_UP_TO_3}{_DENIED}\b)", re.IGNORECASE)
#: A remark on the whole, or a bare word; "step 1 is correct" is neither.
_WHOLE = re.compile(
    r"\b(?:response|solution|all|it|this|that|they|work|i|every|looks?|raisonnement|razonamiento)\b|回答|解答|全部|所有",
    re.IGNORECASE,
)
_PROCESS = re.compile(
    r"\b(?:(?:process|reasoning|verdict)\w{0,20}|result[ \t]{0,4}[:=|]|overall|everything|judge?ment|assessment"
    r"|evaluation|conclusion|correctness|validity|grade|derivation|logic)(?!\w)|过程|推理|整体|结论|判定|判断",
    re.IGNORECASE,
)
#: `Process (steps 1-3): correct` is a remark on the whole though it has a number.
_LABEL = re.compile(
    r"(?:process|reasoning|verdict|overall|assessment|过程|推理|结论)[^:=|\n]{0,40}[:=|]"
    rf"[\s*_`\"'(\[]{{0,8}}{_RIGHT_WORDS}\b|\b1/1\b|\b(?:score|label)\W{{1,5}}1\b",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\d|\b(?:up to|until|except|but|part|first|second|third|initial|early|only|if|whether|maybe|perhaps|might|could"
    r"|would|should|value|the right|the correct|right (?:side|triangle|angle|hand))\b|第.步|应",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"\banswer\b|答案", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:no|not|never|none|cannot|\w{1,8}n't)\b|不", re.IGNORECASE)
#: After a verdict of correct these begin an objection; in an explanation of a mistake they are ordinary words.
_OBJECTION = re.compile(
    r"\b(?:but|however|although|though|except|instead|rather|yet|should|must|unless|only|actually|in fact|missing)\b"
    r"|但|不过|然而|其实|实际|应该|应为",
    re.IGNORECASE,
)
_REVISED = re.compile(
    r"\b(?:wait|hold on|hmm|sorry|apolog(?:y|ies)|i apologi[sz]e|correction|i was|i made|i (?:now )?revis\w+"
    r"|reconsider\w*|overrul\w+|withdraw\w*|re-?(?:check|examin|read|think|evaluat|assess|judg)\w*|on second thought"
    r"|changed?|updated?"
    r"|actually|in fact|after all|final(?:ly)?(?! (?:answer|result|value|step|conclusion))|scratch that"
    r"|(?:ignore|disregard) (?:that|this|it|the above)|never ?mind|the opposite (?:is true|holds)|kidding"
    r"|joking"
    r"|i lied|fake|forged|injected"
    r"|(?:above|this|that|it|which) (?:is|was) (?:only |just )?(?:what )?the (?:response|candidate|author)(?:['’]s)? "
    r"(?:own|wanted|wrote|said|says|claims?|asked|told|text|words)|which i (?:ignore|reject|refuse|disregard))\b"
    r"|更正|修正|等等|重新|抱歉|其实",
    re.IGNORECASE,
)
#: "The correct answer is 5" speaks of the reference.
_RIGHT_ANSWER = re.compile(r"\b(?:correct|right|true) (?:final )?answer|正确答案", re.IGNORECASE)
#: Sentences, and what markup sets apart.
_SEGMENTS = re.compile(r"[\n\0;。；!！?？{}<>]|```|\.(?=\s|$)")
_MOST_WORDS = 3


def without_absences(text: str) -> str:
    """The text with "no errors" and the like left out, so that the words in it are not taken for an objection."""
    return _ABSENT.sub(" fine ", text)


def against(text: str, *, passes: bool, answer: bool | None, process: bool | None) -> str:
    """The first thing in a text that speaks against a verdict; empty if nothing does.

    Args:
        text: what stands beside the verdict's statements.
        passes: what the verdict is.
        answer: what it says of the final answer.
        process: what it says of the process.
    """
    text = without_absences(text)
    if passes:
        found = _WRONG.search(_MERE_NOT.sub(" ", text))
        return "" if found is None else " ".join(found[0].split())[:_MOST_SHOWN]
    for segment in _SEGMENTS.split(text):
        denied = process is True and _PROCESS.search(segment) and _WRONG.search(segment)
        if denied or affirms(segment, answer):
            return " ".join(segment.split())[:_MOST_SHOWN]
    return ""


def affirms(segment: str, answer: bool | None) -> bool:
    """Whether a sentence finds a response right as a whole, or its answer where the verdict finds that wrong."""
    if not _RIGHT.search(segment) or _WRONG.search(segment):
        return False
    if (
        answer is False
        and _ANSWER.search(segment)
        and not re.search(r"\b(?:the )?(?:correct|right|true) (?:final )?answer", segment, re.IGNORECASE)
    ):
        return True
    if _LABEL.search(segment):
        return True
    if _PART.search(segment):
        return False
    if _PROCESS.search(segment):
        return True
    if _ANSWER.search(segment):
        return False
    return _WHOLE.search(segment) is not None or len(re.findall(r"\w+", segment)) <= _MOST_WORDS


def takes_back(remark: str, *, passes: bool, answer: bool | None) -> bool:
    """Whether a remark after a verdict could mean another one; words that revise something could mean anything."""
    if _REVISED.search(remark) or re.match(r"[\s(\[\"'*]{0,8}[?？]", remark):
        return True
    if passes:
        rest = without_absences(remark)
        return bool(_WRONG.search(rest) or _DENIAL.search(rest) or _OBJECTION.search(rest))
    return any(affirms(segment, answer) for segment in _SEGMENTS.split(without_absences(remark)))
