"""What a response states last."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from contextrl.answers.latex import is_prose
from contextrl.answers.numbers import parse_number
from contextrl.answers.options import ALSO_RIGHT, YES_NO, choice_in, parse_choice, parse_yes_no
from contextrl.answers.statements import Statement, instead, new_values, rejected_box, retracted, reviewed, statements
from contextrl.answers.wrapping import unwrap, visible
from contextrl.records.example import AnswerType

#: Characters searched for a statement, from the end: the last statement counts, and the cost stays bounded.
_TAIL_CHARS = 20_000
#: Statements that are tried, from the last, until one is of the answer's type.
_MAX_STATEMENTS = 20
_THINK_NAMES = r"(?:think(?:ing)?|thought|reasoning|scratchpad)"
_THINK_END = re.compile(rf"</{_THINK_NAMES}>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_THINK_START = re.compile(rf"<{_THINK_NAMES}>|\[THINK\]|◁think▷", re.IGNORECASE)
_BOLD = re.compile(r"(?<![\w)*])\*\*(?=\S)([^*\n]+)\*\*(?!\w)")
_CLAUSE = re.compile(
    r"[,;，；]?\s+(?:because|since|which|as shown|based on|given that|rather than|instead of|as opposed to)\b|因为",
    re.IGNORECASE,
)
#: Words that are written with a period and go on: titles, parts of names, months.
_SHORTENED = (
    *("Mr", "Ms", "Dr", "Mrs", "Prof", "Rev", "Gen", "Lt", "Sgt", "Capt", "Gov", "Sen", "St", "Mt", "Ft"),
    *("No", "Fig", "Vol", "vs", "ca", "approx"),
    *("Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec"),
)
# A period ends a sentence unless it follows an initial or one of these; a decimal point has no space after it.
_NOT_SHORTENED = "".join(r"(?<!\b" + word + ")" for word in _SHORTENED)
_SENTENCE_END = re.compile(rf"{_NOT_SHORTENED}(?<!\b[A-Z])[.!?](?=\s)|[。！？]")
_LETTER_END = re.compile(r"[.!?](?=\s)|[。！？]")
#: A statement that there is no answer; as text it may be one.
_REFUSAL = re.compile(
    r"(?:\w+\s+){0,2}?(?:unknown|unclear|undetermined|indeterminate|impossible to|not (?:clear|known|possible"
    r"|determinable)"
    r"|(?:can(?:not| not|['’]t)) be (?:determined|known|found|read))|无法|不能确定|未知|不确定",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"(?:therefore|thus|then|hence|simply|just|clearly|indeed|exactly|equal to|given by)[\s,:]+", re.IGNORECASE
)
_LAST_LINE_EQUATION = re.compile(r"[A-Za-z]{1,2}\s*=\s*[^=<>≤≥]+|[^=<>≤≥]+")
#: "No more than two, so yes."
_CONCLUSION = re.compile(r"[,;.]\s*(?:so|thus|hence|therefore),?\s+(yes|no)[.!]?$", re.IGNORECASE)
_MAX_BARE_CHARS = 100


@dataclass(frozen=True)
class Stated:
    """The answer that a text states last, and its boxes' values with what joins them, if several belong to it."""

    value: str
    boxes: tuple[str, ...] = ()
    joint: str = ", "


def extract_answer(text: str, answer_type: AnswerType) -> str | None:
    """Return the final answer that `text` states last, without its wrapping, or None if it states none.

    Only what follows the last closed think block counts. There a statement is `Answer: X`, `the answer is X`,
    `答案是X`, `\\boxed{X}`, `<answer>X</answer>`, or a bare answer on the last line; a correction after it ("Actually,
    it is X") replaces it. One whose value cannot be of the type ("the answer is clear" for a number) is passed over.
    Choices come back as letters (`C`, or `B, D`). Never raises.
    """
    stated = read_answer(text, answer_type)
    return None if stated is None else stated.value


def whole_answer(text: str, answer_type: AnswerType) -> str | None:
    """Return what `extract_answer` does, but all of several boxes in one statement: `1 or 2`, not 2."""
    stated = read_answer(text, answer_type)
    if stated is None or len(stated.boxes) < 2 or answer_type not in ("text", "math"):
        return None if stated is None else stated.value
    return stated.joint.join(stated.boxes)


def read_answer(text: str, answer_type: AnswerType) -> Stated | None:
    """Return what `extract_answer` does, with several boxes told apart."""
    spoken = after_thinking(text)
    return None if spoken is None else _read_answer(spoken[-_TAIL_CHARS:], answer_type)


