"""A service that fails costs nothing for good: the same command asks again, and what follows is made anew."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from chat_models import Asked, Reply, chat_model
from made_steps import Turned

from contextrl.building import pipeline
from contextrl.building.asking import Said
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, EachStep, Pipeline, UnitsStep
from contextrl.building.trials import Trial
from contextrl.commands.cli import main


class Numbers(UnitsStep):
    """25 candidates of one source: three parts."""

    name = "import"

    def identity(self) -> Mapping[str, Any]:
        return {}

    def units(self) -> list[str]:
        return ["a"]

    def unit(self, name: str, context: Context, start: int) -> Iterator[Candidate | Dropped]:
        for n in range(start, 25):
            yield Candidate(f"{name}-{n}", f"{n}?", str(n), "number", "reasoning", name)


class Asks(EachStep):
    """Keeps what a service answers, and notes what it does not."""

    name = "asks"

    def __init__(self, down: Iterable[str] = (), refused: Iterable[str] = ()) -> None:
        self.down, self.refused = set(down), set(refused)
        self.seen: list[str] = []
        self._failed = 0

    def identity(self) -> Mapping[str, Any]:
        return {}

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        part = list(candidates)
        self._failed = sum(one.id in self.down for one in part)
        for one in part:
            self.seen.append(one.id)
            yield Dropped(one.id, "no reply") if one.id in self.down | self.refused else one

    def part_notes(self) -> Mapping[str, Any]:
        return {"failed": self._failed} if self._failed else {}


class Looks(EachStep):
    """Keeps all, and counts what it has looked at."""

    name = "looks"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def identity(self) -> Mapping[str, Any]:
        return {}

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        for one in candidates:
            self.seen.append(one.id)
            yield one


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PART", 10)


def build(folder: Path, asks: Asks, looks: Looks) -> list[str]:
    """Ids of the outcome."""
    made = Pipeline(folder, [Numbers(), asks, looks, Turned()], Context(0, PictureStore(folder / "pictures")))
    made.run()
    return [one.id for one in made.outcome()]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_failed_is_asked_again_and_what_follows_of_it_is_made_anew(tmp_path: Path) -> None:
    first = build(tmp_path / "a", Asks(down=["a-3", "a-5"]), Looks())
    again, after = Asks(), Looks()
    second = build(tmp_path / "a", again, after)
    assert len(first) == 23
    assert second == [f"a-{n}" for n in reversed(range(25))]
    assert again.seen == after.seen == [f"a-{n}" for n in range(10)], "the other parts are kept"
    assert build(tmp_path / "b", Asks(), Looks()) == second
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_what_still_fails_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    first = build(tmp_path, Asks(down=["a-12"]), Looks())
    again, after = Asks(down=["a-12"]), Looks()
    assert build(tmp_path, again, after) == first
    assert again.seen == [f"a-{n}" for n in range(10, 20)]
    assert after.seen == []


def test_what_is_refused_is_not_asked_again(tmp_path: Path) -> None:
    first = build(tmp_path, Asks(refused=["a-3"]), Looks())
    again = Asks(refused=["a-3"])
    assert build(tmp_path, again, Looks()) == first
    assert again.seen == []


def test_a_part_that_is_lost_and_made_otherwise_reaches_the_next_steps(tmp_path: Path) -> None:
    """Models need not say the same again: what was made of the old part is no part of the set."""
    build(tmp_path, Asks(), Looks())
    (tmp_path / "steps" / "02-asks" / "part-000-00001.jsonl").unlink()
    after = Looks()
    assert "a-14" not in build(tmp_path, Asks(refused=["a-14"]), after)
    assert after.seen == [f"a-{n}" for n in range(10, 20) if n != 14]


@pytest.mark.parametrize(
    ("trial", "failed"),
    [
        (Trial(Said(None, error="server_error: HTTP 500")), True),
        (Trial(Said(None, error="empty: no content")), True),
        (Trial(Said(None, error="rejected: HTTP 400: too long")), False),
        (Trial(Said(None), status="unscored", error="timeout: 60 s"), True),
        (Trial(Said(None), status="unscored", error="null: no content"), True),
        (Trial(Said(None), status="unscored", error="missing: no verdict in it"), False),
        (Trial(Said(None), status="unscored", error="refusal: I cannot"), False),
        (Trial(Said(None), status="incorrect"), False),
    ],
)
def test_whose_fault_it_is(trial: Trial, failed: bool) -> None:
    assert trial.failed is failed


# ---- the command -----------------------------------------------------------------------------------------------------

RECIPE = """
sources: [{{path: rows.jsonl}}]
references:
  model: {{base_url: {url}, model: m, max_retries: 1}}
  judge: {{kind: rules}}
  samples: 2
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {n} + {n}?", "answer": str(n + n), "images": []} for n in (12, 35)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def run(url: str) -> tuple[int, str]:
        (tmp_path / "recipe.yaml").write_text(RECIPE.format(url=url), encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["contextrl", "data", "build", "recipe.yaml", "--out", "a set"])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return run


class Server:
    """Solves, compares, and fails where it is told to."""

    failing = ""

    def __call__(self, asked: Asked) -> Reply:
        if letters := re.findall("<response ([A-Z])>", asked.text):
            return 500 if self.failing == "comparing" else f"Best: {letters[0]}"
        number = 12 if "12" in asked.text else 35
        return 500 if self.failing == "solving" else f"By way {asked.seed} it is \\boxed{{{2 * number}}}."


@pytest.mark.parametrize(
    ("failing", "code", "said"),
    [
        ("solving", 3, "it removed all of 2 (2 no solution), and 4 requests to its models failed for good"),
        ("comparing", 0, "2 requests to models failed for good (references 2)"),
    ],
)
def test_the_command_says_so_and_asks_again(command: Any, tmp_path: Path, failing: str, code: int, said: str) -> None:
    says = Server()
    with chat_model(says) as model:
        says.failing = failing
        found, text = command(model.url)
        says.failing = ""
        assert (found, said in text) == (code, True), text
        assert "The same command asks" in " ".join(text.split())
        found, text = command(model.url)
    assert (found, "failed" in text) == (0, False)
    assert "contextrl data show '" in text, "a path with a space can be copied"
    manifest = json.loads((tmp_path / "a set" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["rows"] == 2
    assert manifest["steps"][-1]["notes"]["choices"]["chosen_by"] == {"listwise": 2}


def test_a_folder_that_the_locale_cannot_spell(tmp_path: Path) -> None:
    row = {"question": "What is 6 + 6?", "answer": "12", "images": [], "solution": "Six and six make \\boxed{12}."}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text("sources: [{path: rows.jsonl}]\nduplicates: false\n", encoding="utf-8")
    command = [sys.executable, "-m", "contextrl", "data", "build", "recipe.yaml", "--out", "Menge ö"]
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "Menge ö" / "train-00000.parquet").is_file()
