"""Whether a mistake report gives the final answer away, and what is left of it if it must not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from contextrl.answers import check_answer, extract_answer
from contextrl.judge.quantities import Token, ordinals, prepare, readings, tokens
from contextrl.records.example import Example


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_ORDINALS = ordinals()
_PLACE = (
    "step|digit|line|part|item|figure|option|row|column|place|position|equation|eq|image|picture|case|sentence|paragraph|"
    "question|problem|term|no"
)
_SMALL = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
#: Places, not values: "step 2", "digit 2 is", "equation (2)", "the 2nd line", "2." at the beginning of a line, "第2步".
_PLACES = re.compile(
    rf"\b(?P<word>{_PLACE})s?\.?\s{{0,3}}[#(]?\s{{0,2}}(?:\d{{1,4}}|(?:{_SMALL}|[ivx]{{1,4}})\b)\)?"
    r"(?:\s?(?:,|and|or|to|-|–)\s?\d{1,4}\b)*"
    rf"|\b(?:\d{{1,4}}(?:st|nd|rd|th)|{'|'.join(_ORDINALS)})\s(?:wrong |incorrect |last )?(?P<noun>{_PLACE})s?\b"
    rf"|\b(?:\d{{1,2}}|{_SMALL})\s(?:of (?:the |your )?)?(?P<count>steps?|mistakes?|errors?|slips?)\b"
    r"|^[ \t]{0,8}\(?\d{1,3}[.)](?=\s)|#\d{1,3}\b"
    r"|第\s?[\d一二三四五六七八九十]{1,4}\s?(?:步|行|个|位|题|项|处|句|图|张|段)"
    r"|步骤\s?[\d一二三四五六七八九十]{1,4}",
    re.IGNORECASE | re.MULTILINE,
)
_STEP = re.compile(
    rf"\b(step|line|equation|sentence|paragraph)\s{{0,3}}[#(]?\s{{0,2}}(\d{{1,3}}|{_SMALL})\b"
    rf"|\b({'|'.join(_ORDINALS)}|\d{{1,3}}(?:st|nd|rd|th))\s(step|line|equation|sentence|paragraph)\b"
    r"|第\s?([\d一二三四五六七八九十]{1,3})\s?(?:步|行)",
    re.IGNORECASE,
)
_STATES = (
    r"(?:is|are|be|was|equals?|gives?|to|choose|chosen|pick|select|mark|with|letter|answer|option|choice|means|for|[:=→>]"
    r"|应?(?:该)?[是为选])"
)
_RIGHT = (
    r"(?:right|correct|true|valid|best|answer|appropriate|accurate|proper|consistent|supported|one|solution|正确|对)"
)
#: "... would be the right one", "fits": what makes the option before it the answer.
_IS_RIGHT = (
    r"(?:(?:would|should|must|could|can)(?: have)? (?:be|been|hold|fit|follow)"
    r"(?! (?:wrong|incorrect|false|not|rejected|excluded|ruled))"
    r"|(?:is|was|remains|seems|looks|appears|'s)(?: indeed| actually| really| clearly| the| only| most| a)*"
    rf" {_RIGHT}|(?:fits|matches|holds|works|agrees|applies|follows)\b|才?是?(?:正确|对的|答案))"
)
#: A single numeral is in too many words ("一个", "第一"), and so is "one": only after these it is a value.
_CHINESE_STATES = "是为於于得到：:=应"
_ONE_BEFORE = _words(
    """
    the this that which each every any no another right wrong correct other first last next
    """
)
_ONE_AFTER = _words(
    """
    of step way more another can should must may might has had cannot side that who which whose at by time thing
    needs would could does is in
    """
)
_STATING = _words(
    """
    is are be was were equals equal gives give get gets answer value total result sum as = : → > should shows
    show says contains
    """
)
#: What says of an option's text that it is the answer; "is" and "shows" say it of a number only.
_CHOOSING = _words("should must answer choose pick select correct right proper chosen answered")
#: Articles, and what lists are joined by.
_FILLERS = _words("a an the and or")
_OPERATORS = set("+-*/^=<>≤≥≠±")


def leaks_answer(report: str, example: Example, response: str) -> bool:
    """Whether `report` states the final answer, in whatever notation.

    Numbers are compared by value, words without case, articles and plural, expressions sign by sign. Places ("step 2",
    "digit 2 is misread") are no values. What the question already says is no secret, and neither is what the response
    says; for yes/no and choice questions that is only an answer that the response itself gives, since the question
    names all of them.

    Args:
        report: the judge's mistake report.
        example: its `answer` is the secret.
        response: the policy's attempt that the report is about.
    """
    if not example.answer.strip():
        return False
    asked = _asked_places(example.question)
    if example.answer_type in ("yes_no", "choice"):
        if check_answer(response, example.answer, example.answer_type) is True:
            return False
        pattern = _verdict_pattern(example)
        if example.answer_type == "choice" and _states_option(report, example, asked):
            return True
        return any(pattern.search(_without_places(text, asked)) for text in readings(report))
    secret = _Secret(example.answer)
    # The report first: it is short, and most of them say nothing.
    return secret.is_in(report, asked) and not any(
        secret.is_in(text, frozenset()) for text in (response, example.question)
    )


class _Secret:
    """An answer, as what is looked for."""

    def __init__(self, answer: str) -> None:
        text = re.sub(r"^\s*\$?\s*[A-Za-z](?:_\w)?\s*=\s*(?=\S)", "", answer.strip())
        read = [token for token in tokens(prepare(text)) if token.text not in "$€£¥().,;[]{}°!?"]
        self.values: set[Fraction] = set()
        self.decimals: int | None = None
        numbers = [token for token in read if token.value is not None]
        if len(numbers) == 1 and (len(read) == 1 or (len(read) == 2 and numbers[0] is read[0] and _is_word(read[1]))):
            number = numbers[0]
            assert number.value is not None
            self.values = {number.value, number.value * 100} if number.percent else {number.value}
            self.decimals = number.decimals
        self.unit = read[-1].text if self.values and len(read) == 2 else ""
        signs = tokens(prepare(text), fold=False)
        self.is_expression = not self.values and any(
            token.text in _OPERATORS or token.text in ("sqrt", "pi") or _is_coefficient(token, after)
            for token, after in zip(signs, [*signs[1:], None][: len(signs)], strict=True)
        )
        self.words = _expression(signs) if self.is_expression else _plain_words(read)
        self.bare = prepare(text)

    def is_in(self, text: str, asked: frozenset[str]) -> bool:
        """Whether a text states it, places apart."""
        for reading in readings(text):
            stripped = _without_places(reading, asked)
            if self.values:
                found = tokens(stripped)
                if any(self._is_value(found, index) for index in range(len(found))):
                    return True
            elif not self.words:
                pattern = rf"{_STATES}\s{{0,3}}{re.escape(self.bare)}(?=[\s.,;!。，；)]|$)" if self.bare else r"(?!)"
                if re.search(pattern, stripped):
                    return True
            elif self.is_expression:
                if _contains(_expression(tokens(stripped, fold=False)), self.words, glued=True):
                    return True
            elif _contains(_plain_words(tokens(stripped)), self.words):
                return True
        return False

    def _is_value(self, found: Sequence[Token], index: int) -> bool:
        token = found[index]
        if token.value is None:
            return False
        equal = token.value in self.values or self._is_rounded(token)
        return equal and _stands_for_a_value(found, index)

    def _is_rounded(self, token: Token) -> bool:
        """A decimal that gives the answer's first digits, or a fraction whose first digits the answer is."""
        assert token.value is not None
        if token.decimals is None:
            exact = token.value.denominator > 1 and (self.decimals or 0) > 1
            return exact and any(
                abs(value - token.value) < Fraction(1, 10 ** (self.decimals or 0)) for value in self.values
            )
        digits = len(str(abs(token.value.numerator) * 10**token.decimals // token.value.denominator))
        if digits < 2 or (self.decimals or 99) <= token.decimals:
            return False
        unit = Fraction(1, 10**token.decimals) / (1 if digits > 2 else 2)
        return any(value.denominator > 1 and abs(value - token.value) < unit for value in self.values)


def _stands_for_a_value(found: Sequence[Token], index: int) -> bool:
    """Whether a number is one, and not the numeral within a word or the pronoun "one"."""
    text, before = found[index].text, found[index - 1].text if index else ""
    after = found[index + 1].text if index + 1 < len(found) else ""
    if text == "one":
        pronoun = before in _ONE_BEFORE or (before == "only" and index > 1 and found[index - 2].text == "the")
        return not pronoun and after not in _ONE_AFTER
    if len(text) == 1 and "\u3400" <= text <= "\u9fff":
        ends = not after or not "\u3400" <= after[0] <= "\u9fff" or after[0] in "个個只条本张元米岁度，。"
        return before[-1:] in _CHINESE_STATES and before != "" and (ends or text != "一")
    return True


def _is_coefficient(token: Token, after: Token | None) -> bool:
    """The 2 of "2x"."""
    return token.value is not None and after is not None and after.start == token.end and after.text.isalpha()


def _is_word(token: Token) -> bool:
    return token.text[:1].isalpha() and token.value is None


def _plain_words(read: Sequence[Token]) -> list[str]:
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
    if word in _ORDINALS:
        return f"#{_ORDINALS[word]}th"
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses", "oes")) else word[:-1]


_SPOKEN = {
    "times": "*",
    "plus": "+",
    "minus": "-",
    "equals": "=",
    "over": "/",
    "divided": "/",
    "squared": "^",
    "cubed": "^",
}


def _expression(signs: Sequence[Token]) -> list[str]:
    """Signs of an expression in one notation; brackets and signs of multiplication say nothing here."""
    found = []
    for token in signs:
        text = _SPOKEN.get(token.text, token.text)
        if token.value is not None:
            found.append(f"#{token.value}")
        elif text not in ("*", "(", ")", "[", "]", ",", "of", "by", "root", "the"):
            found.append("sqrt" if text == "square" else text)
        if token.text in ("squared", "cubed"):
            found.append("#2" if token.text == "squared" else "#3")
    return found


def _contains(words: Sequence[str], wanted: Sequence[str], *, glued: bool = False) -> bool:
    """Whether the words are in a row.

    Args:
        words: of the text.
        wanted: of the answer.
        glued: an expression, which a sign or number beside it makes part of another.
    """
    text, part = "\n" + "\n".join(words) + "\n", "\n" + "\n".join(wanted) + "\n"
    place = text.find(part)
    while glued and place >= 0:
        before, after = text[:place].rpartition("\n")[2], text[place + len(part) :].partition("\n")[0]
        binds = before in {"^", "_", "/", "-", "+"} or before[:1] == "#"
        if not (binds or after in {"^", "_", "/"} or after[:1] == "#" or (len(after) == 1 and after.isalpha())):
            return True
        place = text.find(part, place + 1)
    return place >= 0


def _without_places(prepared: str, asked: frozenset[str]) -> str:
    """A text without its places, but for those that the question asks for."""

    def keep(match: re.Match[str]) -> str:
        word = match["word"] or match["noun"] or match["count"]
        return match[0] if word and word.casefold().removesuffix("s") in asked else " , "

    return _PLACES.sub(keep, prepared)


def _asked_places(question: str) -> frozenset[str]:
    """The places that are what is asked for: in "Which row ...?" the answer is a row."""
    asked = re.findall(rf"\b(?:which|what|how many)\s(?:\w{{1,20}}\s){{0,2}}({_PLACE})s?\b", question.casefold())
    return frozenset(asked) - {"image", "picture", "figure", "question", "problem"}


def cut_to_location(report: str, step: int | None = None) -> str:
    """What remains of a report that must not say more than where the mistake is.

    Args:
        report: as the judge wrote it.
        step: the first wrong step, where the judge names it apart.
    """
    place = f"step {step}" if step is not None else location_of(report)
    return f"Mistake: {place} is wrong." if place else "Mistake: one of the steps is wrong."


def location_of(report: str) -> str | None:
    """The first step that a report points to, and nothing else of it: `step 2`."""
    match = _STEP.search(prepare(report))
    if match is None:
        return None
    word, number, ordinal, ordinal_word, chinese = match.groups()
    if chinese:
        return f"step {_number_of(chinese)}"
    return f"{word} {_number_of(number)}" if word else f"{ordinal_word} {_number_of(ordinal)}"


def _number_of(text: str) -> int:
    """A small number in digits or words, or an ordinal."""
    if text in _ORDINALS:
        return _ORDINALS[text]
    return next(int(token.value) for token in tokens(re.sub(r"(?<=\d)[a-z]+", "", text)) if token.value is not None)


def _options(question: str) -> list[tuple[str, str]]:
    """The letters and texts of the options that a question lists."""
    marks = list(re.finditer(r"(?:^|(?<=[\s,;:?(（]))\(?([A-Ja-j])\s?[).:、．）]\s{0,4}(?=\S)", question))
    found: list[tuple[str, str]] = []
    for mark, following in zip(marks, [*marks[1:], None][: len(marks)], strict=True):
        if mark[1].upper() == chr(ord("A") + len(found)):
            text = question[mark.end() : following.start() if following else len(question)]
            found.append((mark[1].casefold(), text.strip().partition("\n")[0].strip(" .,;()")[:200]))
    return found if len(found) > 1 else []


def _states_option(report: str, example: Example, asked: frozenset[str]) -> bool:
    """Whether a report names the right option by its place in the list or by its text."""
    options = _options(example.question)
    stated = extract_answer(f"Answer: {example.answer}", "choice") or example.answer
    right = [
        index for index, (letter, _) in enumerate(options) if letter in stated.casefold().replace(" ", "").split(",")
    ]
    if len(right) != 1:
        return False
    place, text = right[0], options[right[0]][1]
    names = [
        list(_ORDINALS)[place],
        f"{place + 1}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place + 1, 'th') }".replace(" ", ""),
    ]
    names += ["last", "final"] if place == len(options) - 1 else []
    nouns = r"(?:option|choice|answer|alternative|statement|candidate|possibility|entry)"
    chinese = "一二三四五六七八九十"[place]
    named = re.compile(
        rf"\b(?:{'|'.join(names)})(?: (?:given|listed|of the))? {nouns}s?\b"
        rf"(?!.{{0,20}}\b(?:wrong|incorrect|not|false)\b)"
        rf"|{_STATES} (?:the )?(?:{'|'.join(names)}) one\b|\bthe (?:{'|'.join(names)}) one {_IS_RIGHT}"
        rf"|第{chinese}个?(?:选项|项)(?!错|不)"
    )
    if any(named.search(reading) for reading in readings(report)):
        return True
    wanted = _plain_words(tokens(prepare(text)))
    return bool(wanted) and any(
        _is_stated(_plain_words(tokens(_without_places(reading, asked))), wanted) for reading in readings(report)
    )


def _is_stated(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether an option's text is said to be what is right; the report may speak of any of them."""
    for start in range(len(words) - len(wanted) + 1):
        if list(words[start : start + len(wanted)]) == list(wanted):
            before = list(words[max(0, start - 3) : start])
            after = " ".join(words[start + len(wanted) : start + len(wanted) + 5])
            said = _STATING if wanted[0].startswith("#") else _CHOOSING
            if "not" not in before and "n't" not in " ".join(before) and said & set(before):
                return True
            if re.match(_IS_RIGHT, after):
                return True
    return False


def _verdict_pattern(example: Example) -> re.Pattern[str]:
    """A yes, a no or a letter that is stated as the answer; alone it may mean anything."""
    stated = extract_answer(f"Answer: {example.answer}", example.answer_type) or example.answer
    if example.answer_type == "choice":
        letters = [re.escape(letter.strip().casefold()) for letter in stated.split(",")]
        value = r"[\s,和and]{1,6}".join(letters)
        named = r"(?:option |choice |letter |answer |选项)"
        return re.compile(
            rf"{_STATES}\s{{0,3}}{named}?\(?{value}\)?(?=\s?(?:[.,;!。，；)]|$|(?:because|since|as|not|instead|rather)\b))"
            rf"(?!\s(?!because|since|as|not|instead|rather)[a-z])"
            rf"|\({value}\)(?! (?:is|was) (?:wrong|incorrect|not))"
            rf"|(?<![a-z0-9'])\(?{value}\)? ?{_IS_RIGHT}|(?<![a-z0-9]){value}(?:才|是)?(?:是?正确|才对|对的)"
            rf"|\b(?:instead of|rather than|but(?: rather)?|not [a-j],? but) {named}?{value}(?![a-z0-9'])(?!\s[a-z])"
            rf"|(?<![a-z0-9']){value},? (?:not|instead of|rather than|and not) {named}?[a-j](?![a-z0-9])"
            rf"|{named}{value},? (?:because|since|not|instead)\b"
        )
    is_yes = check_answer("Answer: yes", stated, "yes_no") is True
    words, other = ("yes|true|是的?", "no|false") if is_yes else ("no|false|否|不是", "yes|true")
    return re.compile(
        rf"(?:{_STATES}|so|hence|therefore|thus|answer)[,:]?\s{{0,3}}(?:definitely |clearly |actually )?(?:{words})"
        r"(?=\s?(?:[.,;!。，；]|$)|\s(?:because|since|as|and|not|instead)\b)"
        rf"|(?<![a-z])(?:{words}) (?:is|was|would be|should be) (?:the )?(?:right|correct|answer)"
        rf"|\banswer (?:is|should be|must be|cannot be|can't be) not (?:{other})\b|\bcannot be (?:{other})\b"
    )
