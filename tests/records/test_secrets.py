"""What is secret, hidden; what only sounds like it, left."""

from __future__ import annotations

import pytest

from contextrl.records.secrets import without_credentials, without_secrets


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
