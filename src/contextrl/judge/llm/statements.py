"""Statements of a verdict in free text: `Process: incorrect`, wherever and however it is written.

A judge quotes what it judges, so a label may be the response's and not its own. Nothing about a place tells the two
apart; therefore every label in the text is found, in whatever spelling a model may retype it, and they must agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from contextrl.judge.llm.menu import ANSWERS, FALSE, LABELS, TRUE, value_of

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_LOOKALIKES = str.maketrans("∶ː꞉꞊‹›〈〉「」『』【】", ":::=<>" + "<>" + "[]" * 3)
_ESCAPED = re.compile(r"\\u00([2-7][0-9a-fA-F])")
_SEPARATORS = re.compile(r"[_\\ -]+")


def _plain_name(name: str) -> str:
    return _SEPARATORS.sub(" ", name.casefold()).strip()


_FIELDS = {_plain_name(name): field for name, field in LABELS.items()}
#: Names that stand before what the response answers as well.
_ANSWER_NAMES = {"answer", "final answer", "答案", "最终答案"}
_NAMES = "|".join(re.escape(name).replace(r"\ ", r"[ _\\-]{1,3}") for name in sorted(_FIELDS, key=len, reverse=True))
_VALUES = "|".join(re.escape(value).replace(r"\ ", " {1,3}") for value in sorted(TRUE | FALSE, key=len, reverse=True))
#: A label with a value of the menu and nothing glued to it, anywhere.
_STATEMENT = re.compile(
    rf"(?<![^\W\d_])(?P<name>{_NAMES})[\"'`*_\\)\]}}> \t]{{0,40}}[:：=]"
    rf"[\"'`*_\\(\[{{< \t\n]{{0,40}}(?P<value>{_VALUES})"
    r"(?![\w-])(?=[\"'`*_\])}> \t]{0,20}(?:$|[^\w \t]))",
    re.IGNORECASE,
)
#: What may stand before a label that begins a statement: a line's or a sentence's beginning, marks of a list.
_BEGINNING = re.compile(r"(?:^|[\0\n.;,。；，!?{]|\*\*)[ \t]{0,8}(?:[-*#>]{1,3}[ \t]{0,4}){0,2}[\"'`*_]{0,3}\Z")
#: `Verdict:` at a beginning is meant as a statement whatever follows it.
_VERDICT = re.compile(
    r"(?<![^\W\d_])(?:final verdict|verdict|judge?ment|结论|判定|最终判定)[\"'`*_]{0,3}[ \t]{0,40}[:：][ \t*_]{0,40}"
    r"(?P<value>[^\n]{0,60})",
    re.IGNORECASE,
)
#: A table of flags: a row for each, or a heading with all and one row of values.
_CELL = r"[ \t*_`]{0,8}"
_FLAG = rf"{_CELL}(?:self_consistent|answer_correct|process_correct){_CELL}"
_ROW = re.compile(rf"^[ \t]{{0,8}}\|({_FLAG})\|({_CELL}\w{{1,20}}{_CELL})\|[ \t]{{0,8}}$", re.IGNORECASE | re.MULTILINE)
_HEADED = re.compile(
    rf"^[ \t]{{0,8}}\|((?:{_FLAG}\|){{2,3}})[ \t]{{0,8}}\n[ \t]{{0,8}}\|[ \t:|-]{{3,80}}\n"
    rf"[ \t]{{0,8}}\|((?:{_CELL}\w{{1,20}}{_CELL}\|){{2,3}})[ \t]{{0,8}}$",
    re.IGNORECASE | re.MULTILINE,
)
_CHARACTERS_BEFORE = 40
#: Stands in a plain text where an object stood.
OBJECT = "\0"

_INTRODUCED_WITHIN = 2_000
_FENCE = re.compile(r"```\w{0,20}[ \t]{0,20}\n?")
#: Words that announce what a response says, at the end of a line.
_INTRODUCTION = re.compile(
    r"(?:\b(?:response|it|author|candidate|student|model|text|which|who|attempt|they|he|she)\b.{0,80}"
    r"\b(?:say|wr[io]t|claim|stat|contain|read|end|insert|includ|quot|said|give|gave|put|add|append|was)\w{0,5}\b.{0,60}"
    r"|\bquot\w{1,5}\b.{0,60}|(?:回答|它|作者|学生).{0,30}(?:写|说|称|包含|是).{0,30})[:：]$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Statement:
    """A label with its value.

    Attributes:
        field: a flag, or `verdict`.
        value: as the menu has it; None for a verdict off the menu.
        start, end: where it stands in the plain text.
        begins: whether it begins a line or a sentence, as a judge's own statement does.
        words: the value as it is written.
    """

    field: str
    value: bool | None
    start: int
    end: int
    begins: bool
    words: str = ""


def plain(text: str) -> str:
    """The text in the characters that a model would retype it in: no look-alikes, nothing invisible or escaped."""
    text = text.replace(OBJECT, " ")
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_LOOKALIKES)
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def statements_in(text: str) -> Iterator[Statement]:
    """Every statement of a plain text.

    `Answer: yes` is what the response answers, not what the judge finds.
    """
    for match in _STATEMENT.finditer(text):
        name, value = _plain_name(match["name"]), value_of(match["value"])
        field = _FIELDS.get(name)
        if field is None or value is None:  # letters that only look alike to the search: a dotless i
            continue
        if name in _ANSWER_NAMES and match["value"].casefold() in ANSWERS:
            continue
        yield Statement(field, value, match.start(), match.end(), _begins(text, match.start()), match["value"])
    for match in _VERDICT.finditer(text):
        words = re.split(r"[.,;(。；，（\"}]| - ", match["value"], maxsplit=1)[0]
        if value_of(words) is None and _begins(text, match.start()):
            yield Statement("verdict", None, match.start(), match.end(), True, words.strip())


def without_tables(text: str) -> str:
    """The text with a line `flag: value` in place of each flag in a table."""
    return _ROW.sub(_lines, _HEADED.sub(_lines, text))


def _lines(table: re.Match[str]) -> str:
    names, values = ([cell.strip(" \t*_`") for cell in row.removesuffix("|").split("|")] for row in table.groups())
    if len(names) != len(values):
        return table[0]
    return "\n".join(f"{name}: {value}" for name, value in zip(names, values, strict=True))


def _begins(text: str, place: int) -> bool:
    """Whether a label at this place begins a line or a sentence."""
    return _BEGINNING.search(text[max(0, place - _CHARACTERS_BEFORE) : place]) is not None


#: What hands the words after it to somebody else, or makes an example of them, in the line that leads to them.
_HANDED_ON = re.compile(
    r"\b(?:inject\w*|forge[ds]?|fake\w*|pretend\w*|(?:refuse|decline) to|disregard\w*"
    r"|(?:(?:do|does|did|will|would|should|can)(?: not|n['’]t|not)|won['’]t|never) "
    r"(?:say|write|output|give|print|repeat|conclude))\b"
    r"|^\W*(?:if|unless|suppos\w+|假如|如果)\b"
    r"|\b(?:would (?:be|give|output|say)|for (?:example|instance)|examples?(?: (?:output|reply|of) ?.{0,30})?|e\.g\.?"
    r"|such as|ignore(?: this)?|例如|比如|忽略)\W{0,4}$",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|never|no|wrong|false|nor)\W{0,4}$|(?:不是|并非)\W{0,4}$", re.IGNORECASE)
_ENDS_SENTENCE = re.compile(r"[.!?。！？](?=\s)|\n[ \t]{0,20}\n|[。！？]")


def is_disowned(text: str, place: int) -> bool:
    """Whether the line that leads to this place denies what stands there, or gives it as another's or an example."""
    before = _FENCE.sub("", text[max(0, place - 400) : place])
    leading = _ENDS_SENTENCE.split(before)[-1]
    lines = [line for line in leading.split("\n") if line.strip()]
    leading = lines[-1] if lines else ""
    return _HANDED_ON.search(leading) is not None or _DENIED.search(leading.rstrip()) is not None


def is_quoted(text: str, place: int) -> bool:
    """Whether what stands at this place is introduced as somebody else's words.

    "The response says:" at the end of a line makes the rest of its paragraph a quote, or the paragraph after it.
    """
    before = _FENCE.sub("", text[max(0, place - _INTRODUCED_WITHIN) : place])
    *earlier, own = re.split(r"\n[ \t]{0,20}\n\s*", before)
    if own.rpartition("\n")[2].lstrip().startswith(">"):
        return True
    lines = own.split("\n")[:-1] + (earlier[-1].split("\n")[-1:] if earlier else [])
    return any(_INTRODUCTION.search(line.rstrip(" \t\"'*`")) for line in lines)
