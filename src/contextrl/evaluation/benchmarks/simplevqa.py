"""SimpleVQA (arXiv 2502.13059): short facts about a picture, in Chinese and English, graded by a judge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from contextrl.answers.extraction import after_thinking
from contextrl.answers.wrapping import unwrap
from contextrl.data.pictures import picture
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Array, Metric, Metrics, Unit, accuracy, mean_of_parts
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import asked, counted_wrong, object_of, text_of_reply
from contextrl.evaluation.benchmarks.steps import NO_JUDGE, Ask, Step

#: The authors' instruction (`data_engineering/vqa_request/prompt.py`) before the question, and what follows it.
_INSTRUCTIONS = {
    "CN": (
        "假如你是一个计算机视觉专家，请理解图片内容，并回答给出的问题，要求只能回答一个命名实体：\n"
        "## 下面我们提出问题: \n"
    ),
    "EN": (
        "If you are a computer vision expert, please understand the picture and answer the question below. "
        "The answer must be a short named entity:\n## Now let's ask the question:\n"
    ),
}
_HAN = re.compile("[\u3400-\u9fff]")
_CORRECT, _INCORRECT, _NOT_ATTEMPTED = "correct", "incorrect", "not_attempted"
_GRADES = {"正确": _CORRECT, "错误": _INCORRECT, "未尝试": _NOT_ATTEMPTED}
#: The protocols' reader takes longer strings as "not attempted".
_LONGEST_GRADE = 3
_FENCE = re.compile(r"```(?:json|python)?")
#: How often a reply that cannot be read is asked again where a protocol would stop altogether.
_TRIES = 5


class SimpleVQA(Benchmark):
    """2,025 questions with one short answer each; correct, incorrect or not attempted."""

    name = "simplevqa"
    title = "SimpleVQA"
    family = "perception"
    source = Source(
        hub="m-a-p/SimpleVQA",
        split="test",
        rows=2025,
        licence="Apache-2.0",
        columns=("data_id", "image", "language", "question", "answer"),
    )
    columns: ClassVar[Mapping[str, str]] = {"f1": "SimpleVQA"}
    headline = "f1"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {
        "official": ("simplevqa",),
        "vlmevalkit": ("simplevqa",),
        "robust": ("simplevqa_robust",),
    }
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "Graded by a judge at temperature 1, as its authors do (gpt-4o); the rubric's rules, number of "
        "examples and reply format are theirs, its text is ours. The verdict is the reply's first value; one of more "
        "than three characters is 'not attempted'. Their scorer stops at a reply that it cannot read: here it is asked "
        "again, five times at most, then counted apart.",
        "vlmevalkit": "Bare question; graded by a judge at temperature 1 with the authors' rules and reply format, in "
        "our words. A verdict of more than three characters is 'not attempted'. A reply that cannot be read is not "
        "asked again: it enters none of the three classes and stays in the denominator, as there. That table 1 shows "
        "f1 is inferred.",
        "robust": "An answer that is the reference word for word is correct and no answer is not attempted, without a "
        "judge; all else is graded by a judge with a prompt of ours at temperature 0.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        question = text_of(row, "question", where)
        language = row.get("language")
        language = language.strip().upper() if isinstance(language, str) else ""
        if language not in _INSTRUCTIONS:  # VLMEvalKit's table need not tell
            language = "CN" if _HAN.search(question) or language.startswith(("ZH", "CHINESE")) else "EN"
        return Item(
            id=text_of(row, "data_id" if "data_id" in row else "index", where),
            columns={
                "question": question,
                "question_for_eval": question,
                "answer": text_of(row, "answer", where),
                "language": language,
            },
            images=(picture(row.get("image"), where=f"{where}, column 'image'", base=None),),
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        question = str(item.columns["question"])
        if protocol == "vlmevalkit":
            return question
        return f"{_INSTRUCTIONS[item.columns['language']]}{question}\n"

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        if scorer == "robust" and (mark := _by_rule(item, response)) is not None:
            return mark
        (name,) = self.judge_prompts[scorer]
        question = Ask(
            prompt(name).filled(
                question=shown(item.columns["question_for_eval"]),
                answer=shown(item.columns["answer"]),
                response=shown(response.text),
            ),
            then=lambda _: NO_JUDGE,
            temperature=0.0 if scorer == "robust" else 1.0,
            seed=seed,
        )
        if scorer == "vlmevalkit":
            return asked(question, _graded, tries=1, unread=counted_wrong())
        return asked(question, _graded_robustly if scorer == "robust" else _graded, tries=_TRIES)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """Formulas of the authors' `simpleVQA_eval.py`; f1 is 2·correct / (questions + attempted)."""
        del scorer
        grades = [(one.item.cluster or one.item.id, _grade(one.mark)) for one in scored if one.mark.score is not None]
        shares = {
            name: accuracy((cluster, float(grade in counted)) for cluster, grade in grades)
            for name, counted in (
                ("correct", (_CORRECT,)),
                ("incorrect", (_INCORRECT,)),
                ("not_attempted", (_NOT_ATTEMPTED,)),
                ("attempted", (_CORRECT, _INCORRECT)),
            )
        }
        return {
            "f1": _ratio((k, 2.0 * (g == _CORRECT), 1.0 + (g in (_CORRECT, _INCORRECT))) for k, g in grades),
            **shares,
            "accuracy_given_attempted": _ratio(
                (k, float(g == _CORRECT), float(g in (_CORRECT, _INCORRECT))) for k, g in grades
            ),
        }


