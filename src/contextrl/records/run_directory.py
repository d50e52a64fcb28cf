"""The run directory: written as the run goes, readable after a kill at any point.

`config.yaml`, `environment.json`, `metrics.jsonl` (a line per step), `groups.jsonl` (a line per group), `images/`,
`checkpoints/`, `items-before.jsonl` and `items-after.jsonl` (a line per held-out item), `model/` (the trained model),
`results.json`. Readers skip a cut last line.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from contextrl import __version__
from contextrl.disk import why_not_writable, writing
from contextrl.errors import DiskError, InputError
from contextrl.records.files import append_lines, scratch_name, write_atomically
from contextrl.records.groups import group_files
from contextrl.records.jsonl import json_lines, read_object, read_objects
from contextrl.records.secrets import without_secrets_in_words
from contextrl.records.yaml_files import read_yaml

_PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "datasets",
    "peft",
    "math-verify",
    "numpy",
    "vllm",
)
#: The evaluations of which every item is kept.
Whole = Literal["before", "after"]
_MADE = ("checkpoints", "images")
_FOLDERS = (*_MADE, "model")
#: What a run that was killed before it began may leave: nothing in it is worth keeping.
_LEFTOVERS = (*_MADE, "environment.json", scratch_name("environment.json"), scratch_name("config.yaml"))
#: What a run writes as files; processes' `groups-1.jsonl` beside them.
_FILES = (
    "config.yaml",
    "environment.json",
    "metrics.jsonl",
    "groups.jsonl",
    "items-before.jsonl",
    "items-after.jsonl",
    "results.json",
)


class RunDirectory:
    """Files of one run.

    Args:
        path: where they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The trained model, from the end of the run on."""
        return self.path / "model"

    def exists(self) -> bool:
        """Whether a run has been here."""
        return (self.path / "config.yaml").exists()

    def check_free(self, *, resume: bool, overwrite: bool) -> None:
        """Refuse to mix runs.

        Raises:
            InputError: there is something here, or nothing to resume, or nothing can be written here.
        """
        if (problem := why_not_writable(self.path)) is not None:
            raise InputError("a folder that can be written", found=problem, where=str(self.path), fix="Change run_dir")
        if self.path.exists() and not self.path.is_dir():
            raise InputError("a folder", found="a file", where=str(self.path), fix="Change run_dir")
        if resume and not self.exists():
            raise InputError("a run to resume", found="none", where=str(self.path), fix="Run without --resume")
        if resume:
            self._check_kinds()
        if resume or not self.path.exists():
            return
        if not self.exists():
            if all(entry.name in _LEFTOVERS and _is_of_its_kind(entry) for entry in self.path.iterdir()):
                return
            raise InputError(
                "an empty or new folder",
                found="files that are not a run",
                where=str(self.path),
                fix="Change run_dir",
            )
        if not overwrite:
            raise InputError(
                "a folder without a run in it",
                found="an earlier run",
                where=str(self.path),
                fix="Add --resume to continue it, --overwrite to replace it, or change run_dir",
            )

    def _check_kinds(self) -> None:
        """Refuse to go on where a folder took the place of a file, or the other way round, or may not be written."""
        for name in (*_FOLDERS, *_FILES):
            path, expected = self.path / name, "a folder" if name in _FOLDERS else "a file"
            if not _is_of_its_kind(path):
                found = "a file" if name in _FOLDERS else "a folder"
                raise InputError(expected, found=found, where=str(path), fix="Move it away")
            if path.exists() and not os.access(path, os.W_OK):
                raise InputError(
                    f"{expected} that can be written", found="no permission", where=str(path), fix="Change its mode"
                )

    def start(self, config: str, environment: Mapping[str, Any], *, resume: bool) -> None:
        """Make the folder and write what the run is; a run that was here is replaced unless resumed.

        Args:
            config: the resolved configuration, as YAML.
            environment: see `environment`.
        """
        try:
            with writing(self.path, fix="Make room, or change run_dir"):
                self._start(config, environment, resume=resume)
        except DiskError:
            if not resume:
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    def _start(self, config: str, environment: Mapping[str, Any], *, resume: bool) -> None:
        if resume:
            self._remove_scratch()
        elif self.exists():
            # Moved away first: a kill in the middle must not leave half of the old run under its name.
            old = self.path.with_name(scratch_name(self.path.name, "replaced"))
            shutil.rmtree(old, ignore_errors=True)
            self.path.rename(old)
            shutil.rmtree(old)
        for folder in _MADE:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        if not resume:
            write_atomically(self.path / "environment.json", json.dumps(environment, indent=2))
            # Last, because its presence says that a run is here.
            write_atomically(self.path / "config.yaml", config)

    def _remove_scratch(self) -> None:
        """What a kill left of files, and of the model's folder, that were being written."""
        for path in (*self.path.glob(".*.partial"), *(self.path / "images").glob("*.partial")):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def settings(self) -> dict[str, Any]:
        """The resolved configuration of the run that is here, as it was written."""
        path = self.path / "config.yaml"
        settings = read_yaml(path, "a run's config.yaml")
        if not isinstance(settings, dict):
            raise InputError("a run's config.yaml, a mapping", found=type(settings).__name__, where=str(path))
        return settings

    def continue_with(self, config: str) -> None:
        """Open a run that may be finished again, with settings that go further.

        Args:
            config: the resolved configuration, as YAML.
        """
        for path in (self.path / "results.json", self.path / "items-after.jsonl"):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.model, ignore_errors=True)
        # Last: with a larger goal on record and results still there, a kill would leave a run that seems finished.
        write_atomically(self.path / "config.yaml", config)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Lines of metrics.jsonl."""
        return read_objects(self.path / "metrics.jsonl")

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        append_lines(self.path / "metrics.jsonl", json.dumps(record) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop lines of later steps and of the evaluation after training: a resumed run writes them again."""

        def belongs(row: dict[str, Any]) -> bool:
            return isinstance(row.get("step"), int) and row["step"] <= step and "after" not in row

        for path in [self.path / "metrics.jsonl", *group_files(self.path)]:
            if path.exists():
                _keep_lines(path, belongs)

    def results(self) -> dict[str, Any] | None:
        """What a finished run wrote, None before its end."""
        path = self.path / "results.json"
        return read_object(path) if path.exists() else None

    def write_items(self, whole: Whole, items: Iterable[Mapping[str, Any]]) -> None:
        """Every item of an evaluation: runs are compared item by item."""
        lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in items]
        write_atomically(self.path / f"items-{whole}.jsonl", "".join(lines))

    def write_results(self, results: Mapping[str, Any]) -> None:
        write_atomically(self.path / "results.json", json.dumps(results, indent=2) + "\n")


