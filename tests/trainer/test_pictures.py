"""Pictures of groups: how many, how large, and never in the training's time."""

from __future__ import annotations

import errno
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rollout_fakes import group

from contextrl.records.example import ImageHandle
from contextrl.rollout.groups import Group
from contextrl.trainer import picture_writer
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.picture_writer import PictureWriter
from contextrl.trainer.settings import RecordSettings


def shown(*images: ImageHandle, outcomes: str = "+-") -> Group:
    """A group whose question has these pictures."""
    one = group(outcomes)
    one.example = replace(one.example, images=images)
    return one


def plain(shade: int, side: int = 8) -> Image.Image:
    return Image.new("RGB", (side, side), (shade, 0, 0))


def recorded(folder: Path) -> list[list[str]]:
    """The pictures that each record names."""
    return [json.loads(line)["images"] for line in (folder / "groups.jsonl").read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> list[str]:
    return sorted(f"images/{path.name}" for path in (folder / "images").iterdir())


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Opening a picture waits for the event."""
    go = threading.Event()

    def open_image(*_: Any) -> Image.Image:
        assert go.wait(60)
        return plain(1)

    monkeypatch.setattr(picture_writer, "open_image", open_image)
    yield go
    go.set()


# ---- in whose time -----------------------------------------------------------------------------------------------


def test_a_step_does_not_wait_for_its_pictures(tmp_path: Path, slow: threading.Event) -> None:
    recorder = GroupRecorder(tmp_path)
    recorder.write(1, [shown(plain(0))], {})
    (named,) = recorded(tmp_path)
    assert files(tmp_path) == []
    slow.set()
    recorder.drain()
    assert files(tmp_path) == named


def test_a_picture_is_encoded_in_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    save = Image.Image.save

    def watched(self: Image.Image, *args: Any, **kwargs: Any) -> None:
        threads.append(threading.current_thread())
        save(self, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "save", watched)
    recorder = GroupRecorder(tmp_path)
    recorder.write(1, [shown(plain(0), plain(1))], {})
    recorder.drain()
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_names_are_found_without_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: threading.Event
) -> None:
    plain(3).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    GroupRecorder(tmp_path / "run").write(1, [shown(tmp_path / "a.png")], {})
    assert len(recorded(tmp_path / "run")[0]) == 1
    assert not slow.is_set()


def test_where_pictures_come_too_fast_groups_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither does the training wait nor is a picture named that will never be there."""
    monkeypatch.setattr(picture_writer, "ROOM", 2)
    recorder = GroupRecorder(tmp_path, settings=RecordSettings(images=None))
    recorder.write(1, [shown(plain(shade)) for shade in range(9)], {})
    slow.set()
    recorder.drain()
    named = [name for names in recorded(tmp_path) for name in names]
    assert 2 <= len(named) <= 3
    assert files(tmp_path) == sorted(named)
    assert ["faster than pictures" in message for message in caplog.messages] == [True]


def test_an_early_end_does_not_wait_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: threading.Event
) -> None:
    monkeypatch.setattr("contextrl.trainer.group_recorder._LAST_WAIT", 0.01)
    recorder = GroupRecorder(tmp_path)
    recorder.write(1, [shown(plain(0))], {})
    recorder.abandon()
    assert not slow.is_set()


# ---- how many ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "last", "steps", "kept"),
    [
        pytest.param(2000, 0, 4, [1, 1, 1, 1], id="plenty"),
        pytest.param(None, 0, 4, [1, 1, 1, 1], id="all"),
        pytest.param(0, 0, 4, [0, 0, 0, 0], id="none"),
        pytest.param(2, 0, 4, [1, 1, 0, 0], id="the-first-ones-where-the-end-is-unknown"),
        # Of two in four steps, one in each half: half a picture a step, rounded up.
        pytest.param(2, 4, 4, [1, 0, 1, 0], id="spread-over-the-run"),
        pytest.param(4, 4, 4, [1, 1, 1, 1], id="one-a-step"),
    ],
)
def test_how_many(tmp_path: Path, images: int | None, last: int, steps: int, kept: list[int]) -> None:
    recorder = GroupRecorder(tmp_path, settings=RecordSettings(images=images), last_step=lambda: last)
    for step in range(1, steps + 1):
        recorder.write(step, [shown(plain(step))], {})
    recorder.drain()
    named = recorded(tmp_path)
    assert [len(names) for names in named] == kept
    assert files(tmp_path) == sorted(name for names in named for name in names)


def test_all_pictures_of_a_question_or_none(tmp_path: Path) -> None:
    recorder = GroupRecorder(tmp_path, settings=RecordSettings(images=3))
    recorder.write(1, [shown(plain(0), plain(1)), shown(plain(2), plain(3)), shown(plain(4))], {})
    assert [len(names) for names in recorded(tmp_path)] == [2, 0, 1]


