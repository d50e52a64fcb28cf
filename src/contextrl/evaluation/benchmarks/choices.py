"""Option letters: the options of a row, and which of them a response finally says.

The reading commits where the response does: `Based on the image, the answer is D` is D, a change of mind counts as its
last commitment, the option's own text counts as its letter. Several letters without a commitment, a refusal and a
response that was cut off before its answer are none, never a guess.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from contextrl.answers import answers_equal, extract_answer
from contextrl.answers.extraction import after_thinking
from contextrl.answers.wrapping import boxed, unwrap, visible
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Mark, Response
from contextrl.evaluation.benchmarks.letters_in_prose import (
    CLAUSE_END,
    CONCLUDES,
    DENIED_BEFORE,
    SENTENCE_END,
    mentioned,
)

LETTERS = string.ascii_uppercase
#: What is searched for a statement, from the end; the last part of it first.
_SPOKEN_CHARS, _LAST_CHARS = 8_000, 800
#: Nothing before this is the first line of what is searched.
_ELLIPSIS = "...\n"
#: Where nothing is stated, the end says it, or nothing does.
_TAIL_CHARS = 2_000
#: Responses of one line and at most so many characters are their answer, cut off or not.
_BARE_CHARS = 20
#: Follows a response that was cut off: its last line is not its answer.
CUT_OFF = "\n[the response was cut off here]"
_ONE_OR_SEVERAL = re.compile(r"[A-J](?:, [A-J])*")
#: A change of mind within a sentence.
TURN = re.compile(
    r"(?:[ \t]?[,;—–-]{1,2}[ \t]?|[ \t])(?=(?:no,?[ ]+wait|wait[ ,]|actually|sorry|scratch[ ]+that|i[ ]+mean)\b)",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:not|no|incorrect|wrong|false|cannot|unable|sorry|neither|nor|none|whether|if|or|might|may|could|perhaps|maybe|unclear|unsure"
    r"|at\s+first|initially)\b"
    r"|n['’]t\b|不|没|无法|是否|可能|或者?|如果|抱歉",
    re.IGNORECASE,
)
_ANSWER_IS = re.compile(
    r"(?:\banswers?\s*(?:is|was|:|would\s+be|should\s+be|must\s+be)|答案(?:应该|应)?(?:是|为|[:：])|<answer>)\s*:?\s*"
    r"([^\n<]{1,400})",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?i:(?:option|choice|letter|figure|image|picture|shape|graph|diagram|statement|panel)\s)?[\s*_(\[\"'“`$（#✅✔✓→=>-]{0,6}([A-Ia-i])[\s*_)\]\"'”`$.。）]{0,6}"
)
_BOX_CHARS = 160
_END = r"[\s*_)\]\"'”`$.。）}]{0,8}$"
_BOX = re.compile(rf"\\boxed\s?\{{\s?(?:\\text(?:bf)?\s?\{{)?\(?([A-I])\)?\s?\}}\\?{_END}")
_ANSWER_LAST = re.compile(
    r"(?:\b[Aa]ns(?:wer|\.)?|ANSWER|\boption|答案)(?:\s(?:is|would\sbe|should\sbe|must\sbe)|是|为)?\s?[:：]?[\s*_(\[\"'“`$（>-]{0,6}"
    rf"([A-I]){_END}"
)
_CHANGED = re.compile(
    r"\b(?:wait|actually|sorry|scratch\sthat|i\smean|no)\b[\s,.:]{0,3}(?:no,?\s)?(?:(?:it|that)(?:['’]s|\sis)\s)?(?:option\s)?"
    rf"[\s*_(\[\"'“`$（]{{0,6}}((?-i:[A-I])){_END}",
    re.IGNORECASE,
)
#: As `SENTENCE_END`, with a question's mark kept.
_SENTENCES = re.compile(r"(?<=[.!?])(?=\s|$)|(?<=[。！？\n])|(?=不对|其实|更正)")
_NUMBER_CHARS = 60
#: In a sentence that names several options, what it comes to follows the first of these or stands before the second.
_THEREFORE = re.compile(r"\b(?:so|thus|hence|therefore)\b|所以|因此|故")
_IT_IS = re.compile(r"\s*(?:it|this|that)(?:['’]s|\s+is)\b", re.IGNORECASE)
_BECAUSE = re.compile(r"\b(?:rather\s+than|instead\s+of|because|since|whereas|although|though)\b|因为|由于|虽然")
#: What a sum comes to follows.
_RESULT = re.compile(r"[=≈]|\b(?:makes|gives|totals)\b")
_RIGHT = re.compile(r"\b(?:correct|right|yes|true|matches|fits)\b|[✓✔✅]|正确", re.IGNORECASE)
#: One character for each option, in place of its words.
_MASKS = {letter: chr(0xE000 + place) for place, letter in enumerate(LETTERS)}
_OPTION_LINE = re.compile(r"[\s*(（-]{0,4}([A-I])[.):：）]")
_WORDS = re.compile(r"(?:\\(?:text|mathrm|[,;! ])|[\s\"'“”‘’`*_$\\(){}\[\]（）【】])+")


def option_columns(row: Mapping[str, Any]) -> dict[str, str]:
    """Options of a row that has a column for each, as VLMEvalKit's tables do: empty cells are none."""
    found = {letter: row.get(letter) for letter in LETTERS}
    return {
        letter: str(value)
        for letter, value in found.items()
        if not isinstance(value, bool)
        and isinstance(value, str | int | float)
        and not (isinstance(value, float) and math.isnan(value))
        and str(value).strip()
    }


