"""Option letters that prose speaks of: which are accepted, which rejected, and which one a text comes to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？\n]|(?=不对|其实|更正)")
CLAUSE_END = re.compile(r"[,;:，；：]|\bbut\b|\band\b|但|而")
#: A letter that stands alone.
_LETTER = re.compile(r"(?<![A-Za-z0-9_'’\\])[A-I](?![A-Za-z0-9_'’])")
_OPENED, _CLOSED = tuple("(（[【\"'“‘「*"), re.compile(r"[.,]?[)）\]】\"'”’」*]")
_NOUN_END = r"\s*[(（\[【\"'“‘「*]{0,3}$"
_NOUN = re.compile(rf"(?:\b(?:options?|choices?|answers?|letters?)\s+|选项|选择|答案){_NOUN_END}", re.IGNORECASE)
#: What is shown with letters: options where these have no texts of their own.
_FIGURE = re.compile(
    r"(?:\b(?:figures?|images?|pictures?|box|shapes?|diagrams?|patterns?|statements?|graphs?)\s+|图形?)" + _NOUN_END,
    re.IGNORECASE,
)
#: After these a letter at a clause's end is an option.
_SAYS = re.compile(
    r"(?:\b(?:is|be|or|and|it['’]s|that['’]s|say|guess|so|then|thus|hence|therefore|choose|pick|select|think|leaves|maybe|\w+ly"
    r"|with|as|means|gives|yields|towards?|vote|wait|no|to)|[:：,，;；→⇒]|=>|<|是|选|(?<!因)为|即)[\s<]*$",
    re.IGNORECASE,
)
_CLAUSE_ENDS = re.compile(r"[ \t]*(?:[.,;:!>。，；！)\n]|$)")
_FITS = re.compile(
    r"\s+(?:is\s+better|fits?|match(?:es)?|works?|completes?|follows|(?:comes|is)\s+next|is\s+(?:right|correct|true)"
    r"|(?:is|seems|looks|appears)\s+(?:to\s+be\s+)?(?:the\s+)?(?:odd|only|best|most\s+likely|closest|one)"
    r"|is\s+the\s+(?:right|correct|most)|(?:is|would\s+be|will\s+be)\s+my\s+(?:final\s+)?(?:answer|choice|pick))\b"
)
_REASONED = re.compile(r"\s+(?:because|since|as|over|rather|instead|though|although|given|that|which)\b")
_QUESTION = re.compile(r"[ \t*(]*(?:is|are|was|could|can|would|does|do|what|how|or|maybe)\b", re.IGNORECASE)
_JOINED = re.compile(r"[ \t)]*(?:/|[,，、]|\bor\b|\band\b|或|和|还是)[ \t(]*[A-I](?![A-Za-z0-9_'’])")
DENIED_BEFORE = re.compile(
    r"\b(?:not|never|neither|nor|no longer|cannot|rules?\s+out|ruled\s+out|ruling\s+out|eliminat\w+|exclud\w+|reject\w*"
    r"|unlike|unable|(?:was|were)\s+going\s+to|wanted\s+to|prefer\w*\s.{1,20}\sto"
    r"|(?<!other )than|if|whether|unless|between|instead\s+of|rather\s+than)\b"
    r"|\bover\s*(?:option\s*)?[(*\[]*$|n['’]t\b|不|没|非|无法|排除|如果|是否|若",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"[ \t)\]\"'”’*]*(?:(?:is|are|was|were|can\s+be|could\s+be|can|could|does|do|did|seems?|looks?"
    r"|would|has|must\s+be|都|均)\s*)?"
    r"(?:\w+ly\s+|both\s+|all\s+)?(?:not\b|n['’]t\b|cannot\b|wrong|incorrect|false|ruled\s+out|eliminated|excluded|impossible"
    r"|out\b|fails|too\s+\w+|不|没|错|排除|可排除|被排除)",
    re.IGNORECASE,
)
#: Options of which one thing is denied together: `A, B and D are wrong`.
_TOGETHER = re.compile(
    r"(?:[ \t)\]*]*(?:,[ \t]*(?:and|or)\b|,|、|\band\b|\bor\b|和)[ \t(\[*]*[A-I](?![A-Za-z0-9_'’])){1,8}"
)
_PLURAL = re.compile(r"[ \t)\]*]*(?:are|were|can|could|do|did|seem|look|have|都|均|不|错)")
_NAMED = re.compile(r"(?:\b(?:is|be|say|choose|pick|select|with)|['’]s|[:：是选])\s*[(\[*]*$", re.IGNORECASE)
#: Letters that a letter is listed with: `not A, C or D` denies all three.
_COMMAS = r"(?:(?<![A-Za-z0-9])[A-I][)\]*]{0,3}[ ]?[,、][ ]?[(\[*]{0,3})"
_LAST = r"(?<![A-Za-z0-9])[A-I][)\]*]{0,3}(?:,?[ ](?:and|or|nor)[ ]|和|或)[(\[*]{0,3}"
_LISTED_BEFORE = re.compile(rf"{_COMMAS}{{0,8}}{_LAST}$"), re.compile(rf"{_COMMAS}{{1,8}}$")
#: Questions that a text asks itself: `Is it B? No.`
_ASKED = re.compile(
    r"[)\]*]*[?？][ \t*]*(?:(?P<yes>yes|right|correct|对|是的)|no|nope|wrong|不是|不对)\b", re.IGNORECASE
)
_LETTER_BEGINS = r"(?:option\s+|choice\s+|figure\s+|image\s+)?[(（\[【*\"'“‘]{0,3}$"
#: What commits itself to the letter that follows.
_COMMITS = re.compile(
    r"(?:(?:^|[.!?;:,\n]\s*|\b(?:so|thus|hence|therefore|but|think|believe|say|guess|that)\s+)"
    r"(?:it|this|that|which|(?:(?:the|my)\s+)?(?:(?:right|correct|best|final)\s+)?(?:answer|option|choice|one))"
    r"(?:['’]s|\s+(?:is|must\s+be|should\s+be|would\s+be|has\s+to\s+be))|\b(?:answer|option|choice|letter)\s+(?:is|must\s+be|should\s+be|would\s+be)"
    r"|\b(?:choose|pick|select|prefer|say|go(?:ing)?\s+with|vote\s+for))"
    rf"\s+(?:\w+ly\s+)?{_LETTER_BEGINS}|(?:选择?|应?是|(?<!因)为)[“‘「（(]?$",
    re.IGNORECASE,
)
_HEDGED = re.compile(r"[ \t)\]*\"”’]*(?:[?？]|(?:if|unless|or|and)\b|或|和|还是)", re.IGNORECASE)
#: Begins what is said of other options beside the one that is committed to.
_ASIDE = re.compile(
    r"[ \t)\]*\"”’]*(?:\([^()\n]{0,80}\)|[ \t]?[a-z][^.,;()\n]{0,40})?[ \t,;，—–-]*(?:because|since|as|for"
    r"|though|although|while|whereas|over|given|considering|unlike|rather|instead|因为|由于|虽然|尽管|而)",
    re.IGNORECASE,
)
_TURNS = re.compile(
    r"\b(?:wait|actually|h+m+|however|but|no|or|also|could|might|may|better|alternatively|possibl\w+|equally|instead)\b"
    r"|等等|其实|但|也|或|不对|更正",
    re.IGNORECASE,
)
#: What is said after one of these is what the response comes to.
CONCLUDES = re.compile(
    r"\b(?:so|thus|hence|therefore|finally|actually|wait|no|conclu\w+|overall|in\s+the\s+end|best|only|remaining|left"
    r"|final|correct|fits?|match(?:es)?)\b|因此|所以|故|综上|最终|其实|不对|应该",
    re.IGNORECASE,
)


def mentioned(text: str, letters: Iterable[str], *, figures: bool) -> frozenset[str]:
    """The one option that a text speaks of without rejecting it, in all or in its concluding sentence.

    Args:
        figures: whether `figure A` is an option.
    """
    known = set(letters)
    found = [(place, letter) for place, letter in _accepted(text, figures) if letter in known]
    if len({letter for _, letter in found}) == 1:
        return frozenset({found[0][1]})
    if not found:
        return frozenset()
    breaks = [match.end() for match in SENTENCE_END.finditer(text, 0, found[-1][0])]
    start = breaks[-1] if breaks else 0
    last = {letter for place, letter in found if place >= start}
    sentence = SENTENCE_END.split(text[start:], maxsplit=1)[0]
    if len(last) == 1 and CONCLUDES.search(sentence):
        return frozenset(last)
    return _committed(text, found)


def _committed(text: str, found: Sequence[tuple[int, str]]) -> frozenset[str]:
    """The one letter that a text commits itself to where it says something of others: `It is C, because A is blue.`"""
    strong = [
        (place, letter)
        for place, letter in found
        if _COMMITS.search(text[max(0, place - 60) : place])
        and not _HEDGED.match(text, place + 1)
        and not _JOINED.match(text, place + 1)
    ]
    if len({letter for _, letter in strong}) != 1:
        return frozenset()
    end, letter = strong[-1][0] + 1, strong[-1][1]
    rest = text[end:]
    if _ASIDE.match(rest):
        rest = "".join(SENTENCE_END.split(rest, maxsplit=1)[1:])
    others = [place for place, other in found if other != letter and place >= len(text) - len(rest)]
    return frozenset() if others and _TURNS.search(rest) else frozenset({letter})


def _accepted(text: str, figures: bool) -> Iterator[tuple[int, str]]:
    """Letters that are spoken of as options and not rejected, with their places."""
    for match in _LETTER.finditer(text):
        before, end = text[max(0, match.start() - 80) : match.start()], match.end()
        near, asked = before[-24:], _ASKED.match(text, end)
        speaks = (
            asked is not None
            or (near.endswith(_OPENED) and _CLOSED.match(text, end))
            or ((_CLAUSE_ENDS.match(text, end) or _REASONED.match(text, end)) and _SAYS.search(near))
            or _FITS.match(text, end)
            or _JOINED.match(text, end)
            or _NOUN.search(near)
            or (_COMMITS.search(text[max(0, match.start() - 60) : match.start()]) and not _HEDGED.match(text, end))
            or (figures and _FIGURE.search(near))
            or (_CLAUSE_ENDS.match(text, end) and not SENTENCE_END.split(before)[-1].strip())
        )
        if speaks and not _is_denied(text, end, near) and (asked is None or asked["yes"]):
            sentence = SENTENCE_END.split(before)[-1]
            listed = _LISTED_BEFORE[_JOINED.match(text, end) is not None]
            clause = CLAUSE_END.split(listed.sub("", sentence).rstrip(" ,:："))[-1]
            if not DENIED_BEFORE.search(clause) and (asked is not None or not _is_questioned(text, sentence, end)):
                yield match.start(), match[0]


def _is_denied(text: str, end: int, near: str) -> bool:
    """Whether what follows a letter rejects it, alone or together with others that are listed after it."""
    if _DENIED_AFTER.match(text, end):
        return True
    together = None if _NAMED.search(near) else _TOGETHER.match(text, end)
    if together is None:
        return False
    return _PLURAL.match(text, together.end()) is not None and _DENIED_AFTER.match(text, together.end()) is not None


def _is_questioned(text: str, before: str, end: int) -> bool:
    """Whether a letter stands in a question of its own: `Is (A) possible?`"""
    if not _QUESTION.match(before):
        return False
    closing = SENTENCE_END.search(text, end)
    return closing is not None and closing[0] in ("?", "？")
