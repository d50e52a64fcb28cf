"""CharXiv-RQ (arXiv 2406.18521): reasoning questions about charts, by the kind of their answer, graded by a judge."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, ClassVar

from contextrl.answers import answers_equal, extract_answer
from contextrl.answers.wrapping import unwrap
from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import spoken
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Metric, Metrics, accuracy
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import (
    ANSWER_KEYS,
    another_seed,
    answer_and_score,
    asked,
    counted_wrong,
    extraction,
    object_of,
    text_of_reply,
)
from contextrl.evaluation.benchmarks.steps import NO_JUDGE, Ask, Step

TEXT_IN_CHART, TEXT_IN_GENERAL, NUMBER_IN_CHART, NUMBER_IN_GENERAL = 1, 2, 3, 4
CLASSES = {
    TEXT_IN_CHART: "text_in_chart",
    TEXT_IN_GENERAL: "text_in_general",
    NUMBER_IN_CHART: "number_in_chart",
    NUMBER_IN_GENERAL: "number_in_general",
}
#: What the authors' `constants.py` has after a question, by the kind of its answer, their spelling included.
_INSTRUCTIONS = {
    TEXT_IN_CHART: (
        "\n    * Your final answer must be grounded to some text that is explicitly written and relevant to the "
        "question in the chart.\n    * If you need to answer multiple terms, separate them with commas.\n    * Unless "
        "specified in the question (such as answering with a letter), you are required to answer the full names of "
        "subplots and/or labels by default.\n    "
    ),
    TEXT_IN_GENERAL: (
        "\n    * If there are options in the question, your final answer must conform to one of the options.\n    * If "
        "there are additional instructions in the question, follow them accordingly.\n    * If there are neither "
        "options nor additional instructions, you are allowed to respond with a short phrase only.\n    "
    ),
    NUMBER_IN_CHART: (
        "\n    * Your final answer must be grounded to a number that is exlicitly written and relevant to the "
        "question in the chart, even if it's an approximate value.\n    * You are allowed to extract numbers within "
        "some text when needed.\n    "
    ),
}
_RUBRICS = {
    TEXT_IN_CHART: "charxiv_text_in_chart",
    TEXT_IN_GENERAL: "charxiv_text_in_general",
    NUMBER_IN_CHART: "charxiv_number",
    NUMBER_IN_GENERAL: "charxiv_number",
}
#: Where VLMEvalKit's grading prompt has the question and its answer: after the examples.
_QUESTION = "* Question: "
_GRADED = re.compile(
    r"(?P<question>.*?)\n\s*\* Ground Truth: (?P<answer>.*?)\n\s*\* Response: \{PREDICTION\}", re.DOTALL
)
_PREDICTION = "{PREDICTION}"
#: The authors' and VLMEvalKit's sampling of the judge: its seed, how often it is asked, the length of its replies.
_SEED, _TRIES, _MAX_TOKENS, _MOST_TOKENS = 42, 10, 256, 1024
#: A response longer than this states its answer somewhere, and is no answer itself.
_BARE_CHARS = 200


class CharXivRQ(Benchmark):
    """1,000 questions, each about one figure; answers are text or numbers, in the chart or about it."""

    name = "charxiv-rq"
    title = "CharXiv-RQ"
    family = "reasoning"
    source = Source(
        hub="princeton-nlp/CharXiv",
        split="validation",
        rows=1000,
        licence="CC-BY-SA-4.0",
        columns=("image", "reasoning_q", "reasoning_a", "reasoning_a_type"),
    )
    columns: ClassVar[Mapping[str, str]] = {"chart": "chart", "general": "general", "overall": "overall"}
    headline = "overall"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {
        "official": tuple(dict.fromkeys(_RUBRICS.values())),
        "vlmevalkit": tuple(dict.fromkeys(_RUBRICS.values())),
        "robust": tuple(dict.fromkeys(_RUBRICS.values())),
    }
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "Instruction and rubric follow the kind of answer (reasoning_a_type). Graded by a judge (the "
        "authors': gpt-4o-2024-05-13) at temperature 0, seed 42, ten times at most, in replies of 256 to 1,024 tokens; "
        "the rubrics' rules and reply format are the authors', their text is ours. A judgement that failed is counted "
        "apart here; the authors score it -1 and count it as wrong. Chart and general are unweighted means of their "
        "two classes (inferred from table 1).",
        "vlmevalkit": "Graded by a judge at temperature 0, ten times at most, with the row's own grading_query where "
        "it has one, else with a rubric of ours by the authors' rules; fences around a reply are accepted, and both "
        "extracted_answer and extract_answer. A judgement that failed is wrong, as there. Chart and general are "
        "unweighted means of their two classes (inferred from table 1).",
        "robust": "Numbers, yes and no, and answers that are the reference word for word are compared by rule; all "
        "else is graded by a judge with the official rubrics. An empty response is wrong without one.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        images = (picture(row.get("image"), where=f"{where}, column 'image'", base=None),)
        if "grading_query" in row and "reasoning_q" not in row:
            identity, columns = _of_table(row, where)
            return Item(identity, columns, images)
        question, answer = text_of(row, "reasoning_q", where), text_of(row, "reasoning_a", where).strip()
        kind = _kind(row, "reasoning_a_type", where)
        identity = str(position)
        for column in ("figure_path", "figure_id"):
            if column in row:
                identity = PurePosixPath(text_of(row, column, where)).stem
                break
        columns = {
            "question": question,
            "question_for_eval": question,
            "answer": answer,
            "kind": kind,
            "instruction": instruction(kind, answer),
        }
        return Item(identity, columns, images)

    def prompt(self, item: Item, protocol: Protocol) -> str:
        del protocol
        return f"{item.columns['question']}{item.columns['instruction']}"

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        if scorer == "robust" and (mark := _by_rule(item, response)) is not None:
            return mark
        question = Ask(
            _grading_prompt(item, response, scorer), lambda _: NO_JUDGE, max_tokens=_MAX_TOKENS, seed=_SEED + seed
        )
        if scorer == "vlmevalkit":
            return asked(question, _as_vlmevalkit, tries=_TRIES, unread=counted_wrong())
        return asked(question, answer_and_score, tries=_TRIES, again=_longer)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        del scorer
        marks = [(one.item.columns["kind"], one.item.cluster or one.item.id, one.mark.score) for one in scored]
        classes = {kind: accuracy((cluster, score) for k, cluster, score in marks if k == kind) for kind in CLASSES}
        chart = (classes[TEXT_IN_CHART], classes[NUMBER_IN_CHART])
        general = (classes[TEXT_IN_GENERAL], classes[NUMBER_IN_GENERAL])
        return {
            "chart": Metric(tuple(part for one in chart for part in one.parts)),
            "general": Metric(tuple(part for one in general for part in one.parts)),
            "overall": accuracy((cluster, score) for _, cluster, score in marks),
            **{name: classes[kind] for kind, name in CLASSES.items()},
        }


def instruction(kind: int, answer: str) -> str:
    """What follows a question: for a number about the chart, how many decimals the reference has."""
    if kind in _INSTRUCTIONS:
        return _INSTRUCTIONS[kind]
    _, point, rest = answer.partition(".")
    decimals = len(rest.partition(".")[0])
    form = f"a number with {decimals} decimal places" if point else "an exact integer"
    return f"\n    * Your final answer must be {form}.\n    "


def _kind(row: Mapping[str, Any], column: str, where: str) -> int:
    """The kind of answer.

    Raises:
        InputError: it is not 1 to 4.
    """
    text = text_of(row, column, where).strip().removesuffix(".0")
    if text not in ("1", "2", "3", "4"):
        raise InputError("1, 2, 3 or 4", found=repr(text)[:60], where=f"{where}, column {column!r}")
    return int(text)


def _of_table(row: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Id and columns of a row of VLMEvalKit's table, whose question ends in its instruction.

    Raises:
        InputError: the grading prompt does not tell the question and its answer.
    """
    query, question = text_of(row, "grading_query", where), text_of(row, "question", where)
    found = _GRADED.match(query.rpartition(_QUESTION)[2]) if _QUESTION in query else None
    if found is None:
        expected = "a grading prompt that ends in '* Question: ...', '* Ground Truth: ...', '* Response: {PREDICTION}'"
        raise InputError(expected, found=repr(query[-60:]), where=f"{where}, column 'grading_query'")
    bare, answer, kind = found["question"], found["answer"].strip(), _kind(row, "inst_category", where)
    is_prefix = question.startswith(bare)
    columns = {
        "question": bare if is_prefix else question,
        "question_for_eval": bare,
        "answer": answer,
        "kind": kind,
        "instruction": question[len(bare) :] if is_prefix else "",
        "grading_query": query,
    }
    return text_of(row, "index", where), columns


