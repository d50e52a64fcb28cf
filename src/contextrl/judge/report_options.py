"""Whether a report says which option of a question is right, or whether yes or no is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contextrl.answers import check_answer, extract_answer
from contextrl.judge.quantities import prepare, readings, tokens
from contextrl.judge.report_words import ORDINALS, SMALL_WORDS, STATES, STATING, plain_words, without_places, word_set
from contextrl.records.example import Example

_RIGHT = (
    r"(?:right|correct|true|valid|best|answer|appropriate|accurate|proper|consistent|supported|one|solution|正确|对)"
)
#: "... would be the right one", "fits": what makes the option before it the answer.
_IS_RIGHT = (
    r"(?:(?:would|should|must|could|can)(?: have)? (?:be|been|hold|fit|follow)"
    r"(?! (?:wrong|incorrect|false|not|rejected|excluded|ruled))"
    r"|(?:is|was|remains|seems|looks|appears|'s)(?: indeed| actually| really| clearly| the| only| most| a)*"
    rf" {_RIGHT}|(?:fits|matches|holds|works|agrees|applies|follows|makes sense)\b|才?是?(?:正确|对的|答案))"
)
#: What says of an option's text that it is the answer; "is" and "shows" say it of a number only.
_CHOOSING = word_set("should must ought answer choose pick select correct right proper chosen answered")


def _options(question: str) -> list[tuple[str, str]]:
    """The letters and texts of the options that a question lists."""
    marks = list(re.finditer(r"(?:^|(?<=[\s,;:?(（]))\(?([A-Ja-j])\s?[).:、．）]\s{0,4}(?=\S)", question))
    found: list[tuple[str, str]] = []
    for mark, following in zip(marks, [*marks[1:], None][: len(marks)], strict=True):
        if mark[1].upper() == chr(ord("A") + len(found)):
            text = question[mark.end() : following.start() if following else len(question)]
            found.append((mark[1].casefold(), text.strip().partition("\n")[0].strip(" .,;()")[:200]))
    return found if len(found) > 1 else []


def states_option(report: str, example: Example, asked: frozenset[str]) -> bool:
    """Whether a report names the right option by its place in the list or by its text."""
    options = _options(example.question)
    stated = extract_answer(f"Answer: {example.answer}", "choice") or example.answer
    right = [
        index for index, (letter, _) in enumerate(options) if letter in stated.casefold().replace(" ", "").split(",")
    ]
    if len(right) != 1:
        return False
    if _stands_beside(report, [letter for letter, _ in options], right[0]):
        return True
    place, text = right[0], options[right[0]][1]
    names = [
        list(ORDINALS)[place],
        f"{place + 1}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place + 1, 'th') }".replace(" ", ""),
    ]
    names += ["last", "final"] if place == len(options) - 1 else []
    nouns = r"(?:option|choice|answer|alternative|statement|candidate|possibility|entry)"
    numbers = f"{place + 1}|{SMALL_WORDS.split('|')[place]}"
    chinese = "一二三四五六七八九十"[place]
    named = re.compile(
        rf"\b(?:{'|'.join(names)})(?: (?:given|listed|of the))? {nouns}s?\b"
        rf"(?!.{{0,20}}\b(?:wrong|incorrect|not|false)\b)"
        rf"|{STATES} (?:the )?(?:{'|'.join(names)}) one\b|\bthe (?:{'|'.join(names)}) one {_IS_RIGHT}"
        rf"|\b{nouns} (?:number )?(?:{numbers}) {_IS_RIGHT}|{STATES} {nouns} (?:number )?(?:{numbers})\b"
        rf"|第{chinese}个?(?:选项|项)(?!错|不)"
    )
    others = {letter for letter, _ in options} - {options[place][0]}
    if any(set(re.findall(r"\b[a-j]\b", found)) == others for found in _rejected(prepare(report))):
        return True
    if any(named.search(reading) for reading in readings(report)):
        return True
    wanted = plain_words(tokens(prepare(text)))
    return bool(wanted) and any(
        _is_stated(plain_words(tokens(without_places(reading, asked))), wanted) for reading in readings(report)
    )


def _stands_beside(report: str, letters: Sequence[str], place: int) -> bool:
    """Whether a report names an option by those beside it: "the letter after A", "between A and C"."""
    beside = {way: letters[at] for way, at in (("after", place - 1), ("before", place + 1)) if 0 <= at < len(letters)}
    forms = [
        rf"(?:option|choice|letter|one) (?:right |just )?{way} (?:option )?{letter}\b" for way, letter in beside.items()
    ]
    if len(beside) == 2:
        forms.append(rf"\bbetween (?:options? )?{beside['after']} and {beside['before']}\b(?! (?:was|were|is|are))")
    return re.search("|".join(forms), prepare(report)) is not None


def _rejected(report: str) -> list[str]:
    """Lists of options that are said to be wrong: of all the others they leave one."""
    listed = r"(?:(?:options? )?\(?[a-j]\)?(?:,? (?:and|or|nor) |, ?)){1,8}(?:options? )?\(?[a-j]\)?(?![a-z0-9])"
    return re.findall(
        rf"\bneither {listed}|\bnot {listed}(?![a-z ]*[a-z])|(?<![a-z0-9]){listed}"
        r"(?= (?:are|were|can be) (?:all )?(?:wrong|incorrect|false|"
        r"excluded|eliminated|ruled|not|impossible))",
        report,
    )


def _is_stated(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether an option's text is said to be what is right; the report may speak of any of them."""
    for start in range(len(words) - len(wanted) + 1):
        if list(words[start : start + len(wanted)]) == list(wanted):
            before = list(words[max(0, start - 3) : start])
            after = " ".join(words[start + len(wanted) : start + len(wanted) + 5])
            said = STATING if wanted[0].startswith("#") else _CHOOSING
            if "not" not in before and "n't" not in " ".join(before) and said & set(before):
                return True
            if re.match(_IS_RIGHT, after):
                return True
    return False


