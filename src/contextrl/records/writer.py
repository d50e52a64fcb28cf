"""One writer to a run directory: two runs in one folder would mix their lines and each other's checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contextrl.disk import writing
from contextrl.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_RUN, _CHANGE = "a run directory that no other run is writing", "Wait for that run or stop it, or change run_dir"


def refuse_second_writer(run_dir: Path) -> None:
    """Refuse early where another run is writing; nothing is left behind.

    Raises:
        InputError: another run is writing there.
    """
    if _beside(run_dir).exists():
        with written_by_one(run_dir):
            pass


@contextmanager
def written_by_one(folder: Path, *, expected: str = _RUN, fix: str = _CHANGE) -> Iterator[None]:
    """Hold a folder alone. The file that is locked lies beside it, so that the folder itself can be replaced.

    A killed process holds nothing, whatever file it has left. Where a file system knows no locks nothing is held.

    Args:
        expected: what it is, for the error.
        fix: what to do then.

    Raises:
        InputError: somebody else is writing there.
    """
    path = _beside(folder)
    taken = InputError(expected, found="one that is being written", where=str(folder), fix=fix)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path, taken)
    try:
        yield
    finally:
        if descriptor is not None:
            # While it is still held: whoever opens it next looks whether it is still the file of that name.
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _beside(run_dir: Path) -> Path:
    where = run_dir.absolute()
    return where.with_name(f".{where.name}.lock")


def _locked(path: Path, taken: InputError) -> int | None:
    """A descriptor of the file, locked; None where there are no locks.

    Raises:
        InputError: `taken`, where another holds it.
    """
    if fcntl is None:
        return None
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise taken from error
        except OSError:
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)
