"""DynaMath (arXiv 2411.00836): 501 seed questions in ten variants each; what holds in all of them counts."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

from contextrl.answers.extraction import after_thinking
from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import CONFIG, Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import choice_mark
from contextrl.evaluation.benchmarks.inline_options import split_options
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Metric, Metrics, accuracy, all_right
from contextrl.evaluation.benchmarks.numeric_answers import is_close, near, number, same_text, stated
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import text_of_reply
from contextrl.evaluation.benchmarks.short_answers import short_answer
from contextrl.evaluation.benchmarks.steps import Ask, Step
from contextrl.evaluation.benchmarks.yes_no import read_yes_no
from contextrl.records.example import AnswerType, ImageHandle

VARIANTS = 10
_FLOAT, _CHOICE, _TEXT = "float", "multiple choice", "text"
_TOLERANCE = 0.001
_VARIANT = re.compile(r"(?:.*?[^\d])?(\d{1,2})")

#: `evaluation/opensource_json_eval.py`, after the question; the line breaks are the authors'.
_OFFICIAL_GUIDE = """
## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere\x20
to the following JSON format, which includes two keys: 'solution' and 'short answer'. The 'solution' key can contain\x20
detailed steps needed to solve the question, and the 'short answer' key should provide a concise response. If the \
problem is a multiple choice problem, just provide the corresponing choice option,\x20
such as 'A', 'B', 'C', or 'D'. If the answer is a numerical value, format it as a three-digit floating-point number.

Example of expected JSON response format:

"""
_OFFICIAL_FLOAT = "Please answer in a floating-point number."
#: VLMEvalKit's `Dynamath.GUIDE`.
_GUIDE = """
## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere to the \
following JSON format, which includes two keys: 'solution' and 'short answer'. The 'solution' key can contain detailed \
steps needed to solve the question, and the 'short answer' key should provide a concise response. """
_INSTRUCTIONS = {
    _CHOICE: "Provide the corresponing choice option in the 'short answer' key, such as 'A', 'B', 'C', or 'D'.",
    _FLOAT: "Format the answer as a three-digit floating-point number and provide it in the 'short answer' key.",
    _TEXT: "Float numbers in the answer should be formatted as three-digit floating-point numbers.",
}
_GUIDE_END = "\n\nExample of expected JSON response format:\n\n"
_EXAMPLE = """{
    "solution": "[Detailed step-by-step explanation]",
    "short answer": "[Concise Answer]"
}"""
_YES_NO = {"yes": True, "no": False}
_ANSWER_TYPES: Mapping[str, AnswerType] = {_FLOAT: "number", _CHOICE: "choice", _TEXT: "text"}
#: After an object, what may put another answer in its place.
_GOES_ON = re.compile(r"\banswer\b|\bwait\b|\bactually\b|\bcorrection\b|答案|更正", re.IGNORECASE)
#: What VLMEvalKit's judge is to bring an answer into.
_FORMATS = {
    _CHOICE: "the letter of the chosen option, such as A, B, C or D",
    _FLOAT: "a floating-point number with three decimal places",
}


class DynaMath(Benchmark):
    """5,010 questions: the mean over all, and the share of seed questions that are right in every variant."""

    name = "dynamath"
    title = "DynaMath"
    family = "reasoning"
    source = Source(
        hub="DynaMath/DynaMath_Sample",
        split="sample_variant1",
        rows=5010,
        licence="MIT",
        columns=("id", "question", "decoded_image", "ground_truth", "answer_type", "subject", "knowledge_level"),
        configs=tuple(f"sample_variant{variant}" for variant in range(1, VARIANTS + 1)),
        by_split=True,
        files=tuple(f"sample{variant}" for variant in range(1, VARIANTS + 1)),
    )
    columns: ClassVar[Mapping[str, str]] = {"worst": "DynaMath worst", "average": "DynaMath overall"}
    headline = "average"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {"vlmevalkit": ("dynamath_reformat",)}
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "The authors' script for open models, without a judge: the JSON's short answer, else the last line "
        "without its last character. Backslashes are dropped before the JSON is read. A float is right within 0.001 "
        "(the first word, without commas, units or fractions); a letter where it is the answer or among its first "
        "three characters ('Based' is B); a text where the truth stands in it, in its letter case ('4:45' in '14:45').",
        "vlmevalkit": "The JSON's short answer, else the whole response by rule, else a judge reformats it with a "
        "prompt of ours. A letter is the only one of A to E that occurs anywhere ('Yes' is E); a text is right where "
        "it stands in the truth, so that an empty answer is right.",
        "robust": "Without a judge. The short answer, or what the response finally states; numbers by value (units, "
        "thousands, fractions, percent, multiples of π) within 0.001, options by letter or text, texts without letter "
        "case and with their numbers within 0.001.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        official = "ground_truth" in row
        answer_type = text_of(row, "answer_type", where).strip()
        if answer_type not in _INSTRUCTIONS:
            raise InputError(", ".join(_INSTRUCTIONS), found=repr(answer_type), where=f"{where}, column 'answer_type'")
        seed = text_of(row, "id" if official or "qid" not in row else "qid", where).strip()
        return Item(
            id=f"{seed}_{_variant(row, where)}",
            columns={
                "question": text_of(row, "question", where),
                "answer": text_of(row, "ground_truth" if official else "answer", where),
                "answer_type": answer_type,
                "subject": text_of(row, "subject", where),
                "level": text_of(row, "knowledge_level", where),
                "variant": _variant(row, where),
            },
            images=(_shown(row, where),),
            cluster=seed,
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        question, answer_type = item.columns["question"], item.columns["answer_type"]
        if protocol == "vlmevalkit":
            return f"## Question\n {question}{_GUIDE}{_INSTRUCTIONS[answer_type]}{_GUIDE_END}{_EXAMPLE}"
        asked = _OFFICIAL_FLOAT if answer_type == _FLOAT else ""
        return f"## Question\n{question}{asked}{_OFFICIAL_GUIDE}{_EXAMPLE}"

    def without_question(self, item: Item) -> Item:
        """The options that the question's text ends with stay."""
        return replace(item, columns={**item.columns, "question": split_options(item.columns["question"]).tail})

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        if scorer == "official":
            return _official(item, response.text)
        return _vlmevalkit(item, response.text, seed) if scorer == "vlmevalkit" else _robust(item, response)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        del scorer
        figures = {"worst": _worst(scored), "average": _average(scored)}
        for column in ("subject", "level"):
            parts: dict[str, list[Scored]] = defaultdict(list)
            for one in scored:
                parts[one.item.columns[column]].append(one)
            for name, part in sorted(parts.items()):
                figures[f"{column}/{name}"] = _average(part)
                figures[f"worst/{column}/{name}"] = _worst(part)
        return figures


