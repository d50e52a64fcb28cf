"""Text from outside, made visible; secrets, hidden."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrl.report.text import normalised, steps_of, visible, visible_tree, without_credentials, without_secrets


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--set judge.base_url=https://me:hunter2@host/v1", "--set judge.base_url=https://[hidden]@host/v1"),
        ("api_key: sk-123", "api_key: [hidden]"),
        ("HF_TOKEN=hf_abc contextrl", "HF_TOKEN=[hidden] contextrl"),
        ("judge.api_key_env=JUDGE_KEY", "judge.api_key_env=JUDGE_KEY"),
        ("max_tokens: 2048", "max_tokens: 2048"),
        ("mail me@host", "mail me@host"),
        ('--set judge.sampling.extra={"api_key": "sk-1"}', '--set judge.sampling.extra={"api_key": [hidden]}'),
        ("Authorization: Bearer sk-1", "Authorization: [hidden] [hidden]"),
        ("curl -H 'X: Basic c2s='", "curl -H 'X: Basic [hidden]'"),
        ("http://host/v1?key=sk-1&n=2", "http://host/v1?key=[hidden]&n=2"),
        ("hub_token: 'a b c'", "hub_token: [hidden]"),
        ("train.eos_token=<end>", "train.eos_token=<end>"),
        ("digits: 7, 6", "digits: 7, 6"),
    ],
)
def test_secrets_are_hidden_and_settings_are_not(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_nothing_stands_under_a_secret_name() -> None:
    tree = {
        "judge": {"base_url": "https://a:b@host", "extra": {"api_key": "sk", "top_k": 3}, "api_key_env": "KEY"},
        "train": {"hub_token": "hf", "max_tokens": 5, "hub_private_token": None, "monkey": 1},
        "sft": {"eos_token": "<|im_end|>", "sort_key": "step"},
        "list": [{"Authorization": ["Bearer", "x"]}],
    }
    assert without_secrets(tree) == {
        "judge": {
            "base_url": "https://[hidden]@host",
            "extra": {"api_key": "[hidden]", "top_k": 3},
            "api_key_env": "KEY",
        },
        "train": {"hub_token": "[hidden]", "max_tokens": 5, "hub_private_token": None, "monkey": 1},
        "sft": {"eos_token": "<|im_end|>", "sort_key": "step"},
        "list": [{"Authorization": "[hidden]"}],
    }


def test_steps() -> None:
    assert steps_of("Digits: 7, 6. Sum: 3.5 + 1 = 4.5.\nAnswer: 4.5") == [
        "Digits: 7, 6.",
        "Sum: 3.5 + 1 = 4.5.",
        "Answer: 4.5",
    ]
    assert normalised("  Digits:  7, 6. ") == normalised("digits: 7, 6")
