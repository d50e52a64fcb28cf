"""The step `filter` of a data build: candidates a second.

    python benchmarks/data_filter.py [--candidates 250000] [--json FILE]

Candidates are made: questions of several kinds and languages with numbers drawn, options, worked solutions, a picture
each of 2,000. They pass all rules. Seconds are those of the processor, of one core.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.filter_settings import FilterSettings
from contextrl.building.filters import Filter
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import PART, Context
from contextrl.records.example import AnswerType

_PICTURES = 2_000
#: Question, solution, answer, type; `{a}`, `{b}` and `{c}` are numbers, c their sum.
_KINDS: tuple[tuple[str, str, str, AnswerType], ...] = (
    (
        "As shown in the figure, in triangle ABC the side AB is {a} cm and BC is {b} cm longer. How long is BC?",
        "BC is {b} cm longer than AB, which is {a} cm. So BC = {a} + {b} = {c} cm. Answer: {c}",
        "{c}",
        "number",
    ),
    (
        "Which value does the chart show for the year 19{a}?\nA. {a}\nB. {c}\nC. {b}\nD. none of these",
        "The bar of that year ends at {c}, which is option B. Answer: B",
        "B",
        "choice",
    ),
    ("如图，已知AB={a}，BC={b}，点B在线段AC上，则AC的长是多少？", "AC=AB+BC={a}+{b}={c}。答案：{c}", "{c}", "number"),
    ("What colour is the car with the number {a} on its door?", "", "dark blue", "text"),
    ("Is the bar of {a} higher than the one of {b}?", "It is the highest. Answer: Yes", "Yes", "yes_no"),
    (
        "Simplify $\\frac{{a}x}{{b}}$ and add {c}.",
        "We get \\boxed{\\frac{{a}x}{{b}}+{c}}",
        "\\frac{{a}x}{{b}}+{c}",
        "math",
    ),
    ("Wie viele der {a} Kugeln auf dem Bild sind rot, wenn {b} hinzukommen?", "", "{c}", "number"),
)


def candidates(names: list[str]) -> Iterator[Candidate]:
    """Without end."""
    draws, number = random.Random(0), 0
    while True:
        question, solution, answer, answer_type = _KINDS[number % len(_KINDS)]
        values = {"{a}": draws.randint(10, 99), "{b}": draws.randint(10, 99)}
        values["{c}"] = sum(values.values())
        texts = []
        for text in (question, answer, solution):
            for mark, value in values.items():
                text = text.replace(mark, str(value))
            texts.append(text)
        yield Candidate(
            id=f"made-{number}",
            question=texts[0],
            answer=texts[1],
            answer_type=answer_type,
            task="reasoning",
            source="made",
            images=(names[number % len(names)],),
            solution=texts[2],
            ratings={"relevance": 4.0},
        )
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=250_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = PictureStore(Path(folder))
        names = [store.put(Image.new("RGB", (64 + n % 50, 64 + n // 50)), where="made") for n in range(_PICTURES)]
        step = Filter(FilterSettings(languages=["en", "zh", "de"]), {"made": {"relevance": 3}})
        rows, context = islice(candidates(names), arguments.candidates), Context(0, store)
        started, dropped = time.process_time(), dict[str, int]()
        while part := list(islice(rows, PART)):
            for outcome in step.each(part, context):
                if isinstance(outcome, Dropped):
                    dropped[outcome.reason] = dropped.get(outcome.reason, 0) + 1
        seconds = time.process_time() - started
    figures = {
        "candidates": arguments.candidates,
        "processor_seconds": round(seconds, 1),
        "milliseconds_each": round(seconds / arguments.candidates * 1_000, 3),
        "dropped": dropped,
    }
    print(json.dumps(figures))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
