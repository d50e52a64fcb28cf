"""A model's answers on disk: a line each, written as they come, readable after a kill, gone on with by the same run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contextrl.disk import writing
from contextrl.errors import DiskError, InputError
from contextrl.evaluation.answering.questions import Answer, Model, Question
from contextrl.evaluation.benchmarks.items import Sampling
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import json_line, json_lines, read_object

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_MAKE_ROOM = "Make room: what is written is kept, and the same command goes on from there"
#: How parts of an identity are set.
SETTINGS: Mapping[str, str] = {
    "benchmark": "--benchmark",
    "protocol": "--protocol",
    "model": "the model",
    "control": "--control",
    "data": "--data",
    "seed": "--seed",
    "image_max_side": "--image-max-side",
    "sampling": "the sampling settings",
}


@dataclass(frozen=True)
class Identity:
    """What answers depend on, so that a file holds those of one run only.

    Attributes:
        model: its path, or its name at the server.
        data: where the questions come from: `hub@revision`, or a local copy's content.
        control: of `controls.CONTROLS`; None asks the questions as they are.
        seed: of the control.
        image_max_side: pictures are scaled down to it, in pixels; None sends them as they are.
    """

    benchmark: str
    protocol: str
    model: str
    sampling: Sampling
    data: str = ""
    control: str | None = None
    seed: int = 0
    image_max_side: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class AnswerFile:
    """Answers by id, as lines. A context that holds the file for itself.

    Args:
        path: the file; its identity stands beside it, in `sidecar(path)`.
        identity: of the answers that will be put.
        settings: what a part of the identity is set by, by its name (`sampling.temperature` before `sampling`).
        output: the setting that names another file.
        overwrite: forget what is there.

    Raises:
        InputError: the file holds other answers, is none of ours, or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        identity: Identity,
        *,
        settings: Mapping[str, str] = SETTINGS,
        output: str = "--output",
        overwrite: bool = False,
    ) -> None:
        self.path, self.identity = path, identity
        self._settings, self._output = settings, output
        #: The prompts' digests of what is answered, and of what is being asked.
        self._answered: dict[str, str] = {}
        self._asked: dict[str, str] = {}
        self._end = 0
        self._file: BufferedWriter | None = None
        if path.exists() and not path.is_file():
            raise InputError("a file", found="a folder or device", where=str(path), fix=f"Change {output}")
        if not overwrite:
            self._check_identity()
            self._read()

    # ---- what is there -------------------------------------------------------------------------------------------

    def _check_identity(self) -> None:
        beside = sidecar(self.path)
        if not beside.exists():
            if self.path.exists() and self.path.stat().st_size:
                fix = f"Change {self._output}"
                raise InputError(f"answers with their {beside.name}", found="none", where=str(self.path), fix=fix)
            return
        there = _parts(read_object(beside))
        for name, value in _parts(json.loads(json.dumps(self.identity.to_json()))).items():
            if there.get(name) != value:
                setting = self._settings.get(name) or self._settings.get(name.partition(".")[0]) or name
                raise InputError(
                    f"answers with {name} {json.dumps(value)}",
                    found=json.dumps(there.get(name)),
                    where=str(beside),
                    fix=f"Change {setting} back, or change {self._output} to keep both",
                )

    def _read(self) -> None:
        """Note what is answered; errors are asked again, and a last line that a kill has cut is dropped."""
        for line in json_lines(self.path, pipes=False):
            if not line.complete:
                break
            columns = line.object
            if columns is None or not isinstance(columns.get("id"), str):
                where, fix = f"{self.path}, line {line.number}", f"Remove that line, or change {self._output}"
                raise InputError("an answer with its id", found="none", where=where, fix=fix)
            self._end = line.end
            if isinstance(columns.get("response"), str):
                self._answered[columns["id"]] = str(columns.get("prompt", ""))

    @property
    def answered(self) -> int:
        """Questions that have a response."""
        return len(self._answered)

    def pending(self, questions: Iterable[Question]) -> Iterator[Question]:
        """The questions that have no response yet, as they come.

        Raises:
            InputError: an answered question had another prompt, or two have one id.
        """
        seen: set[str] = set()
        for question in questions:
            if question.id in seen:
                raise InputError("ids of their own", found=f"{question.id[:80]!r} twice", where="the questions")
            seen.add(question.id)
            digest, known = question.digest, self._answered.get(question.id)
            if known is None:
                self._asked[question.id] = digest
                yield question
            elif known != digest:
                raise InputError(
                    "the prompts that were answered",
                    found=f"another one for id {question.id[:80]!r}",
                    where=str(self.path),
                    fix=f"Change {self._output}, or use the data and the version that wrote this file",
                )

    # ---- what comes ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Write the identity and make the file ready: its folder made, a cut line cut off, an old content forgotten.

        Raises:
            InputError: another process writes to it, or it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
            _lock(self._file)
            write_atomically(sidecar(self.path), json.dumps(self.identity.to_json(), indent=2) + "\n")
            self._file.truncate(self._end)
        except BlockingIOError as error:
            self.close()
            fix = f"Wait for the other one to end, or change {self._output}"
            raise InputError(
                "a file of this command", found="another writes to it", where=str(self.path), fix=fix
            ) from error
        except DiskError:
            self.close()
            raise
        except OSError as error:
            self.close()
            found = error.strerror or "none"
            raise InputError("a file that can be written", found=found, where=str(self.path)) from error
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def put(self, answer: Answer) -> None:
        """Write an answer and hand it to the system at once.

        Raises:
            DiskError: it could not be written whole; what was written before is kept.
        """
        assert self._file is not None, "it is a context"
        digest = self._asked.pop(answer.id, "")
        columns: dict[str, Any] = {"id": answer.id}
        if answer.response is None:
            columns["error"] = answer.error or "no answer"
        else:
            columns |= {
                "response": answer.response,
                "truncated": answer.truncated,
                "finish_reason": answer.finish_reason,
                "tokens": answer.tokens,
                "prompt": digest,
            }
        try:
            with writing(self.path, fix=_MAKE_ROOM):
                self._file.write(json_line(columns).encode("utf-8"))
                self._file.flush()
        except DiskError:
            self.close()
            raise
        if answer.response is not None:
            self._answered[answer.id] = digest

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            # What could not be written would be tried once more.
            with suppress(OSError):
                file.close()