def test_what_stage_2_tried_comes_first(tmp_path: Path) -> None:
    recorder = GroupRecorder(tmp_path, settings=RecordSettings(images=1))
    recorder.write(1, [shown(plain(0), outcomes="++"), shown(plain(1), outcomes="--")], {})
    assert [len(names) for names in recorded(tmp_path)] == [0, 1]


def test_a_picture_is_kept_once_whoever_shows_it(tmp_path: Path) -> None:
    plain(7).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    recorder = GroupRecorder(tmp_path / "run", settings=RecordSettings(images=1))
    for step, image in enumerate((tmp_path / "a.png", tmp_path / "b.png", tmp_path / "a.png"), start=1):
        recorder.write(step, [shown(image)], {})
    recorder.drain()
    again = GroupRecorder(tmp_path / "run", settings=RecordSettings(images=1))
    again.write(4, [shown(tmp_path / "a.png")], {})
    assert len(files(tmp_path / "run")) == 1
    assert recorded(tmp_path / "run") == [files(tmp_path / "run")] * 4


def test_processes_share_the_number(tmp_path: Path) -> None:
    settings = RecordSettings(images=4)
    for index, recorder in enumerate([GroupRecorder(tmp_path, n, settings=settings, processes=2) for n in (0, 1)]):
        recorder.write(1, [shown(plain(10 * index + n)) for n in range(4)], {})
        recorder.drain()
        assert len(files(tmp_path)) == 2 * (index + 1)


def test_two_palettes_are_two_pictures(tmp_path: Path) -> None:
    red, blue = Image.new("P", (4, 4)), Image.new("P", (4, 4))
    red.putpalette([255, 0, 0] * 256)
    blue.putpalette([0, 0, 255] * 256)
    recorder = GroupRecorder(tmp_path)
    recorder.write(1, [shown(red), shown(blue)], {})
    recorder.drain()
    first, second = (Image.open(tmp_path / name).getpixel((0, 0)) for (name,) in recorded(tmp_path))
    assert (first, second) == ((255, 0, 0), (0, 0, 255))


# ---- how large ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "stored"), [((100, 40), (50, 20)), ((50, 10), (50, 10)), ((7, 200), (2, 50))])
def test_how_large(tmp_path: Path, size: tuple[int, int], stored: tuple[int, int]) -> None:
    recorder = GroupRecorder(tmp_path, settings=RecordSettings(max_side=50))
    recorder.write(1, [shown(Image.new("RGB", size))], {})
    recorder.drain()
    assert Image.open(tmp_path / files(tmp_path)[0]).size == stored


def test_photographs_stay_jpeg(tmp_path: Path) -> None:
    plain(9).save(tmp_path / "photo.jpeg", format="JPEG")
    plain(9).save(tmp_path / "screen.bmp")
    recorder = GroupRecorder(tmp_path / "run")
    recorder.write(1, [shown(tmp_path / "photo.jpeg", tmp_path / "screen.bmp")], {})
    recorder.drain()
    formats = [Image.open(tmp_path / "run" / name).format for name in recorded(tmp_path / "run")[0]]
    assert formats == ["JPEG", "PNG"]
    assert [Path(name).suffix for name in recorded(tmp_path / "run")[0]] == [".jpg", ".png"]


# ---- trouble -----------------------------------------------------------------------------------------------------


def test_a_picture_that_is_gone_costs_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain(1).save(tmp_path / "a.png")
    plain(2).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:40])
    recorder = GroupRecorder(tmp_path / "run")
    recorder.write(1, [shown(tmp_path / name) for name in ("gone.png", "cut.png", "a.png")], {})
    recorder.drain()
    named = recorded(tmp_path / "run")
    assert [len(names) for names in named] == [0, 1, 1]
    assert files(tmp_path / "run") == named[2]
    assert len(caplog.messages) == 1
    assert "left out" in caplog.messages[0]


@pytest.mark.parametrize("trouble", ["full", "no folder", "reserve"])
def test_a_disk_that_takes_no_more_ends_the_pictures_not_the_run(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = GroupRecorder(tmp_path, reserve=10**18 if trouble == "reserve" else 0)
    if trouble == "full":

        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Image.Image, "save", full)
    elif trouble == "no folder":
        (tmp_path / "images").rmdir()
    for step in (1, 2, 3):
        recorder.write(step, [shown(plain(step))], {})
        recorder.drain()
    assert [len(names) for names in recorded(tmp_path)] == [1, 0, 0]
    assert not list(tmp_path.glob("images/*"))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    words = {"full": "no space left", "no folder": "folder is gone", "reserve": "kept for checkpoints"}
    assert words[trouble] in caplog.messages[0]
    assert "all else goes on" in caplog.messages[0]


def test_a_writer_without_pictures_starts_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = PictureWriter(tmp_path, 768)
    writer.drain()
    assert threading.active_count() == before
