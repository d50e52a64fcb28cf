"""What of a question and of a picture tells near ones: MinHash (datasketch) and perceptual hash (imagehash)."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contextrl.answers.options import parse_choice
from contextrl.building.contents import MOST_BYTES, contents
from contextrl.building.stems import parts
from contextrl.data.images import open_image
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle

#: Characters of a shingle; bits of a side of a picture's hash, and cells of a side of its thumbnail.
SHINGLE, HASH_SIDE, THUMB_SIDE = 5, 16, 8
#: Options of a question whose hashes are kept, those with the least.
MOST_OPTIONS = 8
#: 64-bit words of a picture's hash.
HASH_WORDS = HASH_SIDE * HASH_SIDE // 64
#: Seed of the permutations: hashes of all builds and of benchmarks are of one family.
_SEED = 1
#: Grey levels between the lightest and the darkest cell below which a picture is of one colour: its hash is noise.
_PLAIN = 4
#: Longest side, in pixels, to which a picture is downscaled with care, and below which it is averaged no further.
_SIDE, _LEAST_SIDE = 512, 128
_LETTERS = re.compile(r"\\(?:text|mathrm|mathbf|mathit|rm|bf)\b|\\[!,;:]|\\[()\[\]]|[${}]")
_MARKER = re.compile(r"<image(?:[ _]?\d+)?>|<image\|>", re.IGNORECASE)
_COMMANDS = {
    r"^\circ": "°",
    r"^{\circ}": "°",
    r"\circ": "°",
    r"\degree": "°",
    r"\angle": "∠",
    r"\triangle": "△",
    r"\parallel": "∥",
    r"\perp": "⊥",
    r"\times": "×",
    r"\cdot": "·",
    r"\leq": "≤",
    r"\geq": "≥",
}
_SIGNS = re.compile(r"\d+(?:\.\d+)?|(?<![^\W\d_])(?:[A-Z]|[b-hj-z])(?![^\W\d_])")
#: Words of which one in place of another makes another question of a text, as a number does.
_TURNS = re.compile(
    r"\b(?:not|no|never|except|without|left|right|top|bottom|upper|lower|above|below|inside|outside|front|behind|before|after"
    r"|first|second|third|last|next|previous|highest|lowest|largest|smallest|biggest|longest|shortest|tallest|oldest|youngest"
    r"|most|least|more|fewer|less|greater|smaller|larger|maximum|minimum|increas\w+|decreas\w+|start|end|north|south|east|west"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|red|blue|green|yellow|black|white|orange|purple|pink"
    r"|brown|gr[ae]y|cyan)\b|n['’]t\b|[左右不]|最[大小高低长短多少]",
    re.IGNORECASE,
)

PICTURE_TYPE = np.dtype(
    [
        ("key", "<u8"),
        ("hash", "<u8", (HASH_WORDS,)),
        ("thumb", "u1", (THUMB_SIDE * THUMB_SIDE * 3,)),
        ("plain", "?"),
    ]
)
Array = NDArray[Any]


def row_type(permutations: int) -> np.dtype[Any]:
    """Fields of a question's fingerprint.

    `exact` (stem and options), `signs` (their numbers and letters), `options` and `answer` are hashes;
    `minhash: [permutations]` and `words` are the stem's, `all_words` those of both; of duplicates the one of most
    `worth` stays.
    """
    return np.dtype(
        [
            ("minhash", "<u4", (permutations,)),
            ("exact", "<u8"),
            ("signs", "<u8"),
            ("answer", "<u8"),
            ("kind", "u1"),
            ("words", "<u2"),
            ("all_words", "<u2"),
            ("contents", f"S{MOST_BYTES}"),
            ("options", "<u4", (MOST_OPTIONS,)),
            ("pictures", "<u2"),
            ("worth", "u1"),
        ]
    )


def scheme(permutations: int) -> dict[str, object]:
    """What fingerprints depend on: only those of one scheme can be compared."""
    versions = {name: importlib.metadata.version(name) for name in ("datasketch", "imagehash")}
    return {
        "version": 3,
        **versions,
        "permutations": permutations,
        "shingle": SHINGLE,
        "hash_side": HASH_SIDE,
        "thumb_side": THUMB_SIDE,
        "seed": _SEED,
    }


def plain_text(text: str) -> str:
    """Text without what two copies of one question differ in: case, spaces, markers of pictures, ways of writing."""
    return _condensed(text).casefold()


def _condensed(text: str) -> str:
    text = _MARKER.sub(" ", text)
    for command, sign in _COMMANDS.items():
        text = text.replace(command, sign)
    return " ".join(unicodedata.normalize("NFKC", _LETTERS.sub("", text)).split())


def key_of(*parts: object) -> int:
    """64 bits of texts and numbers."""
    data = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


@dataclass(frozen=True)
class TextPrint:
    """A question's fingerprint; its fields are those of `row_type`.

    Attributes:
        minhash: [permutations] of 32 bits each, of the stem: without options and instructions.
        words: of the stem; characters of scripts that have no spaces count as one each.
        contents: content words of the stem, nothing where there are many.
        options: hashes of the options' texts, ascending, then zeros.
    """

    minhash: Array
    exact: int
    signs: int
    words: int
    all_words: int
    contents: bytes
    options: Array


def text_print(text: str, permutations: int) -> TextPrint:
    """The fingerprint of a question."""
    asked = parts(text)
    texts = sorted(asked.options.values(), key=plain_text)
    condensed = _condensed("\n".join([asked.stem, *texts]))
    plain, stem = condensed.casefold(), plain_text(asked.stem)
    signs = sorted([sign.casefold() for sign in _SIGNS.findall(condensed)] + _TURNS.findall(plain))
    options = np.zeros(MOST_OPTIONS, "<u4")
    hashes = sorted({_hash32(plain_text(one).encode("utf-8", "surrogatepass")) for one in texts})[:MOST_OPTIONS]
    options[: len(hashes)] = hashes
    return TextPrint(
        minhash(stem, permutations), key_of(plain), key_of(*signs), _words(stem), _words(plain), contents(stem), options
    )


def _words(plain: str) -> int:
    return min(len(re.findall(r"[㐀-鿿぀-ヿ]|[^\W㐀-鿿぀-ヿ]+", plain)), 65_535)


def answer_key(question: str, answer: str) -> int:
    """What stands for an answer: of letters the options that they name, in whichever order these are."""
    options = parts(question).options
    letters = (parse_choice(answer) or frozenset()) if options else frozenset()
    if letters and letters <= options.keys():
        return key_of(*sorted(plain_text(options[letter]) for letter in letters))
    return key_of(plain_text(answer))


def minhash(plain: str, permutations: int) -> Array:
    """`[permutations]` of the shingles of a text that `plain_text` has given."""
    empty, shared, scheme_name = _permutations(permutations)
    data = plain.encode("utf-8", "surrogatepass")
    last = max(1, len(plain) - SHINGLE + 1)
    if len(data) == len(plain):  # ASCII: bytes are characters
        shingles = {data[start : start + SHINGLE] for start in range(last)}
    else:
        shingles = {plain[start : start + SHINGLE].encode("utf-8", "surrogatepass") for start in range(last)}
    made = empty(num_perm=permutations, seed=_SEED, permutations=shared, hashfunc=_hash32, scheme=scheme_name)
    made.update_batch(shingles)
    return np.asarray(made.hashvalues, dtype="<u4")


@lru_cache(maxsize=4)
def _permutations(count: int) -> tuple[Any, Any, str]:
    """datasketch's class and permutations, which are made once."""
    kind = importlib.import_module("datasketch").MinHash
    first = kind(num_perm=count, seed=_SEED)
    return kind, first.permutations, first.scheme


