"""MathVerse (arXiv 2403.14624): 788 problems in five versions, from all in the text to all in the picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

from contextrl.answers import answers_equal, extract_answer
from contextrl.answers.latex import is_prose
from contextrl.answers.numbers import parse_number
from contextrl.data.pictures import picture
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import choice_mark, spoken
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Metric, Metrics, accuracy
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import (
    another_seed,
    answer_and_score,
    asked,
    counted_wrong,
    extraction,
    grade_of,
    text_of_reply,
)
from contextrl.evaluation.benchmarks.steps import NO_JUDGE, Ask, Step

#: `query_wo` asks for the answer alone, as the leaderboard's scores without CoT do; `query_cot` for reasoning first.
Query = Literal["query_wo", "query_cot"]
_TEXT_ONLY = "text only"
_CHOICES = re.compile(r"\n?\s*Choices\s*[:：]", re.IGNORECASE)
_OPTION_LINE = re.compile(r"^\s*\(?([A-H])\s*[:：.．)]\s*(.*\S)", re.MULTILINE)
_OPTION_INLINE = re.compile(r"(?<![\w\\])([A-H])\s*[:：.．]\s*(.*?\S)\s*(?=(?<![\w\\])[B-H]\s*[:：.．]|$)", re.DOTALL)
_SUBJECT = re.compile(r"['\"]subject['\"]\s*:\s*['\"]([^'\"]*)")
#: The authors drop these before they read a reply.
_EXTRACTED, _JUDGEMENT = "Extracted Answer: ", "Judgement:"
#: The authors ask until a reply can be read; VLMEvalKit five times, each warmer than the last.
_TRIES, _WARMER = 5, 0.5
_OFFICIAL_TOKENS, _VLMEVALKIT_TOKENS = 256, 128
_DECLINES = re.compile(
    r"\b(?:can\s?not|can['’]t|unable to|impossible to)\s+(?:be\s+)?(?:\w+ly\s+)?"
    r"(?:determined?|answer|solved?|see|find|help|view|provide|assist|tell)|\bnot enough information"
    r"|\bi (?:do not|don['’]t) know|无法(?:确定|回答|判断|求)|不知道|抱歉",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")
_CONCLUDES = re.compile(
    r"\W{0,4}(?:and\s+)?(?:so|thus|hence|therefore|finally|consequently|overall|in\s+conclusion|因此|所以|故)\b"
    r"|\W{0,4}(?:因此|所以|故)",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"(?:\b(?:is|are|equals?|be)\b|[=≈是为])\s*(?:(?:equal\s+to|about|approximately|around|roughly|exactly|only|thus|therefore)\s+)?",
    re.IGNORECASE,
)
_DOUBTS = re.compile(
    r"\b(?:or|not|if|maybe|perhaps|might|may|could|cannot|either|neither|between|unless|whether)\b|n['’]t\b|不|没|或|如果",
    re.IGNORECASE,
)
#: An only line that is a sentence is no value: `So, $AB = 5$` would be a list of two.
_IS_SENTENCE = re.compile(
    r"\b(?:so|thus|hence|therefore|no|yes|it|is|are|we|if|to|of|by|as|be|but)\b|\?|因此|所以|故", re.IGNORECASE
)
_DELIMITERS = re.compile(r"\$|\\[()\[\]]|\*\*")
#: A last sentence, and what it says, that are long enough to be more than a value.
_SENTENCE_CHARS, _VALUE_CHARS = 300, 60
#: A longer response that declines somewhere may answer elsewhere.
_DECLINES_CHARS = 300


class MathVerse(Benchmark):
    """The five versions with a picture of testmini: 3,940 questions.

    Args:
        query: which of a row's two prompts the policy is asked with.
    """

    name = "mathverse"
    title = "MathVerse-mini"
    family = "reasoning"
    source = Source(
        hub="AI4Math/MathVerse",
        configs=("testmini",),
        split="testmini",
        rows=3940,
        licence="MIT",
        columns=("sample_index", "problem_index", "problem_version", "image", "answer", "question_type", "query_wo"),
    )
    columns: ClassVar[Mapping[str, str]] = {"accuracy": "MathVerse-mini"}
    headline = "accuracy"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {
        "official": ("mathverse_extract", "mathverse_score"),
        "vlmevalkit": ("mathverse_extract", "mathverse_score_vlmevalkit"),
        "robust": ("mathverse_robust",),
    }
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "The score without CoT: asked with query_wo; a judge (the authors': gpt-3.5-turbo) extracts the "
        "answer from the whole response, then judges it 0 or 1, at temperature 0. The prompts are ours, with the "
        "authors' rules and numbers of examples; an option's content is accepted for its letter. The authors ask "
        "until a reply can be read: here five times, then it is counted apart. Text-only rows are left out.",
        "vlmevalkit": "Asked with query_wo (inferred: its table's column question); a judge extracts, then judges 0 "
        "or 1, with four examples: an option's content is not among them. An extraction that is the answer to the "
        "letter needs no judgement. A judgement that cannot be read five times is wrong, as there. The pooled "
        "accuracy is the mean of the five versions. Text-only rows are left out.",
        "robust": "Option letters and mathematics are read and compared by rule; a judge is asked, with a prompt of "
        "ours, only where rules leave it open. A choice that is left open is wrong where there is no judge; another "
        "answer is then counted apart.",
    }

    def __init__(self, query: Query = "query_wo") -> None:
        self._query = query

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        version = " ".join(text_of(row, "problem_version", where).replace("_", " ").split())
        if version.casefold() == _TEXT_ONLY:
            return None
        question = text_of(row, "question", where) if "question" in row else ""
        asked_with = text_of(row, "query_wo" if "query_wo" in row else "question", where)
        columns = {
            "question": question,
            "query_wo": asked_with,
            "query_cot": text_of(row, "query_cot", where) if "query_cot" in row else asked_with,
            "question_for_eval": text_of(row, "question_for_eval", where) if "question_for_eval" in row else question,
            "answer": text_of(row, "answer", where),
            "question_type": text_of(row, "question_type", where),
            "version": version,
            "subject": _subject(row.get("metadata")),
        }
        identity = text_of(row, "sample_index" if "sample_index" in row else "index", where)
        problem = text_of(row, "problem_index", where) if "problem_index" in row else identity
        return Item(
            identity,
            columns,
            (picture(row.get("image"), where=f"{where}, column 'image'", base=None),),
            cluster=problem,
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        del protocol
        return str(item.columns[self._query])

    def without_question(self, item: Item) -> Item:
        """Instruction and options stay; a question that only the picture shows stays there."""
        columns = dict(item.columns)
        stem = _CHOICES.split(columns["question_for_eval"], maxsplit=1)[0].strip()
        for name in ("question", "query_wo", "query_cot"):
            columns[name] = columns[name].replace(stem, "", 1) if stem else columns[name]
        return replace(item, columns=columns)

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        if scorer == "robust":
            return _robust(item, response, seed)
        question = Ask(
            prompt("mathverse_extract").filled(response=shown(response.text)),
            lambda _: NO_JUDGE,
            max_tokens=_OFFICIAL_TOKENS if scorer == "official" else _VLMEVALKIT_TOKENS,
            seed=seed,
        )
        if scorer == "vlmevalkit":
            return asked(question, partial(_extracted_vlmevalkit, item, seed), tries=1)
        return asked(question, partial(_extracted_official, item, seed), tries=_TRIES)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """Pooled over all questions, in VLMEvalKit's protocol the mean of its rows; by version and subject."""
        marks = [(one.item.columns, one.item.cluster, one.mark.score) for one in scored]
        versions = dict.fromkeys(columns["version"] for columns, _, _ in marks)
        subjects = dict.fromkeys(columns["subject"] for columns, _, _ in marks if columns["subject"])
        rows = {
            f"{column}/{value}": accuracy((k, score) for columns, k, score in marks if columns[column] == value)
            for column, values in (("version", versions), ("subject", subjects))
            for value in values
        }
        pooled = accuracy((cluster, score) for _, cluster, score in marks)
        if scorer == "vlmevalkit":
            parts = [rows[f"version/{version}"].parts[0] for version in versions]
            pooled = Metric(tuple(part for part in parts if part))
        return {"accuracy": pooled, **rows}


