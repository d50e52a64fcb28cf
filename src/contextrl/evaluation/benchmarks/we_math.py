"""We-Math (arXiv 2407.01284): 525 composite problems and their steps; what a model knows, what it can combine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.choices import choice_mark, letter_of, option_columns
from contextrl.evaluation.benchmarks.inline_options import split_options
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.mcq_vlmevalkit import RULE_NOTE, matched, mcq_prompt
from contextrl.evaluation.benchmarks.metrics import Metric, Metrics, Unit, accuracy
from contextrl.evaluation.benchmarks.steps import Step

#: Insufficient knowledge, inadequate generalisation, complete mastery, rote memorisation.
Class = Literal["IK", "IG", "CM", "RM"]
_CREDIT: Mapping[Class, float] = {"IK": 0.0, "IG": 0.5, "CM": 1.0, "RM": 0.0}
_KEY = re.compile(r"([23])steps_(1|2|3|multi)")
_OFFICIAL_LETTERS = "ABCDEFGH"
_OFFICIAL_MARKS = re.compile(r"[><:.]")
_REQUIREMENT = (
    "Regarding the format, please answer following the template below, and be sure to include two <> symbols:\n"
    "<Thought process>: <<your thought process>> <Answer>: <<your option>>"
)
_TEMPLATE_ANSWER = re.compile(r"<\s*answer\s*>\s*(?:[:：]\s*|(?=<<))", re.IGNORECASE)
_ANGLES = re.compile(r"<<|>>")


class WeMath(Benchmark):
    """One letter of three to seven; composites and their steps together give four classes."""

    name = "we-math"
    title = "We-Math"
    family = "reasoning"
    source = Source(
        hub="We-Math/We-Math",
        split="testmini",
        rows=1740,
        licence="CC-BY-NC-4.0",
        columns=("ID", "key", "question", "option", "answer", "image_path"),
    )
    columns: ClassVar[Mapping[str, str]] = {"strict": "strict", "loose": "loose"}
    headline = "strict"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {"vlmevalkit": ("mcq_match_we_math",)}
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "The answer is the first letter after the last 'Answer', once <>:. are gone: one in bold or in a "
        "box, or after 'Answer is', is none, and a word's capital counts ('Clearly' is C). The rate of RM is "
        "RM/(RM+CM), as in the authors' script. Composites of which a part was not scored are left out.",
        "vlmevalkit": f"{RULE_NOTE} Where there is no judge, the authors' rule reads what this one cannot. "
        "The question is asked without a request for a letter. The rate of RM is RM/(RM+CM).",
        "robust": "The rate of RM is RM/(RM+CM). Composites of which a part was not scored are left out.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        identity, key = text_of(row, "ID", where), text_of(row, "key", where).strip()
        if not (match := _KEY.fullmatch(key)) or (match[1], match[2]) == ("2", "3"):
            raise InputError("2steps_1, 2steps_2, 2steps_multi, 3steps_1, ...", found=repr(key)[:60], where=where)
        options = option_columns(row)
        if len(options) < 2:
            options = split_options(text_of(row, "option", where)).options
        if len(options) < 2:
            raise InputError("options: A. ...; B. ...", found=repr(row.get("option"))[:60], where=where)
        listed = row.get("option")
        listed = listed if isinstance(listed, str) else "; ".join(f"{one}. {text}" for one, text in options.items())
        name = "image_path" if row.get("image_path") is not None else "image"
        return Item(
            id=f"{identity}/{key}",
            columns={
                "problem": identity,
                "key": key,
                "question": text_of(row, "question", where),
                "option": listed,
                "options": options,
                "answer": letter_of(row, "answer", where, options),
            },
            images=(picture(row.get(name), where=f"{where}, column {name!r}", base=None),),
            cluster=identity,
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        columns = item.columns
        if protocol == "vlmevalkit":
            return mcq_prompt(columns["question"], columns["options"], instruction=False)
        return (
            "Now, we require you to solve a multiple-choice math question. Please briefly describe your thought "
            "process and provide the final answer(option).\n"
            f"Question: {columns['question']}\nOption: {columns['option']}\n{_REQUIREMENT}"
        )

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        columns = item.columns
        if scorer == "official":
            return _official(response.text, columns["answer"])
        if scorer == "robust":
            return choice_mark(_without_template(response), columns["answer"], columns["options"])
        return matched(
            response.text,
            columns["answer"],
            columns["options"],
            columns["question"],
            key=f"{self.name} {item.id}",
            seed=seed,
            prompt_name="mcq_match_we_math",
            without=_official(response.text, columns["answer"]),
        )

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """Scores and classes of the authors' `four_dimensional_metrics.py`, accuracies of their `accuracy.py`."""
        del scorer
        composites = [*_complete(scored)]
        figures: dict[str, Metric] = {}
        for rule in ("strict", "loose"):
            classes = [(one.problem, one.classified(loose=rule == "loose")) for one in composites]
            figures[rule] = accuracy((problem, _CREDIT[name]) for problem, name in classes)
            figures |= {f"{rule}/{name}": _rate(classes, name) for name in get_args(Class)}
        for name, wanted in (
            ("one_step", lambda key: not key.endswith("multi")),
            ("two_step", lambda key: key == "2steps_multi"),
            ("three_step", lambda key: key == "3steps_multi"),
        ):
            figures[name] = accuracy(
                (one.item.cluster, one.mark.score) for one in scored if wanted(one.item.columns["key"])
            )
        return figures


@dataclass
class _Composite:
    """A problem: what came of its steps, and of the whole."""

    problem: str
    steps: dict[str, bool] = field(default_factory=dict)
    whole: bool | None = None

    def classified(self, *, loose: bool) -> Class:
        """Loose: a composite that is right is mastered if any step is; strict: only if every step is."""
        known = self.steps.values()
        if self.whole:
            return "CM" if (any(known) if loose else all(known)) else "RM"
        return "IG" if all(known) else "IK"


def _complete(scored: Sequence[Scored]) -> Iterator[_Composite]:
    """Composites of which every part has a score."""
    found: dict[tuple[str, str], _Composite] = {}
    for one in scored:
        steps, _, part = one.item.columns["key"].partition("steps_")
        composite = found.setdefault((one.item.columns["problem"], steps), _Composite(one.item.columns["problem"]))
        if one.mark.score is None:
            continue
        if part == "multi":
            composite.whole = one.mark.score == 1
        else:
            composite.steps[part] = one.mark.score == 1
    for (_, steps), composite in found.items():
        if composite.whole is not None and len(composite.steps) == int(steps):
            yield composite


def _rate(classes: Sequence[tuple[str, Class]], name: Class) -> Metric:
    """The share of all composites; for RM, of those that are right."""
    among = [one for one in classes if name != "RM" or one[1] in ("RM", "CM")]
    return Metric((tuple(Unit(problem, float(found == name)) for problem, found in among),))


def _official(response: str, answer: str) -> Mark:
    """The authors' `load_and_process_data`."""
    said = _OFFICIAL_MARKS.sub("", response.split("Answer")[-1].strip()).strip()
    letter = said[:1]
    if not letter or letter not in _OFFICIAL_LETTERS:
        return Mark(0.0, how="unresolved")
    return Mark(float(letter == answer), letter)


def _without_template(response: Response) -> Response:
    """The response with the template's marks as plain words: `<Answer>: <<B>>` is `Answer: B`."""
    text = _TEMPLATE_ANSWER.sub("\nAnswer: ", response.text)
    return replace(response, text=_ANGLES.sub(" ", text)) if text != response.text else response
