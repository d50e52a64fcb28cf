"""Keys, options and passwords wherever they stand in a run: hidden when it is written and when it is shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from run_folders import finished_run, recovered, spread, write_run

from contextrl.commands.config import parse_config
from contextrl.commands.hidden import refuse_hidden, written_settings
from contextrl.errors import InputError
from contextrl.records.run_data import read_run
from contextrl.records.run_directory import environment
from contextrl.records.secrets import without_credentials, without_keys, without_secrets, without_secrets_in_words
from contextrl.report.page import build_page

#: Made up, each of the shape that its service gives.
KEYS = [
    "sk-proj-Ab12Cd34Ef56",
    "sk-ant-api03-xyz_123-Q",
    "hf_AbCdEfGhIjKlMnOpQrStUvWxYz12345678",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "github_pat_11ABCDEFG0_abcdefghijklmnop",
    "glpat-abcdefgh_1234567890",
    "xoxb-1234567890-abcdef",
    "AIzaSyA-0123456789_abcdefghijklmnopqrst",
    "gsk_0123456789abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_123",
    "nvapi-abcdefghij_0123456789",
]
HEX = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("train x.yaml --api-key sk-abc --seed 1", "train x.yaml --api-key [hidden] --seed 1"),
        ("--api-key=abc --hf-token 'a b'", "--api-key=[hidden] --hf-token [hidden]"),
        ("--max-tokens 5 --api-key-env OPENAI", "--max-tokens 5 --api-key-env OPENAI"),
        ("HF_TOKENS=a,b next", "HF_TOKENS=[hidden] next"),
        ("HF_TOKENS: [a, b]", "HF_TOKENS: [hidden]"),
        ("tokens: too many", "tokens: too many"),
        ("max_completion_tokens: none", "max_completion_tokens: none"),
        ("wandb:hf_AbC12345678", "wandb:[hidden]"),
        (f"wandb: {HEX}", "wandb: [hidden]"),
        (f"wandb login {HEX}", "wandb login [hidden]"),
        (f"commit {HEX}", f"commit {HEX}"),
        ("wandb: offline", "wandb: offline"),
        ("apiKey: xyz, clientSecret=abc", "apiKey: [hidden], clientSecret=[hidden]"),
        ("token:abc", "token:[hidden]"),
        ("password=ab,cd next", "password=[hidden] next"),
        ('{\\"api_key\\": \\"sk-1\\"}', '{\\"api_key\\": [hidden]}'),
        ("https://me:pa/ss@host/x", "https://[hidden]@host/x"),
        ("http://host:8000/a@b", "http://host:8000/a@b"),
        ("me:pw@host.com/x", "[hidden]@host.com/x"),
        ("git@github.com:a/b", "git@github.com:a/b"),
        ("JUDGE_KEY=abc", "JUDGE_KEY=[hidden]"),
        ("sort_key=step, answer_key: B", "sort_key=step, answer_key: B"),
        ("judge_key: abcdef0123456789abcdef01", "judge_key: [hidden]"),
        ("https://host/x?X-Amz-Signature=abc123&y=2", "https://host/x?X-Amz-Signature=[hidden]&y=2"),
        ("basic arithmetic, bearer of news", "basic arithmetic, bearer of news"),
    ],
)
def test_options_lists_and_addresses(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_known_by_their_shape(key: str) -> None:
    assert without_keys(f"see {key}, please") == "see [hidden], please"
    assert without_secrets({"note": [f"wandb:{key}"], key: 1}) == {"note": ["wandb:[hidden]"], "[hidden]": 1}


@pytest.mark.parametrize(
    "text",
    ["a risk-averse task-oriented agent", "sk-learn", "hf_transfer", "hf_dataset_name", "AKIA", "eyJ", "ghp_", "SG. 5"],
)
def test_words_are_no_keys(text: str) -> None:
    assert without_keys(text) == text


@pytest.mark.parametrize(
    "text",
    ["a" * 50_000, "a:" * 25_000, "-eyJ" * 10_000, "://a" * 10_000, "a='" * 15_000, "\\" * 50_000, "a=,,\\" * 10_000],
    ids=lambda text: text[:5],
)
def test_no_text_is_searched_without_end(text: str) -> None:
    started = time.process_time()
    without_credentials(text)
    assert time.process_time() - started < 30, "seconds, where a search that goes back takes hours"


def test_words_of_a_command_are_hidden_whole() -> None:
    words = ["train", "c.yaml", "--api-key", "a b", "--set", "judge.password=a&b c", "--set", "train.max_tokens=5"]
    words += ["--token", "--resume", "--set", "train.report_to=wandb:hf_AbCdEf1234", "--seed", "1"]
    assert without_secrets_in_words(words) == [
        *("train", "c.yaml", "--api-key", "[hidden]", "--set", "judge.password=[hidden]", "--set"),
        *("train.max_tokens=5", "--token", "--resume", "--set", "train.report_to=wandb:[hidden]", "--seed", "1"),
    ]


def test_numbers_of_tokens_are_no_secrets() -> None:
    counted = {"tokens": {"sampled": 5, "trained": 3}, "judge/tokens": 7.0, "max_tokens": 9, "use_auth": True}
    assert without_secrets(counted) == counted
    assert without_secrets({"hf_tokens": ["a"], "env": [{"name": "HF_TOKEN", "value": "x"}]}) == {
        "hf_tokens": "[hidden]",
        "env": [{"name": "HF_TOKEN", "value": "[hidden]"}],
    }


def test_a_run_is_written_without_its_secrets() -> None:
    command = ["contextrl", "train", "c.yaml", "--set", "train.hub_token=hf_secret", "--api-key", "sk-1"]
    assert environment(0, command)["command"] == [*command[:4], "train.hub_token=[hidden]", "--api-key", "[hidden]"]
    prompt = "Say which token: a word. Basic arithmetic only."
    train = {"hub_token": "hf_secret", "note": "sk-proj-Ab12Cd34", "prompt": prompt, "learning_rate": 1e-4}
    config = parse_config({"train": train})
    written = yaml.safe_load(config.to_yaml())["train"]
    assert written == {"hub_token": "[hidden]", "note": "[hidden]", "prompt": prompt, "learning_rate": 1e-4}
    refuse_hidden(config)
    with pytest.raises(InputError, match=r"train\.hub_token: expected what is secret itself.*--set train\.hub_token="):
        refuse_hidden(parse_config({"train": written}))
    assert written_settings(config) == written_settings(parse_config({"train": written})), "it can be resumed"


def test_a_page_has_no_secrets(tmp_path: Path) -> None:
    """Wherever they stand in a run that another version has written."""
    secrets = [*KEYS[:5], "hunter2", "Zx9-plain-token"]
    key = " and ".join(KEYS[:5])
    group = spread(1, question=f"What is {key}?", source=f"set/{KEYS[0]}", example_id=KEYS[2], solution=key)
    group["attempts"][0]["text"] = f"I say {key}"
    group["attempts"][1]["verdict"] = {**group["attempts"][1]["verdict"], "mistake_report": key, "error": key}
    run = finished_run(
        tmp_path / KEYS[3],
        config={"judge": {"base_url": "https://me:hunter2@host", "note": key}, "x": {"HF_TOKENS": ["Zx9-plain-token"]}},
        groups=[group, recovered(2)],
        environment={
            "command": ["contextrl", "--api-key", "Zx9-plain-token", "--set", f"a={KEYS[4]}"],
            "platform": f"HF_TOKEN=Zx9-plain-token {key}",
            "packages": {"trl": KEYS[1]},
        },
    )
    html = build_page([read_run(run)]).html
    assert "[hidden]" in html
    assert [secret for secret in secrets if secret in html] == []


def test_a_run_without_secrets_shows_everything(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", config={"train": {"max_completion_length": 64, "eos_token": "<end>"}}))
    assert run.config["train"] == {"max_completion_length": 64, "eos_token": "<end>"}
    assert "[hidden]" not in build_page([run]).html