def _lock(file: BufferedWriter) -> None:
    """Hold a file until it is closed, where there are locks.

    Raises:
        BlockingIOError: another process holds it.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return


def sidecar(path: Path) -> Path:
    """Where a file's identity stands: `mmstar.jsonl` has `mmstar.identity.json`."""
    return path.with_name(f"{path.stem}.identity.json")


def answer_all(questions: Iterable[Question], model: Model, file: AnswerFile) -> Iterator[Answer]:
    """Ask what has no response yet; answers are on disk when they are given out.

    Raises:
        ServiceError: as the model's; the same command goes on from there.
    """
    for answer in model.answers(file.pending(questions), file.identity.sampling):
        file.put(answer)
        yield answer


def read_answers(path: Path) -> Iterator[Answer]:
    """A file's answers, each id once: its response, or the last error.

    Raises:
        InputError: a line is no answer, or the file cannot be read.
    """
    chosen: dict[str, tuple[int, bool]] = {}
    for number, answer in _lines(path):
        if answer.response is not None or not chosen.get(answer.id, (0, False))[1]:
            chosen[answer.id] = (number, answer.response is not None)
    for number, answer in _lines(path):
        if chosen.get(answer.id, (0, False))[0] == number:
            yield answer


def _lines(path: Path) -> Iterator[tuple[int, Answer]]:
    for line in json_lines(path, pipes=False):
        if not line.complete:
            return
        answer = _answer(line.object)
        if answer is None:
            found = line.problem[1] if line.problem else "none"
            raise InputError("an answer: id, and response or error", found=found, where=f"{path}, line {line.number}")
        yield line.number, answer


def _answer(columns: dict[str, Any] | None) -> Answer | None:
    if columns is None or not isinstance(columns.get("id"), str):
        return None
    response, error, tokens = columns.get("response"), columns.get("error"), columns.get("tokens")
    if not isinstance(response, str):
        return Answer(columns["id"], error=error) if isinstance(error, str) else None
    return Answer(
        columns["id"],
        response,
        columns.get("truncated") is True,
        str(columns.get("finish_reason", "")),
        tokens if isinstance(tokens, int) else 0,
    )


def _parts(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity's values by name; of the sampling settings, each by its own."""
    flat: dict[str, Any] = {}
    for name, value in identity.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{part}": inner for part, inner in value.items()}
        else:
            flat[name] = value
    return flat
