"""Text as a reader sees it: nothing invisible, and look-alikes in a Latin word as the letters that they pass for."""

from __future__ import annotations

import re
import unicodedata

from contextrl.answers.wrapping import visible

#: Letters of other alphabets that are set in place of Latin ones, each in place of one.
TWINS = str.maketrans(
    "аеіорсухѕјԁһԛԝɡοαερυνικτđłøıАВЕКМНОРСТХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeiopcyxsjdhqwgoaepuviktdloiABEKMHOPCTXIJSABEZHIKMNOPTYX",
)
_WORD = re.compile(r"\w+")
_LATIN = re.compile("[A-Za-z]")


def as_read(text: str) -> str:
    """The text in the characters that it seems to be written in; words of another alphabet alone stay as they are."""
    return unmasked(unicodedata.normalize("NFKC", text).replace("\u2019", "'"))


def unmasked(text: str) -> str:
    """As `as_read`, with compatible forms (½, 5²) as they are."""
    plain = visible(text)
    return plain if plain.isascii() else _WORD.sub(_unmasked, plain)


def _unmasked(word: re.Match[str]) -> str:
    return word[0].translate(TWINS) if _LATIN.search(word[0]) else word[0]
