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
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from contextrl.errors import InputError
from contextrl.records.files import scratch_name, write_atomically
from contextrl.records.groups import group_files
from contextrl.records.jsonl import read_objects
from contextrl.records.yaml_files import parse_yaml

_PACKAGES = (
    "contextrl",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "datasets",
    "peft",
    "math-verify",
    "numpy",
)
#: The evaluations of which every item is kept.
Whole = Literal["before", "after"]
#: What a run that was killed before it began may leave: nothing in it is worth keeping.
_LEFTOVERS = (
    "checkpoints",
    "images",
    "environment.json",
    scratch_name("environment.json"),
    scratch_name("config.yaml"),
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
            InputError: there is something here, or nothing to resume.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError("a folder", found="a file", where=str(self.path), fix="Change run_dir")
        if resume and not self.exists():
            raise InputError("a run to resume", found="none", where=str(self.path), fix="Run without --resume")
        if resume or not self.path.exists():
            return
        if not self.exists():
            if all(entry.name in _LEFTOVERS for entry in self.path.iterdir()):
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

    def start(self, config: str, environment: Mapping[str, Any], *, resume: bool) -> None:
        """Make the folder and write what the run is; a run that was here is replaced unless resumed.

        Args:
            config: the resolved configuration, as YAML.
            environment: see `environment`.
        """
        if self.exists() and not resume:
            # Moved away first: a kill in the middle must not leave half of the old run under its name.
            old = self.path.with_name(f".{self.path.name}.replaced")
            shutil.rmtree(old, ignore_errors=True)
            self.path.rename(old)
            shutil.rmtree(old)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        (self.path / "images").mkdir(exist_ok=True)
        if not resume:
            write_atomically(self.path / "environment.json", json.dumps(environment, indent=2))
            # Last, because its presence says that a run is here.
            write_atomically(self.path / "config.yaml", config)

    def settings(self) -> dict[str, Any]:
        """The resolved configuration of the run that is here, as it was written."""
        path = self.path / "config.yaml"
        try:
            return dict(parse_yaml(path.read_text(encoding="utf-8")))
        except (yaml.YAMLError, ValueError, TypeError) as error:
            raise InputError("a run's config.yaml", found=" ".join(str(error).split()), where=str(path)) from error

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
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop lines of later steps and of the evaluation after training: a resumed run writes them again."""
        for path in [self.path / "metrics.jsonl", *group_files(self.path)]:
            rows = [row for row in read_objects(path) if row["step"] <= step and "after" not in row]
            kept = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
            if path.exists():
                write_atomically(path, "".join(kept))

    def results(self) -> dict[str, Any] | None:
        """What a finished run wrote, None before its end."""
        path = self.path / "results.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def write_items(self, whole: Whole, items: Iterable[Mapping[str, Any]]) -> None:
        """Every item of an evaluation: runs are compared item by item."""
        lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in items]
        write_atomically(self.path / f"items-{whole}.jsonl", "".join(lines))

    def write_results(self, results: Mapping[str, Any]) -> None:
        write_atomically(self.path / "results.json", json.dumps(results, indent=2) + "\n")


def environment(seed: int, command: list[str]) -> dict[str, Any]:
    """What is needed to repeat the run: versions, seed, command; no environment variables, which may hold keys."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": package_versions(),
        "seed": seed,
        "command": command,
    }


def package_versions() -> dict[str, str]:
    """Of the packages that a run's figures depend on."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}