def verdict_pattern(example: Example) -> re.Pattern[str]:
    """A yes, a no or a letter that is stated as the answer; alone it may mean anything."""
    stated = extract_answer(f"Answer: {example.answer}", example.answer_type) or example.answer
    if example.answer_type == "choice":
        letters = [re.escape(letter.strip().casefold()) for letter in stated.split(",")]
        value = r"[\s,和and]{1,6}".join(letters)
        named = r"(?:option |choice |letter |answer |选项)"
        return re.compile(
            rf"{STATES}\s{{0,3}}{named}?\(?{value}\)?"
            rf"(?=\s?(?:[.,;!。，；)]|$|(?:because|since|as|not (?:option )?[a-j]|instead|rather)\b))"
            rf"|\({value}\)(?! (?:is|was) (?:wrong|incorrect|not))"
            rf"|(?<![a-z0-9'])\(?{value}\)? ?{_IS_RIGHT}|(?<![a-z0-9]){value}(?:选?项)?(?:才|是)?(?:是?正确|才?对)"
            rf"|\b(?:instead of|rather than|but(?: rather)?|not [a-j],?(?: but)?) {named}?{value}(?![a-z0-9'])"
            rf"(?!\s[a-z])|\b(?:everything|all|each|any|none|nothing|options?)[a-z ]{{0,20}} (?:except|but) "
            rf"{named}?{value}\b"
            rf"|(?<![a-z0-9']){value},? (?:not|instead of|rather than|and not) {named}?[a-j](?![a-z0-9])"
            rf"|(?<![a-z0-9']){value}(?:, (?:because|since|as)\b| ?[✓✔✅])"
            rf"|{named}{value},? (?:because|since|not|instead)\b"
        )
    is_yes = check_answer("Answer: yes", stated, "yes_no") is True
    words, other = ("yes|true|是的?", "no|false") if is_yes else ("no|false|否|不是", "yes|true")
    return re.compile(
        rf"(?:{STATES}|so|hence|therefore|thus|answer)[,:]?\s{{0,3}}(?:definitely |clearly |actually )?(?:{words})"
        r"(?=\s?(?:[.,;!。，；]|$)|\s(?:because|since|as|and|not|instead)\b)"
        rf"|(?<![a-z])(?:{words}) (?:is|was|would be|should be) (?:the )?(?:right|correct|answer)"
        rf"|\b(?:opposite|reverse) of (?:an? )?[\"' ]?(?:{other})\b|^\W*(?:{words})\W*$"
        rf"|\b(?:is|be|answer[: ]+) ?(?:in the )?{'affirmative' if is_yes else 'negative'}\b(?! (?:number|value|sign))"
        r"|\banswer (?:is|should be|must be) the (?:other|opposite)\b"
        rf"|\banswer (?:is|should be|must be|cannot be|can't be) not (?:{other})\b|\bcannot be (?:{other})\b"
    )
