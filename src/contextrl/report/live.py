"""The page of a run that goes on: made anew as the run writes, and served to browsers of this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from contextrl.errors import InputError
from contextrl.records.groups import group_files
from contextrl.report.shell import ASSETS
from contextrl.report.text import visible

HOST = "127.0.0.1"
#: Tried where no port is asked for; any free one if it is taken.
PORT = 8765
#: Seconds between looks at the files of a run.
LOOK_EVERY = 2.0
#: Making a page takes at most this share of the time, because the run needs its cores; a page is at most so old.
MOST_SHARE, OLDEST = 0.2, 60.0
_SHELL = {
    "/": ("live.html", "text/html; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
}
#: The shell runs its own script, asks this server alone, and shows nothing but the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Made:
    """A page.

    Attributes:
        state: of the runs, in words.
        finished: they write no more.
    """

    html: str
    state: str
    finished: bool


@dataclass
class LivePage:
    """The newest page, as the server hands it out.

    Attributes:
        version: counts the pages; 0 before the first.
        problem: why the runs could not be read at the last look; the page before stays.
    """

    html: bytes = b""
    version: int = 0
    state: str = ""
    finished: bool = False
    problem: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, made: Made) -> None:
        with self.lock:
            self.html, self.state, self.finished = made.html.encode("utf-8", "replace"), made.state, made.finished
            self.version, self.problem = self.version + 1, ""

    def as_json(self) -> dict[str, Any]:
        with self.lock:
            return {
                "version": self.version,
                "state": self.state,
                "finished": self.finished,
                "problem": self.problem,
            }


def fingerprint(paths: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """What changes when runs write: names, sizes and times of their files."""
    found = []
    for run in paths:
        names = ("config.yaml", "environment.json", "metrics.jsonl", "results.json")
        for path in (*(run / name for name in names), *group_files(run)):
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(found)


class Follower:
    """Makes the page anew whenever runs have written.

    Args:
        paths: run directories.
        make: reads them and builds the page.
        page: where it goes.
    """

    def __init__(self, paths: Sequence[Path], make: Callable[[], Made], page: LivePage) -> None:
        self.paths, self.make, self.page = paths, make, page
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._next = 0.0

    def look(self) -> bool:
        """Make the page if there is something new and it is time; whether it was made."""
        now = time.monotonic()
        seen = fingerprint(self.paths)
        if now < self._next or seen == self._seen:
            return False
        self._seen = seen
        try:
            self.page.show(self.make())
        except InputError as error:  # a run that is replaced has no files for a moment
            if not self.page.version:
                raise
            with self.page.lock:
                self.page.problem = visible(str(error))
            self._seen = None
        took = time.monotonic() - now
        if self._next:  # the first page has the libraries to load
            self._next = now + min(took / MOST_SHARE, OLDEST)
        else:
            self._next = now + LOOK_EVERY
        return True


class LiveServer(ThreadingHTTPServer):
    """Serves the page to this machine.

    Args:
        port: 0 for any; None for `PORT`, or any where that is taken.

    Raises:
        InputError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, page: LivePage, port: int | None = None) -> None:
        self.page = page
        try:
            super().__init__((HOST, PORT if port is None else port), _Handler)
        except (OSError, OverflowError) as error:
            if port is not None:
                found = getattr(error, "strerror", None) or str(error)
                raise InputError("a free port", found=f"{port}: {found}", where="--port") from error
            super().__init__((HOST, 0), _Handler)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if not self._is_for_us():
            # A name of somebody's that leads here would let that page read the run.
            self.send_error(HTTPStatus.FORBIDDEN, "Only for this machine")
        elif path in _SHELL:
            name, kind = _SHELL[path]
            self._send((ASSETS / name).read_bytes(), kind, {"Content-Security-Policy": _POLICY})
        elif path == "/report.html":
            with self.server.page.lock:
                content = self.server.page.html
            self._send(content, "text/html; charset=utf-8", {"X-Frame-Options": "SAMEORIGIN"})
        elif path == "/state":
            self._send(json.dumps(self.server.page.as_json()).encode(), "application/json", {})
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _is_for_us(self) -> bool:
        return self.headers.get("Host", "").partition(":")[0] in (HOST, "localhost")

    def _send(self, content: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(HTTPStatus.OK)
        common = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        common |= {"Content-Type": kind, "Content-Length": str(len(content))}
        common["Cross-Origin-Resource-Policy"] = "same-origin"
        for name, value in (common | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Requests are no news."""