def options_of(question: str) -> dict[str, str]:
    """A question's options by letter; empty where it has none."""
    place = _CHOICES.search(question)
    listed = question[place.end() :] if place else question
    found = dict(_OPTION_LINE.findall(listed)) if place else {}
    if len(found) < 2 or re.search(r"[\s;]B\s*[:：.．]", found.get("A", "")):
        found = dict(_OPTION_INLINE.findall(listed))
    return found if len(found) > 1 else {}


def _subject(metadata: object) -> str:
    """The subject, also where a table has the metadata as text."""
    if isinstance(metadata, Mapping):
        subject = metadata.get("subject")
        return subject if isinstance(subject, str) else ""
    found = _SUBJECT.search(metadata) if isinstance(metadata, str) else None
    return found[1] if found else ""


def _extracted_official(item: Item, seed: int, reply: str) -> Step | None:
    """The second question; None for an empty reply, which the authors ask again."""
    extracted = extraction(text_of_reply(reply).replace(_EXTRACTED, ""))
    if not extracted:
        return None
    question = _score_question(item, extracted, "mathverse_score", _OFFICIAL_TOKENS, seed)
    return asked(question, partial(_judged, extracted), tries=_TRIES)


def _extracted_vlmevalkit(item: Item, seed: int, reply: str) -> Step:
    """The answer to the letter is right at once; all else is asked."""
    extracted = extraction(text_of_reply(reply))
    if extracted == item.columns["answer"].strip():
        return Mark(1.0, extracted, how="judge")
    question = _score_question(item, extracted, "mathverse_score_vlmevalkit", _VLMEVALKIT_TOKENS, seed)
    unread = replace(counted_wrong(), extracted=extracted)
    return asked(question, partial(_judged, extracted), tries=_TRIES, unread=unread, again=_warmer)


def _score_question(item: Item, extracted: str, name: str, max_tokens: int, seed: int) -> Ask:
    text = prompt(name).filled(
        question=shown(item.columns["question_for_eval"]),
        answer=shown(item.columns["answer"]),
        extracted=shown(extracted),
    )
    return Ask(text, lambda _: NO_JUDGE, max_tokens=max_tokens, seed=seed)


def _judged(extracted: str, reply: str) -> Mark | None:
    """A reply that is 0 or 1 and nothing else, its label aside."""
    score = grade_of(text_of_reply(reply).removeprefix(_JUDGEMENT))
    return None if score is None else Mark(score, extracted, how="judge")


def _warmer(ask: Ask, reply: str) -> Ask | None:
    following = another_seed(ask, reply)
    return None if following is None else replace(following, temperature=ask.temperature + _WARMER)


def _robust(item: Item, response: Response, seed: int) -> Step:
    columns = item.columns
    options = options_of(columns["question_for_eval"])
    letter = columns["answer"].strip().strip("().")
    is_choice = columns["question_type"].startswith("multi") and len(letter) == 1 and letter.isalpha()
    if is_choice:
        mark = choice_mark(response, letter.upper(), options or dict.fromkeys("ABCDE", ""))
    else:
        mark = _mathematics(response, columns["answer"])
    if mark.how != "unresolved" or not _is_open(response, mark):
        return mark
    text = prompt("mathverse_robust").filled(
        question=shown(columns["question_for_eval"]), answer=shown(columns["answer"]), response=shown(response.text)
    )
    question = Ask(text, lambda _: NO_JUDGE, seed=seed, without=mark if is_choice else NO_JUDGE)
    return asked(question, answer_and_score, tries=_TRIES)


def _is_open(response: Response, mark: Mark) -> bool:
    """Whether a judge could find an answer where rules found none, or none that they can compare."""
    text = spoken(response)
    if text is None or (mark.extracted is None and response.truncated):
        return False
    is_several = mark.extracted is not None and re.fullmatch(r"[A-J](?:, [A-J])+", mark.extracted)
    return not is_several and not (len(text) <= _DECLINES_CHARS and _DECLINES.search(text))


def _mathematics(response: Response, answer: str) -> Mark:
    """The stated value against the reference's; unresolved where none is stated or the two cannot be compared."""
    text = spoken(response)
    if text is None:
        return Mark(0.0, how="unresolved")
    said = None
    for kind in ("math", "number"):
        found = extract_answer(text, kind)
        concluded = None
        if found is None or _IS_SENTENCE.search(found):
            found = concluded = _concluded(text)
        if found is None:
            continue
        said = extraction(found)
        same = answers_equal(found, answer, kind)
        if same is not None and (same or found != concluded or parse_number(found) is not None):
            return Mark(float(same), said)
    return Mark(0.0, said, how="unresolved")


def _concluded(text: str) -> str | None:
    """What a last sentence comes to: of `So the length is about 22.3 metres.`, or of an only sentence.

    What is no number (`12π cm²`) may be half of what is meant: it is right where it equals the answer, else open.
    """
    sentences = [sentence for sentence in _SENTENCE_END.split(text[-2 * _SENTENCE_CHARS :]) if sentence.strip()]
    last = _DELIMITERS.sub("", sentences[-1]).strip() if sentences else ""
    is_only = len(sentences) == 1 and len(text) <= _SENTENCE_CHARS
    if len(last) > _SENTENCE_CHARS or _DOUBTS.search(last) or not (is_only or _CONCLUDES.match(last)):
        return None
    said = [match.end() for match in _SAYS.finditer(last)]
    value = last[said[-1] :].rstrip(".。!！* ") if said else ""
    return value if len(value) <= _VALUE_CHARS and (parse_number(value) is not None or not is_prose(value)) else None
