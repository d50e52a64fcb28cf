"""JSON lines: the one reader, whatever is done about lines that are damaged, cut or no object."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


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


def json_lines(path: Path, *, errors: str = "strict") -> Iterator[JsonLine]:
    """The lines of a file that are not blank; a missing file has none.

    Args:
        errors: what is done about bytes that are no UTF-8: `strict` makes the line a problem, `replace` reads on.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        end = 0
        for number, raw in enumerate(file, start=1):
            offset, end = end, end + len(raw)
            text = (raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw).strip()
            if text:
                value, problem = parse_json(text, errors=errors)
                yield JsonLine(number, offset, end, raw.endswith(b"\n"), value, problem)


def parse_json(data: bytes, *, errors: str = "strict") -> tuple[Any, tuple[str, str] | None]:
    """What bytes say as JSON, or what was expected and found instead."""
    try:
        return json.loads(data.decode("utf-8", errors)), None
    except UnicodeDecodeError as error:
        return None, ("UTF-8 text", f"byte 0x{data[error.start]:02x}")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        return None, ("valid JSON", f"{error.msg} at {place}")
    except (ValueError, RecursionError):
        return None, ("valid JSON", "a number or nesting beyond any row's")


def read_objects(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file that we wrote; a last line that a kill has cut is left out.

    Raises:
        ValueError: a line is damaged.
    """
    for line in json_lines(path):
        if not line.complete:
            return
        if line.object is None:
            raise ValueError(f"{path}, line {line.number}: expected a JSON object")
        yield line.object


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
