"""YAML from outside: plain data, no bombs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from contextrl.commands.config import load_config
from contextrl.errors import InputError
from contextrl.records.run_data import read_run
from contextrl.records.run_directory import RunDirectory
from contextrl.records.yaml_files import parse_yaml


def bomb(levels: int = 9, width: int = 9) -> str:
    lines = ["a0: &a0 [x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


MAPPINGS = "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{l: *a{n - 1}, r: *a{n - 1}}}" for n in range(1, 40))])
BOMBS = {
    "lists": bomb(),
    "mappings": MAPPINGS,
    "wide": "a: &a [" + "x, " * 1000 + "x]\nb: [" + "*a, " * 1000 + "*a]",
    "itself": "a: &a [*a]",
    "itself-through-another": "a: &a {b: &b [*a]}",
    "deep": "[" * 5000 + "]" * 5000,
    "fifty-levels": "{a: " * 60 + "1" + "}" * 60,
    "levels-of-aliases": "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60)),
    "hexadecimal": "seed: 0x" + "f" * 20_000,
    "base-60": "seed: 1" + ":59" * 8_000,
    "digits": "seed: " + "1" * 5_000,
    "no-date": "seed: 2024-13-45",
    "no-time": "a: 2001-01-01T25:61:61",
    "no-number": "a: !!int 0x",
    "unhashable": "? [a]\n: b",
    "long": "# " + "x" * 2_000_000,
    "merge": "a: &a {x: 1}\nb: &b {<<: [" + ", ".join(["*a"] * 60_000) + "]}",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_at_once(text: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"config\.yaml"):
        load_config(path)
    with pytest.raises(InputError, match=r"config\.yaml"):
        read_run(tmp_path)
    with pytest.raises(InputError, match=r"config\.yaml"):
        RunDirectory(tmp_path).settings()
    assert time.monotonic() - started < 60, "billions of nodes would take hours"


def test_aliases_that_spare_writing_are_read() -> None:
    text = "a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, y: 3}"
    assert (
        parse_yaml(text) == yaml.safe_load(text) == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}, "c": {"x": [1, 2], "y": 3}}
    )


@pytest.mark.parametrize("text", ["", "# nothing", "1", "a: 1e-4", "[]", "a: 2026-01-01"])
def test_plain_documents_are_read_as_pyyaml_reads_them(text: str) -> None:
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system [id]", "a: 1\n---\nb: 2", "a: [", "\x07"])
def test_what_is_no_plain_document_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)
