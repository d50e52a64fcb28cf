"""YAML from outside: plain data only, and no more of it than its text can hold."""

from __future__ import annotations

from typing import Any

import yaml

#: Nodes of a document with every alias written out. Configurations have a few hundred.
MOST_NODES = 100_000


def parse_yaml(text: str) -> Any:
    """What YAML text says.

    Raises:
        yaml.YAMLError: it is none, or its aliases repeat more than `MOST_NODES` nodes or each other.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None
    finally:
        loader.dispose()


def _check_size(root: yaml.Node) -> None:
    """Refuse documents that aliases blow up: a few lines that name each other can stand for billions of nodes."""
    sizes: dict[int, int] = {}
    entered: set[int] = set()

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in entered:
            raise yaml.YAMLError("an alias that contains itself")
        entered.add(id(node))
        total = 1 + sum(size(child) for child in _children(node))
        if total > MOST_NODES:
            raise yaml.YAMLError(f"more than {MOST_NODES:,} nodes, aliases written out")
        sizes[id(node)] = total
        return total

    size(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
