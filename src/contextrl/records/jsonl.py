"""JSON lines: the one reader, whatever is done about lines that are damaged, cut or no object."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contextrl.errors import InputError
from contextrl.records.reading import is_there, open_file, read_bytes

#: Valid inside JSON text, but many readers end a line at them.
_LINE_ENDS = str.maketrans({character: json.dumps(character)[1:-1] for character in "\x85\u2028\u2029"})
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Longest line that is read, in bytes: a row with its pictures in it has a few million.
MOST_LINE = 256_000_000
#: Levels of lists and objects in a value; what walks through them calls itself once a level.
MOST_LEVELS = 100


@dataclass(frozen=True)
class JsonLine:
    """One line that is not blank.

    Attributes:
        number: in the file, from 1.
        offset: its first byte; `end`: the first byte after it.
        complete: it ends with a line end; without one a kill may have cut it.
        value: what it says; None where `problem` says why not.
        problem: what was expected and what was found instead.
    """

    number: int
    offset: int
    end: int
    complete: bool
    value: Any
    problem: tuple[str, str] | None = None

    @property
    def object(self) -> dict[str, Any] | None:
        """The JSON object, None where the line is none."""
        return self.value if isinstance(self.value, dict) else None


def json_lines(path: Path, *, errors: str = "strict", pipes: bool = True) -> Iterator[JsonLine]:
    """The lines of a file that are not blank; a missing file has none.

    Args:
        errors: what is done about bytes that are no UTF-8: `strict` makes the line a problem, `replace` reads on.
        pipes: see `open_file`.

    Raises:
        InputError: there is something that is no file, or that cannot be read.
    """
    if not is_there(path):
        return
    with open_file(path, pipes=pipes) as file:
        end = 0
        for number, raw in enumerate(iter(partial(file.readline, MOST_LINE), b""), start=1):
            offset, end = end, end + len(raw)
            if len(raw) >= MOST_LINE and not raw.endswith(b"\n"):
                endless = (f"a line of less than {MOST_LINE:,} bytes", "a longer one")
                yield JsonLine(number, offset, end, False, None, endless)
                return
            text = (raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw).strip()
            if text:
                value, problem = parse_json(text, errors=errors)
                yield JsonLine(number, offset, end, raw.endswith(b"\n"), value, problem)


def parse_json(data: bytes, *, errors: str = "strict") -> tuple[Any, tuple[str, str] | None]:
    """What bytes say as JSON, or what was expected and found instead."""
    try:
        value = json.loads(data.decode("utf-8", errors))
        # Text may hold brackets as well, so that many of them only say that it is worth looking.
        if data.count(b"[") + data.count(b"{") > MOST_LEVELS:
            check_levels(value)
        return value, None
    except UnicodeDecodeError as error:
        return None, ("UTF-8 text", f"byte 0x{data[error.start]:02x}")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        return None, ("valid JSON", f"{error.msg} at {place}")
    except (ValueError, RecursionError):
        return None, ("valid JSON", "a number or nesting beyond any row's")


def read_object(path: Path, most: int = MOST_LINE) -> dict[str, Any]:
    """The one JSON object that a file holds.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    value, problem = parse_json(read_bytes(path, most).removeprefix(_BYTE_ORDER_MARK).strip(), errors="replace")
    if problem is not None:
        raise InputError(problem[0], found=problem[1], where=str(path))
    if not isinstance(value, dict):
        raise InputError("a JSON object", found=type(value).__name__, where=str(path))
    return value


def check_levels(value: Any, level: int = 1) -> None:
    """That a value's lists and objects are not nested too deeply.

    Raises:
        ValueError: they are.
    """
    if isinstance(value, dict | list):
        if level > MOST_LEVELS:
            raise ValueError("nested too deeply")
        for part in value.values() if isinstance(value, dict) else value:
            check_levels(part, level + 1)


def read_objects(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file that we wrote; a last line that a kill has cut is left out.

    Raises:
        InputError: a line is damaged, or the file cannot be read.
    """
    for line in json_lines(path, pipes=False):
        if not line.complete:
            return
        if line.object is None:
            found = line.problem[1] if line.problem else type(line.value).__name__
            raise InputError("a JSON object", found=found, where=f"{path}, line {line.number}")
        yield line.object


def json_line(columns: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    """An object as one line, with its end, that every reader takes for one."""
    line = json.dumps(columns, ensure_ascii=False, sort_keys=sort_keys)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair: valid JSON when escaped, and nothing that UTF-8 can write
        line = json.dumps(columns, sort_keys=sort_keys)
    return line.translate(_LINE_ENDS) + "\n"


def json_ready(value: Any, digits: int | None = None) -> Any:
    """A tree as JSON can hold it: NaN and infinities as None, numbers rounded where `digits` says so."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else round(value, digits)
    if isinstance(value, dict):
        return {name: json_ready(part, digits) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(part, digits) for part in value]
    return value


def number(value: Any) -> float | None:
    """A finite number, None for everything else: JSON has no NaN, and a file may hold anything."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
