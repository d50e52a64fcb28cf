"""Replies on disk, shared."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from contextrl.errors import InputError
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


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_text("these are my notes, thirty-two characters or more of them")
    with pytest.raises(InputError, match=r"judge\.cache"):
        ReplyCache(tmp_path / "c.sqlite")
