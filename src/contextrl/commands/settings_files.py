"""A YAML file of settings with `--set key=value` applied, before its section checks it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from contextrl.commands.input_paths import with_input_paths
from contextrl.data.row_files import FILE_SUFFIXES
from contextrl.errors import InputError
from contextrl.records.yaml_files import parse_yaml, read_yaml
from contextrl.settings import Section


def read_settings(
    path: Path, section: type[Section], overrides: Sequence[str] = (), *, instead: str = ""
) -> dict[str, Any]:
    """Settings as a file and the command line have them; see `input_paths` for what paths are relative to.

    Args:
        section: they are of.
        instead: what to do with a file of rows, which is no settings.

    Raises:
        InputError: missing file, bad YAML, an override that is none.
    """
    if not path.is_file():
        raise InputError("a configuration file", found="a folder" if path.is_dir() else "no such file", where=str(path))
    if path.suffix in FILE_SUFFIXES and path.suffix != ".json":
        raise InputError("a configuration", found="a file of rows", where=str(path), fix=instead)
    raw = read_yaml(path, "valid YAML") or {}
    if not isinstance(raw, dict):
        raise InputError("a mapping of sections", found=type(raw).__name__, where=str(path))
    raw = with_input_paths(raw, section, path.parent, source=str(path))
    for override in overrides:
        apply_override(raw, override)
    # What the file names is absolute by now, or nowhere.
    return with_input_paths(raw, section, Path.cwd())


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set a dotted key, `train.learning_rate=1e-4`, in place; the value is YAML. Numbers lead into lists, from 0:
    `sources.0.limit=100`.
    """
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError("--set key=value", found=repr(override), where="--set")
    node: Any = raw
    *parents, last = key.strip().split(".")
    for parent in parents:
        node = _section_at(node, parent, key)
    try:
        value = with_numbers(parse_yaml(text))
    except yaml.YAMLError as error:
        raise InputError("a YAML value", found=repr(text), where=f"--set {key}") from error
    if isinstance(node, list):
        node[_place(node, last, key)] = value
    else:
        node[last] = value


def _section_at(node: Any, name: str, key: str) -> dict[str, Any] | list[Any]:
    """What is below a name; an empty section where nothing is."""
    place: Any = _place(node, name, key) if isinstance(node, list) else name
    if isinstance(node, dict) and node.get(name) is None:
        node[name] = {}
    inner = node[place]
    if not isinstance(inner, dict | list):
        raise InputError(f"a section at {name}", found=type(inner).__name__, where=f"--set {key}")
    return inner


def _place(node: list[Any], name: str, key: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(node)):
        expected = f"a number below {len(node)}, the entries of the list"
        raise InputError(expected, found=repr(name), where=f"--set {key}")
    return int(name)


def with_numbers(value: Any) -> Any:
    """YAML 1.1 reads `1e-4` as text; free sections have no pydantic field that would turn it into a number."""
    if isinstance(value, dict):
        return {key: with_numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [with_numbers(part) for part in value]
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return float(value)
    return value
