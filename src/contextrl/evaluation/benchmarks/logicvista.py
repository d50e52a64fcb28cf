"""LogicVista (arXiv 2407.04973): 447 questions of logic in five skills; the right answer may be several letters."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import read_choice, spoken
from contextrl.evaluation.benchmarks.inline_options import split_options
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Metrics, accuracy
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import asked, counted_wrong, object_of, text_of_reply
from contextrl.evaluation.benchmarks.steps import Ask, Step

_LETTERS = "ABCDEFGHI"
_SKILLS = ("inductive", "deductive", "numerical", "spatial", "mechanical")
_ANSWER = re.compile(r"[A-I](?:\s*,\s*[A-I])*|[1-9]")
#: `Select from A-E`
_RANGE = re.compile(r"(?<![A-Za-z])A\s*(?:[-–—]|to)\s*([B-I])(?![A-Za-z])")
_LONE_LETTER = re.compile(r"(?<!\w)[A-I](?![\w'’])")
#: A response of letters alone, joined by anything but a doubt.
_LIST = re.compile(
    r"\W{0,4}(?:(?:both|options?|(?:the\s)?(?:correct\s)?answers?(?:\s(?:is|are))?)[\s:]{1,3})?"
    r"([^\w/?]{0,4}[A-I](?:[^\w/?]{1,8}(?:and[^\w/?]{1,4})?[A-I](?!\w)){1,8})[^\w?]{0,4}(?:(?:are|is)\s(?:correct|right)\W?)?",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?<!\w)[A-I](?!\w)")
_LIST_CHARS = 200
_LONE_DIGIT = re.compile(r"(?<![\w.,])[1-9](?![\w%]|[.,]\d)")
#: One-letter answers that the authors' script takes for options; it has other single characters as none.
_OFFICIAL_LETTERS = "abcde"
_OFFICIAL_SPEAKER = "ASSISTANT:"
_TRIES = 5


class LogicVista(Benchmark):
    """The letters are those of the answer, all of them and no other."""

    name = "logicvista"
    title = "LogicVista"
    family = "reasoning"
    source = Source(
        hub="lscpku/LogicVista",
        split="test",
        rows=447,
        licence="Apache-2.0",
        columns=("question", "answer", "image", "skill"),
    )
    columns: ClassVar[Mapping[str, str]] = {"accuracy": "LogicVista"}
    headline = "accuracy"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {
        "official": ("logicvista_choices",),
        "vlmevalkit": ("logicvista_letters",),
    }
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "A judge extracts the letters (temperature 0.2); its text is ours, the reply format is the "
        "authors'. A lone letter A to E is taken as it is; a lone letter F or beyond is wrong, as in their script, "
        "though it is right in two questions. A reply that cannot be read five times is wrong. The empty row is left "
        "out.",
        "vlmevalkit": "A judge extracts the letters; its text is ours, with as many examples. A reply that is not of "
        "upper-case letters alone ('B, D', '3') is asked again, five times, warmer each time, and is then wrong: the "
        "question whose answer is 3 can never be right. The empty row is left out.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        answer = _answer(row, where)
        if answer is None:
            return None
        asked_for = split_options(text_of(row, "question", where))
        return Item(
            id=text_of(row, "index", where) if "index" in row else str(position),
            columns={
                "question": asked_for.stem,
                "inline": asked_for.tail,
                "options": asked_for.options,
                "answer": answer,
                "skills": _skills(row, where),
            },
            images=(picture(row.get("image"), where=f"{where}, column 'image'", base=None),),
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        """The bare question, by both protocols."""
        del protocol
        return f"{item.columns['question']}{item.columns['inline']}"

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        answer: list[str] = item.columns["answer"]
        if scorer == "robust":
            said = _read(item, response)
            return Mark(float(said == answer), ", ".join(said)) if said else Mark(0.0, how="unresolved")
        question = self.prompt(item, "official")
        if scorer == "vlmevalkit":
            return _by_letters(question, response.text, answer, seed)
        return _official(question, response.text, answer, seed)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """Over all questions, and over each skill's."""
        del scorer
        units = [(one.item.cluster or one.item.id, one.mark.score, one.item.columns["skills"]) for one in scored]
        figures = {"accuracy": accuracy((cluster, score) for cluster, score, _ in units)}
        for skill in _SKILLS:
            of = [(cluster, score) for cluster, score, skills in units if skill in skills]
            if of:
                figures[f"skill/{skill}"] = accuracy(of)
        return figures


