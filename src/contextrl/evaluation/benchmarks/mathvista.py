"""MathVista (arXiv 2310.02255), testmini: 540 choices, 418 integers, 40 floats and two lists."""

from __future__ import annotations

import ast
import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import LETTERS, read_choice
from contextrl.evaluation.benchmarks.items import How, Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.levenshtein import distance
from contextrl.evaluation.benchmarks.mcq_vlmevalkit import NONE, inferred_option
from contextrl.evaluation.benchmarks.metrics import Metrics, accuracy
from contextrl.evaluation.benchmarks.numeric_answers import near, number, numbers_of, stated, whole
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import asked, text_of_reply
from contextrl.evaluation.benchmarks.steps import Ask, Step

_CHOICE, _INTEGER, _FLOAT, _LIST = "multi_choice", "integer", "float", "list"
_QUICK = re.compile(r'The answer is "(.*)"\.')
_LETTER = re.compile(r"\(([a-zA-Z])\)")
#: The authors ask until a reply is not empty.
_TRIES = 5
#: Between the question's own words in a query.
_QUESTION, _CHOICES = "Question:", "\nChoices:"
_PROMPT = "mathvista_extract"


class MathVista(Benchmark):
    """1,000 questions; accuracy over all."""

    name = "mathvista"
    title = "MathVista"
    family = "reasoning"
    source = Source(
        hub="AI4Math/MathVista",
        split="testmini",
        rows=1000,
        licence="CC-BY-SA-4.0, training on it prohibited",
        columns=("pid", "question", "decoded_image", "choices", "precision", "answer", "question_type", "answer_type"),
    )
    columns: ClassVar[Mapping[str, str]] = {"accuracy": "MathVista-mini"}
    headline = "accuracy"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {"official": (_PROMPT,), "vlmevalkit": (_PROMPT,)}
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "A response that is an option or a number, or that says that the answer is something in quotes "
        "(the authors' --quick_extract), is read by rule, any other by a judge with the authors' five shots in our "
        "words. Of several letters in brackets the first counts; what is no letter counts as the option that is "
        "nearest by edit distance, so that an empty response is the shortest option. Integers are cut off (14.7 is "
        "14), floats rounded to the question's precision.",
        "vlmevalkit": "The multiple-choice rule of the paper's time, or int() and float() of the whole response; else "
        "a judge with five shots in our words, whose reply is read likewise. 14.0 fails an integer, nothing is "
        "rounded, and the two list questions can never be right.",
        "robust": "Without a judge. The option, number or list that a response finally states; numbers by value "
        "(units, thousands, fractions), floats rounded to the question's precision.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        question_type, answer_type = text_of(row, "question_type", where), text_of(row, "answer_type", where)
        kind = _CHOICE if question_type == _CHOICE else answer_type
        if kind not in (_CHOICE, _INTEGER, _FLOAT, _LIST):
            raise InputError(f"{_CHOICE}, {_INTEGER}, {_FLOAT} or {_LIST}", found=repr(kind), where=where)
        answer, choices = text_of(row, "answer", where), _listed(row.get("choices"), f"{where}, column 'choices'")
        if kind == _CHOICE and answer not in choices:
            raise InputError("an answer among the choices", found=repr(answer)[:80], where=f"{where}, column 'answer'")
        metadata = row.get("metadata")
        told: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else row
        identity = text_of(row, "pid" if "pid" in row else "index", where)
        column = "decoded_image" if row.get("decoded_image") is not None else "image"
        return Item(
            id=identity,
            columns={
                # VLMEvalKit's rows have the query under the name of the question.
                "query": text_of(row, "query" if "query" in row else "question", where),
                "kind": kind,
                "choices": choices if kind == _CHOICE else [],
                "answer": answer,
                "precision": _precision(row.get("precision"), answer),
                "task": str(told.get("task") or "unknown"),
                "skills": _listed(told.get("skills"), f"{where}, column 'skills'"),
            },
            images=(picture(row.get(column), where=f"{where}, column {column!r}", base=None),),
            cluster=identity,
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        del protocol
        return str(item.columns["query"])

    def without_question(self, item: Item) -> Item:
        """Hint and choices stay."""
        query = str(item.columns["query"])
        begin = query.find(_QUESTION) + len(_QUESTION) if _QUESTION in query else 0
        end = query.rfind(_CHOICES)
        left = query[:begin] + (query[end:] if end >= begin else "")
        return replace(item, columns={**item.columns, "query": left})

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        if scorer == "official":
            return _official(item, response.text, seed)
        return _vlmevalkit(item, response.text, seed) if scorer == "vlmevalkit" else _robust(item, response)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """All, by kind of answer, task and skill."""
        del scorer
        parts: dict[str, list[Scored]] = defaultdict(list)
        for one in scored:
            parts[f"type/{one.item.columns['kind']}"].append(one)
            parts[f"task/{one.item.columns['task']}"].append(one)
            for skill in one.item.columns["skills"]:
                parts[f"skill/{skill}"].append(one)
        named = {"accuracy": scored, **dict(sorted(parts.items()))}
        return {name: accuracy((one.item.cluster, one.mark.score) for one in part) for name, part in named.items()}


def _listed(value: object, where: str) -> list[str]:
    """A column of texts; VLMEvalKit's rows have Python's spelling of it."""
    listed = _literal(value) if isinstance(value, str) else value
    if listed is None or (isinstance(listed, float) and math.isnan(listed)):
        return []
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str | int | float) for one in listed):
        raise InputError("a list of texts", found=repr(listed)[:80], where=where)
    return [str(one) for one in listed]


