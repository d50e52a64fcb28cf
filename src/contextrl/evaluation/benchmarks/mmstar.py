"""MMStar (arXiv 2403.20330): 1,500 questions that cannot be answered without the picture, in six categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from contextrl.data.pictures import picture
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import choice_mark, letter_of, option_columns
from contextrl.evaluation.benchmarks.inline_options import Asked, split_options
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.mcq_vlmevalkit import JUDGE_PROMPTS, NOTE, matched, mcq_prompt
from contextrl.evaluation.benchmarks.metrics import Metrics, accuracy
from contextrl.evaluation.benchmarks.steps import Step

#: What the authors' wrapper of LLaVA-NeXT (`eval/vlmeval/vlm/llava_next.py`) adds to a multiple-choice question.
_INSTRUCTION = "\nAnswer with the option's letter from the given choices directly."
#: An answer is its letter right after one of these, at the very beginning.
_OFFICIAL_PREFIXES = ("", "(", "option ", "the answer is ")


class MMStar(Benchmark):
    """One letter of four; accuracy over all questions."""

    name = "mmstar"
    title = "MMStar"
    family = "perception"
    source = Source(
        hub="Lin-Chen/MMStar",
        split="val",
        rows=1500,
        licence="none stated",
        columns=("index", "question", "image", "answer", "category", "l2_category"),
    )
    columns: ClassVar[Mapping[str, str]] = {"accuracy": "MMStar"}
    headline = "accuracy"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {"vlmevalkit": JUDGE_PROMPTS}
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "A letter counts only at the very beginning (x, (x, option x, the answer is x), as in the authors' "
        "script: an answer in prose is wrong, and so is **B**; one that begins with a word is read by its first letter "
        "(Certainly is C). The prompt is the one of the authors' own wrapper.",
        "vlmevalkit": f"{NOTE} Rows of the hub have their options in the question: they are taken out of it for the "
        "prompt.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        question = text_of(row, "question", where)
        columned = option_columns(row)
        asked = Asked(question, "", columned) if len(columned) > 1 else split_options(question)
        hint = row.get("hint")
        return Item(
            id=text_of(row, "index", where),
            columns={
                "question": asked.stem,
                "inline": asked.tail,
                "options": asked.options,
                "hint": hint if isinstance(hint, str) and hint.strip() else None,
                "answer": letter_of(row, "answer", where, "ABCD"),
                "category": text_of(row, "category", where),
                "l2_category": str(row.get("l2_category") or row.get("l2-category") or ""),
            },
            images=(picture(row.get("image"), where=f"{where}, column 'image'", base=None),),
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        columns = item.columns
        if protocol == "vlmevalkit":
            return mcq_prompt(columns["question"].strip(), columns["options"], hint=columns["hint"])
        hint = f"{columns['hint']}\n" if columns["hint"] else ""
        if columns["inline"] or not columns["options"]:
            return f"{hint}{columns['question']}{columns['inline']}{_INSTRUCTION}"
        listed = "".join(f"\n{letter}. {text}" for letter, text in columns["options"].items())
        return f"{hint}{columns['question']}{listed}{_INSTRUCTION}"

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        answer: str = item.columns["answer"]
        options: Mapping[str, str] = item.columns["options"] or dict.fromkeys("ABCD", "")
        if scorer == "official":
            return _official(response.text, answer)
        if scorer == "robust":
            return choice_mark(response, answer, options)
        key = f"{self.name} {item.id}"
        return matched(response.text, answer, options, item.columns["question"], key=key, seed=seed)

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """Over all questions, and over each category's."""
        del scorer
        by_category: dict[str, list[tuple[str, float | None]]] = {}
        for one in scored:
            of = by_category.setdefault(f"category/{one.item.columns['category']}", [])
            of.append((one.item.cluster or one.item.id, one.mark.score))
        pooled = [score for scores in by_category.values() for score in scores]
        return {"accuracy": accuracy(pooled), **{name: accuracy(by_category[name]) for name in sorted(by_category)}}


def _official(response: str, answer: str) -> Mark:
    """The authors' `eval/vlmeval/evaluate/mmstar.py`: the first match of a prefix and a letter, whatever follows it."""
    said = response.lower().strip().replace("\n", " ")
    letters = [
        said[len(prefix)] for prefix in _OFFICIAL_PREFIXES if said.startswith(prefix) and len(said) > len(prefix)
    ]
    options = [letter.upper() for letter in letters if letter in "abcd"]
    if not options:
        return Mark(0.0, how="unresolved")
    right = answer in options
    return Mark(float(right), answer if right else options[-1])