def _hash32(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=4).digest(), "little")


@lru_cache(maxsize=4)
def bands(similarity: float, permutations: int) -> tuple[int, int]:
    """(bands, rows of a band) that miss few pairs at a similarity: what they find too many is verified afterwards."""
    index = importlib.import_module("datasketch").MinHashLSH(
        threshold=similarity - 0.05, num_perm=permutations, weights=(0.1, 0.9)
    )
    return int(index.b), int(index.r)


def picture_print(handle: ImageHandle, key: int) -> Array:
    """A picture's fingerprint, an array of one `PICTURE_TYPE`.

    Args:
        key: names the picture.

    Raises:
        InputError: it cannot be decoded.
    """
    image = open_image(handle, max_side=_SIDE)
    image = image.reduce(max(1, min(image.size) // _LEAST_SIDE))
    grey = image.convert("L")
    hashed = importlib.import_module("imagehash").phash(grey, hash_size=HASH_SIDE)
    thumb = np.asarray(image.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX))
    darkest, lightest = cast(tuple[int, int], grey.getextrema())
    made = np.zeros(1, PICTURE_TYPE)
    made["key"], made["thumb"], made["plain"] = key, thumb.reshape(-1), lightest - darkest < _PLAIN
    made["hash"] = np.packbits(hashed.hash[_BY_FREQUENCY]).view("<u8")
    return made


def _by_frequency() -> tuple[Array, Array]:
    """Places of a hash's bits, low frequencies first: bands of them stay when noise changes the others."""
    places = sorted(((i, j) for i in range(HASH_SIDE) for j in range(HASH_SIDE)), key=lambda p: (p[0] + p[1], p))
    first, second = np.array(places).T
    return first, second


_BY_FREQUENCY = _by_frequency()


def picture_prints(pictures: Iterable[tuple[int, ImageHandle]]) -> tuple[Array, list[int]]:
    """Fingerprints of (key, picture), an array of `PICTURE_TYPE`, and keys of those that cannot be decoded: these have
    the fingerprint of a picture of one colour, which is the same only as a file.
    """
    made, broken = list[Array](), list[int]()
    for key, handle in pictures:
        try:
            made.append(picture_print(handle, key))
        except InputError:
            broken.append(key)
            made.append(np.zeros(1, PICTURE_TYPE))
            made[-1]["key"], made[-1]["plain"] = key, True
    return stacked(made, PICTURE_TYPE), broken


def stacked(prints: Sequence[Array], kind: np.dtype[Any]) -> Array:
    """Arrays of one type as one."""
    return np.concatenate(prints) if prints else np.zeros(0, kind)
