"""MME-RealWorld-Lite (arXiv 2408.13257): 1,919 questions about large pictures of the real world, five options each."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import choice_mark, letter_of
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Metrics, accuracy
from contextrl.evaluation.benchmarks.steps import Step

_LETTERS = "ABCDE"
_TASKS = ("Perception", "Reasoning")
_ASK = (
    "Select the best answer to the above multiple-choice question based on the image. "
    "Respond with only the letter (A, B, C, D, or E) of the correct option."
)
_TABLE_HEADING = "The choices are listed below:\n"
_PREFIXES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option is",
    "The correct option is",
    "Best answer:",
    "Best option:",
)
#: Two commas are missing in the authors' list, which makes one prefix of two, twice.
_OFFICIAL_PREFIXES = (*_PREFIXES[:4], "The best option isThe correct option is", "Best answer:Best option:")
_LETTERS_ALONE = tuple(f"({letter})" for letter in _LETTERS)
_TAG, _TAG_END = "<answer>", "</answer>"
_FIRST_LETTER = re.compile(f"[{_LETTERS}]")
_OPTION = re.compile(r"\s*[(（]?([A-E])[)）.:：]\s*(.*)", re.DOTALL)
#: Longer cells are no list of five options.
_MAX_CELL_CHARS = 20_000


class MMERealWorldLite(Benchmark):
    """One letter of five; accuracy over the questions of perception and of reasoning."""

    name = "mme-realworld-lite"
    title = "MME-RealWorld-Lite"
    family = "perception"
    source = Source(
        hub="yifanzhang114/MME-RealWorld-lite-lmms-eval",
        split="train",
        rows=1919,
        licence="academic use only",
        columns=("index", "bytes", "question", "multi-choice options", "answer", "category", "l2-category"),
    )
    columns: ClassVar[Mapping[str, str]] = {"perception": "perception", "reasoning": "reasoning"}
    headline = "accuracy"
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "The first capital letter A to E anywhere is the answer, after four prefixes are removed: 'Based "
        "on the image, the answer is D' is B, 'A cat ... The answer is (C)' is A, and an empty answer is A. Two "
        "missing commas in the authors' list disable four more prefixes. No judge.",
        "vlmevalkit": "What stands in <answer> tags is read first; then eight prefixes are removed and the first "
        "capital letter A to E anywhere is the answer: 'Based on the image, the answer is D' is B, and an empty answer "
        "is A. No judge.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        category = text_of(row, "category", where)
        task, _, subtask = category.partition("/")
        if task not in _TASKS:
            raise InputError("Perception/... or Reasoning/...", found=repr(category)[:60], where=f"{where}, 'category'")
        name = "bytes" if row.get("bytes") is not None else "image"
        choices = _choices(row, where)
        return Item(
            id=text_of(row, "index", where),
            columns={
                "question": text_of(row, "question", where),
                "choices": choices,
                "answer": letter_of(row, "answer", where, _LETTERS),
                "task": task,
                "subtask": subtask,
                "l2_category": str(row.get("l2-category") or row.get("l2_category") or ""),
            },
            images=(picture(row.get(name), where=f"{where}, column {name!r}", base=None),),
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        question, choices = item.columns["question"], item.columns["choices"]
        if protocol == "vlmevalkit":
            listed = "\n".join(choices)
            return f"{question} {_TABLE_HEADING}{listed}\n{_ASK} \nThe best answer is:"
        listed = "".join(f"{choice}\n" for choice in choices)
        return f"{question} The choices are listed below: \n{listed}{_ASK}\nThe best answer is:"

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        del seed
        answer, choices = item.columns["answer"], item.columns["choices"]
        if scorer == "robust":
            return choice_mark(response, answer, _texts(choices))
        if scorer == "official":
            letter = _first_letter(response.text, _OFFICIAL_PREFIXES, choices)
        else:
            tagged = _tagged(response.text)
            said = response.text if tagged is None else tagged.strip().upper()
            letter = _first_letter(said, _PREFIXES, _LETTERS_ALONE)
        return Mark(float(letter == answer), letter) if letter else Mark(0.0, how="unresolved")

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """`perception` and `reasoning`, `accuracy` over both, and each subtask."""
        del scorer
        parts: dict[str, list[tuple[str, float | None]]] = {"perception": [], "reasoning": [], "accuracy": []}
        for one in scored:
            task, subtask = one.item.columns["task"].lower(), one.item.columns["subtask"]
            for name in (task, "accuracy", f"{task}/{subtask}"):
                parts.setdefault(name, []).append((one.item.cluster or one.item.id, one.mark.score))
        return {name: accuracy(units) for name, units in parts.items()}


def _tagged(response: str) -> str | None:
    """What stands between the first answer tag and the one that closes it."""
    begin = response.find(_TAG)
    start = begin + len(_TAG)
    end = response.find(_TAG_END, start) if begin >= 0 else -1
    return response[start:end] if end >= 0 else None


def _first_letter(response: str, prefixes: Sequence[str], choices: Sequence[str]) -> str | None:
    """The rule of the authors' `eval_your_results.py`, which VLMEvalKit repeats.

    Args:
        choices: where a text without a capital letter is looked for, as a part of any; its second character is the
            letter.
    """
    said = response.strip()
    for prefix in prefixes:
        said = said.replace(prefix, "")
    if letter := _FIRST_LETTER.search(said):
        return letter[0]
    if len(said.split()) > 10:
        return None
    return next((choice[1] for choice in choices if said.lower() in choice.lower()), None)


def _choices(row: Mapping[str, Any], where: str) -> list[str]:
    """The options as they are written, `(A) stop`: a list, the same as text, or VLMEvalKit's lines under a heading."""
    value = row.get("multi-choice options")
    if isinstance(value, str):
        value = _parsed(value)
    if value is None and all(isinstance(row.get(letter), str) for letter in _LETTERS):
        value = [f"({letter}) {row[letter]}" for letter in _LETTERS]
    choices = [*value] if isinstance(value, Sequence) else []
    if not choices or not all(isinstance(choice, str) and _OPTION.match(choice) for choice in choices):
        found = "no such column" if value is None else repr(value)[:80]
        raise InputError("a list of options: (A) ..., (B) ...", found=found, where=f"{where}, 'multi-choice options'")
    return choices


def _parsed(cell: str) -> list[str] | None:
    text = cell[:_MAX_CELL_CHARS].strip()
    if not text.startswith("["):
        return [line for line in text.removeprefix(_TABLE_HEADING.strip()).strip().splitlines() if line.strip()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _texts(choices: Sequence[str]) -> dict[str, str]:
    found = (_OPTION.match(choice) for choice in choices)
    return {match[1]: match[2].strip() for match in found if match}
