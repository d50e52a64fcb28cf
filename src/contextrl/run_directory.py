"""The run directory: written as the run goes, readable after a kill at any point.

`config.yaml`, `environment.json`, `metrics.jsonl` (a line per step), `groups.jsonl` (a line per group), `images/`,
`checkpoints/`, `results.json`. Readers skip a cut last line.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from contextrl.config import RunConfig, parse_config
from contextrl.errors import InputError

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


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half of it."""
    scratch = path.with_name(f".{path.name}.partial")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON lines file; a last line that a kill has cut is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


#: What a run that was killed before it began may leave: nothing in it is worth keeping.
_LEFTOVERS = ("checkpoints", "images", "environment.json", ".environment.json.partial")
#: Settings that a resumed run may change: they do not change what is trained. A run whose judge is gone goes on with
#: the same model at another address, or with another budget.
MAY_CHANGE = (
    "run_dir",
    "eval.",
    "train.save_steps",
    "train.save_total_limit",
    "train.report_to",
    "train.logging_",
    *(
        f"judge.{name}"
        for name in ("base_url", "api_key_env", "timeouts.", "budget.", "prices.", "cache", "max_retries")
    ),
    *(f"judge.{name}" for name in ("max_concurrency", "max_failures", "patience", "max_unscored", "max_failed")),
)


def flat_settings(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree of settings under dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flat_settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


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

    def check_same(self, config: RunConfig) -> None:
        """A resumed run must be the run that was started; only how often it is looked at may change.

        Raises:
            InputError: names the keys that differ.
        """
        then, now = (flat_settings(c.model_dump(mode="json")) for c in (self.config(), config))
        changed = [key for key in {**then, **now} if then.get(key) != now.get(key) and not key.startswith(MAY_CHANGE)]
        if changed:
            key = sorted(changed)[0]
            raise InputError(
                f"the run's own settings ({key}: {then.get(key)!r})",
                found=f"{now.get(key)!r} ({len(changed)} keys differ: {', '.join(sorted(changed))})",
                where="--resume",
                fix="Resume with the run's config.yaml, or start a new run in another run_dir",
            )

    def start(self, config: RunConfig, command: list[str], *, resume: bool) -> None:
        """Make the folder and write what the run is; a run that was here is replaced unless resumed."""
        if self.exists() and not resume:
            # Moved away first: a kill in the middle must not leave half of the old run under its name.
            old = self.path.with_name(f".{self.path.name}.replaced")
            shutil.rmtree(old, ignore_errors=True)
            self.path.rename(old)
            shutil.rmtree(old)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        (self.path / "images").mkdir(exist_ok=True)
        if not resume:
            write_atomically(self.path / "environment.json", json.dumps(environment(config, command), indent=2))
            # Last, because its presence says that a run is here.
            write_atomically(self.path / "config.yaml", config.to_yaml())

    def config(self) -> RunConfig:
        """The resolved configuration of the run that is here."""
        path = self.path / "config.yaml"
        return parse_config(yaml.safe_load(path.read_text(encoding="utf-8")), where=str(path))

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop lines of later steps and of the evaluation after training: a resumed run writes them again."""
        for path in [self.path / "metrics.jsonl", *self.path.glob("groups*.jsonl")]:
            rows = [row for row in read_jsonl(path) if row["step"] <= step and "after" not in row]
            kept = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
            if path.exists():
                write_atomically(path, "".join(kept))

    def results(self) -> dict[str, Any] | None:
        """What a finished run wrote, None before its end."""
        path = self.path / "results.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def write_results(self, results: Mapping[str, Any]) -> None:
        write_atomically(self.path / "results.json", json.dumps(results, indent=2) + "\n")


def environment(config: RunConfig, command: list[str]) -> dict[str, Any]:
    """What is needed to repeat the run: versions, seed, command; no environment variables, which may hold keys."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "seed": config.seed,
        "command": command,
    }
