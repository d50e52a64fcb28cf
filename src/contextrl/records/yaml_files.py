"""YAML from outside: plain data only, and no more of it than its text can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from contextrl.errors import InputError
from contextrl.records.reading import read_bytes

#: Nodes of a document with every alias written out. Configurations have a few hundred.
MOST_NODES = 100_000
#: Of a document; configurations have a few thousand. The loader reads about a million in some seconds.
MOST_CHARACTERS = 1_000_000
#: Levels of a document: what walks through settings, and writes them, calls itself a few times a level.
MOST_LEVELS = 50
#: What a number of a configuration is below.
MOST_NUMBER = 1 << 64
_TOO_DEEP = f"nested too deeply: more than {MOST_LEVELS} levels"


def read_yaml(path: Path, what: str) -> Any:
    """What a YAML file says.

    Args:
        what: that is expected, for the error.

    Raises:
        InputError: it cannot be read, or is no YAML as `parse_yaml` takes it.
    """
    try:
        return parse_yaml(read_bytes(path, 4 * MOST_CHARACTERS).decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(what, found=" ".join(str(error).split())[:500], where=str(path)) from error


def parse_yaml(text: str) -> Any:
    """What YAML text says.

    Raises:
        yaml.YAMLError: it is none, too long, too deep or has numbers beyond any setting's, or its aliases repeat more
            than `MOST_NODES` nodes or each other.
    """
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"more than {MOST_CHARACTERS:,} characters")
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        value = loader.construct_document(node)
        _check_numbers(value)
        return value
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        # What the loader takes for a date, a number or a set need not be one: 2024-13-45, !!int x.
        raise yaml.YAMLError(f"a value that is none of its kind: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()


class _Loader(yaml.SafeLoader):
    """Stops at a level that is too deep, before it has read the rest."""

    level = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.level += 1
        if self.level > MOST_LEVELS:
            raise yaml.YAMLError(_TOO_DEEP)
        node = super().compose_node(parent, index)
        self.level -= 1
        return node


def _check_numbers(value: Any) -> None:
    """Numbers in base 16 and 60 have no limit of their own, and cannot even be printed in base 10."""
    if isinstance(value, int) and abs(value) >= MOST_NUMBER:
        raise yaml.YAMLError("a number beyond any setting's")
    if isinstance(value, dict):
        for pair in value.items():
            _check_numbers(pair)
    elif isinstance(value, list | tuple | set):
        for part in value:
            _check_numbers(part)


def _check_size(root: yaml.Node) -> None:
    """Refuse documents that aliases blow up: a few lines that name each other can stand for billions of nodes."""
    measured: dict[int, tuple[int, int]] = {}
    entered: set[int] = set()

    def measure(node: yaml.Node) -> tuple[int, int]:
        """Nodes and levels."""
        known = measured.get(id(node))
        if known is not None:
            return known
        if id(node) in entered:
            raise yaml.YAMLError("an alias that contains itself")
        entered.add(id(node))
        parts = [measure(child) for child in _children(node)]
        nodes, levels = 1 + sum(size for size, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        if nodes > MOST_NODES:
            raise yaml.YAMLError(f"more than {MOST_NODES:,} nodes, aliases written out")
        if levels > MOST_LEVELS:
            raise yaml.YAMLError(_TOO_DEEP)
        measured[id(node)] = nodes, levels
        return nodes, levels

    measure(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
