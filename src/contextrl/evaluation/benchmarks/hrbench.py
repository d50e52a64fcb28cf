"""HR-Bench 8K (arXiv 2408.15556): 200 questions about pictures of 8,000 pixels, each in four orders of its options."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import choice_mark, letter_of, option_columns
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.mcq_vlmevalkit import JUDGE_PROMPTS, NOTE, matched, mcq_prompt
from contextrl.evaluation.benchmarks.metrics import Metric, Metrics, Unit
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import text_of_reply
from contextrl.evaluation.benchmarks.steps import Ask, Step

_CATEGORIES = ("single", "cross")


class HRBench8K(Benchmark):
    """One letter of four; the mean of the four cycles' accuracies."""

    name = "hrbench8k"
    title = "HRBench8K"
    family = "perception"
    source = Source(
        hub="DreamMr/HR-Bench",
        split="hrbench_8k",
        rows=800,
        licence="none stated",
        columns=("index", "question", "answer", "A", "B", "C", "D", "category", "cycle_category", "image"),
        configs=("hrbench_version_split",),
    )
    columns: ClassVar[Mapping[str, str]] = {"single": "single", "cross": "cross", "overall": "overall"}
    headline = "overall"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {
        "official": ("hrbench_verify",),
        "vlmevalkit": JUDGE_PROMPTS,
    }
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "Every answer is judged: a model that sees the question, its options and the right one says yes or "
        "no (temperature 0.2); a reply that does not begin with yes is a no, as in the authors' script. The judge's "
        "text is ours. Figures are means of the cycles' accuracies.",
        "vlmevalkit": f"{NOTE} Figures are means of the cycles' accuracies.",
        "robust": "Figures are means of the cycles' accuracies.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        question = text_of(row, "question", where)
        options = option_columns(row)
        if len(options) < 2:
            raise InputError("options in the columns A, B, C and D", found=f"{len(options)} of them", where=where)
        category = text_of(row, "category", where).strip().lower()
        if category not in _CATEGORIES:
            raise InputError("single or cross", found=repr(category)[:60], where=f"{where}, column 'category'")
        asked = "\n".join([question, *sorted(options.values())])
        return Item(
            id=text_of(row, "index", where),
            columns={
                "question": question,
                "options": options,
                "answer": letter_of(row, "answer", where, options),
                "category": category,
                "cycle": text_of(row, "cycle_category", where),
            },
            images=(picture(row.get("image"), where=f"{where}, column 'image'", base=None),),
            cluster=hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:16],
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        """The authors' script is a copy of VLMEvalKit's: both ask alike."""
        del protocol
        return mcq_prompt(item.columns["question"], item.columns["options"])

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        columns = item.columns
        if scorer == "robust":
            return choice_mark(response, columns["answer"], columns["options"])
        if scorer == "vlmevalkit":
            return matched(
                response.text,
                columns["answer"],
                columns["options"],
                columns["question"],
                key=f"{self.name} {item.id}",
                seed=seed,
            )
        listed = "".join(f"{letter}. {text}\n" for letter, text in columns["options"].items())
        text = prompt("hrbench_verify").filled(
            question=shown(columns["question"]),
            options=shown(listed),
            answer=shown(f"{columns['answer']}. {columns['options'][columns['answer']]}"),
            response=shown(response.text),
        )
        return Ask(text, then=_verified, temperature=0.2, seed=seed)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """`single`, `cross` and `overall`, each the mean of its cycles' accuracies."""
        del scorer
        return {
            **{name: _over_cycles(scored, (name,)) for name in _CATEGORIES},
            "overall": _over_cycles(scored, _CATEGORIES),
        }


def _over_cycles(scored: Sequence[Scored], categories: Sequence[str]) -> Metric:
    cycles: dict[str, list[Unit]] = {}
    for one in scored:
        if one.item.columns["category"] in categories and one.mark.score is not None:
            units = cycles.setdefault(one.item.columns["cycle"], [])
            units.append(Unit(one.item.cluster or one.item.id, one.mark.score))
    return Metric(tuple(tuple(cycles[cycle]) for cycle in sorted(cycles)))


def _verified(reply: str) -> Mark:
    """The authors' reading: right if the reply begins with yes."""
    return Mark(float(text_of_reply(reply).lower().startswith("yes")), how="judge")