def _grading_prompt(item: Item, response: Response, scorer: Scorer) -> str:
    columns = item.columns
    if scorer == "vlmevalkit" and "grading_query" in columns:
        return str(columns["grading_query"]).replace(_PREDICTION, shown(response.text))
    return prompt(_RUBRICS[columns["kind"]]).filled(
        question=shown(columns["question_for_eval"]), answer=shown(columns["answer"]), response=shown(response.text)
    )


def _as_vlmevalkit(reply: str) -> Mark | None:
    """The same; an object without the two keys is not asked again there."""
    fields = object_of(reply)
    if fields is not None and ("score" not in fields or not any(key in fields for key in ANSWER_KEYS)):
        return counted_wrong("the judge's reply lacks a key")
    return answer_and_score(reply)


def _longer(ask: Ask, reply: str) -> Ask | None:
    """With another seed, and twice the length where the reply was cut off; no more beyond 1,024 tokens."""
    text = text_of_reply(reply)
    following = another_seed(ask, reply)
    if following is None or (text and not (text.startswith(("{", "```")) and "}" not in text)):
        return following
    tokens = min(_MOST_TOKENS, 2 * ask.max_tokens)
    return replace(following, max_tokens=tokens) if ask.max_tokens < _MOST_TOKENS else None


def _by_rule(item: Item, response: Response) -> Mark | None:
    """What needs no judge: no answer, a number, yes or no, the reference and nothing else."""
    text, wanted, kind = spoken(response), str(item.columns["answer"]), item.columns["kind"]
    if text is None:
        return Mark(0.0, how="unresolved")
    is_yes_no = wanted.casefold().strip(". ") in ("yes", "no")
    if kind in (NUMBER_IN_CHART, NUMBER_IN_GENERAL) or is_yes_no:
        said = extract_answer(text, "yes_no" if is_yes_no else "number")
        if said is None:
            return Mark(0.0, how="unresolved") if response.truncated else None
        same = answers_equal(said, wanted, "yes_no" if is_yes_no else "number")
        return None if same is None else Mark(float(same), extraction(said))
    if len(text) > _BARE_CHARS + len(wanted):
        return None
    said = unwrap(text)
    return Mark(1.0, extraction(said)) if said and said.casefold() == unwrap(wanted).casefold() else None
