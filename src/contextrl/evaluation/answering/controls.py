"""What a model gets right without what a question is about: guessed, or known from elsewhere."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Literal, get_args

from PIL import Image

from contextrl.data.images import image_from_bytes, image_key
from contextrl.errors import InputError, nearest_key
from contextrl.evaluation.answering.pictures import encoded_bytes, upright_size
from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.items import Item
from contextrl.records.example import ImageHandle

#: `blank-image`: pictures of the same size, mid-grey. `shuffled-image`: another question's pictures. `no-question`: the
#: options and the pictures alone.
Control = Literal["blank-image", "shuffled-image", "no-question"]
CONTROLS: tuple[Control, ...] = get_args(Control)
_MID_GREY = 128
#: Questions before and after one among which another one's pictures are looked for.
_WINDOW = 32


def control_named(name: str) -> Control:
    """The control of that name.

    Raises:
        InputError: there is none.
    """
    if name not in CONTROLS:
        expected = f"one of {', '.join(CONTROLS)}"
        found = name[:80] + nearest_key(name, CONTROLS) if name else "an empty name"
        raise InputError(expected, found=found, where="--control")
    return name


def controlled(items: Iterable[Item], control: Control, benchmark: Benchmark, *, seed: int = 0) -> Iterator[Item]:
    """The items under a control, one by one; ids stay.

    Args:
        items: all of them, whatever is asked of them afterwards: whose pictures a question gets depends on its
            neighbours.
        seed: of the pictures' choice.

    Raises:
        InputError: shuffled-image, where all questions have the same pictures.
    """
    if control == "no-question":
        return map(benchmark.without_question, items)
    if control == "blank-image":
        return map(_blank, items)
    return _shuffled(items, seed)


def _blank(item: Item) -> Item:
    return replace(item, images=tuple(_grey(handle) for handle in item.images))


def _grey(handle: ImageHandle) -> ImageHandle:
    """A grey picture, encoded; one that cannot be read stays, and is found by who asks the question."""
    try:
        width, height = upright_size(handle)
    except InputError:
        return handle
    return image_from_bytes(_grey_png(width, height))


@lru_cache(maxsize=64)
def _grey_png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), _MID_GREY).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


@dataclass(frozen=True)
class _Shown:
    """An item with what tells its pictures apart; None where it has none, or one that cannot be read."""

    item: Item
    pictures: tuple[str, ...] | None

    def may_show(self, other: _Shown) -> bool:
        """Whether its pictures may be the other's."""
        return self.pictures is not None and not set(self.pictures) & set(other.pictures or ())


def _shuffled(items: Iterable[Item], seed: int) -> Iterator[Item]:
    """Each item with the pictures of another one near it that has different ones."""
    source = map(_shown, items)
    before: deque[_Shown] = deque(maxlen=_WINDOW)
    after: deque[_Shown] = deque()
    while True:
        while len(after) <= _WINDOW and (more := next(source, None)) is not None:
            after.append(more)
        if not after:
            return
        shown = after.popleft()
        yield _with_others(shown, before, after, source, seed)
        before.append(shown)


def _with_others(
    shown: _Shown, before: Iterable[_Shown], after: deque[_Shown], source: Iterator[_Shown], seed: int
) -> Item:
    if shown.pictures is None:
        return shown.item
    near = [other for other in chain(before, after) if other.may_show(shown)]
    while not near and (more := next(source, None)) is not None:
        after.append(more)
        near = [more] if more.may_show(shown) else []
    if not near:
        raise InputError(
            "questions with different pictures",
            found="the same ones everywhere",
            where="--control shuffled-image",
            fix="Take more questions, or the control blank-image",
        )
    # Questions of one cluster may have pictures that differ in a detail.
    apart = [other for other in near if not other.item.cluster or other.item.cluster != shown.item.cluster] or near
    return replace(shown.item, images=apart[_draw(f"{seed}:{shown.item.id}") % len(apart)].item.images)


def _draw(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def _shown(item: Item) -> _Shown:
    try:
        pictures = tuple(_digest(handle) for handle in item.images)
    except InputError:
        return _Shown(item, None)
    return _Shown(item, pictures or None)


def _digest(handle: ImageHandle) -> str:
    """Of the file, which is quicker than of its pixels."""
    data = encoded_bytes(handle)
    return image_key(handle) if data is None else hashlib.sha256(data).hexdigest()