def _by_rule(item: Item, response: Response) -> Mark | None:
    """What needs no judge: nothing said, or the reference and nothing else."""
    spoken = after_thinking(response.text)
    if spoken is None or not spoken.strip():
        return Mark(0.0, how="unresolved", label=_NOT_ATTEMPTED)
    if len(spoken) > 4 * len(item.columns["answer"]) + 80:
        return None
    said, wanted = unwrap(spoken), unwrap(item.columns["answer"])
    return Mark(1.0, said, label=_CORRECT) if said and said.casefold() == wanted.casefold() else None


def _graded(reply: str) -> Mark | None:
    """The authors' reading: fences dropped, a missing last bracket added, the first value of the object."""
    text = _FENCE.sub("", text_of_reply(reply)).strip()
    fields = object_of(text if text.endswith("}") else text + "}")
    value = next(iter(fields.values()), None) if fields else None
    is_wrapped = isinstance(value, dict)
    value = value.get("conclusion") if isinstance(value, dict) else value
    if not isinstance(value, str):
        return None
    value = value if value in _GRADES else value.replace("**", "")
    if value in _GRADES:
        return _mark(_GRADES[value])
    return None if is_wrapped or len(value) <= _LONGEST_GRADE else _mark(_NOT_ATTEMPTED)


def _graded_robustly(reply: str) -> Mark | None:
    """`{"grade": ...}` with one of the three grades."""
    grade = (object_of(reply) or {}).get("grade")
    return _mark(grade) if isinstance(grade, str) and grade in _GRADES.values() else None


def _mark(grade: str) -> Mark:
    return Mark(float(grade == _CORRECT), how="judge", label=grade)


def _grade(mark: Mark) -> str:
    """One of the three grades; `failed` for a judgement that this protocol has in none of them."""
    return mark.label or (_CORRECT if mark.score else _INCORRECT)


def _ratio(units: Iterable[tuple[str, float, float]]) -> Metric:
    """A ratio of sums that is 0 where there is nothing to divide by, as the authors have it."""
    parts = tuple(Unit(cluster, numerator, denominator) for cluster, numerator, denominator in units)
    return Metric((parts,), _or_zero if parts else mean_of_parts)


def _or_zero(ratios: Sequence[Array]) -> Array:
    return np.nan_to_num(mean_of_parts(ratios), nan=0.0)