def _is_of_its_kind(path: Path) -> bool:
    """Whether what has a name of the run's is a folder or a file as it must be; what is absent may become either."""
    return not path.exists() or path.is_dir() == (path.name in _FOLDERS)


def _keep_lines(path: Path, belongs: Callable[[dict[str, Any]], bool]) -> None:
    """Drop the other lines, and cut and damaged ones.

    Where those that belong are the first ones, the file is cut behind them: there is room for that on a full disk.
    """
    end, dropped = 0, False
    for line in json_lines(path):
        if not (line.complete and line.object is not None and belongs(line.object)):
            dropped = True
        elif dropped:
            break
        else:
            end = line.end
    else:
        with writing(path):
            os.truncate(path, end)
        return
    kept = (line.object for line in json_lines(path) if line.complete and line.object is not None)
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept if belongs(row)))


def environment(seed: int, command: list[str]) -> dict[str, Any]:
    """What is needed to repeat the run: versions, seed, command without its secrets; no environment variables."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": package_versions(),
        "seed": seed,
        "command": without_secrets_in_words(command),
    }


def package_versions() -> dict[str, str]:
    """Of the packages that a run's figures depend on; those that are not installed are left out.

    Ours may be a folder of source that Python was pointed to.
    """
    found = {"contextrl": __version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
