r"""Questions that give their own answer away: nobody learns anything from `The answer is 12. What is 5 + 7?`

What counts is that the answer is said to be the answer: `Answer: B`, `\boxed{12}`, an option marked as the right one, a
blank that is filled in, a sentence that says what is then asked, the solution itself. An answer that merely occurs does
not count: among options (`Is it red or blue?`), as data, as the example of a format, as somebody's claim among others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from contextrl.answers import answers_equal
from contextrl.answers.options import parse_choice
from contextrl.answers.wrapping import boxed, unwrap
from contextrl.building.candidates import Candidate
from contextrl.building.pasted import pasted
from contextrl.evaluation.benchmarks.inline_options import Asked, split_options
from contextrl.judge.llm.neutralise import visible
from contextrl.records.example import AnswerType

STATED, MARKED, FILLED, SAID, PASTED = (
    "states its answer",
    "marks the right option",
    "has its blank filled in",
    "says what it asks",
    "contains its solution",
)
_MAX_CHARS = 20_000
_LONGEST_ANSWER = 200
_ADJECTIVE = r"(?:(?:correct|right|final|true|expected|gold|reference|ground[ -]truth|standard|model)\s+)"
_KEY = (
    rf"(?:{_ADJECTIVE}{{0,2}}answers?(?:\s+key)?|{_ADJECTIVE}(?:options?|choices?|letters?|results?|solution|value)"
    r"|ans\.?|gt|ground[ _-]truth|hint"
    r"|r[ée]ponse(?:\s+correcte)?|respuesta(?:\s+correcta)?|resposta(?:\s+correta)?|risposta(?:\s+corretta)?"
    r"|antwort|(?:richtige|korrekte)\s+antwort|odpowiedź|cevap|đáp\s+án|jawaban|(?:правильный\s+)?ответ)"
    r"(?:\s+(?:to|of|for)\s+(?:this|the|that|your|my|our)\s+(?:\w+\s+)?(?:question|problem|exercise|puzzle|task|one|sum))?"
    # `The answer, of course, is 12`
    r"(?:[,，][ \t]?[A-Za-z' \t]{1,30}[,，])?"
)
_BE = (
    r"(?:[ \t]?[*_`\"'”’]{0,3}[ \t]?(?:[:：=]|[ \t][-–—]{1,2}>?[ \t]|[ \t](?:is|are|was|est|es|é|è|ist|lautet|là|adalah"
    r"|(?:should|will|must|would|has\s+to|ought\s+to)\s+be)\b[ \t]?:?)\s?)"
)
_STATES = (
    # `the answer is 12`, `Answer: B`, `"answer": "B"`, `(correct option = C)`
    re.compile(rf"(?<![A-Za-z_]){_KEY}{_BE}(?P<value>[^\n]{{1,300}})", re.IGNORECASE),
    re.compile(
        r"(?:正确)?(?:答案|选项|答)\s*(?:应该?|应当)?\s*(?:[:：=]|[是为選选](?!什么|多少|几|哪))\s*(?P<value>[^\n]{1,300})"
        r"|故选\s*[:：]?\s*(?P<chosen>[^\n]{1,300})"
    ),
    re.compile(r"(?:答え|正解|解答)\s*(?:は|[:：=])\s*(?P<value>[^\n]{1,300})"),
    re.compile(r"정답\s*(?:은|는|[:：=])\s*(?P<value>[^\n]{1,300})"),
    re.compile(r"<(answer|ans)>(?P<value>[^<\n]{1,300})</\1>", re.IGNORECASE),
    re.compile(r"(?:^|(?<=\s))####\s*(?P<value>[^\n]{1,300})", re.MULTILINE),
    re.compile(r"(?<![A-Za-z])ans\.[ \t]?(?P<value>[^\n]{1,300})", re.IGNORECASE),
    re.compile(r"(?:^|[.?!(\[]\s?)(?:correct|right)[ \t]?[:：](?P<value>[^\n]{1,300})", re.IGNORECASE | re.MULTILINE),
    # `Q: What is 3 * 4? A: 12`
    re.compile(
        r"\A(?:Q|Question)\s?[:：.].{1,5000}?(?:[?？]\s?|\n)A[ \t]?[:：](?P<value>[^\n]{1,300})",
        re.IGNORECASE | re.DOTALL,
    ),
    # `12 is the correct answer`
    re.compile(
        r"(?:^|[.!?。;；\n,]\s*|\b(?:that|why)\s+)(?P<led>[^.!?。;；\n,]{1,120}?)\s+(?:is|are)\s+(?:the\s+|an?\s+)?(?:(?:only|correct|right|true|final)"
        r"\s+){1,2}(?:answer|option|choice)\b",
        re.IGNORECASE,
    ),
    # `What is 5 + 7 = 12?`
    re.compile(
        r"\bwhat\s+(?:is|are)\s+(?:(?!\b(?:if|when|where|given|such|that|for|which)\b)[^=?？\n]){1,80}="
        r"(?P<value>[^=?？\n]{1,60})(?=[?？])",
        re.IGNORECASE,
    ),
    # `Why is 7 the correct answer?`, `Why is the correct option B?`
    re.compile(
        rf"\bwhy\s+(?:is|are|was)\s+(?P<value>[^.!?\n]{{1,120}}?)\s+the\s+{_ADJECTIVE}(?:answer|option|choice)\b",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\bwhy\s+(?:is|are|was)\s+the\s+{_ADJECTIVE}(?:answers?|options?|choices?)\s+(?P<value>[^\n]{{1,300}})",
        re.IGNORECASE,
    ),
)
#: What makes of a statement a format, an instruction, a condition, a doubt or a claim.
_NO_STATEMENT = re.compile(
    r"(?:\b(?:if|whether|when|unless|suppose|assuming|e\.?\s?g\.?|for\s+example|for\s+instance|example\s*\d*\s*:?|such\s+as|like|format\w*|form"
    r"|write|type|say|respond\s+with|reply\s+with|output|end\s+with|finish\s+with|conclude\s+with|state|as"
    r"|choose|select|pick|mark|circle|tick|find|give|provide|submit|round|express|not|never|n['’]t|is|why\s+is(?!\s+the\s+correct)"
    r"|said|says|(?<!\bI )(?<!\bwe )(?:thinks?|believes?|guess)|thought|claims?|claimed|guess(?:ed|es)"
    r"|wrote|got|answered"
    r"|whose)\b"
    r"|\be\.\s?g\.|例如|比如|如果|若|假如|选择|格式|写|不是|认为|说)"
    r"[\s\"'“”‘’`:：,，(\[*_]*(?:that\s+|with\s+|by\s+|as\s+|the\s+|your\s+|his\s+|her\s+|their\s+|an?\s+|one\s+|only\s+|just\s+|out\s+|down\s+"
    r"|its\s+)*[\"'“‘`*_(\[]*$",
    re.IGNORECASE,
)
#: Where a stated value ends: a sentence, a bracket, a clause about it.
_VALUE_END = re.compile(
    r"[.!?](?=\s|$|[)\]\"'”])|[。！？；;]|[)\]）】](?=\s*(?:$|[^\w\s]|\w))|\"|”|"
    r"[,，]?\s+(?:because|since|so|as|which|but|and\s+(?:why|explain)|explain|why|what|how|can\s+you|please|show|prove|given|from"
    r"|according|where|now|compute|find|determine|calculate|verify|derive|solve|justify)\b"
    r"|[,，]\s*(?:因为|所以|请|求|为什么|则|那么)|因为|です|입니다|이다"
)
#: What is said of another question, which shows the form.
_EXAMPLE = re.compile(r"\b(?:for\s+(?:example|instance)\b|example\s*\d*\s*[:：])|例如|比如", re.IGNORECASE)
#: `Explain why C is the correct option` says C.
_LED_IN = re.compile(r"^.{0,80}\b(?:that|why)\s+(?=\S)", re.IGNORECASE)
_NO_VALUE = re.compile(
    r"(?:not|never|no\s+longer|不)\b|(?:why|what|which|who|how|where|when)(?:\s+\w+)?$", re.IGNORECASE
)
#: `the answer is` within what a hint says.
_STATED_WITHIN = re.compile(rf"(?:the\s+|its\s+)?{_KEY}{_BE}", re.IGNORECASE)
#: What may stand before a letter.
_OPTION = re.compile(r"(?:the\s+)?(?:options?|choices?|letter|选项)\s*", re.IGNORECASE)
_CONDITION = re.compile(r"\s*[,，]?\s*(?:if|when|unless|for|or|otherwise|else|和|或|如果|/|\|)", re.IGNORECASE)
#: The first option, and not a statement before it: `The answer is A.\nA. cat`.
_BEGINS = re.compile(r"\s?[(（]?A[).:：．、）](?!\s?[(（]?A[).:：．、）])")
_RANGE = re.compile(r"[(\[]?[A-Ja-j]\s*[-–—~]\s*[A-Ja-j]\b")
_MARK = re.compile(
    r"[(（\[]\s*(?:the\s+)?(?:correct|right|true)?\s*(?:answer|option|choice|correct|right|正确|正解|答案|정답)\s*[)）\]]|[✓✔✅☑]|<-{1,2}\s*(?:correct|answer)",
    re.IGNORECASE,
)
_FILLED = re.compile(
    r"(?:[是为有选=]|等于|等於|度数为|\bis|\bare|\bequals?)\s*(?:[(（][ \t\u3000]+(?P<a>[^()（）\n]{1,40}?)"
    r"[ \t\u3000]+[)）]"
    r"|_{2,}\s*(?P<b>[^_\n]{1,40}?)\s*_{2,}|[(（](?P<c>[A-J])[)）](?=\s*(?:$|[.。．\n])))"
    r"|[?？。]\s?[(（]\s?(?P<d>[A-J])\s?[)）]\s?(?=$|\n)|\[(?P<e>[A-J])\]\s?$"
)
#: A letter below the options. Options that are letters alone stand below each other so.
_BELOW = re.compile(r"(?<=[^\n]{3})\n[(（\[]?(?P<letter>[A-J])[)）\]]?\.?\Z")
#: What stands before an answer in a sentence that says nothing else.
_LEADS = re.compile(
    r"^(?:(?:ans|answer|key|solution|result)[ .:：]\s?|[A-Za-z]{1,3}\s?=\s?"
    r"|(?:it|this|that|he|she|they|(?:the|its) (?:result|sum|value))(?:\s+(?:is|are|was|were)|['’]s)\s+)",
    re.IGNORECASE,
)
_SENTENCES = re.compile(
    r"(?<=[.!?])\s+|(?<=[。！？])\s*|\n+|[,，]\s?(?=(?:then\s+)?(?:find|what\s+is|determine|compute|calculate)\b)|，(?=[求问则])",
    re.IGNORECASE,
)
_ASKED = (
    re.compile(
        r"(?:(?:so|now|then|and|please|hence|based on (?:this|that),?)[,\s]+)?(?:what|who|which(?:\s+\w+)?"
        r"|how\s+(?:long|much|large|tall|big|far|old|wide|high)"
        r"|what\s+(?:colou?r|shape|number|size|kind|type))\s+(?:is|are|was|were)\s+(?P<subject>.+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:find|determine|calculate|compute|state|give|solve\s+for|evaluate|work\s+out|name)\s+(?P<subject>.+)",
        re.IGNORECASE,
    ),
    re.compile(r"(?:则|那么)?(?:求|计算|问)\s?(?P<subject>.+)"),
    re.compile(r"(?P<subject>.+?)(?:是|为|等于)(?:多少|什么|几|谁|哪里|哪个|何)"),
)
_COUNTED = re.compile(r"how\s+many\s+(?P<subject>.+)", re.IGNORECASE)
_DECLARED = re.compile(
    r"(?:(?:given|if|note|assume|suppose|known|we\s+know|so|thus|well)(?:\s+that)?[\s:,]+|已知|若|如果)?(?P<subject>.{1,200}?)\s?"
    r"(?:\s(?:is|are|was|were|equals?|measures)\s(?:equal\s+to\s)?|=|是|为|等于)\s*(?P<value>[^=]{1,100})",
    re.IGNORECASE,
)
_PRONOUNS = frozenset(("it", "this", "that", "they", "he", "she", "these", "those", "there", "here", "we", "you"))


def giveaway(one: Candidate) -> tuple[str, str] | None:
    """(how, the place) where a question gives its answer away; None where it does not.

    Args:
        one: its answer is of its type.
    """
    question, answer, solution = _even(one.question), one.answer.strip(), _even(one.solution)
    if not answer or len(answer) > _LONGEST_ANSWER:
        return _with_solution(question, answer, solution) if answer else None
    asked = split_options(question)
    said = _Said(answer, one.answer_type, asked)
    for how, find in ((STATED, _stated), (MARKED, _marked), (FILLED, _filled), (SAID, _said)):
        if (place := find(question, said)) is not None:
            return how, place[:120]
    return _with_solution(question, answer, solution)


def _with_solution(question: str, answer: str, solution: str) -> tuple[str, str] | None:
    place = pasted(question, answer, solution)
    return None if place is None else (PASTED, place)


def _even(text: str) -> str:
    """Runs of white space are where the patterns here would backtrack; `\\(x\\)` is `$x$`."""
    text = re.sub(r"\\[()\[\]]", "$", visible(text[:_MAX_CHARS]))
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()


class _Said:
    """Tells whether what is said is the answer: the value, a choice's letter, or its option's text."""

    def __init__(self, answer: str, answer_type: AnswerType, asked: Asked) -> None:
        self.answer, self.answer_type, self.asked = answer, answer_type, asked
        self.letters = parse_choice(answer) or frozenset() if answer_type == "choice" else frozenset()
        texts = [asked.options.get(letter, "") for letter in sorted(self.letters)]
        self.text = texts[0] if len(texts) == 1 else ""

    def is_answer(self, value: str) -> bool:
        value = unwrap(value)
        if self.answer_type == "choice":
            value = _OPTION.sub("", value, count=1) if _OPTION.match(value) else value
        if not value or _RANGE.match(value):
            return False
        if self.answer_type == "choice":
            bare = (
                len(value) < 4 or re.match(r"[(\[（]?[A-J](?![\w'’])(?!\s+(?!because|since)[a-z])", value) is not None
            )
            if bare and parse_choice(value) == self.letters and self.letters:
                return True
            return bool(self.text) and answers_equal(value, _first_line(self.text), "text") is True
        return answers_equal(value, self.answer, self.answer_type) is True

    def begins_options(self, place: int) -> bool:
        """Whether a place is where the options begin: `Choose the answer: A. cat B. dog`."""
        stem = len(self.asked.stem)
        return (
            bool(self.asked.options)
            and place <= stem + len(self.asked.tail)
            and (_BEGINS.match(self.asked.stem + self.asked.tail, place) is not None)
        )


def _first_line(text: str) -> str:
    return text.strip().split("\n", maxsplit=1)[0]


def _stated(question: str, said: _Said) -> str | None:
    """All that is said to be the answer is the answer: several claims that differ give nothing away."""
    places = list(_statements(question, said))
    if places and all(right for _, right in places):
        return places[0][0]
    return None


def _statements(question: str, said: _Said) -> Iterator[tuple[str, bool]]:
    """(what is said, whether it is the answer) of all statements that name a value."""
    for pattern in _STATES:
        for match in pattern.finditer(question):
            group = next(name for name in ("chosen", "led", "value") if match.groupdict().get(name))
            start = match.start(group)
            before = question[max(0, match.start() - 60) : match.start()].rpartition("\n")[2]
            if _NO_STATEMENT.search(before) or _EXAMPLE.search(before):
                continue
            if said.begins_options(start):
                continue
            text = _LED_IN.sub("", match[group]) if group == "led" else match[group].lstrip()
            within = _STATED_WITHIN.match(text)
            value = _value(text[within.end() :] if within else text)
            if not value or _NO_VALUE.match(value):
                continue
            yield match[0].strip(), said.is_answer(value)
    for place, content in boxed(question):
        before = question[max(0, place - 70) : place].rpartition("\\")[0]
        if (
            content.strip(" .…_")
            and not _NO_STATEMENT.search(before)
            and not re.search(r"\b(?:in|within|inside)\s*$", before)
        ):
            yield f"\\boxed{{{content}}}", said.is_answer(content)


def _value(text: str) -> str:
    """What a statement says; empty where it goes on as a condition or a list."""
    text = text.strip().lstrip("\"'“‘`*_[({（ ") if not re.match(r"\s*[(（\[]?[A-Ja-j][)）\]]", text) else text.strip()
    bracket = re.match(r"[(（\[]?[A-Ja-j][)）\]]", text)
    end = _VALUE_END.search(text, bracket.end() if bracket else 0)
    value = text[: end.start()] if end else text
    if (condition := re.search(r"\s(?:if|when|unless|otherwise)\b|\sor\s|[/|]\s*[A-Za-z]|或", value)) is not None:
        return "" if condition else value
    after = text[end.start() :] if end else ""
    return "" if _CONDITION.match(after) else value.strip(" *_`'’")


def _marked(question: str, said: _Said) -> str | None:
    """One option alone has a mark, and it is the right one."""
    options = said.asked.options
    if len(options) < 2 or len(said.letters) != 1:
        return None
    marked = {letter for letter, text in options.items() if _MARK.search(text)}
    if not marked:
        marked = {letter for letter, text in options.items() if text.endswith((" *", "\u2190"))}
    if not marked:
        marked = _emphasised(question, options)
    return f"option {next(iter(marked))}" if marked == said.letters else None


def _emphasised(question: str, options: Mapping[str, str]) -> set[str]:
    """Letters whose option alone is in bold, has an asterisk or a ticked box."""
    found = set()
    for letter in options:
        if re.search(rf"(?:\*{{1,2}}|\[[xX]\]\s*)[(（]?{letter}[).:：．、）]", question):
            found.add(letter)
    return found if len(found) == 1 and len(options) > 2 else set()


def _filled(question: str, said: _Said) -> str | None:
    for match in _FILLED.finditer(question):
        value = next(value for value in match.groups() if value is not None)
        if said.is_answer(value):
            return match[0]
    below = _BELOW.search(question)
    return below[0].strip() if below and len(said.asked.options) > 1 and {below["letter"]} == said.letters else None


def _said(question: str, said: _Said) -> str | None:
    """`S is 12` beside `what is S`, in either order; or an answer behind the question mark."""
    if said.answer_type == "choice" or said.asked.options:
        return None
    sentences = [part.strip() for part in _SENTENCES.split(question) if part and part.strip()]
    if len(sentences) < 2:
        return None
    before, last = sentences[-2], sentences[-1]
    if before.endswith(("?", "？")) and said.is_answer(_bare(last)):
        return f"{before[-60:]} {last}"
    if said.answer_type == "yes_no" or len(sentences) > 3:
        return None
    for place, sentence in enumerate(sentences):
        subject, counted = _subject_asked(sentence), _COUNTED.search(sentence)
        for other in (*sentences[:place], *sentences[place + 1 :]):
            if (subject and _declares(other, subject, said)) or (
                counted and len(sentences) == 2 and _counted_again(other, counted["subject"], said)
            ):
                return other
    return None


def _bare(sentence: str) -> str:
    """What a sentence in place of an answer says: `(x = 3)` and `It is 3.` say 3."""
    text = sentence.strip().rstrip(".。").removeprefix("(").removesuffix(")").strip("= →⇒➜")
    return _LEADS.sub("", text)


def _declares(sentence: str, subject: str, said: _Said) -> bool:
    if sentence.endswith(("?", "？")):
        return False
    declared = _DECLARED.fullmatch(sentence.rstrip(".。,， "))
    return declared is not None and _plain(declared["subject"]) == subject and said.is_answer(declared["value"])


def _subject_asked(sentence: str) -> str:
    """What a question asks for, in plain words; empty where it is a pronoun or nothing that is known."""
    for pattern in _ASKED:
        match = pattern.fullmatch(sentence.strip().rstrip("?？.。"))
        if match:
            plain = _plain(match["subject"])
            return "" if plain in _PRONOUNS or not plain else plain
    return ""


def _plain(text: str) -> str:
    words = re.sub(r"[$\\{}()*_,]|\bvalue of\b|的值|的度数", " ", text.casefold()).split()
    return " ".join(
        word for word in words if word not in ("the", "a", "an", "of", "value", "that", "then", "equal", "to")
    )


def _counted_again(sentence: str, asked: str, said: _Said) -> bool:
    """`There are 7 dots in the picture` beside `how many dots are there in the picture?`"""
    found = re.match(r"(?:there\s+(?:is|are)|(?:i|we|you)\s+(?:can\s+)?see)\s+(\w+)\s(.+)", sentence, re.IGNORECASE)
    if found is None or sentence.endswith(("?", "？")) or not said.is_answer(found[1]):
        return False

    def words(text: str) -> list[str]:
        dropped = ("there", "are", "is", "the", "a", "an", "of", "do", "does", "you", "see", "can", "we")
        return [word for word in re.findall(r"\w+", text.casefold()) if word not in dropped]

    return words(found[2]) == words(asked)
