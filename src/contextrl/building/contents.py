"""The words that a question is about, and whether two questions' are the same but for inflection and a slip."""

from __future__ import annotations

import re

#: Questions of more such words are long: likeness of all their text tells them apart.
MOST_WORDS = 10
#: Bytes that they may take in a fingerprint.
MOST_BYTES = 128
_TOKEN = re.compile(r"[㐀-鿿぀-ヿ]|[^\W_㐀-鿿぀-ヿ]+(?:\.\d+)?")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Words without which, or with another of which, a question is the same: articles, forms of to be, ways of asking.
_FUNCTION = _set(
    """
    a an the is are was were be been being am do does did has have had can could will would shall should may
    might of to in at and that this these those there it its what which whats how s tell find determine
    calculate compute give state answer please me us you your i we here so then also as by for with from image
    picture photo photograph figure diagram shown show shows given following see seen depicted displayed visible
    present provided
    """
)


def _slips() -> frozenset[str]:
    """Function words with two letters after the first in each other's place; `form` is a word of its own."""
    turned = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for word in _FUNCTION for i in range(1, len(word) - 1)}
    return frozenset(turned) - _FUNCTION - {"form"}


_IGNORED = _FUNCTION | _slips()


def contents(plain: str) -> bytes:
    """Content words of a folded text in their order, a space between; nothing of one that has too many or none."""
    words = [word for word in _TOKEN.findall(plain) if word not in _IGNORED]
    joined = " ".join(words).encode("utf-8", "surrogatepass")
    return joined if len(words) <= MOST_WORDS and len(joined) <= MOST_BYTES else b""


def same_contents(one: bytes, other: bytes) -> bool:
    """Whether two `contents` are those of one question; those that are too long to tell are."""
    if one == other or not one or not other:
        return one == other
    words, others = (text.decode("utf-8", "surrogatepass").split(" ") for text in (one, other))
    return len(words) == len(others) and all(map(_alike, words, others))


def initials(made: bytes) -> bytes:
    """What is equal of all `contents` that are the same: inflection and slips leave a word's first letter."""
    return b"".join(word[:1] for word in made.split(b" "))


def _alike(one: str, other: str) -> bool:
    return one == other or not _bases(one).isdisjoint(_bases(other)) or _slip(one, other)


def _bases(word: str) -> set[str]:
    """What a word may be an inflection of, itself among them."""
    word = word.replace("colour", "color")
    made = {word}
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        made.add(word[:-1])
    for ending, base in (("ies", "y"), ("ses", "s"), ("xes", "x"), ("shes", "sh"), ("ches", "ch")):
        if word.endswith(ending):
            made.add(word[: -len(ending)] + base)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            made |= {word[: -len(ending)], word[: -len(ending)] + "e"}
    return made


def _slip(one: str, other: str) -> bool:
    """Whether one is the other with a slip of the pen: letters exchanged, or in long words one lost or replaced.

    In short words a letter makes another word: cat and hat, horse and house.
    """
    if one[0] != other[0] or one.isdigit() or other.isdigit():
        return False
    short, long = sorted((one, other), key=len)
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    rest, others = short[start:], long[start:]
    if len(short) == len(long):
        exchanged = len(rest) > 1 and rest[0] == others[1] and rest[1] == others[0] and rest[2:] == others[2:]
        return (exchanged and len(long) > 3) or (rest[1:] == others[1:] and len(long) > 6)
    return len(long) > 6 and rest == others[1:]
