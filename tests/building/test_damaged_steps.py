"""What has been damaged of a step is made again: a build never goes on from half of a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from made_steps import Turned

from contextrl.building import pipeline
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, EachStep, Pipeline, UnitsStep
from contextrl.errors import InputError

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "half": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "junk": lambda data: b"\xff{" + data[:10],
    "gone": lambda _: None,
}


class Numbers(UnitsStep):
    """Two sources, three parts each, the second number of each part dropped."""

    name = "import"

    def identity(self) -> Mapping[str, Any]:
        return {}

    def units(self) -> list[str]:
        return ["a", "b"]

    def unit(self, name: str, context: Context, start: int) -> Iterator[Candidate | Dropped]:
        for n in range(start, 25):
            one = Candidate(f"{name}-{n}", f"{n}?", str(n), "number", "reasoning", name)
            yield Dropped(one.id, "second") if n % 10 == 1 else one


class Even(EachStep):
    """Takes odd numbers out; notes how many it saw."""

    name = "even"
    seen = 0

    def identity(self) -> Mapping[str, Any]:
        return {}

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        self.seen = 0
        for one in candidates:
            self.seen += 1
            yield Dropped(one.id, "odd") if int(one.answer) % 2 else one

    def part_notes(self) -> Mapping[str, Any]:
        return {"seen": self.seen}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PART", 10)


def build(folder: Path) -> Pipeline:
    return Pipeline(folder, [Numbers(), Even(), Turned()], Context(0, PictureStore(folder / "pictures")))


def files(folder: Path) -> dict[str, bytes]:
    """All but marks: what is read once a step is done."""
    paths = [*folder.rglob("*-*.json*"), *folder.rglob("done.json")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}


def damaged(path: Path, how: str) -> None:
    data = DAMAGES[how](path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("done", [True, False], ids=["done", "under-way"])
def test_any_file_of_any_step(tmp_path: Path, how: str, done: bool) -> None:
    build(tmp_path / "whole").run()
    expected = files(tmp_path / "whole")
    steps = sorted((tmp_path / "whole" / "steps").iterdir())
    for number, step in enumerate(steps):
        for path in sorted(step.iterdir()):
            # That a part noted something is told by the record of a step that is done, and by nothing else.
            if not done and (path.name == "done.json" or (how == "gone" and path.name.startswith("notes-"))):
                continue
            copy = tmp_path / "copy"
            shutil.copytree(tmp_path / "whole", copy)
            damaged(copy / path.relative_to(tmp_path / "whole"), how)
            if not done:
                (copy / "steps" / step.name / "done.json").unlink()
                for later in steps[number + 1 :]:
                    shutil.rmtree(copy / "steps" / later.name)
            build(copy).run()
            assert files(copy) == expected, (path, how)
            shutil.rmtree(copy)


def test_where_nobody_begins_anew_damage_is_told(tmp_path: Path) -> None:
    """Datatrove passes over what it has done once."""
    build(tmp_path).run()
    damaged(tmp_path / "steps" / "02-even" / "part-000-00000.jsonl", "half")
    assert build(tmp_path).done(1) is None
    with pytest.raises(InputError, match="gone or changed"):
        build(tmp_path).finish(1)
