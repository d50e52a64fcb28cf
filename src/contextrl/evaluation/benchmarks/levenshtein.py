"""Edit distance of short texts, and of a short and a long one."""

from __future__ import annotations


def distance(one: str, other: str) -> int:
    """Insertions, deletions and substitutions between two texts (Myers 1999, as Hyyrö 2003 writes it).

    The longer text is a column of bits, so that the cost grows with the shorter one.
    """
    short, long = sorted((one, other), key=len)
    if not short:
        return len(long)
    places = {character: _places(character, long) for character in set(short)}
    everything, last = (1 << len(long)) - 1, 1 << (len(long) - 1)
    increases, decreases, score = everything, 0, len(long)
    for character in short:
        equal = places[character]
        vertical = equal | decreases
        horizontal = (((equal & increases) + increases) ^ increases) | equal
        plus = decreases | (everything & ~(horizontal | increases))
        minus = increases & horizontal
        score += bool(plus & last) - bool(minus & last)
        plus, minus = (plus << 1) | 1, minus << 1
        increases = (minus | ~(vertical | plus)) & everything
        decreases = plus & vertical & everything
    return score


def _places(character: str, text: str) -> int:
    """A bit for each place where the character stands, the first place lowest."""
    if len(text) <= 64:
        return sum(1 << place for place, found in enumerate(text) if found == character)
    return int("".join("1" if found == character else "0" for found in reversed(text)), 2)
