"""Options of a question and the label that names one: letters are told from words that begin with one."""

from __future__ import annotations

import pytest

from contextrl.building.sources.options import is_two, letter_of, options_in, with_options

FOUR = ["One", "Two", "Three", "Four"]


@pytest.mark.parametrize(
    ("label", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        (" D ", "D"),
        ("[B]", "B"),
        ("(B)", "B"),
        ("B)", "B"),
        ("B.", "B"),
        ("['B']", "B"),
        ('"C"', "C"),
        ("B. Two", "B"),
        ("B: Two", "B"),
        ("B) two.", "B"),
        ("[B] Two", "B"),
        ("B - Two", "B"),
        ("Option B", "B"),
        ("Answer: D", "D"),
        ("Three", "C"),
        ("three.", "C"),
        ("C) Three of these", "C"),
    ],
)
def test_a_label_names_an_option(label: str, letter: str) -> None:
    assert letter_of(label, FOUR) == letter


@pytest.mark.parametrize(
    "label",
    [
        *("", "-", "E", "e", "Five", "A decrease in temperature", "A-level", "Apples", "D.O.", "none of the above"),
        *("AB", "A, B", "A) and C)", "A or B", "B) Three", "I think so"),
    ],
)
def test_a_label_that_names_none_or_several(label: str) -> None:
    assert letter_of(label, FOUR) is None


def test_texts_come_before_letters() -> None:
    assert letter_of("A", ["C", "A"]) is None, "a letter and the text of another"
    assert is_two("A", ["C", "A"])
    assert (letter_of("C", ["C", "A"]), letter_of("A", ["A", "B"])) == ("A", "A")
    assert letter_of("D", ["c", "d", "a", "b"]) == "D"
    assert (letter_of("C", ["A) b", "B) C", "C) a"]), letter_of("c", ["A) b", "B) c", "C) a"])) == ("C", "B")
    assert letter_of("A decrease", ["An increase", "A decrease"]) == "B"
    assert letter_of("B) Two", ["A) One", "B) Two"]) == "B"
    assert letter_of("Same", ["Same", "Same"]) is None


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (["One", " Two "], ["One", "Two"]),
        (["A) One", "-", "B) Two"], ["A) One", "B) Two"]),
        (["### Figure 2", "One", "Two", "", "---"], ["One", "Two"]),
        (["A) One", "B) Two", "Both"], ["A) One", "B) Two", "Both"]),
        (["A. niger", "yeast"], ["A. niger", "yeast"]),
        # Nobody knows whether B is the one or the other.
        (["+", "-", "0"], None),
        (["A) One", "C) Two"], None),
        (["B) One", "A) Two"], None),
        (["One"], None),
        (["One", "-"], None),
        ([], None),
        (["One", 2], None),
        (["One", None], None),
        ([f"option {n}" for n in range(11)], None),
    ],
)
def test_what_is_no_option_is_left_out(values: list[object], options: list[str] | None) -> None:
    assert options_in(values) == options


@pytest.mark.parametrize(
    ("options", "below"),
    [
        (["red", "blue"], "A. red\nB. blue"),
        (["A. red", "(B) blue"], "A. red\n(B) blue"),
        (["A) One", "B) Two", "Both"], "A) One\nB) Two\nC. Both"),
        (["Apple", "Banana"], "A. Apple\nB. Banana"),
        (["A. niger", "yeast"], "A. A. niger\nB. yeast"),
        (["0.5", "A.1"], "A. 0.5\nB. A.1"),
    ],
)
def test_options_have_letters_once(options: list[str], below: str) -> None:
    assert with_options("Which? ", options) == f"Which?\n{below}"
