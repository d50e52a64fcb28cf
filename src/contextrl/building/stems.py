"""What a question asks, apart from its options and from instructions on how to answer, which sets put around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contextrl.evaluation.benchmarks.inline_options import split_options

#: Ends of sentences and lines; `e.g.` ends none.
_ENDS = re.compile(r"((?<!\be\.g)(?<!\bi\.e)(?<=[.!?])[ \t]+|(?<=[。！？])|\n+)")
_LABEL = re.compile(
    r"\A\s*(?:(?:question|q|问题)\s*[:：]|(?:please\s+)?answer\s+(?:the|this)\s+(?:following\s+)?question\s*:)\s*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\s*(?:\n\s*(?:choices|options|选项)\s*[:：].*|\n\s*(?:short\s+)?(?:answer|答案)\s*[:：]\s*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(r"(?:\A|\s)[(（]?[A-Za-z][)）]?[.:：)）]?\s*\Z")
_TAG = re.compile(r"</?(?:think|answer)>|\\boxed\s*\{[^{}]*\}|\\boxed", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_](?:['’\-]?[^\W\d_])+")
_CHINESE = re.compile(
    r"\A(?:提示[:：])?请?.{0,12}(?:回答问题|选项字母|选项的字母|最终答案|单词或短语|正确答案|正确选项|一步一步)"
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: An instruction has one of these, and no word but these and `_AROUND`: with any other it may be what is asked.
_ABOUT = _set(
    """
    answer answers option options option's letter letters choice choices response respond reply boxed step
    step-by-step format reasoning thinking word phrase briefly concisely value brief concise
    answering short
    """
)
_AROUND = _set(
    """
    a about above according an and another appropriate as at available based be before being below best box both
    brackets by can carefully chain choose choosing clear clearly complete consider containing correct
    corresponding decimal decimals detail details detailed direct directly do does each either else enclose
    enclosed end ending ensure every exactly explain explaining explanation explanations explanatory fewest few
    final finally finish first floating-point float following follow for formatted from full further give given
    giving hint if image in include including indicate inside instruction instructions integer internal into is
    it its json just keep know label let let's like list location make mark mind monologue most must no nothing
    not number of on one only or other out output over perform picture place places please point possible
    process produce provide provided providing punctuation put python question questions quick quickly rationale
    reason refer requires requiring return right sentence sentences shall should short shortly show simple
    simply single so solution solve state submit succinct surround tag tags text than that the then there these
    think this thought thoughts through to two url use using very via visual with within without work working
    write xml xxx yes you your yourself latex multiple-choice multi-choice
    """
)
_DIRECTS = _set(
    """
    answer respond reply choose select pick give provide output write return put enclose keep use think explain
    let let's make solve reason indicate state submit mark show end finish follow must should please perform
    hint work directly briefly boxed brief quick short
    """
)


@dataclass(frozen=True)
class Parts:
    """A question in parts.

    Attributes:
        stem: what is asked; the whole where nothing else is there.
        options: their texts by letter, empty where it has none.
    """

    stem: str
    options: dict[str, str]


def parts(question: str) -> Parts:
    """A question without hints, instructions and label, its options apart."""
    asked = split_options(without_instructions(question))
    stem = _LABEL.sub("", _CLOSING.sub("", asked.stem)).strip()
    options = {letter: _option(text) for letter, text in asked.options.items()}
    return Parts(stem, options) if stem else Parts(question.strip(), {})


def without_instructions(question: str) -> str:
    """A question without the sentences that say only how to answer it; all of it where nothing would be left."""
    pieces = _ENDS.split(question)
    kept = list[str]()
    for index, piece in enumerate(pieces):
        is_end = index % 2 == 1
        is_option = not is_end and _OPTION.search("".join(pieces[max(0, index - 2) : index])) is not None
        if is_end or is_option or not _instructs(piece):
            kept.append(piece)
    left = "".join(kept).strip()
    return left or question.strip()


def _instructs(sentence: str) -> bool:
    if "?" in sentence or "？" in sentence or len(sentence) > 400:
        return False
    if _CHINESE.match(sentence.strip()):
        return True
    tagged = _TAG.sub(" boxed ", sentence)
    words = [word.casefold().replace("’", "'") for word in _WORD.findall(tagged)]
    known = all(word in _ABOUT or word in _AROUND or word in _DIRECTS for word in words)
    return known and len(words) > 1 and not _ABOUT.isdisjoint(words) and not _DIRECTS.isdisjoint(words)


def _option(text: str) -> str:
    return text.strip().partition("\n")[0].strip(" ;；,，")
