"""What stands around an answer: boxes, quotes, markdown, math delimiters, trailing punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Longer values are not final answers: only an identical one is equal.
MAX_ANSWER_CHARS = 2_000
WRAPPED = re.compile(r"\\(?:boxed|fbox|text|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}", re.DOTALL)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_PAIRS = {
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "`": "`",
    "「": "」",
    "《": "》",
    "$": "$",
    "*": "*",
    "_": "_",
}


def visible(text: str) -> str:
    """Drop what has no width: joiners, direction marks, soft hyphens, byte order marks."""
    return _INVISIBLE.sub("", text)


def boxed(text: str) -> Iterator[tuple[int, str]]:
    """Yield (position, content) of each closed `\\boxed{...}`, in one pass whatever the nesting."""
    if "boxed" not in text:
        return
    open_braces: list[tuple[int, bool]] = []
    for match in re.finditer(r"\\boxed\s*\{|\\.|[{}]", text):
        if match[0] == "}":
            if open_braces:
                start, is_box = open_braces.pop()
                if is_box:
                    yield start, text[start : min(match.start(), start + MAX_ANSWER_CHARS)]
        elif match[0].endswith("{") and match[0] != r"\{":
            open_braces.append((match.end(), match[0] != "{"))


def unwrap(value: str) -> str:
    """Strip quotes, markdown, math delimiters, boxes and trailing punctuation from around an answer."""
    for _ in range(6):
        before = value
        value = value.strip().removeprefix("\\(").removesuffix("\\)").removeprefix("\\[").removesuffix("\\]").strip()
        value = value.lstrip("*` ").rstrip(".,;:?。，；：！？、`* ")
        if re.search(r"[^\W\d_]{2}!$", value):  # an exclamation, not a factorial
            value = value[:-1]
        surplus = value.count("}") - value.count("{")
        if surplus > 0 and (closing := re.search(r"[}\s]*\Z", value[-2 * surplus :])):
            kept = value[: len(value) - len(closing[0])]
            value = kept + "}" * max(closing[0].count("}") - surplus, 0)
        if len(value) > 1 and _PAIRS.get(value[0]) == value[-1] and value.count(value[0]) <= 2:
            value = value[1:-1]
        elif len(value) > 3 and value.startswith("$$") and value.endswith("$$"):
            value = value[2:-2]
        elif value[:1] in ("*", "`", '"', "“") and value.count(value[:1]) == 1:
            value = value[1:]
        elif value[-1:] in ('"', "”", "$") and value.count(value[-1:]) == 1:
            value = value[:-1]
        elif wrapped := WRAPPED.fullmatch(value):
            value = wrapped[1]
        elif value.startswith("\\boxed{") and next(boxed(value), (0, ""))[1] == value[7:-1]:
            value = value[7:-1]
        if value == before:
            break
    return value
