"""A set that is written into the folder of its source is no part of the source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contextrl.commands.data_cli import app


def built(folder: Path, out: str, path: str) -> dict[str, bytes]:
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"sources: [{{path: {path}, name: d}}]\nfilter: false\nduplicates: false\n")
    done = CliRunner().invoke(app, ["build", str(recipe), "--out", str(folder / out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    files = sorted(one for one in (folder / out).iterdir() if one.is_file())
    return {one.name: one.read_bytes() for one in files}


@pytest.mark.parametrize(("out", "path"), [("data/set", "data"), ("sets/r", ".")])
def test_a_build_does_not_read_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = tmp_path / "data" / "train" / "metadata.jsonl" if path == "data" else tmp_path / "train.jsonl"
    rows.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"question": f"What is {n} + 1?", "answer": str(n + 1), "solution": f"Answer: {n + 1}"} for n in range(5)]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = built(tmp_path, out, path)
    assert b'"rows": 5' in first["manifest.json"]
    assert built(tmp_path, out, path) == first
    assert built(tmp_path, out, path) == first
