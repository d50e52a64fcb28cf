"""Where a build writes: refused before it begins where nothing could be written, or something of others' be lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from contextrl.building.import_settings import SourceSettings
from contextrl.building.writing import CARD, MANIFEST, REMOVED
from contextrl.disk import why_not_writable
from contextrl.errors import DiskError, InputError

#: Folder of a build's own files, within the set's.
WORK = "build"
_PICTURES = "pictures"
_FIX = "Change --out"


def check_out(out: Path, sources: Sequence[SourceSettings]) -> None:
    """Refuse a folder that cannot be written, or whose files a build would replace though no build made them.

    Raises:
        InputError: there is a file, other people's files, or a source. DiskError: it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise InputError("a folder of a build", found="a file", where=f"--out {out}", fix=_FIX)
    if (problem := why_not_writable(out)) is not None:
        raise DiskError(f"{out} cannot be written: {problem}", fix=_FIX)
    replaced = [*_replaced(out)]
    if replaced and not (out / WORK / "steps").is_dir():
        found = ", ".join(path.name for path in replaced[:3])
        expected = "a new folder, or one of an earlier build"
        raise InputError(expected, found=f"{found} of something else", where=f"--out {out}", fix=_FIX)
    for source in sources:
        for named in filter(None, (source.path, source.local)):
            path = Path(named).expanduser().resolve()
            own = [one.resolve() for one in (*replaced, out / WORK)]
            if path == out.resolve() or any(path.is_relative_to(one) for one in own):
                found = f"source {source.unit}, which the build would replace"
                raise InputError("a folder that no source is in", found=found, where=f"--out {out}", fix=_FIX)


def _replaced(out: Path) -> Iterator[Path]:
    """What is there of the files that a set consists of."""
    names = (MANIFEST, CARD, REMOVED, _PICTURES)
    yield from (path for name in names if (path := out / name).exists())
    yield from sorted(out.glob("train-*.parquet"))