def _literal(text: str) -> object:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return [text] if text.strip() else None


def _precision(value: object, answer: str) -> int:
    """Decimals of a float; where a row does not tell, those of its answer."""
    if isinstance(value, int | float | str) and (told := number(str(value))) is not None and 0 <= told <= 12:
        return int(told)
    return len(answer.partition(".")[2])


def _official(item: Item, text: str, seed: int) -> Step:
    kind = item.columns["kind"]
    read = {_INTEGER: whole, _FLOAT: number}.get(kind)
    value = None if read is None else read(text)
    if text == "" or (kind == _CHOICE and text in item.columns["choices"]):
        return _normalised(item, text)
    if value is not None:
        return _normalised(item, str(value))
    if (quick := _QUICK.search(text)) is not None:
        return _normalised(item, quick[1])

    def extracted(reply: str) -> Mark | None:
        said = text_of_reply(reply)
        return _normalised(item, said, by="judge") if said else None

    return asked(_extraction(item, text, seed, max_tokens=1024), extracted, tries=_TRIES)


def _extraction(item: Item, text: str, seed: int, *, max_tokens: int) -> Ask:
    filled = prompt(_PROMPT).filled(question=shown(item.columns["query"]), response=shown(text))
    return Ask(filled, lambda _: Mark(None, how="failed"), max_tokens=max_tokens, seed=seed)


def _normalised(item: Item, extraction: str, by: How = "rule") -> Mark:
    """The authors' `normalize_extracted_answer` and equality."""
    kind, answer = item.columns["kind"], item.columns["answer"]
    said: str | None = extraction
    if kind == _CHOICE:
        said = _option(extraction.strip(), item.columns["choices"])
    elif kind in (_INTEGER, _FLOAT):
        value = number(extraction)
        said = None if value is None else _written(value, kind, item.columns["precision"])
    return Mark(float(said == answer), said, how=by)


def _written(value: float, kind: str, precision: int) -> str | None:
    if kind == _FLOAT:
        return str(round(value, precision))
    cut = whole(value)
    return None if cut is None else str(cut)


def _option(extraction: str, choices: Sequence[str]) -> str:
    """The option of a letter, else the first of those nearest by edit distance."""
    letters = _LETTER.findall(extraction)
    said = letters[0].upper() if letters else extraction
    if len(said) == 1 and said in LETTERS[: len(choices)]:
        return choices[LETTERS.index(said)]
    return min(choices, key=lambda choice: distance(said, choice))


def _options(item: Item) -> dict[str, str]:
    return dict(zip(LETTERS, item.columns["choices"], strict=False))


def _vlmevalkit(item: Item, text: str, seed: int) -> Step:
    """By rule where that gives a letter or the right number; else by what a judge extracts, read by the same rule."""
    kind = item.columns["kind"]
    first = _checked(item, text)
    # A right 0 is taken there as nothing found.
    settled = first.extracted is not None if kind == _CHOICE else first.score == 1.0 and number(text) != 0
    if settled or kind == _LIST:
        return first
    ask = _extraction(item, text, seed, max_tokens=128)
    return replace(ask, then=lambda reply: _checked(item, text_of_reply(reply), by="judge"))


def _checked(item: Item, said: str, by: How = "rule") -> Mark:
    """VLMEvalKit's `post_check`."""
    kind, answer = item.columns["kind"], item.columns["answer"]
    if kind == _LIST:
        return Mark(0.0, detail="a list is never right in this protocol")
    if kind == _CHOICE:
        letter = inferred_option(said, _options(item))
        if letter is None or letter == NONE:
            return Mark(0.0, letter, how="unresolved")
        return Mark(float(letter == LETTERS[item.columns["choices"].index(answer)]), letter, how=by)
    read = whole if kind == _INTEGER else number
    value, truth = read(said), read(answer)
    if value is None:
        return Mark(0.0, how="unresolved")
    return Mark(float(value == truth), str(value), how=by)


def _robust(item: Item, response: Response) -> Mark:
    kind, answer = item.columns["kind"], item.columns["answer"]
    if kind == _CHOICE:
        options = _options(item)
        texts = {options[letter] for letter in read_choice(response, options) if letter in options}
        if len(texts) != 1:
            return Mark(0.0, ", ".join(sorted(texts)) or None, how="unresolved")
        (said,) = texts
        return Mark(float(said == answer), said)
    found = stated(response, "text" if kind == _LIST else "number")
    if found is None:
        return Mark(0.0, how="unresolved")
    if kind == _LIST:
        return Mark(float(numbers_of(found) == numbers_of(answer)), found)
    # What rounds to the answer is right: half a unit of its last place.
    half = Fraction(1, 2 * 10 ** item.columns["precision"]) if kind == _FLOAT else Fraction(0)
    return Mark(float(near(found, answer, half)), found)
