"""Replies on disk: asked once, whoever asks, however often.

One SQLite file that any number of threads and processes of one machine share. SQLite's write-ahead log needs a local
disk, so a cluster's nodes keep one file each (`judge.cache`).

A cache saves calls and nothing depends on it: whatever is wrong with the file is said once, and the run goes on
without it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from contextrl.disk import cause
from contextrl.errors import InputError
from contextrl.user_cache import cache_folder

logger = logging.getLogger("contextrl.judge")

#: Seconds of waiting for others' locks, without any success in between, after which the cache is given up.
_PATIENCE_SECONDS = 5.0
#: Seconds of one wait while requests are under way, whose loop it holds up.
_BUSY_SECONDS = 0.02
#: Writes are gathered for so long, in seconds: what a kill can lose.
_FLUSH_SECONDS = 0.2
#: SQLite's codes for "somebody else has the lock" (https://sqlite.org/rescode.html).
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_TABLE = (
    "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply TEXT NOT NULL, written REAL NOT NULL)"
    " WITHOUT ROWID"
)
_COLUMNS = [("key", "BLOB", 1), ("reply", "TEXT", 0), ("written", "REAL", 0)]


def default_cache_path() -> Path:
    """One file for all runs of this user on this machine."""
    return cache_folder() / "judge.sqlite"


def default_cache() -> ReplyCache:
    """The one for all runs, or where there is no place for it, one that lasts as long as the run."""
    try:
        return ReplyCache(default_cache_path())
    except InputError as error:
        logger.warning("judge.cache: %s Replies are kept for this run only", error)
        return ReplyCache(None)


def cache_key(identity: str) -> bytes:
    """A key for everything that a reply depends on: model, conversation with its images, sampling settings."""
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()


class ReplyCache:
    """Replies by key. Never raises: a file that fails is left alone from then on, with one warning.

    Args:
        path: the SQLite file; None keeps replies in memory, for one judge.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._unsaved: dict[bytes, str] = {}
        self._database: sqlite3.Connection | None = None
        self._saved_at = time.monotonic()
        self._waited = 0.0
        self._file: tuple[int, int] | None = None
        try:
            self._open()
        except (sqlite3.Error, OSError, ValueError, RuntimeError) as error:
            self._give_up(error)

    def _open(self) -> None:
        if self.path is not None:
            self.path = self.path.expanduser()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():
                raise OSError("it is no file")
        self._database = sqlite3.connect(
            self.path or ":memory:", timeout=_PATIENCE_SECONDS, check_same_thread=False, isolation_level=None
        )
        # Text that is no UTF-8 must spoil its own row only.
        self._database.text_factory = bytes
        self._check_schema(self._database)
        self._prepare(self._database)
        self._file = self._identity()

    def _check_schema(self, database: sqlite3.Connection) -> None:
        """Leave the databases of other programs as they are."""
        if not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            return
        columns = [
            (name.decode(), kind.decode(), key)
            for _, name, kind, _, _, key in database.execute("PRAGMA table_info(replies)")
        ]
        if columns != _COLUMNS:
            raise OSError("it is another program's database")

    def _prepare(self, database: sqlite3.Connection) -> None:
        """Journal and table. SQLite does not wait for its lock while the journal's kind changes, so this does."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                database.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if not _is_locked(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute(_TABLE)
        self._wait_for_locks(_BUSY_SECONDS)

    def get(self, key: bytes) -> dict[str, Any] | None:
        """The reply, or None. A row that cannot be read counts as absent."""
        with self._lock:
            text: Any = self._unsaved.get(key)
            if text is None:
                text = self._find(key)
        if not isinstance(text, str | bytes):
            return None
        try:
            reply = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return reply if isinstance(reply, dict) else None

    def _find(self, key: bytes) -> Any:
        if self._database is None:
            return None
        started = time.monotonic()
        try:
            row = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._bear(error, started)
            return None
        if not self._unsaved:
            self._waited = 0.0
        return row[0] if row else None

    def put(self, key: bytes, reply: dict[str, Any]) -> None:
        """Remember a reply; the first one stays where two processes have asked at once."""
        with self._lock:
            if self._database is None:
                return
            self._unsaved[key] = json.dumps(reply)
            if time.monotonic() - self._saved_at > _FLUSH_SECONDS:
                self._save()

    def flush(self) -> None:
        """Write what is gathered, waiting for others' locks if need be."""
        with self._lock:
            self._save(patiently=True)

    def _save(self, *, patiently: bool = False) -> None:
        """Write what is gathered; where somebody else has the lock, it stays gathered for the next time."""
        self._saved_at = started = time.monotonic()
        if self._database is None or not self._unsaved:
            return
        rows = [(key, text, time.time()) for key, text in self._unsaved.items()]
        try:
            if self._identity() != self._file:
                raise OSError("it was deleted or replaced while it was in use")
            if patiently:
                self._wait_for_locks(max(_PATIENCE_SECONDS - self._waited, _BUSY_SECONDS))
            self._write(self._database, rows)
            if patiently:
                self._wait_for_locks(_BUSY_SECONDS)
        except (sqlite3.Error, OSError) as error:
            self._bear(error, started, last=patiently)
        else:
            self._unsaved.clear()
            self._waited = 0.0

    def _write(self, database: sqlite3.Connection, rows: list[tuple[bytes, str, float]]) -> None:
        """All rows or none."""
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", rows)
            database.execute("COMMIT")
        except sqlite3.Error:
            # A full disk may have ended the transaction already.
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _wait_for_locks(self, seconds: float) -> None:
        if self._database is not None:
            self._database.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")

    def _identity(self) -> tuple[int, int] | None:
        """Which file the path names now."""
        if self.path is None:
            return None
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    def _bear(self, error: Exception, started: float, *, last: bool = False) -> None:
        """A lock that somebody else holds is waited for, up to a limit; anything else is the end."""
        self._waited += time.monotonic() - started
        if last or not _is_locked(error) or self._waited >= _PATIENCE_SECONDS:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Go on without the file."""
        what = self._why(error)
        logger.warning(
            "judge.cache: %s cannot be used (%s): going on without it, replies are not kept. Mend or move the file, "
            "or change judge.cache",
            self.path,
            what,
        )
        self._unsaved.clear()
        self._shut()

    def _why(self, error: Exception) -> str:
        if _is_locked(error):
            return f"another program has kept it locked for {_PATIENCE_SECONDS:g} s"
        with suppress(OSError, ValueError):
            if self.path is not None and (why := cause(error, self.path.parent, writing=True)) is not None:
                return f"{error}: {why}"
        return str(error)

    def close(self) -> None:
        """Write what is gathered and close the file; a second time does nothing."""
        with self._lock:
            self._save(patiently=True)
            self._shut()

    def _shut(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            # What could be written is written; a file that fails now has failed before.
            with suppress(sqlite3.Error):
                database.close()


def _is_locked(error: Exception) -> bool:
    """Whether somebody else has the lock. Extended codes keep the primary one in their low byte."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED
