"""Which language a question is in; none where that cannot be told.

Scripts decide where they can; py3langid (BSD, a naive Bayes model of 139 languages within the package) tells languages
of one script apart. What is in no language is left out before: formulas, names of points, units, quotations, options.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from contextrl.evaluation.benchmarks.inline_options import split_options

#: Languages that are told apart, by two-letter code. Fewer than the model knows: of Galician beside Portuguese and the
#: like it is never sure, and sets of questions have none.
LANGUAGES = (
    *("en", "zh", "de", "fr", "es", "pt", "it", "nl", "pl", "cs", "sk", "hu", "ro", "sv", "no", "da", "fi", "et", "lv"),
    *("lt", "tr", "vi", "id", "ms", "sw", "tl", "hr", "sl", "sq", "ca", "eu", "is", "ga", "cy", "ru", "uk", "be", "bg"),
    *("sr", "mk", "kk", "mn", "ar", "fa", "ur", "ps", "he", "hi", "mr", "ne", "ja", "ko", "th", "el", "ka", "hy", "bn"),
    *("ta", "te", "gu", "kn", "ml", "pa", "si", "my", "km", "lo", "am"),
)
#: Scripts that one language here is written in, and those of several: characters of one and what they are worth in
#: words.
_SCRIPTS: dict[str, tuple[re.Pattern[str], float, str]] = {
    name: (re.compile(f"[{characters}]"), worth, language)
    for name, characters, worth, language in (
        ("kana", "\u3041-\u3096\u30a1-\u30fa", 0.4, "ja"),
        ("han", "\u3400-\u4dbf\u4e00-\u9fff", 0.5, "zh"),
        ("hangul", "\uac00-\ud7a3", 0.4, "ko"),
        ("thai", "\u0e01-\u0e2e\u0e30-\u0e4e", 0.2, "th"),
        ("hebrew", "\u05d0-\u05ea", 0.2, "he"),
        ("georgian", "\u10d0-\u10fa", 0.2, "ka"),
        ("armenian", "\u0531-\u0587", 0.2, "hy"),
        ("bengali", "\u0980-\u09fe", 0.2, "bn"),
        ("tamil", "\u0b82-\u0bfa", 0.2, "ta"),
        ("telugu", "\u0c00-\u0c7f", 0.2, "te"),
        ("gujarati", "\u0a81-\u0aff", 0.2, "gu"),
        ("kannada", "\u0c80-\u0cff", 0.2, "kn"),
        ("malayalam", "\u0d00-\u0d7f", 0.2, "ml"),
        ("gurmukhi", "\u0a01-\u0a76", 0.2, "pa"),
        ("sinhala", "\u0d81-\u0df4", 0.2, "si"),
        ("burmese", "\u1000-\u109f", 0.2, "my"),
        ("khmer", "\u1780-\u17ff", 0.2, "km"),
        ("lao", "\u0e81-\u0edf", 0.2, "lo"),
        ("ethiopic", "\u1200-\u135a", 0.3, "am"),
        ("arabic", "\u0620-\u064a\u066e-\u06d3", 0.2, ""),
        ("devanagari", "\u0900-\u0963\u0971-\u097f", 0.2, ""),
    )
}
#: Scripts whose letters stand for quantities too: words of two letters and more count.
_WORDS = {
    "greek": (re.compile("[\u0370-\u03ff\u1f00-\u1fff]{2,}"), "el"),
    "cyrillic": (re.compile("[\u0400-\u04ff]{2,}"), ""),
    "latin": (re.compile("[A-Za-z\u00aa-\u024f\u1e00-\u1eff][A-Za-z\u00aa-\u024f\u1e00-\u1eff'’]+"), ""),
}
_MATHS = re.compile(
    r"\$\$.{0,2000}?\$\$|\$[^$\n]{1,500}\$|\\\(.{0,500}?\\\)|\\\[.{0,2000}?\\\]|\\begin\{(\w{1,20})\*?\}.{0,2000}?\\end\{\1\*?\}"
    r"|\\[A-Za-z]+|https?://\S+|<[^<>\n]{1,40}>",
    re.DOTALL,
)
_QUOTED = re.compile(
    r"\"[^\"\n]{1,200}\"|“[^”\n]{1,200}”|«[^»\n]{1,200}»|「[^」\n]{1,200}」|『[^』\n]{1,200}』|《[^》\n]{1,200}》"
)
#: Latin letters that belong to no language: points, formulas, functions and units.
_NO_WORD = re.compile(
    r"(?<![A-Za-z])(?:[A-Z]{2,}[A-Z0-9']*|[A-Za-z]|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|log|ln|lim|max|min|exp|mod|gcd|lcm"
    r"|cm|mm|km|dm|nm|kg|mg|ml|kJ|kW|kPa|Pa|Hz|mol|rad|deg|eV)(?![A-Za-z'’])"
)
#: Sentences in capitals, which are not names of points.
_CAPITALS = re.compile(r"[A-Z]{3,}[^\w\n]+(?:[A-Z]+[^\w\n]+){1,20}[A-Z]{3,}")
#: Languages that may be meant by what is written in a script. Latin letters stand in questions of any language.
_WRITTEN = {name: (language,) for name, (_, _, language) in _SCRIPTS.items() if language} | {
    "han": ("zh", "ja", "ko"),
    "greek": ("el",),
    "arabic": ("ar", "fa", "ur", "ps"),
    "devanagari": ("hi", "mr", "ne"),
    "cyrillic": ("ru", "uk", "be", "bg", "sr", "mk", "kk", "mn"),
}
#: Words of English exercises; none is one of another language's that is as common there.
_ENGLISH = re.compile(
    r"(?:the|of|and|is|are|be|what|which|find|given|let|if|then|that|with|such|by|from|how|"
    r"many|much|long|triangle|angle|angles|circle|square|rectangle|line|lines|point|points|side|"
    r"sides|length|area|perimeter|volume|radius|compute|calculate|determine|solve|evaluate|"
    r"simplify|value|function|equation|graph|figure|shown|following|in|to|as|for|on|between|"
    r"each|equal|equals|parallel|perpendicular|right|measure|number|does|has|have|where|when|who|"
    r"whose|name|color|colour|read|author|largest|smallest|highest|lowest)"
)
#: Part of a text's words that its script must have, and characters of Chinese below which it may be Japanese.
_SHARE, _LEAST_HAN = 0.75, 4
_MAX_CHARS = 2_000


def language_of(question: str, confidence: float = 0.7) -> str:
    """The two-letter code of a question's language; empty where it cannot be told.

    Args:
        question: with its options, which do not count.
        confidence: probability from which a language counts as told.
    """
    text = _worded(question)
    weights = _weights(text)
    if weights.get("kana", 0) >= 0.8 and weights.get("han"):
        weights["kana"] += weights.pop("han")  # Japanese has both
    script = max(weights, key=lambda name: weights[name])
    if weights[script] == 0 or weights[script] < _SHARE * sum(weights.values()):
        return ""
    if script == "han" and weights[script] < _SCRIPTS["han"][1] * _LEAST_HAN:
        return ""
    alone = _SCRIPTS[script][2] if script in _SCRIPTS else _WORDS[script][1]
    return alone or _told_apart(" ".join(text.split()), confidence) or ("en" if _is_plain_english(text) else "")


def may_be(question: str, languages: Sequence[str]) -> bool:
    """Whether a question whose language cannot be told may be in one of some, by the scripts that it has words in."""
    there = [script for script, weight in _weights(_worded(question)).items() if weight]
    return not there or any(script not in _WRITTEN or set(_WRITTEN[script]) & set(languages) for script in there)


def _worded(question: str) -> str:
    """What of a question is in a language."""
    stem = split_options(question).stem
    text = _MATHS.sub(" ", (stem if stem.strip() else question)[:_MAX_CHARS])
    unquoted = _QUOTED.sub(" ", text)
    text = unquoted if any(character.isalpha() for character in unquoted) else text
    if text.isupper() and _CAPITALS.search(text):
        text = text.lower()
    return _NO_WORD.sub(" ", text)


def _is_plain_english(text: str) -> bool:
    """Three words and more, most of them common in English exercises: too little for a model of letters."""
    words: list[str] = _WORDS["latin"][0].findall(text.casefold())
    known = [word for word in words if _ENGLISH.fullmatch(word)]
    return len(set(known)) >= 3 and len(known) >= _SHARE * len(words)


def _weights(text: str) -> dict[str, float]:
    """Words in each script, about."""
    if text.isascii():
        return {"latin": float(len(_WORDS["latin"][0].findall(text)))}
    weights = {name: worth * len(characters.findall(text)) for name, (characters, worth, _) in _SCRIPTS.items()}
    return weights | {name: float(len(words.findall(text))) for name, (words, _) in _WORDS.items()}


def _told_apart(text: str, confidence: float) -> str:
    code, probability = _identifier(LANGUAGES).classify(text)
    return str(code) if probability >= confidence else ""


def version() -> str:
    """Of the model that tells languages apart."""
    return importlib.metadata.version("py3langid")


@lru_cache(maxsize=1)
def _identifier(languages: Sequence[str]) -> Any:
    langid = importlib.import_module("py3langid.langid")
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    identifier.set_languages(languages)
    return identifier
