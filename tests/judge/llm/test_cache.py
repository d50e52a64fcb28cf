"""Replies on disk, shared."""

from __future__ import annotations

import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from limits import files_of_at_most

from contextrl.errors import InputError
from contextrl.judge.llm import cache as module
from contextrl.judge.llm.cache import ReplyCache, cache_key


def test_replies_are_found_before_and_after_they_are_written(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path / "folder" / "c.sqlite")
    cache.put(cache_key("a"), {"text": "正确 \ud83d"})
    assert cache.get(cache_key("a")) == {"text": "正确 \ud83d"}
    assert cache.get(cache_key("b")) is None
    cache.close()
    assert ReplyCache(tmp_path / "folder" / "c.sqlite").get(cache_key("a")) == {"text": "正确 \ud83d"}


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """Both write 200 replies at the same time; nothing is lost and the first of two equal ones stays."""
    path = tmp_path / "c.sqlite"
    code = (
        "import sys\nfrom pathlib import Path\nfrom contextrl.judge.llm.cache import ReplyCache, cache_key\n"
        "cache = ReplyCache(Path(sys.argv[1]))\n"
        "for n in range(200):\n"
        "    cache.put(cache_key(f'{sys.argv[2]}-{n}'), {'text': sys.argv[2]})\n"
        "    cache.flush()\n"
        "cache.close()\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("x", "y")]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    cache = ReplyCache(path)
    for name in ("x", "y"):
        assert all(cache.get(cache_key(f"{name}-{n}")) == {"text": name} for n in range(200))
    cache.put(cache_key("x-0"), {"text": "later"})
    cache.close()
    assert ReplyCache(path).get(cache_key("x-0")) == {"text": "x"}


def test_what_another_process_writes_is_seen_at_once(tmp_path: Path) -> None:
    first, second = ReplyCache(tmp_path / "c.sqlite"), ReplyCache(tmp_path / "c.sqlite")
    first.put(cache_key("a"), {"text": "1"})
    first.flush()
    assert second.get(cache_key("a")) == {"text": "1"}


def test_a_spoiled_row_counts_as_absent(tmp_path: Path) -> None:
    ReplyCache(tmp_path / "c.sqlite").close()
    with sqlite3.connect(tmp_path / "c.sqlite") as database:
        database.execute("INSERT INTO replies VALUES (?, 'no json', 0)", (cache_key("a"),))
    assert ReplyCache(tmp_path / "c.sqlite").get(cache_key("a")) is None


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, "7" * 5000, b"\xff\xfe{", 7, b"{}", "[1]", '{"text": 1e999}', ""],
    ids=lambda v: repr(v)[:12],
)
def test_a_spoiled_row_spoils_no_other(value: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.sqlite"
    filled(path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE replies SET reply = CAST(? AS TEXT) WHERE key = ?", (value, cache_key("1")))
        database.execute("UPDATE replies SET reply = ? WHERE key = ?", (value, cache_key("2")))
    cache = ReplyCache(path)
    assert cache.get(cache_key("1")) in (None, {}, {"text": math.inf})
    assert cache.get(cache_key("2")) in (None, {}, {"text": math.inf})
    assert cache.get(cache_key("3")) == {"text": "3"}
    cache.close()
    assert not caplog.records


# --- files that fail: said once, then the cache is left alone --------------------------------------------------------


def filled(path: Path) -> None:
    """A cache with 300 replies, written out."""
    cache = ReplyCache(path)
    for n in range(300):
        cache.put(cache_key(str(n)), {"text": str(n)})
    cache.close()


def assert_left_alone(cache: ReplyCache, caplog: pytest.LogCaptureFixture, cause: str) -> None:
    """Everything is a miss and nothing raises; one message names the file, what is wrong and the setting."""
    for n in range(3):
        cache.put(cache_key(f"new {n}"), {"text": "a"})
        cache.flush()
        assert cache.get(cache_key("1")) is None
        assert cache.get(cache_key(f"new {n}")) is None
    cache.close()
    cache.close()
    cache.flush()
    assert cache.get(cache_key("1")) is None
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert str(cache.path) in messages[0]
    assert re.search(cause, messages[0]), messages[0]
    assert "change judge.cache" in messages[0]


def notes(path: Path) -> None:
    path.write_text("these are my notes, thirty-two characters or more of them")


def no_database_of_its_size(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/full")


def a_broken_link(path: Path) -> None:
    path.symlink_to(path.parent / "no such folder" / "c.sqlite")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def sql(*statements: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return write


def a_header_alone(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes()[:100])


def damaged_from_page_one(path: Path) -> None:
    filled(path)
    data = bytearray(path.read_bytes())
    data[100:4000] = b"\x5a" * 3900
    path.write_bytes(bytes(data))


NO_CACHES: dict[str, tuple[Callable[[Path], None], str]] = {
    "notes": (notes, "not a database"),
    "bytes": (no_database_of_its_size, "not a database"),
    "folder": (a_folder, "no file"),
    "pipe": (a_pipe, "no file"),
    "device": (a_device, "no file"),
    "broken link": (a_broken_link, "unable to open"),
    "link to itself": (a_link_to_itself, "unable to open|symbolic links"),
    "foreign table": (sql("CREATE TABLE bookmarks (url TEXT)"), "another program's"),
    "foreign schema": (sql("CREATE TABLE replies (id INTEGER PRIMARY KEY, body TEXT)"), "another program's"),
    "foreign column": (
        sql("CREATE TABLE replies (key BLOB PRIMARY KEY, reply TEXT, written REAL, model TEXT)"),
        "another program's",
    ),
    "view": (sql("CREATE VIEW replies AS SELECT 1 AS key, 2 AS reply, 3 AS written"), "another program's"),
    "header alone": (a_header_alone, "malformed|not a database|disk I/O"),
    "damaged schema": (damaged_from_page_one, "malformed|not a database"),
}


@pytest.mark.parametrize(("make", "cause"), NO_CACHES.values(), ids=NO_CACHES.keys())
def test_what_is_no_cache_is_left_as_it_is(
    make: Callable[[Path], None], cause: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() and not path.is_symlink() else None
    assert_left_alone(ReplyCache(path), caplog, cause)
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "cause"),
    [("/proc/nothing/c.sqlite", ""), ("file/c.sqlite", "file"), ("a\0b", "null"), ("~no-such-user/c.sqlite", "home")],
)
def test_a_place_where_no_file_can_be(
    name: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert_left_alone(ReplyCache(Path(name)), caplog, cause)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("folder_too", [False, True])
def test_a_file_that_may_not_be_written(folder_too: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.sqlite"
    filled(path)
    path.chmod(0o444)
    tmp_path.chmod(0o555 if folder_too else 0o755)
    cache = ReplyCache(path)
    cache.put(cache_key("new"), {"text": "a"})
    cache.flush()
    tmp_path.chmod(0o755)
    assert_left_alone(cache, caplog, "readonly|unable to open")


def test_a_database_that_turns_read_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.sqlite"
    filled(path)
    cache = ReplyCache(path)
    assert cache._database is not None
    cache._database.execute("PRAGMA query_only = 1")
    assert cache.get(cache_key("1")) == {"text": "1"}
    cache.put(cache_key("new"), {"text": "a"})
    cache.flush()
    assert_left_alone(cache, caplog, "readonly")


def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.sqlite"
    filled(path)
    cache = ReplyCache(path)
    assert cache._database is not None
    cache._database.execute("PRAGMA max_page_count = 1")
    cache.put(cache_key("new"), {"text": "a" * 1_000_000})
    cache.flush()
    assert_left_alone(cache, caplog, "full")
    assert ReplyCache(path).get(cache_key("1")) == {"text": "1"}


def test_a_full_disk_is_called_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing can be written at all: SQLite says `disk I/O error` or that it is full."""
    with files_of_at_most(0):
        cache = ReplyCache(tmp_path / "c.sqlite")
        assert_left_alone(cache, caplog, "no space left")


def test_a_disk_that_fills_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.sqlite"
    filled(path)
    cache = ReplyCache(path)
    with files_of_at_most(200_000):
        cache.put(cache_key("new"), {"text": "a" * 1_000_000})
        cache.flush()
        assert_left_alone(cache, caplog, "no space left")
    assert ReplyCache(path).get(cache_key("1")) == {"text": "1"}


def test_a_user_without_a_home_has_a_cache_for_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless() -> Path:
        raise InputError("a home folder for the cache", found="none", where="CONTEXTRL_CACHE")

    monkeypatch.setattr(module, "cache_folder", homeless)
    cache = module.default_cache()
    cache.put(cache_key("a"), {"text": "1"})
    assert cache.get(cache_key("a")) == {"text": "1"}
    assert ["CONTEXTRL_CACHE" in message for message in caplog.messages] == [True]


def test_damaged_pages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All pages but the first, which holds the schema: the damage is found by the first look-up that meets it."""
    path = tmp_path / "c.sqlite"
    filled(path)
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\x5a" * (len(data) - 4096))
    cache = ReplyCache(path)
    assert cache.get(cache_key("1")) is None
    assert_left_alone(cache, caplog, "malformed")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_deleted_under_the_run(replaced: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "folder" / "c.sqlite"
    filled(path)
    cache = ReplyCache(path)
    shutil.rmtree(path.parent)
    if replaced:
        filled(path)
    cache.put(cache_key("new"), {"text": "a"})
    cache.flush()
    assert_left_alone(cache, caplog, "deleted or replaced" if replaced else "No such file")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_writer_that_keeps_the_lock_for_good(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.sqlite"
    filled(path)
    cache = ReplyCache(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    # Replies are found meanwhile, the new ones too.
    cache.put(cache_key("new"), {"text": "a"})
    assert [cache.get(cache_key(key)) for key in ("1", "new")] == [{"text": "1"}, {"text": "a"}]
    cache.flush()
    assert_left_alone(cache, caplog, "locked for 0.3 s")
    other.close()


@pytest.mark.usefixtures("impatient")
def test_an_exclusive_lock_before_the_cache_is_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute(module._TABLE)
    other.execute("BEGIN EXCLUSIVE")
    assert_left_alone(ReplyCache(path), caplog, "locked for 0.3 s")
    other.close()


def test_a_lock_that_goes_away_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes that met the lock stay gathered and are written later."""
    monkeypatch.setattr(module, "_FLUSH_SECONDS", 0.0)
    path = tmp_path / "c.sqlite"
    filled(path)
    cache = ReplyCache(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for n in range(5):
        cache.put(cache_key(f"new {n}"), {"text": "a"})
    other.execute("COMMIT")
    cache.close()
    later = ReplyCache(path)
    assert all(later.get(cache_key(f"new {n}")) == {"text": "a"} for n in range(5))
    assert not caplog.records
