"""Pairs that are near among many: bands (LSH) sorted one at a time, and every pair that they suggest verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Finds which of some places are near to one: `near(place, places: [n]) -> [n]` similarities, NaN where they are not.
Near = Callable[[int, Array], Array]

#: Least share of the options of either of two questions that both have: 3 of 4 with one replaced are 3 of 5.
_SAME_OPTIONS = 0.6
_ODD = np.uint64(0x9E3779B97F4A7C15)


def mixed(*columns: Array) -> Array:
    """One 64-bit hash for each row of several columns of numbers, each `[n]` or `[n, m]`."""
    made = np.full(len(columns[0]), 0x243F6A8885A308D3, np.uint64)
    for column in columns:
        for part in (column if column.ndim > 1 else column[:, None]).T:
            made = (made ^ part.astype(np.uint64)) * _ODD
            made ^= made >> np.uint64(29)
    return made


def runs(keys: Array) -> Iterator[Array]:
    """Places with the same key, at least two, in ascending order."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(keys) else np.zeros(0, int)
    ends = np.r_[starts[1:], len(keys)]
    for index in np.flatnonzero(ends - starts > 1):
        yield order[starts[index] : ends[index]]


def led(run: Array, near: Near) -> Iterator[tuple[int, int, float]]:
    """(place, earlier place, similarity) in a run: each is compared with those that were near to none before them."""
    leaders = np.empty(len(run), run.dtype)
    count = 0
    for place in run:
        found = near(int(place), leaders[:count])
        there = np.flatnonzero(~np.isnan(found))
        if len(there):
            for index in there:
                yield int(place), int(leaders[index]), float(found[index])
        else:
            leaders[count] = place
            count += 1


def text_near(minhash: Array, similarity: float) -> Near:
    """Estimated Jaccard similarity of texts. `minhash: [rows, permutations]`."""

    def near(place: int, places: Array) -> Array:
        found = (minhash[places] == minhash[place]).mean(axis=1) if len(places) else np.zeros(0)
        return np.where(found >= similarity, found, np.nan)

    return near


def near_options(one: Array, others: Array) -> Array:
    """Whether options are the same, of four one may differ. `one: [k]` hashes, zeros for none; `others: [n, k]`."""
    shared = ((others[:, :, None] == one) & (one > 0)).any(axis=2).sum(axis=1)
    either = (one > 0).sum() + (others > 0).sum(axis=1) - shared
    same: Array = shared >= _SAME_OPTIONS * either
    return same


def picture_near(pictures: Array, distance: int, colours: int) -> Near:
    """Differing bits of pictures, the colours of their thumbnails being near too; of plain ones none is near."""

    def near(place: int, places: Array) -> Array:
        return picture_distances(pictures[place], pictures[places], distance, colours)

    return near


def picture_distances(one: Any, others: Array, distance: int, colours: int) -> Array:
    """Bits in which others' hashes differ from one's, NaN where a picture is not near."""
    bits = np.bitwise_count(others["hash"] ^ one["hash"]).sum(axis=1).astype(float)
    shades = np.abs(others["thumb"].astype(np.int16) - one["thumb"].astype(np.int16)).max(axis=1, initial=0)
    fits = (bits <= distance) & (shades <= colours) & ~others["plain"] & ~np.bool_(one["plain"])
    return np.where(fits, bits, np.nan)


def picture_bands(pictures: Array) -> Iterator[Array]:
    """Sixteen bands of 16 bits of each picture's hash."""
    for words in pictures["hash"].view("<u2").reshape(len(pictures), 16).T:
        yield np.ascontiguousarray(words)


class Index:
    """Finds near ones among a fixed table, band by band.

    Args:
        bands: of the table's entries, `[entries]` each.
    """

    def __init__(self, bands: list[Array]) -> None:
        self._orders = [np.argsort(band, kind="stable") for band in bands]
        self._bands = [band[order] for band, order in zip(bands, self._orders, strict=True)]

    def places(self, bands: list[Any]) -> Array:
        """Entries that share a band with one that has these, ascending."""
        found = []
        for key, band, order in zip(bands, self._bands, self._orders, strict=True):
            first, last = np.searchsorted(band, key, "left"), np.searchsorted(band, key, "right")
            if last > first:
                found.append(order[first:last])
        return np.unique(np.concatenate(found)) if found else np.zeros(0, int)
