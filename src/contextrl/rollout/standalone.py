"""Standalone filter: a rolled-back response must read as an answer to the original question.

A response that speaks of the report or of an earlier attempt would teach the policy to answer a conversation that is
not there. These rules catch the common phrasings; an LLM judge adds its own field to the verdict.
"""

from __future__ import annotations

import re
import unicodedata

_PHRASES = re.compile(
    r"""
    \b(?:mistake|error|feedback)\s+report\b
    | \b(?:the|this|your|that|per|by)\s+(?:report|feedback|hint|critique|correction)\b
    | \breport\s+(?:says|states|notes|points|mentions|indicates|tells)\b
    | \bmy\s+(?:previous|earlier|first|prior|last|initial|original)\s+
        (?:answer|attempt|response|solution|reading|mistake|reasoning|calculation)\b
    | \b(?:previous|earlier|prior)\s+(?:answer|attempt|response|solution)\b
    | \byou\s+(?:are|were)\s+(?:right|correct)\b
    | \byou(?:'re|r)\s+(?:right|correct|correction|feedback|hint)\b
    | \bas\s+you\s+(?:said|noted|pointed|mentioned|wrote)\b
    | \b(?:thanks|thank\s+you)\s+for\b
    | \bi\s+(?:apologi[sz]e|made\s+a(?:n)?\s+(?:mistake|error)|misread|was\s+wrong)\b
    | \b(?:sorry|apologies)\b[^.]{0,40}\b(?:mistake|error|confusion|earlier|previous)\b
    | \blet\s+me\s+(?:correct|fix|redo|retry)\b | \bcorrected\s+answer\b | \bupon\s+re-?(?:examination|checking)\b
    | (?:错误报告|反馈|我之前的|之前的回答|先前的|你说得对|您说得对|你是对的|抱歉)
    """,
    re.IGNORECASE | re.VERBOSE,
)

#: Consecutive words shared with the report, and not with the question, that count as quoting it.
QUOTE_WORDS = 8


def standalone_problem(text: str, report: str = "", question: str = "") -> str | None:
    """What gives the response away as a retry, or None if it stands on its own.

    Args:
        text: the stage-2 response.
        report: the mistake report it saw; long overlap with it is quoting.
        question: words that the question already has are nobody's quote.
    """
    plain = unicodedata.normalize("NFKC", text)
    if match := _PHRASES.search(plain):
        return match.group(0)
    return _quoted(plain, report, question)


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
    return re.findall(r"\w+", text.casefold())


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + QUOTE_WORDS]) for i in range(len(words) - QUOTE_WORDS + 1)}