def choice_mark(response: Response, answer: str, options: Mapping[str, str]) -> Mark:
    """Whether a response finally says the right letter."""
    letters = read_choice(response, options)
    if len(letters) != 1:
        return Mark(0.0, ", ".join(sorted(letters)) or None, how="unresolved")
    (letter,) = letters
    return Mark(float(letter == answer), letter)


def read_choice(response: Response, options: Mapping[str, str]) -> frozenset[str]:
    """The letters that a response finally says; none where it leaves its choice open.

    Args:
        options: texts by letter; a text may be empty where only the letter is known.
    """
    text = spoken(response)
    if text is None:
        return frozenset()
    plain = {letter: words for letter, value in options.items() if (words := _words(value))}
    if len(text) <= _LAST_CHARS and (whole := _same(_words(text), plain)):
        return whole
    whole_text, text = text, _without_echo(text)
    if (letter := _plainly(text)) is not None:
        return frozenset({letter})
    stated = _stated(text)
    if stated is not None and _ONE_OR_SEVERAL.fullmatch(stated):
        return frozenset(stated.split(", "))
    if stated is not None and len(stated) <= _BARE_CHARS:
        return frozenset()
    if text.endswith(CUT_OFF):
        return frozenset()
    tail = visible(unicodedata.normalize("NFKC", TURN.sub(". ", text[-_TAIL_CHARS:])))
    if len(set(plain.values())) < len(plain):
        plain = {}  # the same text twice tells no letter
    return (
        _stated_text(tail, plain)
        or _as_number(tail, options)
        or mentioned(tail, options.keys(), figures=all(len(words) < 2 for words in plain.values()))
        or _said_text(tail, plain)
        or _by_verdicts(whole_text)
    )


def _plainly(text: str) -> str | None:
    """The letter of the commonest answers, which need no search: `C`, `(c)`, `the answer is **C**.`, `\\boxed{C}`."""
    if len(text) <= _BARE_CHARS and (bare := _BARE.fullmatch(text)):
        return bare[1].upper()
    end = text[-_BOX_CHARS:]
    if (box := _BOX.search(end)) and end.count("boxed") == 1:
        return box[1]
    last = _ANSWER_LAST.search(end) or _CHANGED.search(end)
    return last[1] if last and not DENIED_BEFORE.search(end[: last.start()]) else None


def _without_echo(text: str) -> str:
    """The text without a list of all options at its end: a question repeated says nothing."""
    lines = text.split("\n") if "\n" in text else []
    letters: list[str] = []
    while lines and (match := _OPTION_LINE.match(lines[-1])):
        letters.insert(0, match[1])
        lines.pop()
    return "\n".join(lines) if len(letters) > 1 and letters == [*LETTERS[: len(letters)]] else text


def _same(said: str, plain: Mapping[str, str]) -> frozenset[str]:
    """The only option that is word for word what is said; one letter as an option's text is a letter."""
    found = [letter for letter, option in plain.items() if option == said and len(said) > 1]
    return frozenset(found) if len(found) == 1 else frozenset()


def _stated(text: str) -> str | None:
    """What `extract_answer` finds, in the last part of a response, or else in all of it."""
    if len(text) > _LAST_CHARS:
        cut = text[-_LAST_CHARS:]
        begin = SENTENCE_END.search(cut)
        last = TURN.sub(". ", _ELLIPSIS + cut[begin.end() if begin else 0 :])
        if (stated := extract_answer(last, "choice")) is not None:
            return stated
    return extract_answer(TURN.sub(". ", text), "choice")


def spoken(response: Response) -> str | None:
    """What a response says after its thoughts; marked where it was cut off; None for nothing."""
    text = after_thinking(response.text)
    if text is None:
        return None
    text = text[-_SPOKEN_CHARS:].strip()
    bare = "\n" not in text and len(text) <= _BARE_CHARS
    return text + CUT_OFF if response.truncated and not bare else text


def _stated_text(text: str, plain: Mapping[str, str]) -> frozenset[str]:
    """The option whose own text is a box, or a stated answer, or stands in the last of them."""
    if not plain:
        return frozenset()
    stated = [value for _, value in sorted(boxed(text))] + [match[1] for match in _ANSWER_IS.finditer(text)]
    for value in reversed(stated):
        said = _words(unwrap(value))
        if same := [letter for letter, option in plain.items() if option == said]:
            return frozenset(same)
    found = _found(stated[-1], plain) if stated else frozenset()
    return found if len(found) == 1 else frozenset()