def _variant(row: Mapping[str, Any], where: str) -> int:
    """Of VLMEvalKit's column, else of the configuration's or the file's name."""
    for column in ("varid", CONFIG):
        match = _VARIANT.fullmatch(str(row.get(column)).removesuffix(".0"))
        if match is not None and 1 <= int(match[1]) <= VARIANTS:
            return int(match[1])
    found = repr(row.get("varid", row.get(CONFIG)))
    raise InputError(f"a variant from 1 to {VARIANTS}", found=found, where=f"{where}, column 'varid' or {CONFIG!r}")


def _shown(row: Mapping[str, Any], where: str) -> ImageHandle:
    """The picture; of the hub's rows `image` is only its name there."""
    column = "decoded_image" if row.get("decoded_image") is not None else "image"
    return picture(row.get(column), where=f"{where}, column {column!r}", base=None)


def _average(scored: Sequence[Scored]) -> Metric:
    return accuracy((one.item.cluster, one.mark.score) for one in scored)


def _worst(scored: Sequence[Scored]) -> Metric:
    seeds: dict[str, list[float | None]] = defaultdict(list)
    for one in scored:
        seeds[one.item.cluster].append(one.mark.score)
    return accuracy((seed, all_right(scores)) for seed, scores in seeds.items())


def _object(text: str) -> Any:
    """What JSON there is; None for none."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _official(item: Item, text: str) -> Mark:
    """The authors' reading; whatever their script would stumble over is wrong there."""
    begin, end = text.find("{"), text.rfind("}")
    inner = text[begin : end + 1].replace("\\", "") if 0 <= begin < end else text
    found = _object(inner)
    if found is None and inner.strip() != "null":
        found = {"short answer": inner.split("\n")[-1][:-1]}
    if not isinstance(found, dict):
        return Mark(0.0, how="unresolved")
    answer, truth = str(found.get("short answer")), item.columns["answer"]
    if item.columns["answer_type"] == _FLOAT:
        right = is_close(_first_value(answer), number(truth), _TOLERANCE)
    elif item.columns["answer_type"] == _CHOICE:
        right = answer == truth if len(answer) == 1 else truth in answer[:3]
    else:
        right = truth in answer
    return Mark(float(right), answer)