def after_thinking(text: str) -> str | None:
    """What a response says after its last think block; None if that is not closed, or nothing comes after it."""
    if not re.search(r"[<\[◁]", text):
        return text if text.strip() else None
    end = 0
    for closing in _THINK_END.finditer(text):
        end = closing.end()
    spoken = text[end:]
    return None if _THINK_START.search(spoken) or not spoken.strip() else spoken


@lru_cache(maxsize=4096)  # samples of a group repeat each other, and the rule check and a judge read the same text
def _read_answer(text: str, answer_type: AnswerType) -> Stated | None:
    # Runs of white space are where the patterns below would backtrack.
    text = re.sub(r"\n\s*\n", "\n\n", re.sub(r"[^\S\n]+", " ", visible(text)))
    text = (_BOLD.sub(r"\1", text) if "**" in text else text).strip()
    denied: set[str] = set()
    ordered = sorted(statements(text, answer_type), key=lambda found: (found.start, found.end), reverse=True)
    for statement in ordered[:_MAX_STATEMENTS]:
        answer = _typed(statement.value, answer_type)
        if answer is None:
            if not statement.denied and answer_type != "text" and _REFUSAL.match(statement.value.strip()):
                return None
            continue
        if statement.denied:
            if (other := _instead(text, statement, answer, answer_type)) is not None:
                return other
            denied.add(_key(answer))
            continue
        if not statement.asserted:
            return None
        return _confirmed(text, statement, answer, answer_type, denied)
    if denied:
        return None
    bare = _bare_answer(text, answer_type)
    return None if bare is None else Stated(bare)


def _confirmed(
    text: str, statement: Statement, answer: str, answer_type: AnswerType, denied: set[str]
) -> Stated | None:
    """The statement's answer, or what the text after it puts in its place; None if it only takes it back."""
    end_of_sentence = _LETTER_END if answer_type == "choice" else _SENTENCE_END
    sentence = _CLAUSE.split(end_of_sentence.split(statement.value, maxsplit=1)[0], maxsplit=1)[0]
    if statement.boxes or text.startswith("}", statement.end):
        sentence = statement.value
    rest = text[statement.value_start + len(sentence) :]
    questioned = answer_type != "text" and (rest[:1] in ("?", "？") or sentence.rstrip("*_$ ").endswith(("?", "？")))
    last_line = _last_line(rest, answer_type)
    if last_line is not None:
        return Stated(last_line)
    taken_back = questioned or retracted(rest, answer) or (_is_box(text, statement) and rejected_box(rest))
    taken_back |= answer_type == "choice" and _names_another(rest, answer)
    if taken_back or reviewed(rest):
        corrected = [
            value for value in (_corrected(raw, answer_type) for _, raw in new_values(rest)) if value is not None
        ]
        if corrected:
            return Stated(corrected[-1])
        if taken_back:
            return None
    return None if _key(answer) in denied else Stated(answer, statement.boxes, statement.joint)


def _names_another(rest: str, letters: str) -> bool:
    """Whether what follows calls an option right that was not stated: "A is correct. B is also correct."."""
    return any(re.findall("[A-J]", found[0])[:1] != [letters] for found in ALSO_RIGHT.finditer(rest))


def _is_box(text: str, statement: Statement) -> bool:
    return text[: statement.value_start].rstrip().endswith("{")


def _instead(text: str, statement: Statement, answer: str, answer_type: AnswerType) -> Stated | None:
    """The answer that a denial names in the same breath, unless something is taken back after it."""
    sentence = _SENTENCE_END.split(statement.value, maxsplit=1)[0]
    rest = text[statement.value_start + len(sentence) :]
    named = [value for value in (_corrected(raw, answer_type) for raw in instead(sentence)) if value is not None]
    return Stated(named[-1]) if named and not retracted(rest, answer) and not reviewed(rest) else None


def _key(answer: str) -> str:
    return unwrap(answer).casefold()


def _corrected(raw: str, answer_type: AnswerType) -> str | None:
    """A correction's value, if that is all of a short phrase: prose after "it is" is no answer."""
    value = _typed(re.split(r"[,;，；](?=\s|$)|\s[—–]\s", raw, maxsplit=1)[0], answer_type)
    if value is None or len(value) > 60:
        return None
    if answer_type == "number":
        return value if parse_number(value) is not None else None
    if answer_type == "math":
        return value if not is_prose(value) else None
    return value if answer_type != "text" or len(value.split()) <= 4 else None


