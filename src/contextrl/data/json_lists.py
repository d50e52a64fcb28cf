"""A JSON list of any length, an item at a time: what conversations of millions of rows are published as."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from contextrl.errors import InputError
from contextrl.records.jsonl import check_levels

#: Files below this size, in bytes, are read whole: what is wrong in them is said by line and column.
LARGE = 32 * 2**20
#: Characters that are read at a time.
_PIECE = 2**20
#: What a number may go on with; every text has the empty one in it.
_OF_NUMBERS = "0123456789.eE+-"
_SPACE = re.compile(r"[ \t\r\n]*")


def is_large_list(path: Path) -> bool:
    """Whether a file is a list, in UTF-8, that should not be read whole."""
    if path.stat().st_size < LARGE:
        return False
    with path.open("rb") as file:
        return file.read(_PIECE).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"[")


def list_items(path: Path, where: str) -> Iterator[Any]:
    """The items of a JSON list; memory holds one and a piece of the file.

    Raises:
        InputError: it is no list, or not a whole one; what comes before is given first.
    """
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(file, where)
        if text.next_mark() != "[":
            text.refuse("a list begins with [")
        if text.next_mark(take="]") == "]":
            text.check_end()
            return
        while True:
            yield text.value()
            mark = text.next_mark()
            if mark == "]":
                text.check_end()
                return
            if mark != ",":
                text.refuse("expected , or ] after it")


class _Text:
    """A place in a file's text."""

    def __init__(self, file: TextIO, where: str) -> None:
        self._file, self._where = file, where
        self._decoder = json.JSONDecoder()
        self._text, self._at, self._ended, self._items = "", 0, False, 0

    def value(self) -> Any:
        """The value that begins here."""
        self._pass_space()
        wanted = _PIECE
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number that ends where the piece does, or before a point there, may go on in the next.
                if self._ended or self._text[end : end + 1] not in _OF_NUMBERS:
                    check_levels(value)
                    self._at, self._items = end, self._items + 1
                    return value
            except json.JSONDecodeError as error:
                if self._ended:
                    self.refuse(error.msg)
            except (ValueError, RecursionError):
                self.refuse("a number or nesting beyond any row's")
            # Twice as much each time: a long item is not looked at from its beginning for every piece.
            self._read(wanted)
            wanted *= 2

    def next_mark(self, take: str = "") -> str:
        """The next character that is no space, passed over; of others than `take`, where that is given, not passed."""
        self._pass_space()
        mark = self._text[self._at : self._at + 1]
        if not take or mark == take:
            self._at += 1
        return mark

    def check_end(self) -> None:
        """That nothing follows."""
        self._pass_space()
        if self._at < len(self._text):
            self.refuse("text after the list")

    def refuse(self, found: str) -> NoReturn:
        raise InputError("valid JSON", found=f"{found}, after {self._items:,} rows of a list", where=self._where)

    def _pass_space(self) -> None:
        while True:
            self._at = cast(re.Match[str], _SPACE.match(self._text, self._at)).end()
            if self._at < len(self._text) or self._ended:
                return
            self._read(_PIECE)

    def _read(self, size: int) -> None:
        """Forget what is passed, and read on."""
        try:
            piece = self._file.read(size)
        except UnicodeDecodeError as error:
            found = f"byte 0x{error.object[error.start]:02x}, after {self._items:,} rows of a list"
            raise InputError("UTF-8 text", found=found, where=self._where, fix="Save the file as UTF-8") from error
        self._ended = not piece
        self._text, self._at = self._text[self._at :] + piece, 0
