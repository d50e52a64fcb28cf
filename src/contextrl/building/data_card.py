"""The card of a set: what is in it, where it comes from, and what was removed on the way."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contextrl.building.finish_settings import WritingSettings

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_TITLES = {
    "source": "Source",
    "task": "Task",
    "answer_type": "Answer type",
    "right": "Right responses of the policy",
    "reference": "Reference solution",
    "licence": "Licence",
}


def data_card(manifest: Mapping[str, Any], settings: WritingSettings) -> str:
    """Markdown with the hub's header."""
    rows = manifest["rows"]
    size = next((name for limit, name in _SIZES if rows < limit), "n>1M")
    header = {
        "pretty_name": settings.name,
        "license": settings.licence or "other",
        "task_categories": ["visual-question-answering"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train-*.parquet"}]}],
    }
    # JSON is YAML; dumped so, no name of a source or of the set can end the header.
    lines = ["---", *(f"{key}: {json.dumps(value, ensure_ascii=True)}" for key, value in header.items()), "---"]
    lines += [
        "",
        f"# {_cell(settings.name)}",
        "",
        f"{rows:,} questions with reference solutions, for `contextrl train`:",
    ]
    lines += ["", "```yaml", "data:", "  train: FOLDER_OF_THIS_FILE", "```", ""]
    shown = manifest["pictures"]
    where = "in the shards" if shown["how"] == "embedded" else "in `pictures/`"
    lines += [f"{shown['files']:,} pictures, {where}. Seed of the build: {manifest['seed']}."]
    if (documents := manifest["documents"])["rows"]:
        said = f"{documents['texts']:,} in {documents['rows']:,} of {rows:,} rows"
        lines += ["", f"Documents for a judge that sees them (`judge.context: documents`): {said}."]
    for name, title in _TITLES.items():
        counts = manifest["counts"][name]
        parts = ((key or "not stated", f"{count:,}", f"{count / rows:.1%}") for key, count in counts.items())
        lines += ["", f"## {title}", "", *_table((title, "Rows", "Share"), parts)]
    lines += ["", "## Steps", "", *_table(("Step", "In", "Out", "Removed"), _steps(manifest["steps"]))]
    lines += [
        "",
        "Every row that was removed is in `removed.jsonl`, with the step, the reason and, for a duplicate, its",
    ]
    lines += ["partner. `manifest.json` has the settings, versions and hashes."]
    lines += [*_balance(manifest["steps"]), ""]
    return "\n".join(lines)


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for step in steps:
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in step["dropped"].items())
        yield step["name"], f"{step['taken']:,}", f"{step['given']:,}", reasons


def _balance(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    tables = [step["notes"]["table"] for step in steps if step["name"] == "balance" and step["notes"].get("table")]
    lines: list[str] = []
    for table in tables:
        parts = (
            (
                row["group"],
                ", ".join(f"{feature} {value}" for feature, value in row["classes"].items()) or "all",
                *(f"{row[k]:,}" for k in ("asked", "available", "taken")),
            )
            for row in table
        )
        lines += ["", "## Balance", "", *_table(("Group", "Class", "Asked", "There", "Taken"), parts)]
    return lines


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(_cell(part) for part in line) + " |" for line in lines]


def _cell(text: str) -> str:
    """Text that is nothing but text, whatever a source calls itself."""
    text = "".join(character if character.isprintable() else " " for character in text)
    text = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{character}" if character in "\\`*_[]|#~" else character for character in text)