def _last_line(rest: str, answer_type: AnswerType) -> str | None:
    """A bare answer on the last line, where that follows a statement."""
    if answer_type == "text" or "\n" not in rest.strip("} $\\])>"):
        return None
    line = rest.rstrip().rpartition("\n")[2].strip()
    value = unwrap(line)
    if not value or line.startswith(("\\end", "</")):
        return None
    if answer_type in ("choice", "yes_no"):
        return _bare_line(value, answer_type, alone=False)
    return _bare_line(value, answer_type, alone=False) if _LAST_LINE_EQUATION.fullmatch(value) else None


def _typed(value: str, answer_type: AnswerType) -> str | None:
    """Return the part of a statement's value that is the answer, or None if it cannot be of the type."""
    value = unicodedata.normalize("NFKC", value) if answer_type in ("choice", "yes_no") else value
    value = _LEADING.sub("", value.strip(), count=1) if _LEADING.match(value.strip()) else value
    if answer_type == "choice":
        return choice_in(unwrap(value))
    if answer_type == "yes_no":
        value = unwrap(value)
        word = YES_NO.match(value)
        return word[0] if word and parse_yes_no(value) is not None else None
    value = _CLAUSE.split(value, maxsplit=1)[0]
    value = unwrap(_SENTENCE_END.split(value, maxsplit=1)[0])
    if answer_type in ("number", "math") and value.startswith("$") and value.count("$") == 2:
        inner, _, after = value[1:].partition("$")
        value = unwrap(inner if answer_type == "math" else f"{inner} {after}")
    if answer_type == "number" and not re.search(r"\d|[½¼¾⅓⅔]|\\pi|π", value) and parse_number(value) is None:
        return None
    if answer_type == "math" and _REFUSAL.match(value):
        return None
    return value or None


def _bare_answer(text: str, answer_type: AnswerType) -> str | None:
    """Return the answer of a text that is nothing but an answer, or whose last line is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    last, whole = unwrap(lines[-1]), len(lines) == 1
    if answer_type == "yes_no" and _bare_line(last, "yes_no", alone=True) is None:
        return _opening(lines)
    if answer_type == "text":
        return last if _is_short_text(last, text, whole) else None
    if lines[-1].rstrip("*_$ ").endswith(("?", "？")) or (answer_type == "choice" and _is_echo(lines)):
        return None
    return _bare_line(last, answer_type, alone=whole or answer_type != "choice")


def _is_echo(lines: Sequence[str]) -> bool:
    """Whether the last line is one of several options on lines of their own."""
    letters = [parse_choice(line) if len(line) < 12 else None for line in lines[-2:]]
    return len(letters) == 2 and bool(letters[0]) and bool(letters[1]) and letters[0] != letters[1]


def _is_short_text(last: str, text: str, whole: bool) -> bool:
    if not last or last.endswith(":"):
        return False
    if whole:
        return len(last) <= 80
    paragraph = text.rpartition("\n\n")[2].strip()
    return "\n\n" in text and "\n" not in paragraph and len(last.split()) <= 3 and paragraph[-1:].isalnum()


def _opening(lines: Sequence[str]) -> str | None:
    """The yes or no that a text begins with, unless a later line begins with the other."""
    first = _typed(lines[0], "yes_no")
    if first is None and len(lines) == 1 and (conclusion := _CONCLUSION.search(lines[0])):
        return conclusion[1]
    others = {parse_yes_no(unwrap(line)) for line in lines[1:]} - {None}
    if first is None or (others and others != {parse_yes_no(first)}):
        return None
    later = " ".join(lines[1:])
    opposite = r"\b(?:yes|true)\b" if parse_yes_no(first) is False else r"\b(?:no|false)\b(?!\s+\w)"
    return None if re.search(opposite, later, re.IGNORECASE) else first


def _bare_line(line: str, answer_type: AnswerType, *, alone: bool) -> str | None:
    """The line if it is an answer of the type and nothing else."""
    if answer_type == "choice":
        letters = parse_choice(line)
        lone = letters is not None and (alone or re.fullmatch(r"[^A-Za-z]*(?:[A-J][^A-Za-z]*)+", line))
        return (", ".join(sorted(letters)) or line) if letters is not None and lone else None
    if answer_type == "yes_no":
        return line if parse_yes_no(line) is not None and len(line) <= 5 else None
    if answer_type != "text" and parse_number(line) is not None:
        return line
    if answer_type == "number":
        notation = alone and re.search(r"[\^√π⁰¹²³⁴-⁹]|sqrt|\\[a-z]", line) is not None
        return line if notation and re.search(r"\d", line) and not is_prose(line) else None
    symbols = re.sub(r"(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])", ",", line)
    return line if line and len(line) <= _MAX_BARE_CHARS and not is_prose(symbols) else None
