"""Standalone filter: a rolled-back response must read as an answer to the original question.

A response that speaks of the report or of an earlier attempt would teach the policy to answer a conversation that is
not there. These rules catch the common phrasings; an LLM judge adds its own field to the verdict.
"""

from __future__ import annotations

import re

from contextrl.answers.lookalikes import as_read
from contextrl.rollout.revision_words import ASKS_FOR_FAULTS, FAULTS, OPENINGS, PHRASES

#: What a phrase may speak of that a picture shows too; a mistake report never is.
_SHOWN = re.compile(r"report|feedback|hint|critique|judge|review|critic|comment|报告|反馈|提示", re.IGNORECASE)
_NEVER_SHOWN = re.compile(r"mistake[\s-]+report|\b(?:your|my)\b|错误报告", re.IGNORECASE)
_PICTURE = (
    r"(?:image|picture|photo(?:graph)?|figure|screenshot|chart|diagram|scan|document|page|slide|screen|poster|table)"
)
#: Directly after the phrase: "in the image", "shown in the picture", "displayed on the screen", "pictured".
_IN_PICTURE = re.compile(
    r"\s(?:card\s|form\s|document\s|sheet\s)?(?:,\s)?(?:(?:that\sis\s|which\sis\s|is\s|as\s)?"
    r"(?:shown|displayed|pictured|depicted|visible|seen|given|provided|printed|presented|contained)\s)?"
    rf"(?:in|from|inside|within|on)\s(?:the|this|that|our|each)\s(?:\w+\s)?(?:{_PICTURE}|question|problem)\b"
    r"|\s(?:shown|displayed|pictured|depicted|visible)\b",
    re.IGNORECASE,
)
#: Said before that there is one in the picture, or one of a kind that nobody writes about answers.
_SHOWS_ONE = re.compile(
    rf"\b{_PICTURE}s?\s(?:shows|displays|contains|depicts|presents|features|includes|is)\s(?:us\s)?(?:an?|one|the|two)\s"
    r"(?:[\w'-]+\s){0,5}?(?:report|feedback|hint|critique)s?\b"
    rf"|\b(?:an?|the)\s(?:[\w'-]+\s){{0,3}}?(?:report|feedback|hint|critique)\s(?:is\s)?(?:shown\s|displayed\s|depicted\s)?"
    rf"(?:in|on)\s(?:the|this)\s(?:\w+\s)?{_PICTURE}\b"
    r"|\b(?:an?|the)\s(?:[\w'-]+\s){0,3}?(?:report|feedback|hint)\sis\s(?:shown|displayed|pictured|visible|depicted)\b"
    r"|图[片像中]?[^。，,.]{0,8}(?:报告|反馈|提示)|(?:报告|反馈|提示)[^。，,.]{0,4}(?:图片|图像|图中)",
    re.IGNORECASE,
)
_KINDS = re.compile(
    r"\b(?:annual|weekly|monthly|quarterly|daily|yearly|weather|police|news|sales|financial|earnings|lab|laboratory|medical|"
    r"budget|inspection|school|accident|incident|expense|book|credit|traffic|stock|market|research|status|test|customer|"
    r"user|audit|progress|pathology|radiology|crime|survey|company|government)(?:'s)?\s$",
    re.IGNORECASE,
)
#: The question speaks of one: not "Report the total", which asks.
_ASKED = re.compile(
    r"\b(?:the|this|that|an?|in|of|from|per|\w+'s)\s(?:[\w'-]+\s){0,3}?(?:feedback\sreport|report|feedback|hint|critique)s?\b"
    r"|\b(?:reports?\s(?:card|form|says|shows)|feedback|hints?|critiques?)\b|报告|反馈|提示",
    re.IGNORECASE,
)

#: Consecutive words shared with the report, and not with the question, that count as quoting it.
QUOTE_WORDS = 8


def standalone_problem(text: str, report: str = "", question: str = "") -> str | None:
    """What gives the response away as a retry, or None if it stands on its own.

    Args:
        text: the stage-2 response.
        report: the mistake report it saw; long overlap with it is quoting.
        question: phrases and words that the question already has give nothing away.
    """
    plain = as_read(text)
    asked = question.casefold()
    if opening := OPENINGS.match(plain):
        return opening.group(0).strip()
    for match in PHRASES.finditer(plain):
        if match.group(0).casefold() not in asked and not _is_in_picture(match, plain, question):
            return match.group(0)
    if not ASKS_FOR_FAULTS.search(question) and (fault := FAULTS.search(plain)):
        return fault.group(0)
    return _quoted(plain, report, question)


def _is_in_picture(match: re.Match[str], text: str, question: str) -> bool:
    """Whether a phrase means a report, feedback or hint that the picture or the question has, and not the judge's."""
    phrase = match.group(0)
    noun = _SHOWN.search(phrase)
    if noun is None or _NEVER_SHOWN.search(phrase):
        return False
    if _IN_PICTURE.match(text, match.end()) or _KINDS.search(text, max(0, match.start() - 40), match.start()):
        return True
    shown = _SHOWS_ONE.search(text)
    named = [found for found in (shown, _ASKED.search(question)) if found is not None]
    return any(noun[0].casefold() in found.group(0).casefold() for found in named)


def _quoted(text: str, report: str, question: str) -> str | None:
    """The first run of QUOTE_WORDS words that the response shares with the report but not with the question."""
    words, report_words, question_words = _words(text), _words(report), _words(question)
    runs = _runs(report_words) - _runs(question_words)
    for start in range(len(words) - QUOTE_WORDS + 1):
        run = tuple(words[start : start + QUOTE_WORDS])
        # Bare numbers are the content of an answer: reading the same digits as the report says is no quote.
        if run in runs and sum(not word.isdigit() for word in run) >= QUOTE_WORDS // 2:
            return " ".join(run)
    return None


def _words(text: str) -> list[str]:
    """Words; Chinese, which does not separate them, by the character."""
    return re.findall(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+", text.casefold())


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + QUOTE_WORDS]) for i in range(len(words) - QUOTE_WORDS + 1)}