def _official(question: str, response: str, answer: list[str], seed: int) -> Step:
    """The authors' `eval/extract_accuracy.py`."""
    entry = (response.split(_OFFICIAL_SPEAKER)[1] if _OFFICIAL_SPEAKER in response else response).strip()
    if not entry:
        return Mark(0.0, how="unresolved")
    if len(entry) == 1 and not entry.isnumeric():
        known = entry.lower() in _OFFICIAL_LETTERS
        return Mark(float([entry.upper()] == answer), entry.upper()) if known else Mark(0.0, how="unresolved")

    def read(reply: str) -> Mark | None:
        chosen = (object_of(reply) or {}).get("choices")
        if not isinstance(chosen, list) or not all(isinstance(one, str) for one in chosen):
            return None
        said = sorted(one.upper() for one in chosen)
        return Mark(float(said == answer), ", ".join(said), how="judge")

    text = prompt("logicvista_choices").filled(question=shown(question), response=shown(entry))
    first = Ask(text, then=lambda _: counted_wrong(), temperature=0.2, seed=seed)
    return asked(first, read, tries=_TRIES, unread=counted_wrong())


def _by_letters(question: str, response: str, answer: list[str], seed: int) -> Step:
    """VLMEvalKit's `vlmeval/dataset/utils/logicvista.py`."""

    def read(reply: str) -> Mark | None:
        said = text_of_reply(reply)
        if not (said.isupper() and said.isalpha()):
            return None
        return Mark(float(sorted(said) == answer), ", ".join(sorted(said)), how="judge")

    def warmer(ask: Ask, reply: str) -> Ask:
        del reply
        return replace(ask, temperature=ask.temperature + 0.5, seed=ask.seed + 1)

    text = prompt("logicvista_letters").filled(question=shown(question), response=shown(response))
    first = Ask(text, then=lambda _: counted_wrong(), max_tokens=128, seed=seed)
    return asked(first, read, tries=_TRIES, unread=counted_wrong(), again=warmer)


def _read(item: Item, response: Response) -> list[str]:
    """The letters, or the digit, that a response finally says."""
    if item.columns["answer"][0].isdigit():
        said = read_choice(_digits_as_letters(response), dict.fromkeys(_LETTERS, ""))
        return sorted(str(_LETTERS.index(letter) + 1) for letter in said)
    options: dict[str, str] = item.columns["options"]
    if listed := _several(response, options):
        return listed
    letters = _known(item.columns["question"], options, item.columns["answer"])
    return sorted(read_choice(response, {letter: options.get(letter, "") for letter in letters}))


def _several(response: Response, options: Mapping[str, str]) -> list[str]:
    """The letters of a response that is a list of them, with their options' texts or without: `B. two and D. four`."""
    text = spoken(response)
    if text is None or response.truncated or len(text) > _LIST_CHARS:
        return []
    for letter, words in options.items():
        text = text.replace(f"{letter}. {words}", letter).replace(f"{letter}) {words}", letter) if words else text
    listed = _LIST.fullmatch(text)
    return sorted(set(_LISTED.findall(listed[1]))) if listed else []


def _digits_as_letters(response: Response) -> Response:
    """The response with 1 for A, 2 for B, ..., where options have numbers; its own letters are none."""
    text = _LONE_LETTER.sub("_", unicodedata.normalize("NFKC", response.text))
    return replace(response, text=_LONE_DIGIT.sub(lambda digit: _LETTERS[int(digit[0]) - 1], text))


def _known(question: str, options: Mapping[str, str], answer: Sequence[str]) -> str:
    """The letters that a question offers; all where it does not tell."""
    offered = "".join(options) if options else ""
    if not offered and (match := _RANGE.search(question)):
        offered = _LETTERS[: _LETTERS.index(match[1]) + 1]
    return offered if offered and set(answer) <= set(offered) else _LETTERS


def _answer(row: Mapping[str, Any], where: str) -> list[str] | None:
    """The right letters in order; None for the row that has no answer.

    Raises:
        InputError: the column holds anything else.
    """
    value = row.get("answer")
    if "answer" in row and (value is None or (isinstance(value, float) and math.isnan(value))):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = text_of({**row, "answer": value} if "answer" in row else row, "answer", where).strip().upper()
    if not text:
        return None
    if not _ANSWER.fullmatch(text):
        found = repr(value)[:60]
        raise InputError("letters A to I, or a digit", found=found, where=f"{where}, column 'answer'")
    return sorted(part.strip() for part in text.split(","))


def _skills(row: Mapping[str, Any], where: str) -> list[str]:
    """The skills that the column names, in a list or in text."""
    value = row.get("skill")
    text = " ".join(str(part) for part in value) if isinstance(value, list | tuple) else value
    found = [skill for skill in _SKILLS if isinstance(text, str) and skill in text.lower()]
    if not found:
        shown_value = "no such column" if "skill" not in row else repr(value)[:60]
        raise InputError(f"one of {', '.join(_SKILLS)}", found=shown_value, where=f"{where}, column 'skill'")
    return found
