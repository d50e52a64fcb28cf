"""Standalone filter: a rolled-back response must read as an answer to the original question.

A response that speaks of the report or of an earlier attempt would teach the policy to answer a conversation that is
not there. These rules catch the common phrasings; an LLM judge adds its own field to the verdict.
"""

from __future__ import annotations

import re
import unicodedata

_PHRASES = re.compile(
    r"""
    \b(?:mistake|error|feedback)[\s-]+report\b
    | \b(?:the|this|your|that|per|by)\s+(?:report|feedback|hint|critique)\b
    | \breport\s+(?:says|states|notes|points|mentions|indicates|tells)\b
    | \bmy\s+(?:previous|earlier|first|prior|last|initial|original)\s+(?:\w+\s+)?
        (?:answer|attempt|response|reading|mistake|reasoning|calculation|message|turn)\b
    | \b(?:previous|earlier|prior|revised|corrected)\s+(?:answer|attempt|response)\b
    | \byou(?:\s+are|\s+were|'re)\s+(?:right|correct)(?!\s+(?:to|of)\b)
    | \b(?:as\s+)?you\s+(?:said|noted|pointed|mentioned|wrote)\b | \bas\s+pointed\s+out\b | \bas\s+i\s+said\b
    | \byour\s+(?:correction|comment|note|advice)s?\b | \b(?:using|with|after|by)\s+the\s+correction\b | \byour\s+right,
    | \b(?:thanks|thank\s+you)(?:,|\s+for\s+(?:the|your|this|that|pointing|correcting|catching|noting))
    | \bi(?:\s+have|'ve|\s+had)?\s+
        (?:apologi[sz]e|made\s+an?\s+(?:mistake|error)|misread|was\s+wrong|mistakenly)\b
    | \bi\s+(?:previously|initially|earlier)\b | \bearlier,?\s+i\b | \bi\s+stand\s+corrected\b | \bgood\s+catch\b
    | \b(?:sorry|apologies)\b[^.]{0,40}\b(?:mistake|error|earlier|previous)\b
    | (?:^|[.!]\s*)(?:apologies|i'm\s+sorry|sorry(?:,|\s+(?:about|for)\b))
    | \blet\s+me\s+(?:correct\s+(?:my|that|this|it)|fix|redo|retry|try\s+again|re-?examine|reconsider)\b
    | \btrying\s+again\b | \bon\s+second\s+thought\b | \bmy\s+mistake\b | (?:^|[.!]\s*)correct(?:ed|ion):
    | \bupon\s+re-?(?:examination|checking)\b
    | (?:错误报告|根据(?:报告|提示|反馈)|我(?:之前|刚才|上一次)|之前的(?:回答|答案)|先前的|前一次回答|之前我|
       [你您](?:说得(?:对|没错)|指出)|谢谢指正|对不起|抱歉|我更正|重新检查)
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
        question: phrases and words that the question already has give nothing away.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    asked = question.casefold()
    for match in _PHRASES.finditer(plain):
        if match.group(0).casefold() not in asked:
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
    """Words; Chinese, which does not separate them, by the character."""
    return re.findall(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+", text.casefold())


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + QUOTE_WORDS]) for i in range(len(words) - QUOTE_WORDS + 1)}
