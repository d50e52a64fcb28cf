"""The words of a report: which of them are places, and what is left of them without case, articles and plural."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contextrl.judge.quantities import Token, ordinals


def word_set(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


ORDINALS = ordinals()
_PLACE = (
    "step|digit|line|part|item|figure|option|row|column|place|position|equation|eq|image|picture|case|sentence|paragraph|"
    "question|problem|term|no"
)
SMALL_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
#: Places, not values: "step 2", "digit 2 is", "equation (2)", "the 2nd line", "2." at the beginning of a line, "第2步".
_PLACES = re.compile(
    rf"\b(?P<word>{_PLACE})s?\.?\s{{0,3}}[#(]?\s{{0,2}}(?:\d{{1,4}}|(?:{SMALL_WORDS}|[ivx]{{1,4}})\b)\)?"
    r"(?:\s?(?:,|and|or|to|-|–)\s?\d{1,4}\b)*"
    rf"|\b(?:\d{{1,4}}(?:st|nd|rd|th)|{'|'.join(ORDINALS)})\s(?:wrong |incorrect |last )?(?P<noun>{_PLACE})s?\b"
    rf"|\b(?:\d{{1,2}}|{SMALL_WORDS}|half)\s(?:of (?:the |your )?)?(?P<count>steps?|mistakes?|errors?|slips?)\b"
    r"|^[ \t]{0,8}\(?\d{1,3}[.)](?=\s)|#\d{1,3}\b"
    r"|第\s?[\d一二三四五六七八九十]{1,4}\s?(?:步|行|个|位|题|项|处|句|图|张|段)"
    r"|步骤\s?[\d一二三四五六七八九十]{1,4}",
    re.IGNORECASE | re.MULTILINE,
)
STATES = (
    r"(?:is|'s|are|be|was|equals?|gives?|to|choose|chosen|pick|select|mark|with|letter|answer|option|choice|means|for|[:=→>]"
    r"|应?(?:该)?(?:[是为]|选择?))"
)
STATING = word_set(
    """
    is are be was were equals equal gives give get gets answer value total result sum as = : → > should shows
    show says contains
    """
)
#: Articles, and what lists are joined by.
_FILLERS = word_set("a an the and or")


def plain_words(read: Sequence[Token]) -> list[str]:
    """Words without case, articles and plural, numbers by value."""
    words = []
    for index, token in enumerate(read):
        is_name = len(token.text) == 1 and index + 1 < len(read) and read[index + 1].text == "="
        if token.value is not None:
            words.append(f"#{token.value}")
        elif token.text[0].isalnum() and token.text not in _FILLERS and not is_name:
            words.append(_singular(token.text.removesuffix("'s")))
    return words


def _singular(word: str) -> str:
    if ordinal := re.fullmatch(r"(\d+)(?:st|nd|rd|th)", word):
        return f"#{ordinal[1]}th"
    if word in ORDINALS:
        return f"#{ORDINALS[word]}th"
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses", "oes")) else word[:-1]


def without_places(prepared: str, asked: frozenset[str]) -> str:
    """A text without its places, but for those that the question asks for."""

    def keep(match: re.Match[str]) -> str:
        word = match["word"] or match["noun"] or match["count"]
        return match[0] if word and word.casefold().removesuffix("s") in asked else " , "

    return _PLACES.sub(keep, prepared)


def asked_places(question: str) -> frozenset[str]:
    """The places that are what is asked for: in "Which row ...?" the answer is a row."""
    asked = re.findall(rf"\b(?:which|what|how many)\s(?:\w{{1,20}}\s){{0,2}}({_PLACE})s?\b", question.casefold())
    return frozenset(asked) - {"image", "picture", "figure", "question", "problem"}
