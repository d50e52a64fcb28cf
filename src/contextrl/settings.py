"""Sections of settings: declared once as pydantic models, used by YAML files and from Python alike.

What a field is besides its type is marked on the field (`Mark`), so that nobody keeps lists of names elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from contextrl.errors import InputError, nearest_key

S = TypeVar("S", bound="Section")
#: What pydantic writes behind a field that may be of several kinds: no key of the user's.
_KIND = re.compile(
    r"(?:bool|int|float|str|none|\[key\])\Z|(?:list|dict|tuple|literal|union|nullable|function-\w+|lax-or-strict"
    r"|json-or-python|is-instance)\["
)


class Section(BaseModel):
    """Unknown keys are refused; values are checked again when they are set."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


@dataclass(frozen=True)
class Mark:
    """A property of fields, put on them with `Annotated[type, MARK]`.

    Attributes:
        keys: for a field that is a free mapping, patterns of the keys that have the property; empty: the whole field.
    """

    name: str
    keys: tuple[str, ...] = ()

    def of(self, *keys: str) -> Mark:
        """The same property, of some keys of a mapping only."""
        return Mark(self.name, keys)


#: May differ between two starts of one run, and between runs of one method: it does not change what is computed.
OPERATIONAL = Mark("operational")
#: Names a file or folder that is read; in a YAML file it is relative to that file's folder.
INPUT_PATH = Mark("input path")
#: Names code, `module:name`; a module that lies in that folder is the one that is meant.
CODE_PATH = Mark("code path")


def without_marked(tree: Mapping[str, Any], section: type[Section], *marks: Mark) -> dict[str, Any]:
    """Dumped settings without the fields that carry one of `marks`, at any depth.

    Args:
        tree: `section.model_dump(...)`, or what a file holds of it; keys that the section does not know are kept.
    """
    names = {mark.name for mark in marks}
    kept = {}
    for key, value in tree.items():
        field = section.model_fields.get(key)
        if field is None:
            kept[key] = value
            continue
        own = [mark for mark in field.metadata if isinstance(mark, Mark) and mark.name in names]
        if any(not mark.keys for mark in own):
            continue
        patterns = [pattern for mark in own for pattern in mark.keys]
        if patterns and isinstance(value, Mapping):
            value = {name: v for name, v in value.items() if not any(fnmatchcase(name, p) for p in patterns)}
        inner = section_in(field.annotation)
        kept[key] = value if inner is None else _within(value, inner, marks)
    return kept


def _within(value: Any, section: type[Section], marks: tuple[Mark, ...]) -> Any:
    if isinstance(value, Mapping):
        return without_marked(value, section, *marks)
    return [_within(part, section, marks) for part in value] if isinstance(value, list) else value


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds: itself, as an option, or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((inner for part in get_args(annotation) if (inner := section_in(part)) is not None), None)


def flat_settings(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree of settings under dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flat_settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def changed_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted keys whose values differ; one that is absent is None."""
    return sorted(key for key in {**then, **now} if then.get(key) != now.get(key))


def other_run(
    then: Mapping[str, Any], now: Mapping[str, Any], changed: Sequence[str], *, where: str, fix: str
) -> InputError:
    """The error of a run that is resumed with other settings than it was started with.

    Args:
        changed: dotted keys that must not differ, at least one.
    """
    key = changed[0]
    return InputError(
        f"the run's own settings ({key}: {then.get(key)!r})",
        found=f"{now.get(key)!r} (different: {', '.join(changed)})",
        where=where,
        fix=fix,
    )


def validated(section: type[S], raw: Mapping[str, Any], *, where: str) -> S:
    """Settings from a mapping.

    Raises:
        InputError: one line per problem; an unknown key with the nearest name.
    """
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        problems = [_describe(problem, section) for problem in error.errors()]
        raise InputError("known keys with valid values", found="; ".join(problems), where=where) from error


def _describe(problem: Any, section: type[Section]) -> str:
    # Of a field that may be of several kinds pydantic names each kind after it: `cache.bool`, `trusted.list[str].0`.
    location = ".".join(str(part) for part in problem["loc"] if not _KIND.match(str(part)))
    if problem["type"] == "extra_forbidden":
        *parents, key = (str(part) for part in problem["loc"])
        return f"unknown key {location}{nearest_key(key, _known_keys(section, parents))}"
    if problem["type"] == "value_error":
        # Our own checks say what they found; their input may be a whole section, or an address with a secret in it.
        return f"{location}: {problem['ctx']['error']}".removeprefix(": ")
    return f"{location}: {problem['msg']} (found {problem['input']!r})"


def _known_keys(section: type[Section], parents: Iterable[str]) -> list[str]:
    for parent in parents:
        if parent in section.model_fields:
            section = section_in(section.model_fields[parent].annotation) or section
    return list(section.model_fields)
