"""The sets of the study of the paper's recipe: both of one size, through servers that are up while they are built."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from contextrl.commands.reproduction.artifacts import Work
from contextrl.commands.reproduction.studies import STUDIES
from contextrl.commands.reproduction.studies import recipe as recipe_study
from contextrl.commands.shipped_configs import CONFIGS


class Building:
    """Stands for the command and for servers: a build takes 40 rows unless a group says how many."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.up: list[str] = []

    @contextmanager
    def served(self, model: str) -> Iterator[str]:
        self.up.append(model)
        yield f"http://{Path(model).name}"
        self.up.remove(model)

    def __call__(self, arguments: Sequence[str]) -> None:
        self.calls.append(list(arguments))
        if arguments[:2] == ["data", "build"]:
            assert len(self.up) == 2
            out = Path(arguments[arguments.index("--out") + 1])
            out.mkdir()
            (out / "manifest.json").write_text(json.dumps({"rows": 40}))


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int | None) -> Building:
    building = Building()
    monkeypatch.setattr(recipe_study, "served", building.served)
    (artifact,) = STUDIES["recipe"].artifacts
    artifact.make(Work(tmp_path / "sets", 0, building, lambda name: tmp_path / name, CONFIGS / "miniature", steps))
    return building


def test_both_sets_have_as_many_rows_and_only_one_is_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    building = made(tmp_path, monkeypatch, None)
    questions, built, plain = building.calls
    assert questions[:2] == ["miniature", "questions"]
    assert Path(built[2]).is_file()
    assert "difficulty.policy.base_url=http://miniature" in built
    assert {"difficulty=false", "balance.by=[]", "balance.groups=[{name: all, rows: 40}]"} <= set(plain)
    for call in (built, plain):
        assert "references.model.base_url=http://reference-model" in call
    assert building.up == []
    arms = {arm.name: arm for arm in STUDIES["recipe"].arms}
    for name, folder in (("recipe-balanced", "balanced"), ("recipe-unfiltered", "unfiltered")):
        assert arms[name].overrides[0].endswith(f"/{folder}")
        assert (tmp_path / "sets" / folder).is_dir()


def test_a_look_makes_no_larger_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    building = made(tmp_path, monkeypatch, 20)
    assert "references.model.base_url=http://miniature" in building.calls[1]
    assert building.calls[0][-1] == "400"
