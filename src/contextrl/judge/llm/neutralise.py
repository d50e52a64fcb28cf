"""Untrusted text made safe to stand inside a judge's prompt, without changing what it says to a reader.

Four things are broken: characters that nobody sees, the prompt's own delimiters, chat-template tokens, and whatever the
parser of the judge's reply would read as a verdict. The last rule is what keeps a judge that quotes the response after
its own verdict from handing over the response's forged one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from contextrl.answers.lookalikes import TWINS

#: The delimiters of the judge's user prompt: `<response>` ... `</response>`.
SECTIONS = (
    *("question", "reference_answer", "reference_solution", "reference_documents"),
    *("response", "mistake_report"),
)

#: Zero-width, bidirectional, format, filler and tag characters, variation selectors, controls, lone surrogates
#: (arXiv 2106.09898, 2111.00169).
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff]"
)
NEWLINE = re.compile("\r\n?|[\u2028\u2029\x85]")
#: Characters that look like ASCII ones, each in place of one, so that positions stay.
_LOOKALIKES = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord(char): ord(plain)
    for plain, chars in {
        **{"<": "﹤〈⟨‹≺❮˂ᐸ«", ">": "﹥〉⟩›≻❯˃ᐳ»", ":": "∶ː꞉", "=": "꞊", "/": "⁄∕╱⧸"},
        **{"-": "‐‑–−", "_": "＿"},
    }.items()
    for char in chars
}
#: Letters that pass for Latin ones: of other alphabets, and those that are set in other type.
_LETTERS = (
    _LOOKALIKES
    | TWINS
    | {
        code: ord(plain)
        for code in range(0x1D400, 0x1D7CC)
        if (plain := unicodedata.normalize("NFKC", chr(code))).isascii() and len(plain) == 1
    }
)
_SECTION = "|".join(name.replace("_", r"[\s_-]{0,3}") for name in SECTIONS)
_DELIMITER = re.compile(rf"(?:<|&(?=lt;))(?=(?:lt;)?[\s\\]{{0,8}}/?\s{{0,8}}(?:{_SECTION})\b)", re.IGNORECASE)
#: What chat templates, tokenisers and vision encoders of every family write as one token, by form: `<|any|>`, `<any|>`,
#: `<name>`, `[NAME]` and marks of one family alone. Nothing is consumed, so that a token within another is found too.
_TEMPLATE = re.compile(
    r"(?=(?P<whole>"
    r"<\|(?:[^<>|\n]{1,60}\|?>)?|<\s{0,8}/?[\w\"▁.:-]{1,40}\|>|<<?/?SYS\b(?:>{1,2})?"
    r"|<\s{0,8}/?\s{0,8}(?P<angle>[^\W_][\w▁.:-]{0,59})\s{0,8}/?>"
    r"|\[/?(?P<square>[A-Za-z]\w{1,39})\]"
    r"|◁/?\w{1,20}▷|\|(?:ENDOFTEXT|SPEAKER|NEWLINE)\||>>[A-Z_]{2,20}<<|\]~!?b[\[\]]|\[e~\[|\]<\]\w{1,20}\[>\["
    r"))"
)
#: Tokens of one word in angle brackets; of several words, those with such a part.
_TOKEN_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        s bos eos pad unk cls sep mask sop eop eod eot eoh eoa eom soi eoi sot soc eoc think thinking image img video
        audio vision box ref quad point grounding system assistant user instruction instructions inst im fim tool tools
        token tokens special reserved unused extra seed seg loc patch dream turn
        """,
    )
)
_TOKEN_PARTS = frozenset(
    re.findall(
        r"\w+",
        """
        bos eos pad unk cls sep mask sop eop eod eot eoh eoa eom soi eoi sot soc eoc think thinking image images img
        imgs video audio vision quad grounding assistant inst im fim tool tools
        token tokens special reserved unused seed seg
        patch dream turn placeholder context role utterance message channel jupyter commit issue gh reponame
        """,
    )
)
#: `<start_of_turn>`, `<begin_of_image>`, `<end_of_utterance>`; `<extra_id_0>`, `<row_1_col_2>`, `<global-img>`.
_TOKEN_SHAPES = re.compile(
    r"(?:start|end|begin)(?:_of_\w+|(?:of)?(?:text|turn|prompt|image|img|file))"
    r"|extra_id_\d+|row_\d+_col_\d+|0x[0-9a-f]{2}"
    r"|(?:fim|file|repo|gh|issue|commit|jupyter|im|img|image|vid|video|audio|seed|tool|patch)[_:-]\w+|reponame|filename"
    r"|\w+_(?:token|tokens|img|image|pad|mask)|(?:image|patch)newline"
)
#: In square brackets only as their tokenisers spell them: `[mask]` and `[prefix]` index arrays.
_SQUARE_TOKENS = re.compile(
    r"(?i:INST)|(?:SYSTEM|MODEL|AVAILABLE|TOOL|CALL|IMG|IMAGE|AUDIO|VIDEO|BEGIN|END|UNUSED|SPECIAL)_[A-Z0-9_]+"
    r"|IMG|IMAGE|AUDIO|VIDEO|SYSTEM|THINK|MASK|TOOLS|ARGS|PREFIX|MIDDLE|SUFFIX|TRANSCRIBE|[gs]MASK|CLS|SEP|PAD|UNK|BOS|EOS|EOP|SOP|STREAMING_\w+|REPEAT_\w+"
    r"|unused_?\d+|multimodal|control_\d+|CONTROL_\d+"
)
_ROLE_HEADER = re.compile(
    r"^[ \t]{0,8}#{2,6}[ \t]{0,4}(?:instructions?|system|assistant|user|human|response|input)[ \t]{0,4}(:)",
    re.IGNORECASE | re.MULTILINE,
)
#: Keys of the reply's JSON, however quoted or escaped, and the free-text label of the verdict.
_KEY = re.compile(
    r"(?:answer[ _-]?correct|process[ _-]?correct|self[ _-]?consistent|standalone"
    r"|mistake[ _]?report|verdict|judge?ment|status|结论|判定|独立)"
    r"[\"'`*\\_ \t]{0,8}([:=|])",
    re.IGNORECASE,
)
#: `Answer: 12` is an answer; `Answer: correct` is a verdict.
_LABEL = re.compile(
    r"(?:answer|process|reasoning|答案|过程|推理)[\"'`*\\_ \t]{0,8}([:=])"
    r"(?=[\"'`*\\_ \t]{0,8}(?:not\s|in)?"
    r"(?:correct|right|wrong|valid|pass|fail|正确|不正确|错误|对|错|不对|有误|无误))",
    re.IGNORECASE,
)
_STAND_INS = {"<": "‹", ">": "›", "[": "［", "]": "］", ":": "∶", "=": "꞊", "◁": "⊲", "|": "∣", "&": "＆"}