def _said_text(text: str, plain: Mapping[str, str]) -> frozenset[str]:
    """The only option whose own text a response says without denial or doubt, in all or in its concluding sentence."""
    sentences = [sentence for sentence in _SENTENCES.split(text) if sentence.strip()]
    said = [_found(sentence, plain) for sentence in sentences]
    every = frozenset().union(*said)
    if len(every) == 1:
        return every
    concludes = sentences and (CONCLUDES.search(sentences[-1]) or _IT_IS.match(sentences[-1]))
    return said[-1] if concludes and len(said[-1]) == 1 else frozenset()


def _found(sentence: str, plain: Mapping[str, str]) -> frozenset[str]:
    """Options whose texts stand in clauses that neither deny nor doubt."""
    said, found = _masked(_words(sentence), plain)
    if not found or sentence.rstrip().endswith(("?", "？")):
        return frozenset()
    accepted = _in_clauses(said, found)
    if len(accepted) > 1:
        for part in (_THEREFORE.split(said)[-1], _BECAUSE.split(said, maxsplit=1)[0]):
            if part != said and len(main := _in_clauses(part, found)) == 1:
                return main
    return accepted


def _in_clauses(said: str, found: Iterable[str]) -> frozenset[str]:
    clauses = [clause for clause in CLAUSE_END.split(said) if not _REFUSES.search(clause)]
    return frozenset(letter for letter in found if any(_MASKS[letter] in clause for clause in clauses))


def _as_number(text: str, options: Mapping[str, str]) -> frozenset[str]:
    """The only option that equals the number which a response is, or states last."""
    stated = [text] if len(text) <= _NUMBER_CHARS else []
    stated += [match[1] for match in _ANSWER_IS.finditer(text)][-1:] + [value for _, value in sorted(boxed(text))][-1:]
    stated += [part for value in stated if len(part := _RESULT.split(value)[-1]) < len(value)]
    for value in stated:
        if len(value) <= _NUMBER_CHARS and any(character.isdigit() for character in value):
            said = value.rstrip(" .")
            found = [letter for letter, option in options.items() if answers_equal(said, option, "number")]
            if len(found) == 1:
                return frozenset(found)
    return frozenset()


def _by_verdicts(text: str) -> frozenset[str]:
    """The only option of a list at the end that is marked as right: `C. a car - correct`."""
    right = set()
    for line in text.split("\n")[-12:]:
        if (match := _OPTION_LINE.match(line)) and _RIGHT.search(line) and not _REFUSES.search(line):
            right.add(match[1])
    return frozenset(right) if len(right) == 1 else frozenset()


def _contained(said: str, plain: Mapping[str, str]) -> frozenset[str]:
    """The only option whose words stand in a text."""
    _, found = _masked(said, plain)
    return frozenset(found) if len(found) == 1 else frozenset()


def _masked(said: str, plain: Mapping[str, str]) -> tuple[str, set[str]]:
    """A text with a mark for each option's words, and those options; words of a longer option are its own."""
    found = set()
    for letter, option in sorted(plain.items(), key=lambda pair: -len(pair[1])):
        start = said.find(option)
        while start >= 0:
            end = start + len(option)
            if _is_whole(said, start, end):
                found.add(letter)
                said = f"{said[:start]}{_MASKS[letter]}{said[end:]}"
                end = start + 1
            start = said.find(option, end)
    return said, found


def _is_whole(said: str, start: int, end: int) -> bool:
    """Whether what stands between is no part of a word or number: 5,000 is none of 15,000, and 2 none of 2.5 or -2."""
    left, right = said[max(0, start - 2) : start], said[end : end + 2]
    if said[start].isascii() and said[start].isalnum() and left[-1:].isascii() and left[-1:].isalnum():
        return False
    if said[end - 1].isascii() and said[end - 1].isalnum() and right[:1].isascii() and right[:1].isalnum():
        return False
    if said[start].isdigit() and (left[-1:] in ("-", "−") or (left[-1:] in (".", ",", "/") and left[:1].isdigit())):
        return False
    return not (said[end - 1].isdigit() and right[:1] in (".", ",", "/", "%") and (right == "%" or right[1:].isdigit()))


@lru_cache(maxsize=8192)
def _words(value: str) -> str:
    """Words alone, in lower case, without quotes, brackets and dollar signs."""
    plain = unicodedata.normalize("NFKC", visible(value[:_TAIL_CHARS])).casefold()
    return " ".join(_WORDS.sub(" ", plain).split()).strip(".,;:。 ")


def letter_of(row: Mapping[str, Any], column: str, where: str, known: Iterable[str]) -> str:
    """A row's right option.

    Raises:
        InputError: the column is no letter among those known.
    """
    letters = [*known]
    value = row.get(column)
    text = value.strip().strip("().").upper() if isinstance(value, str) else None
    if text not in letters:
        found = "no such column" if column not in row else repr(value)[:60]
        raise InputError(f"one of {', '.join(letters)}", found=found, where=f"{where}, column {column!r}")
    return text
