"""Duplicates and contamination where sets put hints, instructions and options around what is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contextrl.building.benchmark_hashes import write_hashes
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.duplicates import NEAR, QUESTION, SAME, Duplicates
from contextrl.building.finish_settings import DuplicateSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context
from contextrl.errors import InputError

SHORT = "\nAnswer the question using a single word or phrase."
LETTER = (
    "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.\nQuestion: "
)
INTEGER = (
    "Hint: Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the"
    " end.\nQuestion: "
)
LONG = (
    "As shown in the figure, AB is parallel to CD and the angle at E equals 50 degrees. What is the size of angle BEF?"
)
CHOICES = "\nChoices:\n(A) 30°\n(B) 40°\n(C) 50°\n(D) 60°"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, PictureStore(folder / "pictures")

    def picture(self, seed: int) -> str:
        cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return self.store.put(Image.fromarray(cells).resize((96, 72), Image.Resampling.BICUBIC), where="test")

    def removed(self, rows: list[Candidate], **settings: object) -> dict[str, tuple[str, str]]:
        step = Duplicates(DuplicateSettings.model_validate({"workers": 1, **settings}), self.folder / "prints")
        outcomes = step.whole(lambda: iter(rows), Context(0, self.store))
        dropped = [one for one in outcomes if isinstance(one, Dropped)]
        return {one.id: (one.reason, one.detail.partition(" (")[0]) for one in dropped}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def asked(name: str, question: str, picture: str, answer: str = "yes") -> Candidate:
    kind = "number" if answer.isdigit() else "choice" if len(answer) == 1 else "yes_no"
    return Candidate(name, question, answer, kind, "perception", "made", images=(picture,))


def test_instructions_do_not_make_questions_near(bench: Bench) -> None:
    picture = bench.picture(1)
    things = ("cat", "hat", "bus", "cup", "dog")
    assert not bench.removed([asked(one, f"Is there a {one} in the picture?{SHORT}", picture) for one in things])
    animals = ("cats", "dogs", "birds")
    assert not bench.removed([asked(one, f"{INTEGER}How many {one} are there?", picture, "2") for one in animals])


def test_another_content_word_of_a_question_of_some_length_is_another_question(bench: Bench) -> None:
    text = "Is there a {} in the part of the picture that is shown near the window of this house?".format
    rows = [asked(one, text(one), bench.picture(1)) for one in ("cat", "hat", "cup")]
    assert not bench.removed(rows)
    assert bench.removed(rows, same_signs=False) == {"hat": (NEAR, "cat"), "cup": (NEAR, "cat")}


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("How many cats are sitting under the table of the kitchen?" + SHORT, SAME),
        (INTEGER + "How many cats are sitting under the table of the kitchen?", SAME),
        ("HOW MANY CATS ARE SITTING UNDER THE TABLE OF THE KITCHEN", NEAR),
        ("How many cats are sitting under the table of kitchen?", NEAR),
        ("How many cats are sitting under the table of the kitchne?", NEAR),
        ("How many cats are sitting under the table of the kitchens?", NEAR),
    ],
)
def test_a_question_that_is_written_otherwise_is_still_a_duplicate(bench: Bench, question: str, reason: str) -> None:
    picture = bench.picture(1)
    first = asked("a", "How many cats are sitting under the table of the kitchen?", picture, "2")
    assert bench.removed([first, asked("b", question, picture, "2")]) == {"b": (reason, "a")}


def test_options_tell_questions_of_one_stem_apart(bench: Bench) -> None:
    stem = "Which of the following is true of what is shown in the picture?"
    options = "\nA. A man runs\nB. A dog barks\nC. It rains\nD. It is night"
    others = "\nA. A man runs\nB. The sun shines\nC. Nobody is there\nD. A child sings"
    turned = "\nChoices:\n(A) It rains\n(B) It is night\n(C) A man runs\n(D) A dog barks" + SHORT
    one, another = bench.picture(1), bench.picture(2)
    rows = [
        asked("a", stem + options, one, "A"),
        asked("b", stem + others, one, "A"),
        asked("c", stem + turned, one, "C"),
        asked("d", stem + others, another, "A"),
    ]
    assert bench.removed(rows) == {"c": (SAME, "a")}


@pytest.mark.parametrize(
    "benchmark", [LONG, LETTER + LONG + CHOICES, LONG + " Options: A: 30°, B: 40°, C: 50°, D: 60°"]
)
@pytest.mark.parametrize(
    "row",
    [
        LONG,
        LONG + CHOICES,
        LETTER + LONG + CHOICES,
        LONG + "\nA. 1\nB. 2\nC. 3\nAnswer with the option's letter from the given choices directly.",
        LONG.lower().replace(",", "") + SHORT,
    ],
)
def test_a_benchmark_question_is_found_in_any_form(bench: Bench, tmp_path: Path, benchmark: str, row: str) -> None:
    write_hashes(_folder(tmp_path) / "made.jsonl", [("1", benchmark, [bench.store.folder / bench.picture(1)])])
    rows = [asked("a", row, bench.picture(2), "B"), asked("b", "What else is to be seen in it?", bench.picture(2))]
    assert bench.removed(rows, benchmarks=str(tmp_path / "hashes")) == {"a": (QUESTION, "made:1")}


def test_a_short_question_of_a_benchmark_is_found_by_its_options(bench: Bench, tmp_path: Path) -> None:
    item = "What is x? Options: A: 3.5, B: 12.25, C: 40.75, D: 9.5"
    write_hashes(_folder(tmp_path) / "made.jsonl", [("1", item, [bench.store.folder / bench.picture(1)])])
    rows = [
        asked("a", "What is x?\nChoices:\n(A) 12.25\n(B) 9.5\n(C) 40.75\n(D) 3.5", bench.picture(2), "B"),
        asked("b", "What is x?\nChoices:\n(A) 1\n(B) 2\n(C) 3\n(D) 4", bench.picture(2), "B"),
        replace(asked("c", "What is x?", bench.picture(2)), answer="3"),
    ]
    assert bench.removed(rows, benchmarks=str(tmp_path / "hashes")).keys() == {"a"}


def test_hashes_of_whole_questions_are_refused_with_the_command_that_makes_them_anew(
    bench: Bench, tmp_path: Path
) -> None:
    path = _folder(tmp_path) / "old.jsonl"
    write_hashes(path, [("1", LONG, [])])
    header, item = path.read_text(encoding="utf-8").splitlines()
    path.write_text(json.dumps({**json.loads(header), "version": 2}) + "\n" + item + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="contextrl data hashes"):
        bench.removed([asked("a", LONG, bench.picture(1))], benchmarks=str(tmp_path / "hashes"))


def _folder(folder: Path) -> Path:
    (folder / "hashes").mkdir()
    return folder / "hashes"
