"""Studies as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contextrl.records.jsonl import json_ready
from contextrl.studies.study import Finding, Result

#: How verdicts come about, for who reads a page.
HOW = (
    "A finding agrees or disagrees where its p is below 0.05: of the paired t-test over seeds, adjusted by Holm for "
    "all findings of its study about what the paper claims; and it disagrees where the paper's difference is a point "
    "or more and the whole interval here is within a point of none. A share that is said to count does so where its "
    "whole interval is on one side of 1 %. Everything else cannot be told, and the reason stands beside it. What the "
    "paper says nothing of is not claimed: its p are adjusted apart, and say whether a difference is told apart from "
    "none. p in tables are adjusted within the table. Seeds are trainings: an interval says what another training "
    "gives on the same items, not what other items do. Held-out images are looked at by the main comparison alone; "
    "choices were made on development images. Unless more is said a run is of its method's shipped configuration, from "
    "the same weights: 60 steps of 16 prompts with eight samples each, at a learning rate of 7.5e-5; SFT has 16 rows a "
    "step at 3e-4; both draw on 2,000 questions."
)


@dataclass(frozen=True)
class Written:
    """A study with its result, ready to be shown.

    Attributes:
        claim: what the paper says.
        command: that makes it.
        seeds: how many each arm has, in words.
    """

    name: str
    title: str
    claim: str
    command: str
    seeds: str
    result: Result


def seeds_said(counts: Mapping[str, int], wanted: Mapping[str, int]) -> str:
    """How many seeds a study's arms have, and which have fewer than it asks for.

    Args:
        counts: label to finished cells, of arms with seeds; 0 for what is missing.
        wanted: label to how many were asked for.
    """
    if not counts:
        return "no arm depends on a seed"
    # Of what is there: an arm that another study has run oftener has all of that study's seeds.
    numbers = sorted(set(counts.values()) - {0})
    said = f"{' or '.join(map(str, numbers or [0]))} {'seed' if numbers == [1] else 'seeds'}"
    missing = [f"{label} {count} of {wanted[label]}" for label, count in counts.items() if count < wanted[label]]
    return f"{said}; unfinished: {', '.join(missing)}" if missing else said


def finding_line(finding: Finding) -> str:
    """`**agrees** — what is seen. Why.`"""
    return f"**{finding.verdict}**: {finding.sees}{' ' + finding.why if finding.why else ''}"


def markdown(title: str, studies: Sequence[Written], figures: Mapping[str, str]) -> str:
    """The page of all studies.

    Args:
        figures: study's name to the path of its figure, from the page.
    """
    head = f"# {title}\n\nWritten by `contextrl reproduce`, never by hand. {HOW}\n"
    return head + "".join(f"\n{section(study, figures.get(study.name))}" for study in studies)


def section(study: Written, figure: str | None) -> str:
    """One study under its heading."""
    parts = [f"## {study.title}", f"The paper: {study.claim}", f"`{study.command}`; {study.seeds}."]
    if study.result.findings:
        parts.append("\n".join(f"- {finding_line(finding)}" for finding in study.result.findings))
    parts += study.result.notes
    if figure is not None and study.result.figure is not None:
        drawn = study.result.figure
        parts.append(f"![{drawn.title}. {drawn.caption}]({figure})")
    return "\n\n".join(parts) + "\n\n" + "\n".join(table.markdown() for table in study.result.tables)


def as_json(studies: Sequence[Written]) -> dict[str, Any]:
    """`reproduction.json`: by study its claim, findings, tables and data."""
    return {
        study.name: json_ready(
            {
                "title": study.title,
                "claim": study.claim,
                "command": study.command,
                "seeds": study.seeds,
                "findings": [asdict(finding) for finding in study.result.findings],
                "notes": list(study.result.notes),
                "tables": [asdict(table) for table in study.result.tables],
                "data": study.result.data,
            },
            digits=6,
        )
        for study in studies
    }