@dataclass(frozen=True)
class Neutralised:
    """The text as the judge may see it, and whether its middle was left out."""

    text: str
    cut: bool


@lru_cache(maxsize=2048)  # a group shares its question, and a response is looked at for its prompt and for its length
def neutralise(text: str, *, limit: int = 32_000) -> Neutralised:
    """Make untrusted text safe between a prompt's delimiters; a second time changes nothing.

    Args:
        text: a response, question or reference.
        limit: most characters; of a longer text the beginning and the end are kept, with a note between them.
    """
    text = _INVISIBLE.sub("", NEWLINE.sub("\n", text))
    cut = len(text) > limit
    if cut:
        note = f"\n[... {len(text) - limit} or more characters left out ...]\n"
        keep = max(limit - len(note), 2) // 2
        text = text[:keep] + note + text[-keep:]
    text = broken_tokens(_break(_DELIMITER, text))
    for pattern in (_ROLE_HEADER, _KEY, _LABEL):
        text = _break(pattern, text)
    return Neutralised(text, cut)


def broken_tokens(text: str) -> str:
    """The text in which each token of a chat template only looks like one: read, and not obeyed."""
    return _stand_in(text, [start for start, _ in _tokens(text.translate(_LOOKALIKES))])


def visible(text: str) -> str:
    """The text without characters that nobody sees."""
    return _INVISIBLE.sub("", text)


def without_tokens(text: str) -> str:
    """The text with a space in place of each token of a chat template."""
    pieces, done = [], 0
    for start, end in _tokens(text.translate(_LOOKALIKES)):
        if start >= done:
            pieces += [text[done:start], " "]
        done = max(done, end)
    return "".join([*pieces, text[done:]])


def _tokens(folded: str) -> Iterator[tuple[int, int]]:
    """Where tokens of chat templates stand."""
    for match in _TEMPLATE.finditer(folded):
        if (name := match["angle"]) is not None and not _is_angle_token(name):
            continue
        if (name := match["square"]) is not None and not _SQUARE_TOKENS.fullmatch(name):
            continue
        yield match.span("whole")


def _is_angle_token(name: str) -> bool:
    if re.fullmatch(r"[A-Z]+(?:_[A-Z0-9]+)+|[A-Z]+_[A-Z0-9_]+", name):
        return True
    name = name.casefold().strip("_▁")
    plain = re.sub(r"[_:.-]?\d+$", "", name)
    if plain in _TOKEN_WORDS or _TOKEN_SHAPES.fullmatch(name):
        return True
    parts = re.split(r"[_▁:.-]", plain)
    return len(parts) > 1 and not _TOKEN_PARTS.isdisjoint(parts)


def _break(pattern: re.Pattern[str], text: str) -> str:
    """Replace the character that a match turns on (its group, or its first) by one that only looks like it."""
    matches = pattern.finditer(text.translate(_LETTERS))
    return _stand_in(text, [match.start(match.lastindex or 0) for match in matches])


def _stand_in(text: str, places: list[int]) -> str:
    if not places:
        return text
    characters = list(text)
    for place in places:
        characters[place] = _STAND_INS[text[place].translate(_LOOKALIKES)]
    return "".join(characters)
