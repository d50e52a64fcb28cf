"""Validation before a run: images and references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from contextrl.console import progress_bar
from contextrl.data import images, validation
from contextrl.data.validation import validate_examples
from contextrl.errors import InputError
from contextrl.records.example import Example

GOOD = Example(id="good", question="4 + 8?", solution="4 + 8. Answer: 12", answer="12", answer_type="number")


def problems(examples: list[Example], *, vision: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        validate_examples(examples, vision=vision, where="rows.jsonl", progress=False)
    assert caught.value.where == "rows.jsonl"
    return str(caught.value)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    data = bytes((i * i * 2_654_435_761 >> 7) % 256 for i in range(64 * 64 * 3))
    Image.frombytes("RGB", (64, 64), data).save(path)
    return path


def test_usable_rows_pass(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        GOOD,
        replace(GOOD, id="image", images=[picture, Image.new("RGB", (2, 2))]),
        replace(GOOD, id="choice", solution="It is red. The answer is (C)", answer="C", answer_type="choice"),
        replace(GOOD, id="math", solution="So \\boxed{\\frac{2}{4}}", answer="\\frac{1}{2}", answer_type="math"),
    ]
    validate_examples(rows, vision=True, where="rows.jsonl")
    validate_examples([GOOD], vision=False, where="rows.jsonl")
    validate_examples([], vision=True, where="rows.jsonl")
    output = capsys.readouterr()
    assert output.out + output.err == ""


def test_missing_image(tmp_path: Path) -> None:
    found = problems([GOOD, replace(GOOD, id="r2", images=[tmp_path / "gone.png"])])
    assert "1 problem in 2 rows" in found
    assert "row 'r2', field 'images[0]'" in found
    assert "found nothing at" in found
    assert "gone.png" in found


def test_truncated_image_is_reported_in_each_row_that_shares_it(picture: Path) -> None:
    picture.write_bytes(picture.read_bytes()[: picture.stat().st_size // 2])
    rows = [replace(GOOD, id=f"r{n}", images=[Image.new("RGB", (1, 1)), picture]) for n in range(3)]
    found = problems(rows)
    assert "3 problems in 3 rows" in found
    assert all(f"row 'r{n}', field 'images[1]'" in found for n in range(3))


def test_images_need_a_vision_tower(picture: Path) -> None:
    found = problems([replace(GOOD, images=[picture])], vision=False)
    assert "row 'good', field 'images': expected [] for a model without a vision tower, found 1 image" in found


@pytest.mark.parametrize(
    ("solution", "ending"),
    [
        pytest.param("4 + 8. Answer: 13", "found '13' at its end", id="wrong"),
        pytest.param("Answer: 12. Or rather: the answer is 13", "found '13' at its end", id="last-counts"),
        pytest.param("4 and 8 make a dozen", "found no recognisable final answer", id="none"),
        pytest.param("Answer: 12 or 13", "found '12 or 13' at its end", id="doubtful"),
    ],
)
def test_reference_must_pass_its_own_verifier(solution: str, ending: str) -> None:
    found = problems([replace(GOOD, solution=solution)])
    assert "row 'good', field 'solution': expected the final answer '12' (number)" in found
    assert ending in found


def test_empty_solution_is_one_problem() -> None:
    found = problems([replace(GOOD, solution=" ")])
    assert "1 problem in 1 rows" in found
    assert "found an empty string" in found


def test_the_first_ten_problems_are_listed_and_all_are_counted() -> None:
    rows = [replace(GOOD, id=f"r{n}", answer=str(n)) for n in range(15)]  # only r12 states its answer
    found = problems(rows)
    assert "14 problems in 15 rows, the first 10:" in found
    listed = [line.split("'")[1] for line in found.splitlines() if line.startswith("  row ")]
    assert listed == [f"r{n}" for n in range(10)]


@pytest.mark.parametrize(("rows", "progress", "shown"), [(4, True, True), (3, True, False), (4, False, False)])
def test_progress_only_for_long_datasets(
    monkeypatch: pytest.MonkeyPatch, rows: int, progress: bool, shown: bool
) -> None:
    monkeypatch.setattr(validation, "PROGRESS_ROWS", 3)
    calls: list[bool] = []

    def spy(*args: object, **kwargs: object) -> object:
        calls.append(bool(kwargs["shown"]))
        return progress_bar(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(validation, "progress_bar", spy)
    validate_examples([GOOD] * rows, vision=True, where="rows.jsonl", progress=progress)
    assert calls == [shown]


def test_shared_images_are_decoded_once(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    monkeypatch.setattr(images, "check_image", lambda handle, where: decoded.append(handle))
    monkeypatch.setattr("os.cpu_count", lambda: 8)  # threads must not meet at one file
    validate_examples([replace(GOOD, images=[picture, picture])] * 50, vision=True, where="rows.jsonl")
    assert decoded == [picture]
