"""Choice letters and yes or no."""

from __future__ import annotations

import re
import unicodedata

from contextrl.answers.wrapping import WRAPPED, unwrap

_LETTER = r"[(\[{<]?[A-J](?![A-Za-z])[)\]}>]?"
_LETTERS = re.compile(
    r"(?:the\s+)?(?:(?:options?|choices?|letters?)\s+|选项\s*)?"
    rf"(?P<list>[A-J]{{2,5}}(?![^\W_])|{_LETTER}(?:\s*(?:,|、|;|&|/|\band\b|\bor\b|或|和)\s*{_LETTER})*)"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
YES_NO = re.compile(
    r"(?P<yes>yes|true|是的|是|对|正确|y(?![\w/]))|"
    r"(?P<no>no(?!\w| idea)|false|否|不是的|不是|不对|错误|不|n(?![\w/]))",
    re.IGNORECASE,
)
_HEDGE = re.compile(r"\b(?:and|or|not sure|maybe|unsure)\b|或|和", re.IGNORECASE)


def choice_in(value: str) -> str | None:
    """Return the letters that a statement's value names, in order; None if it names none."""
    letters = parse_choice(value)
    if letters:
        return ", ".join(sorted(letters))
    if letters is not None:
        return value  # "A or B": stated, but not one answer
    marked = {a or b for a, b in re.findall(r"\(([A-J])\)|\boption ([A-J])\b", value)}
    return marked.pop() if len(marked) == 1 else None


def parse_choice(value: str) -> frozenset[str] | None:
    """Return the letters that `value` starts with; empty for a hedge ("A or B"), None if it names none."""
    value = unwrap(unicodedata.normalize("NFKC", value))
    value = WRAPPED.sub(r"\1", value).replace("$", "").strip()
    match = _LETTERS.match(value)
    if match is None:
        return None
    listed, rest = match["list"], match["rest"]
    ends_here = not rest.strip() or rest[0] in ".:)]},;、"
    if len(listed) > 1 and listed.isascii() and listed.isalpha():
        in_order = listed.isupper() and list(listed) == sorted(set(listed))
        return frozenset(listed) if in_order and ends_here else None
    if re.match(r"[A-Za-z'’_]", rest):
        return None
    if re.search(r"\bor\b|/|或", listed, re.IGNORECASE):
        return frozenset()
    if not ends_here:
        listed = re.split(r"(?<=[A-Ja-j])\b|(?<=[)\]}>])", listed, maxsplit=1)[0]  # "B, A is wrong" states only B
    bracketed = listed[0] in "([{<"
    if not bracketed and listed[0].islower() and not ends_here:
        return None
    # "A cat" and "I think" are words, not choices.
    if not bracketed and listed[:1] in "AI" and re.match(r"\s+(?!because|since|as\b)[a-z]", rest):
        return None
    return frozenset(re.findall(r"(?<![A-Z])[A-J](?![A-Z])", listed.upper()))


def parse_yes_no(value: str) -> bool | None:
    """Return what `value` starts with, yes or no; None for neither and for a hedge ("yes and no")."""
    value = unwrap(unicodedata.normalize("NFKC", value))
    match = YES_NO.match(value)
    if match is None:
        return None
    rest = value[match.end() :]
    if rest[:1].isalpha() or re.match(r"\s*/", rest):
        return None
    other = YES_NO.search(rest) if _HEDGE.search(rest[:12]) else None
    return None if other else match["yes"] is not None
