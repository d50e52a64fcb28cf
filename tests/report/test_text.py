"""Text from outside, made visible."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrl.report.text import normalised, steps_of, visible, visible_tree


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 7 − 6 = 1 and 数字", "plain text, 7 − 6 = 1 and 数字"),
        ("a\u202eb", "a[U+202E]b"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("\x1b[31mred", "[U+001B][31mred"),
        ("line\nand\ttab stay", "line\nand\ttab stay"),
        ("end\u2028of line", "end[U+2028]of line"),
        ("🏳️‍🌈 stays", "🏳️‍🌈 stays"),
        ("\x00", "[U+0000]"),
        ("<b>", "<b>"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_has_no_look_is_shown_by_number(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_unseen_is_left(text: str) -> None:
    left = {unicodedata.category(character) for character in visible(text) if character not in "\n\t\u200c\u200d"}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def test_every_text_of_a_tree() -> None:
    tree = {"a\u202e": ["b\u202e", 1, None, {"c": "\u202e"}]}
    assert visible_tree(tree) == {"a[U+202E]": ["b[U+202E]", 1, None, {"c": "[U+202E]"}]}


def test_steps() -> None:
    assert steps_of("Digits: 7, 6. Sum: 3.5 + 1 = 4.5.\nAnswer: 4.5") == [
        "Digits: 7, 6.",
        "Sum: 3.5 + 1 = 4.5.",
        "Answer: 4.5",
    ]
    assert normalised("  Digits:  7, 6. ") == normalised("digits: 7, 6")
