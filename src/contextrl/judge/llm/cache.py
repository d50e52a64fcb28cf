"""Replies on disk: asked once, whoever asks, however often.

One SQLite file that any number of threads and processes of one machine share. SQLite's write-ahead log needs a local
disk, so a cluster's nodes keep one file each (`judge.cache`).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from contextrl.errors import InputError
from contextrl.user_cache import cache_folder

#: Seconds that a process waits for another's write.
_BUSY_SECONDS = 30.0
#: Writes are gathered for so long, in seconds: what a kill can lose.
_FLUSH_SECONDS = 0.2


def default_cache_path() -> Path:
    """One file for all runs of this user on this machine."""
    return cache_folder() / "judge.sqlite"


def cache_key(identity: str) -> bytes:
    """A key for everything that a reply depends on: model, conversation with its images, sampling settings."""
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()


class ReplyCache:
    """Replies by key.

    Args:
        path: the SQLite file; None keeps replies in memory, for one judge.

    Raises:
        InputError: the file cannot be opened or is no cache.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._unsaved: dict[bytes, str] = {}
        self._closed = False
        self._saved_at = time.monotonic()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                path or ":memory:", timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            found = f"{type(error).__name__}: {error}"
            raise InputError(
                "a place for the judge's replies", found=found, where=f"judge.cache: {path}", fix="Change judge.cache"
            ) from error

    def _prepare(self) -> None:
        """Journal and table. SQLite does not wait for its lock while the journal's kind changes, so this does."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._database.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply TEXT NOT NULL, written REAL NOT NULL)"
            " WITHOUT ROWID"
        )

    def get(self, key: bytes) -> dict[str, Any] | None:
        """The reply, or None. A row that cannot be read counts as absent."""
        with self._lock:
            text = self._unsaved.get(key)
            if text is None:
                row = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
                text = row[0] if row else None
        if text is None:
            return None
        try:
            reply = json.loads(text)
        except ValueError:
            return None
        return reply if isinstance(reply, dict) else None

    def put(self, key: bytes, reply: dict[str, Any]) -> None:
        """Remember a reply; the first one stays where two processes have asked at once."""
        with self._lock:
            self._unsaved[key] = json.dumps(reply)
            if time.monotonic() - self._saved_at > _FLUSH_SECONDS:
                self._save()

    def flush(self) -> None:
        """Write what is gathered."""
        with self._lock:
            self._save()

    def _save(self) -> None:
        if self._unsaved:
            rows = [(key, text, time.time()) for key, text in self._unsaved.items()]
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", rows)
            self._database.execute("COMMIT")
            self._unsaved.clear()
        self._saved_at = time.monotonic()

    def close(self) -> None:
        """Write what is gathered and close the file; a second time does nothing."""
        with self._lock:
            if not self._closed:
                self._save()
                self._database.close()
            self._closed = True
