"""What every run of a user can use again: built once, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.user_cache import build_once, cache_folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONTEXTRL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(folder: Path) -> None:
    (folder / "weights").write_text("whole")
    (folder / "recipe.json").write_text("ours")


def refuse(_: Path) -> None:
    raise AssertionError("built again")


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CONTEXTRL_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("CONTEXTRL_CACHE")
    assert cache_folder() == tmp_path / "contextrl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "contextrl"


def test_a_second_call_does_not_build_again(cache: Path) -> None:
    built = build_once("one", "recipe.json", build)
    assert build_once("one", "recipe.json", refuse) == built
    assert [path.name for path in cache.iterdir()] == [built.name], "nothing is left of the building"
    with pytest.raises(AssertionError, match="built again"):
        build_once("another", "recipe.json", refuse)


def test_a_half_built_folder_is_not_used(cache: Path) -> None:
    half = cache / "one"
    half.mkdir(parents=True)
    (half / "weights").write_text("half")
    built = build_once("one", "recipe.json", build)
    assert built == half
    assert (built / "weights").read_text() == "whole"
    assert (built / "recipe.json").exists()


def test_a_build_that_fails_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once("one", "recipe.json", fail)
    assert list(cache.iterdir()) == []


def test_another_process_that_finished_first_wins(cache: Path) -> None:
    target = cache / "one"

    def slow(folder: Path) -> None:
        build(folder)
        target.mkdir()
        (target / "recipe.json").write_text("theirs")

    assert build_once("one", "recipe.json", slow) == target
    assert (target / "recipe.json").read_text() == "theirs"
