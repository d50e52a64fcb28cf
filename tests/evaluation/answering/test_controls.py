"""What the controls leave of a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from test_server_model import turned
from toy_benchmark import Toy, picture

from contextrl.data.images import open_image
from contextrl.errors import InputError
from contextrl.evaluation.answering.controls import CONTROLS, control_named, controlled
from contextrl.evaluation.answering.questions import questions
from contextrl.evaluation.benchmarks.items import Item

TOY = Toy()


def item(name: int, shade: int | None = None, cluster: str = "") -> Item:
    images = () if shade is None else (picture(shade),)
    return Item(str(name), {"question": f"number {name}?", "options": "(A)"}, images, cluster)


def shades(items: Iterator[Item]) -> dict[str, list[int]]:
    return {i.id: [open_image(handle).getpixel((0, 0))[0] for handle in i.images] for i in items}  # type: ignore[index]


def test_names_are_checked() -> None:
    assert [control_named(name) for name in CONTROLS] == ["blank-image", "shuffled-image", "no-question"]
    with pytest.raises(
        InputError, match="one of blank-image, shuffled-image, no-question, found blank-images, did you"
    ):
        control_named("blank-images")
    with pytest.raises(InputError, match="an empty name"):
        control_named("")


def test_without_question_the_options_stay() -> None:
    [question] = questions(controlled([item(1, 5)], "no-question", TOY), TOY, "official")
    assert question.prompt == "official:  (A)"
    assert len(question.images) == 1


def test_blank_pictures_have_the_size_and_are_mid_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (50, 20), (255, 0, 0)).save(path)
    images = (picture(9, (7, 5)), path, turned(), Image.new("RGB", (3, 2)))
    [blank] = controlled([Item("1", {"question": "q"}, images)], "blank-image", TOY)
    assert [open_image(handle).size for handle in blank.images] == [(7, 5), (50, 20), (30, 40), (3, 2)]
    colours = [open_image(handle).getcolors() for handle in blank.images]
    assert colours == [[(7 * 5, (128,) * 3)], [(50 * 20, (128,) * 3)], [(30 * 40, (128,) * 3)], [(3 * 2, (128,) * 3)]]


def test_shuffled_pictures_are_another_ones_and_always_the_same() -> None:
    items = [item(n, n) for n in range(200)]
    first = shades(controlled(items, "shuffled-image", TOY, seed=1))
    assert all(len(shown) == 1 and shown != [int(name)] for name, shown in first.items())
    assert list(first) == [str(n) for n in range(200)]
    assert first == shades(controlled(items, "shuffled-image", TOY, seed=1))
    assert first != shades(controlled(items, "shuffled-image", TOY, seed=2))
    # Not one neighbour's every time.
    assert len(Counter(shown[0] - int(name) for name, shown in first.items())) > 20


def test_questions_of_one_picture_get_another_one() -> None:
    """Five in a row show the same picture, as MathVerse's versions do."""
    found = shades(controlled([item(n, n // 5) for n in range(100)], "shuffled-image", TOY))
    assert all(shown != [int(name) // 5] for name, shown in found.items())


def test_another_cluster_is_preferred() -> None:
    """Pictures all differ; clusters of ten in a row."""
    found = shades(controlled([item(n, n, f"c{n // 10}") for n in range(100)], "shuffled-image", TOY))
    assert all(shown[0] // 10 != int(name) // 10 for name, shown in found.items())
    one = shades(controlled([item(n, n, "c") for n in range(3)], "shuffled-image", TOY))
    assert all(shown != [int(name)] for name, shown in one.items())


def test_a_different_picture_far_away_is_found() -> None:
    items = [item(n, 1) for n in range(150)] + [item(150, 2)]
    found = shades(controlled(items, "shuffled-image", TOY))
    assert {tuple(found[str(n)]) for n in range(150)} == {(2,)}
    assert found["150"] == [1]


def test_the_same_pictures_everywhere_cannot_be_shuffled() -> None:
    with pytest.raises(InputError, match="the same ones everywhere"):
        list(controlled([item(n, 1) for n in range(5)], "shuffled-image", TOY))


def test_questions_without_pictures_and_sick_ones_stay(tmp_path: Path) -> None:
    broken = Item("b", {"question": "q"}, (tmp_path / "none.png",))
    items = [item(1, 1), item(2), broken, item(3, 3)]
    for control in ("shuffled-image", "blank-image"):
        found = {i.id: i.images for i in controlled(items, control_named(control), TOY)}
        assert (found["2"], found["b"]) == ((), broken.images)
        assert len(found["1"]) == len(found["3"]) == 1


@pytest.mark.parametrize("control", CONTROLS)
def test_only_a_window_of_questions_is_in_memory(control: str) -> None:
    pulled = 0

    def items() -> Iterator[Item]:
        nonlocal pulled
        for number in range(1000):
            pulled += 1
            yield item(number, number % 250)

    changed = controlled(items(), control_named(control), TOY)
    for _ in range(100):
        next(changed)
    assert pulled <= 100 + 33


def test_a_limit_afterwards_does_not_change_what_is_shown() -> None:
    items = [item(n, n) for n in range(200)]
    whole = shades(controlled(items, "shuffled-image", TOY))
    stream = controlled(iter(items), "shuffled-image", TOY)
    assert shades(next(stream) for _ in range(20)) == {str(n): whole[str(n)] for n in range(20)}