def _first_value(answer: str) -> float | None:
    """The number that an answer begins with, π allowed after it: `2.5 cm`, `2π`."""
    if answer.isdigit():
        return number(answer)
    first = answer.split(" ")[0]
    factor, pi, _ = first.partition("π")
    value = number(factor)
    return value * math.pi if pi and value is not None else value


def _vlmevalkit(item: Item, text: str, seed: int) -> Step:
    answer_type = item.columns["answer_type"]
    begin, end = text.find("{"), text.rfind("}")
    inner = (text[begin : end + 1] if 0 <= begin < end else text).replace("\\", "")
    found = _object(inner)
    short = found.get("short answer") if isinstance(found, dict) else None
    if answer_type == _TEXT:
        return _contained(item, inner if short is None else short)
    if isinstance(short, str) and (read := _parsed(short, answer_type)) is not None:
        return _compared(item, read, "rule")
    if (read := _parsed(inner, answer_type)) is not None:
        return _compared(item, read, "rule")

    def then(reply: str) -> Mark:
        again = _parsed(text_of_reply(reply), answer_type)
        if again is not None:
            return _compared(item, again, "judge")
        right = answer_type == _CHOICE and item.columns["answer"] in inner[:3].upper()
        return Mark(float(right), how="unresolved")

    return Ask(prompt("dynamath_reformat").filled(response=shown(inner), format=_FORMATS[answer_type]), then, seed=seed)


def _parsed(answer: str, answer_type: str) -> float | str | None:
    """VLMEvalKit's `parse_answer` of a number or a letter."""
    if answer_type == _FLOAT:
        return _first_value(answer)
    if len(answer) == 1:
        return answer.upper()
    said = answer.upper()
    letters = [letter for letter in "ABCDE" if letter in said]
    return letters[0] if len(letters) == 1 else None


def _compared(item: Item, read: float | str, how: str) -> Mark:
    truth = item.columns["answer"]
    right = read == truth if isinstance(read, str) else is_close(read, number(truth), _TOLERANCE)
    return Mark(float(right), str(read), how="judge" if how == "judge" else "rule")


def _contained(item: Item, answer: object) -> Mark:
    """A text is right where it stands in the truth."""
    if not isinstance(answer, str):
        return Mark(0.0, json.dumps(answer)[:200], detail="the short answer is no text: VLMEvalKit stops there")
    return Mark(float(answer.lower() in item.columns["answer"].lower()), answer)


def _robust(item: Item, response: Response) -> Mark:
    answer_type, truth = item.columns["answer_type"], item.columns["answer"]
    text = after_thinking(response.text)
    found = None if text is None else short_answer(text, truncated=response.truncated)
    if text is not None and found is not None and _GOES_ON.search(text, found.end):
        later = replace(response, text=text[found.end :])
        said = stated(later, _ANSWER_TYPES[answer_type])
        response, found = (later, None) if said is not None else (response, found)
    if answer_type == _CHOICE:
        options = split_options(item.columns["question"]).options or dict.fromkeys("ABCDE", "")
        return choice_mark(response if found is None else Response(found.value), truth.strip(), options)
    said = stated(response, _ANSWER_TYPES[answer_type]) if found is None else found.value
    if not said:
        return Mark(0.0, how="unresolved")
    if answer_type == _TEXT and (wanted := _YES_NO.get(truth.strip().casefold())) is not None:
        return Mark(float(read_yes_no(said) is wanted), said)
    same: Callable[[str, str, Fraction], bool] = near if answer_type == _FLOAT else same_text
    return Mark(float(same(said, truth, Fraction(1, 1000))), said)
