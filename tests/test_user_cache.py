"""What every run of a user can use again: built once, whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contextrl import user_cache
from contextrl.errors import DiskError, InputError
from contextrl.user_cache import build_once, cache_folder, remove_killed_builds


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


# ---- builds that are killed, and builds that are not -------------------------------------------------------------


@pytest.fixture
def builder(cache: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a build."""
    code = """
import sys
from contextrl.user_cache import build_once
def build(folder):
    (folder / "weights").write_text("half")
    print("building", flush=True)
    sys.stdin.readline()
    (folder / "recipe.json").write_text("theirs")
build_once("one", "recipe.json", build)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        yield process
        process.kill()


def building(cache: Path) -> list[Path]:
    return list(cache.glob("building-*"))


def test_what_a_killed_build_left_is_removed(cache: Path, builder: subprocess.Popen[str]) -> None:
    builder.kill()
    builder.wait()
    assert len(building(cache)) == 1
    build_once("another", "recipe.json", build)
    assert building(cache) == []


def test_also_where_nothing_is_left_to_build(cache: Path) -> None:
    build_once("one", "recipe.json", build)
    (cache / "building-0ld" / "one").mkdir(parents=True)
    build_once("one", "recipe.json", refuse)
    assert [path.name for path in cache.iterdir()] == ["one"]


def test_a_build_that_is_alive_is_left_alone(cache: Path, builder: subprocess.Popen[str]) -> None:
    remove_killed_builds(cache)
    build_once("another", "recipe.json", build)
    assert len(building(cache)) == 1
    builder.communicate("go on\n", timeout=60)
    assert builder.returncode == 0
    assert (cache / "one" / "recipe.json").read_text() == "theirs"
    assert building(cache) == []


@pytest.mark.parametrize(("age", "gone"), [(3600.0, False), (25 * 3600.0, True)])
def test_without_locks_age_decides(cache: Path, monkeypatch: pytest.MonkeyPatch, age: float, gone: bool) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(user_cache.fcntl, "flock", no_locks)
    folder = cache / "building-0ld"
    folder.mkdir(parents=True)
    then = folder.stat().st_mtime - age
    os.utime(folder, (then, then))
    remove_killed_builds(cache)
    assert folder.exists() != gone
    assert build_once("one", "recipe.json", build).is_dir()


def test_only_folders_of_builds_are_removed(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    cache.mkdir()
    (cache / "building-notes").write_text("a file")
    (cache / "building-link").symlink_to(tmp_path / "mine")
    (cache / "rebuilding-x").mkdir()
    remove_killed_builds(cache)
    assert {path.name for path in cache.iterdir()} == {"building-notes", "building-link", "rebuilding-x"}
    assert (tmp_path / "mine").is_dir()
    remove_killed_builds(tmp_path / "no cache")


# ---- disk trouble ------------------------------------------------------------------------------------------------


def test_a_cache_that_fills_up_while_it_is_built(cache: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskError, match=r"no space left.*set CONTEXTRL_CACHE"):
        build_once("one", "recipe.json", fill)
    assert list(cache.iterdir()) == []


def test_a_file_in_the_caches_place(cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(DiskError, match=r"CONTEXTRL_CACHE"):
        build_once("one", "recipe.json", refuse)


def test_other_errors_of_a_build_are_its_own(cache: Path) -> None:
    def fail(_: Path) -> None:
        raise ValueError("the recipe is wrong")

    with pytest.raises(ValueError, match="the recipe is wrong"):
        build_once("one", "recipe.json", fail)
    assert list(cache.iterdir()) == []


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CONTEXTRL_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="CONTEXTRL_CACHE"):
        cache_folder()
