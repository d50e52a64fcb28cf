"""Pictures on their way to the run directory, beside the training and never in its time."""

from __future__ import annotations

import logging
import os
import queue
import threading
from pathlib import Path

from contextrl.data.images import open_image
from contextrl.disk import free_bytes, sized, writing
from contextrl.errors import DiskError
from contextrl.records.example import ImageHandle

logger = logging.getLogger("contextrl.trainer")

#: Pictures that may wait: more come only where they are drawn faster than they can be written.
ROOM = 256
#: JPEG's quality, for pictures that came as JPEG.
_QUALITY = 90


class PictureWriter:
    """Decodes, scales and writes pictures in a thread of its own; Pillow lets the training run meanwhile.

    Trouble costs pictures, never the run, and is said once: a picture that cannot be read is left out, and where the
    disk takes no more, no further one is tried.

    Args:
        folder: where they go.
        max_side: larger pictures are scaled down to this side, in pixels.
        reserve: bytes of the disk that are not for pictures.
    """

    def __init__(self, folder: Path, max_side: int, reserve: int = 0) -> None:
        self.folder, self.max_side, self.reserve = folder, max_side, reserve
        self._queue: queue.Queue[tuple[str, ImageHandle]] = queue.Queue(ROOM)
        self._thread: threading.Thread | None = None
        self._said: set[str] = set()
        self.gave_up = False

    def room(self) -> int:
        """How many pictures may be put now."""
        return 0 if self.gave_up else ROOM - self._queue.qsize()

    def put(self, name: str, handle: ImageHandle) -> None:
        """Have a picture written as `folder / name`; only its name says the format. Called from one thread.

        Args:
            handle: what shows it; not changed.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="pictures", daemon=True)
            self._thread.start()
        self._queue.put((name, handle))

    def drain(self, seconds: float | None = None) -> None:
        """Wait until what was put is written, at most so long."""
        done = self._queue.all_tasks_done
        with done:
            done.wait_for(lambda: not self._queue.unfinished_tasks, seconds)

    def say(self, kind: str, message: str) -> None:
        """A warning, once for each kind of trouble."""
        if kind not in self._said:
            self._said.add(kind)
            logger.warning("%s", message)

    def _write_all(self) -> None:
        while True:
            name, handle = self._queue.get()
            try:
                if not self.gave_up:
                    self._write(name, handle)
            except DiskError as error:
                self.gave_up = True
                self.say("disk", f"{error.problem}. No more pictures of groups are kept; all else goes on")
            except Exception as error:
                # Of one picture, whatever broke it; the thread must live on for the others.
                self.say("picture", f"The picture {name} of a group is left out: {error}")
            finally:
                self._queue.task_done()

    def _write(self, name: str, handle: ImageHandle) -> None:
        path = self.folder / name
        if path.exists():
            return
        if self.reserve and (free := free_bytes(self.folder)) < self.reserve:
            raise DiskError(f"The disk of {self.folder} has {sized(free)} left, which are kept for checkpoints")
        image = open_image(handle, self.max_side)
        # Two processes may draw the same picture in one step.
        scratch = self.folder / f"{name}.{os.getpid()}.partial"
        with writing(path):
            try:
                image.save(scratch, format="JPEG" if path.suffix == ".jpg" else "PNG", quality=_QUALITY)
                scratch.replace(path)
            finally:
                scratch.unlink(missing_ok=True)
