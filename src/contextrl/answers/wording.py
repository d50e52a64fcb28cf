"""Free text: equal up to case, punctuation, articles and separators."""

from __future__ import annotations

import re
import unicodedata

from contextrl.answers.numbers import plain


def _text_tokens(value: str) -> list[str]:
    """Split into normalised words and numbers; punctuation, articles, case and separators do not count."""
    value = plain(value).casefold().replace("'", "").replace("’", "")
    value = re.sub(r"(?<=\d)\s*-\s*(?=\d)", "\0", value)  # a range; any other dash before a digit is a sign
    tokens = re.findall(r"-?\d+(?:[./:\0]\d+)*|[^\W\d_]+|[^\w\s\0]", value.replace("_", " "))
    kept = [token for token in tokens if token[-1].isalnum() or unicodedata.category(token)[0] == "S"]
    words = [t for i, t in enumerate(kept) if t not in ("the", "an", "and") and (t != "a" or i == len(kept) - 1)]
    return words or kept


def texts_equal(response: str, reference: str) -> bool | None:
    """Compare two texts by their tokens; None where one only says more, or both say much."""
    predicted, gold = _text_tokens(response), _text_tokens(reference)
    if not predicted or not gold:
        return None
    if predicted == gold:
        return True
    if all(token[-1].isdigit() for token in predicted + gold):
        thousands = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", f"{response}\n{reference}").split("\n")
        return None if _text_tokens(thousands[0]) == _text_tokens(thousands[-1]) else False
    joined = "".join(predicted), "".join(gold)
    chinese = re.search("[一-鿿]", response + reference) is not None  # written without spaces
    one_contains_the_other = (
        set(predicted) <= set(gold)
        or set(gold) <= set(predicted)
        or (chinese and (joined[0] in joined[1] or joined[1] in joined[0]))
    )
    # Long wordings differ without disagreeing, and a shorter one may be the same thing said with less detail.
    return None if one_contains_the_other or joined[0] == joined[1] or len(predicted + gold) > 10 else False
