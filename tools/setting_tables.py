"""Settings as tables: name, type, default and what the code says of each."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from contextrl.settings import OPERATIONAL, Mark, Section, section_in


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; what a cell holds is Markdown, its line breaks and pipes are not."""
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in cells) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "&#124;")


def section_tables(
    name: str, section: type[BaseModel], mark: str = "", *, given: Mapping[str, Any] | None = None, level: str = "###"
) -> Iterator[str]:
    """A table of each section, those within it after it.

    Args:
        name: of the section; empty: the top level.
        given: defaults that it has in this place and not of itself.
        level: of the headings.
    """
    documented = field_docstrings(section)
    rows: list[list[str]] = []
    inner: list[tuple[str, type[Section], FieldInfo]] = []
    # What a section is comes first, whichever class declares it.
    for key, field in sorted(section.model_fields.items(), key=lambda item: item[0] != "kind"):
        below = section_in(field.annotation)
        whole = below is not None and below is field.annotation
        if below is not None:
            several = "list" in str(field.annotation)
            inner.append((f"{name}.{key}".lstrip(".") + ("[]" if several else ""), below, field))
        if not whole:
            default = f"`{given[key]}`" if given and key in given else _default(field)
            rows.append([f"`{key}`{_mark(field)}", type_name(field), default, documented.get(key, "")])
    if name:
        yield f"{level} `{name}`{mark}\n"
        own = inspect.cleandoc(section.__dict__.get("__doc__") or "")
        if own:
            yield f"{own}\n"
    else:
        yield f"{level} Top level\n"
    if rows:
        yield table(["setting", "type", "default", "what it says"], rows)
    for path, part, field in inner:
        yield from section_tables(path, part, _mark(field), given=_given(field), level=level)


def _given(field: FieldInfo) -> dict[str, Any]:
    """What a field's validator adds to a section that says nothing."""
    added = (mark.func({}) for mark in field.metadata if isinstance(mark, BeforeValidator))  # type: ignore[call-arg]
    return {key: value for one in added if isinstance(one, dict) for key, value in one.items()}


def field_docstrings(section: type) -> dict[str, str]:
    """The text under each field of a class, inherited ones included."""
    found: dict[str, str] = {}
    for owner in reversed(section.__mro__):
        if owner in (object, BaseModel) or not issubclass(owner, BaseModel):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if (
                isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[field.target.id] = inspect.cleandoc(text.value.value)
    return found


def _mark(field: FieldInfo) -> str:
    """A sign for what may change between two starts of one run."""
    own = [mark for mark in field.metadata if isinstance(mark, Mark) and mark.name == OPERATIONAL.name]
    return " ↻" if any(not mark.keys for mark in own) else " (↻)" if own else ""


def type_name(field: FieldInfo) -> str:
    """`a number > 0, or null`, `one of ...`."""
    limits = " and ".join(
        f"{sign} {getattr(mark, name):g}"
        for mark in field.metadata
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if getattr(mark, name, None) is not None
    )
    named = annotation_name(field.annotation)
    if not limits:
        return named
    return named.replace(", or null", f" {limits}, or null") if ", or null" in named else f"{named} {limits}"


def annotation_name(annotation: Any) -> str:
    """A type in words that someone who writes YAML knows."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return annotation_name(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        others = " or ".join(annotation_name(part) for part in parts if part is not NoneType)
        return f"{others}, or null" if NoneType in parts else others
    if origin in (list, Sequence):
        return f"list of {annotation_name(parts[0])}"
    if origin is tuple:
        return "pair of numbers"
    if origin in (dict, Mapping):
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mappings, see below"
    names: dict[Any, str] = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    if isinstance(annotation, type) and annotation.__name__.endswith("Record"):
        return f"{annotation.__name__.removesuffix('Record').lower()}, see below"
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"
