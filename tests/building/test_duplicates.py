"""Near-duplicates within a set and with benchmarks: what is removed, what stays, and who the partner is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from contextrl.building import duplicates
from contextrl.building.benchmark_hashes import write_hashes
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.duplicates import NEAR, PICTURE, QUESTION, SAME, Duplicates
from contextrl.building.fingerprints import minhash, plain_text
from contextrl.building.finish_settings import DuplicateSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context
from contextrl.errors import InputError

LONG = "In the figure the line AB is parallel to CD and the angle at E is {} degrees. How large is the angle at F?"


def drawing(seed: int, colour: str = "black") -> Image.Image:
    draws = np.random.default_rng(seed)
    image = Image.new("RGB", (320, 240), "white")
    pen = ImageDraw.Draw(image)
    points = [tuple(int(v) for v in draws.integers(20, 220, 2)) for _ in range(4)]
    for i in range(4):
        for j in range(i):
            pen.line([points[i], points[j]], fill=colour, width=3)
    return image


def saved_again(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.resize((480, 360)).save(buffer, "JPEG", quality=60)
    return Image.open(io.BytesIO(buffer.getvalue()))


def row(name: str, question: str, *images: str, answer: str = "5", solution: str = "") -> Candidate:
    return Candidate(name, question, answer, "number", "reasoning", "made", images=images, solution=solution)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, PictureStore(folder / "pictures")
        self.again = 0

    def picture(self, image: Image.Image) -> str:
        return self.store.put(image, where="test")

    def outcomes(self, rows: list[Candidate], **settings: object) -> list[Candidate | Dropped]:
        step = Duplicates(DuplicateSettings.model_validate({"workers": 1, **settings}), self.folder / "prints")
        return list(step.whole(lambda: iter(rows), Context(0, self.store)))

    def removed(self, rows: list[Candidate], **settings: object) -> dict[str, tuple[str, str]]:
        outcomes = self.outcomes(rows, **settings)
        assert len(outcomes) == len(rows)
        dropped = [one for one in outcomes if isinstance(one, Dropped)]
        return {one.id: (one.reason, one.detail.partition(" (")[0]) for one in dropped}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_texts_alone(bench: Bench) -> None:
    rows = [
        row("a", LONG.format(50)),
        row("b", LONG.format(50).upper().replace("THE ", "the  ")),  # case and spaces
        row("c", LONG.format(60)),  # another number is another question
        row("d", LONG.format(50) + " Answer."),
        row("e", LONG.format(50) + " Answer.", answer="130"),  # equal to d, though the answer is another
        row("f", "How many sides has a hexagon?"),
        row("g", LONG.format(50).replace("E is", "G is")),  # another letter too
        row("h", r"In the figure the line $AB$ is parallel to CD and the angle at E is $50$ degrees. "
            "How large is the angle at F?"),
    ]  # fmt: skip
    assert bench.removed(rows) == {
        "b": (SAME, "a"),
        "d": (NEAR, "a"),
        "e": (SAME, "a"),
        "h": (SAME, "a"),
    }
    assert bench.removed(rows, same_signs=False).keys() == {"b", "c", "d", "e", "g", "h"}


def test_same_picture_with_another_question_stays_and_the_same_question_with_another_picture(bench: Bench) -> None:
    one, other = bench.picture(drawing(1)), bench.picture(drawing(2))
    again, red = bench.picture(saved_again(drawing(1))), bench.picture(drawing(1, "red"))
    rows = [
        row("a", "How many lines are there?", one),
        row("b", "How many points are there?", one),
        row("c", "How many lines are there?", other),
        row("d", "<image> How many lines are there?", again),
        row("e", "How many lines are there?", one, other),
        row("f", "How many lines are there?"),
        row("g", "How many lines are there?", red),
    ]
    assert bench.removed(rows, colour_distance=20) == {"d": (SAME, "a")}


def test_pictures_of_one_colour_are_the_same_only_as_files(bench: Bench) -> None:
    white, wide = (bench.picture(Image.new("RGB", size, "white")) for size in ((64, 64), (96, 64)))
    rows = [row("a", "What is it?", white), row("b", "What is it?", wide), row("c", "What is it?", white)]
    assert bench.removed(rows) == {"c": (SAME, "a")}


def test_the_one_with_a_solution_stays(bench: Bench) -> None:
    rows = [row("a", LONG.format(1)), row("b", LONG.format(1) + " Please.", solution="Answer: 5"), row("c", "x")]
    assert bench.removed(rows) == {"a": (NEAR, "b")}


def test_another_answer_to_a_near_question_is_another_question(bench: Bench) -> None:
    text = "Which label names the {} of the flower? Choose from stem, leaf, root, petal, sepal, stamen, pistil, anther."
    rows = [row("a", text.format("cup"), answer="3"), row("b", text.format("pan"), answer="4")]
    assert bench.removed(rows) == {}
    assert bench.removed(rows, same_answers=False) == {"b": (NEAR, "a")}


def test_a_benchmark_picture_is_contamination_whatever_is_asked(bench: Bench, tmp_path: Path) -> None:
    hashes = tmp_path / "hashes"
    hashes.mkdir()
    items = [("7", "What is the sum of all angles of this shape?", [drawing(3)]), ("8", LONG.format(70), [])]
    assert write_hashes(hashes / "mathvista.jsonl", items) == 2
    assert "angle" not in (hashes / "mathvista.jsonl").read_text(encoding="utf-8")
    shown, own = bench.picture(saved_again(drawing(3))), bench.picture(drawing(4))
    rows = [
        row("a", "Is it closed?", shown),
        row("b", "Is it closed?", own),
        row("c", LONG.format(70), own),
        row("d", LONG.format(71)),
        row("e", "Is it closed?", own, shown),
        row("f", "Is it closed?", own),
    ]
    found = bench.removed(rows, benchmarks=str(hashes))
    assert found == {
        "a": (PICTURE, "mathvista:7"),
        "c": (QUESTION, "mathvista:8"),
        "d": (QUESTION, "mathvista:8"),
        "e": (PICTURE, "mathvista:7"),
        "f": (SAME, "b"),
    }
    near = bench.removed(rows, benchmarks=str(hashes), benchmark_pictures="near_question")
    assert near.keys() == {"c", "d", "f"}


def test_short_questions_of_benchmarks_count_only_without_pictures(bench: Bench, tmp_path: Path) -> None:
    hashes = tmp_path / "hashes"
    hashes.mkdir()
    items = [("1", "What colour is the car?", [drawing(5)]), ("2", "How much is 17 times 23?", [])]
    write_hashes(hashes / "made.jsonl", items)
    picture = bench.picture(drawing(6))
    rows = [
        row("a", "What colour is the car?", picture),
        row("b", "What colour is the car?"),
        row("c", "How much is 17 times 23?"),
        row("d", "How much is 17 times 23?", picture),
    ]
    assert bench.removed(rows, benchmarks=str(hashes)) == {"c": (QUESTION, "made:2")}


@pytest.mark.parametrize(
    "text",
    ["", "not json\n", "[1]\n", '{"version": 0}\n', "HEADER{}\n", 'HEADER{"id": "1", "minhash": "AAAA"}\n'],
)
def test_a_damaged_file_of_hashes_is_refused(bench: Bench, tmp_path: Path, text: str) -> None:
    hashes = tmp_path / "hashes"
    hashes.mkdir()
    write_hashes(hashes / "good.jsonl", [("1", "x", [])])
    header = (hashes / "good.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[0]
    (hashes / "good.jsonl").unlink()
    if text:
        (hashes / "bad.jsonl").write_text(text.replace("HEADER", header), encoding="utf-8")
    with pytest.raises(InputError):
        bench.outcomes([row("a", "x")], benchmarks=str(hashes))


def test_fingerprints_are_used_again_and_several_processes_find_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "CHUNK", 5)
    names = [bench.picture(drawing(seed)) for seed in range(3)]
    rows = [row(f"r{n}", LONG.format(n % 7), names[n % 3]) for n in range(42)]
    expected = bench.removed(rows)
    assert {name: partner for name, (_, partner) in expected.items()} == {f"r{n}": f"r{n % 21}" for n in range(21, 42)}
    made = {path: path.read_bytes() for path in (bench.folder / "prints").iterdir()}

    def never(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(duplicates, "_write_prints", never)
    assert bench.removed(rows) == expected
    monkeypatch.undo()
    monkeypatch.setattr(duplicates, "CHUNK", 5)
    for number, path in enumerate(made):
        path.write_bytes((b"", b"junk", made[path][:-3])[number % 3])
    assert bench.removed(rows) == expected, "damaged ones are made again"
    assert {path: path.read_bytes() for path in (bench.folder / "prints").iterdir()} == made
    for path in made:
        path.unlink()
    assert bench.removed(rows, workers=2) == expected
    assert {path: path.read_bytes() for path in (bench.folder / "prints").iterdir()} == made


def test_similarity_is_that_of_shingles() -> None:
    def shingles(text: str) -> set[str]:
        return {text[n : n + 5] for n in range(len(text) - 4)}

    one, other = plain_text(LONG.format(50)), plain_text(LONG.format(50).replace("parallel to", "normal to"))
    exact = len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))
    assert (minhash(one, 512) == minhash(other, 512)).mean() == pytest.approx(exact, abs=0.06)


def test_no_rows(bench: Bench) -> None:
    rows: list[Candidate] = []
    assert bench.outcomes(rows) == []


def test_generator_of_rows_is_read_anew(bench: Bench) -> None:
    def rows() -> Iterator[Candidate]:
        yield from (row(str(n), LONG.format(n)) for n in (1, 2, 1))

    step = Duplicates(DuplicateSettings(workers=1), bench.folder / "prints")
    outcomes = list(step.whole(rows, Context(0, bench.store)))
    assert [isinstance(one, Dropped) for one in outcomes] == [False, False, True]


def test_a_benchmark_without_pictures_says_nothing_of_pictures(bench: Bench, tmp_path: Path) -> None:
    hashes = tmp_path / "hashes"
    hashes.mkdir()
    write_hashes(hashes / "texts.jsonl", [("1", LONG.format(70), [])])
    rows = [row("a", "What is it?", bench.picture(drawing(7))), row("b", LONG.format(70))]
    assert bench.removed(rows, benchmarks=str(hashes)) == {"b": (QUESTION, "texts:1")}


OPTIONS = "Which animal is shown in the picture of the farm?\n{}"


def chosen(name: str, question: str, picture: str, answer: str) -> Candidate:
    return replace(row(name, question, picture), answer=answer, answer_type="choice")


@pytest.mark.parametrize(
    ("options", "answer", "gone"),
    [
        ("A. goat\nB. sheep\nC. horse\nD. cow", "D", True),
        ("(A) cow\n(B) horse\n(C) sheep\n(D) goat", "A", True),
        ("(A) sheep\n(B) cow\n(C) horse\n(D) goat", "(B)", True),
        ("A. cow\nB. horse\nC. sheep\nD. duck", "B", False),
        ("A. rose\nB. tulip\nC. daisy\nD. lily", "A", False),
    ],
)
def test_options_in_another_order_are_the_same_question(bench: Bench, options: str, answer: str, gone: bool) -> None:
    picture = bench.picture(drawing(1))
    rows = [
        chosen("a", OPTIONS.format("A. cow\nB. horse\nC. sheep\nD. goat"), picture, "A"),
        chosen("b", OPTIONS.format(options), picture, answer),
    ]
    assert ("b" in bench.removed(rows)) is gone


def test_a_benchmark_with_its_options_in_another_order_is_found(bench: Bench, tmp_path: Path) -> None:
    stem = "Which of the following planets of the solar system has rings that can be seen with a small telescope?\n"
    folder = tmp_path / "hashes"
    folder.mkdir()
    write_hashes(folder / "made.jsonl", [("7", stem + "A. Mars\nB. Saturn\nC. Venus\nD. Mercury", [])])
    rows = [replace(row("a", stem + "(A) Mercury\n(B) Venus\n(C) Mars\n(D) Saturn"), answer="D", answer_type="choice")]
    assert bench.removed(rows, benchmarks=str(folder)) == {"a": (QUESTION, "made:7")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left", "right"),
        ("first", "second"),
        ("highest", "lowest"),
        ("red", "blue"),
        ("three", "five"),
        ("large", "not large"),
    ],
)
def test_a_word_that_turns_a_question_makes_another(bench: Bench, one: str, other: str) -> None:
    picture = bench.picture(drawing(1))
    text = "What is the number of the cars that are parked beside the {} house at the end of the street in the picture?"
    rows = [row("a", text.format(one), picture), row("b", text.format(other), picture)]
    assert bench.removed(rows) == {}
    assert bench.removed(rows, same_signs=False) == {"b": (NEAR, "a")}
    again = row("c", text.format(one).replace("What is", "Tell"), picture)
    assert bench.removed([rows[0], again]) == {"c": (NEAR, "a")}
