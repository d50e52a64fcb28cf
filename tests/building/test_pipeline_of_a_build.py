"""A build's steps: counted, resumed after a failure without doing anything twice, the same bytes with every run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contextrl.building import pipeline
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, EachStep, Pipeline, Step, UnitsStep, WholeStep


class Numbers(UnitsStep):
    """Two sources of candidates; `fail_at` is how many are given before one fails, once."""

    name = "import"

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at

    def identity(self) -> Mapping[str, Any]:
        return {"sources": ["a", "b"]}

    def units(self) -> list[str]:
        return ["a", "b"]

    def unit(self, name: str, context: Context, start: int) -> Iterator[Candidate | Dropped]:
        for n in range(start, 25):
            if name == "b" and n == self.fail_at:
                raise OSError("the network is gone")
            yield Candidate(f"{name}-{n}", f"{n}?", str(n), "number", "reasoning", name)


class Odd(EachStep):
    """Keeps odd numbers; counts what it has looked at."""

    name = "odd"

    def __init__(self, fail_at: str = "") -> None:
        self.seen: list[str] = []
        self.fail_at = fail_at

    def identity(self) -> Mapping[str, Any]:
        return {"odd": True}

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        for one in candidates:
            if one.id == self.fail_at:
                raise OSError("the server is gone")
            self.seen.append(one.id)
            yield one if int(one.answer) % 2 else Dropped(one.id, "even")


class Shuffled(WholeStep):
    """All of them in an order by seed."""

    name = "shuffled"

    def identity(self) -> Mapping[str, Any]:
        return {}

    def whole(self, candidates: Callable[[], Iterator[Candidate]], context: Context) -> Iterator[Candidate | Dropped]:
        yield from sorted(candidates(), key=lambda one: context.draw("shuffled", one.id))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PART", 10)


def build(folder: Path, *steps: Step, seed: int = 0) -> Pipeline:
    return Pipeline(folder, steps, Context(seed, PictureStore(folder / "pictures")))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_counts_in_and_out_and_why(tmp_path: Path) -> None:
    made = build(tmp_path, Numbers(), Odd(), Shuffled())
    counts = made.run()
    assert [(one.taken, one.given, one.dropped) for one in counts] == [
        (50, 50, {}),
        (50, 24, {"even": 26}),
        (24, 24, {}),
    ]
    assert len({one.id for one in made.outcome()}) == 24


def test_two_builds_with_one_seed_are_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        build(tmp_path / name, Numbers(), Odd(), Shuffled(), seed=seed).run()
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert files(tmp_path / "one") != files(tmp_path / "other")


def test_a_build_goes_on_where_it_failed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="network"):
        build(tmp_path / "a", Numbers(fail_at=17), Odd()).run()
    broken = Odd(fail_at="b-3")
    with pytest.raises(OSError, match="server"):
        build(tmp_path / "a", Numbers(), broken).run()
    again = Odd()
    build(tmp_path / "a", Numbers(), again).run()
    assert len(broken.seen) == 25 + 3  # the last three are of the part that failed
    assert again.seen == [f"b-{n}" for n in range(25)]
    build(tmp_path / "b", Numbers(), Odd()).run()
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_what_is_done_is_not_done_again_and_other_settings_are(tmp_path: Path) -> None:
    build(tmp_path, Numbers(), Odd()).run()
    same, other = Odd(), Odd()
    build(tmp_path, Numbers(), same).run()
    assert same.seen == []
    build(tmp_path, Numbers(), other, seed=1).run()
    assert len(other.seen) == 50


class Noted(Shuffled):
    """Finds something out where it runs."""

    name = "noted"
    found = 0

    def whole(self, candidates: Callable[[], Iterator[Candidate]], context: Context) -> Iterator[Candidate | Dropped]:
        for one in super().whole(candidates, context):
            self.found += 1
            yield one

    def notes(self) -> Mapping[str, Any]:
        return {"found": self.found}


def test_shares_of_several_processes_are_together_the_same_build(tmp_path: Path) -> None:
    """Each process has steps of its own, in any order; what one of them has found out is in the record."""
    counts = build(tmp_path / "one", Numbers(), Odd(), Noted()).run()
    for number in range(3):
        assert build(tmp_path / "shared", Numbers(), Odd(), Noted()).begin(number) is None
        for rank in (2, 0, 1):
            process = build(tmp_path / "shared", Numbers(), Odd(), Noted())
            process.work(number, process.context, rank, 3)
        done = build(tmp_path / "shared", Numbers(), Odd(), Noted()).finish(number)
        assert done == counts[number]
    assert files(tmp_path / "one") == files(tmp_path / "shared")
    assert build(tmp_path / "shared", Numbers(), Odd(), Noted()).begin(2) == counts[2], "it is done"


def test_a_step_that_decides_otherwise_than_before_is_made_again(tmp_path: Path) -> None:
    build(tmp_path, Numbers(), Odd()).run()
    kept, newer = Odd(), Odd()
    build(tmp_path, Numbers(), kept).run()
    assert kept.seen == []
    newer.version = 2
    build(tmp_path, Numbers(), newer).run()
    assert len(newer.seen) == 50
