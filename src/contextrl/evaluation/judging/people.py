"""Judged responses for people to label: read from a file of verdicts or from a run, sampled by what the judge said.

The paper's people looked at 1,000 rejections of its judge (arXiv 2602.22623, 4.3.1). Here accepted responses are looked
at too, or a judge that rejects everything would do well.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from contextrl.data.confinement import outside
from contextrl.data.problems import problems_error
from contextrl.errors import InputError
from contextrl.evaluation.judging.response_rows import lenient_example, read_response_rows, wrong_images
from contextrl.evaluation.judging.verdict_file import verdict_from_json
from contextrl.records.example import Example
from contextrl.records.jsonl import json_lines
from contextrl.records.run_data import read_run
from contextrl.records.verdict import Verdict

#: What the judge said: a response accepted, a right answer by a wrong process, a response rejected otherwise.
Kind = Literal["accepted", "false positive", "rejected"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Judged:
    """A response with its verdict.

    Attributes:
        key: its id in the source.
        kind: what the judge said of it.
    """

    key: str
    example: Example
    response: str
    verdict: Verdict
    kind: Kind

    @property
    def digest(self) -> str:
        """12 hex characters of question and response: a label of another response under the same id is told by it."""
        text = f"{self.example.question}\0{self.response}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True)
class Population:
    """All that a judge said, once each.

    Attributes:
        unscored: responses without a verdict; nobody is asked about them.
    """

    items: Sequence[Judged]
    unscored: int

    def of(self, kind: Kind) -> list[Judged]:
        """Those of which the judge said this, in order."""
        return [item for item in self.items if item.kind == kind]


def read_population(source: Path, *, allow_outside: bool = False) -> Population:
    """Every response with a verdict.

    Args:
        source: lines of `judge verify`, or a run directory.
        allow_outside: take pictures from anywhere; by default from the file's folder, or the run's own.

    Raises:
        InputError: it is neither, a line is wrong, or nothing in it has a verdict.
    """
    rows = _of_run(source) if source.is_dir() else _of_file(source, allow_outside=allow_outside)
    items: dict[str, Judged] = {}
    unscored = 0
    for key, example, response, verdict in rows:
        if verdict.status == "unscored":
            unscored += 1
        else:
            items.setdefault(key, Judged(key, example, response, verdict, _kind(verdict)))
    if not items:
        found = f"{unscored} unscored" if unscored else "none"
        raise InputError("responses with verdicts", found=found, where=str(source))
    return Population(list(items.values()), unscored)


def _kind(verdict: Verdict) -> Kind:
    if verdict.status == "correct":
        return "accepted"
    return "false positive" if verdict.false_positive else "rejected"


Row = tuple[str, Example, str, Verdict]


def _of_file(path: Path, *, allow_outside: bool) -> Iterator[Row]:
    rows = read_response_rows(path, "none", limit=0, allow_outside=allow_outside)
    verdicts = {line.number: line.object.get("verdict") for line in json_lines(path) if line.object is not None}
    for row in rows:
        yield row.key, row.example, row.response, _verdict(verdicts.get(row.line), f"{path}, line {row.line}")


def _of_run(folder: Path) -> Iterator[Row]:
    run = read_run(folder)
    place = (folder / "images").resolve()
    for number, (_, _, group) in enumerate(run.groups()):
        for attempt, record in enumerate(group.get("attempts") or ()):
            if not isinstance(record, Mapping) or not isinstance(record.get("verdict"), Mapping):
                continue
            key = f"group-{number}-attempt-{attempt}"
            columns = {**group, "id": key}
            example = lenient_example(columns, "none", folder)
            if problem := next(iter(outside(example, [place], [folder])), None):
                raise InputError("pictures within the run", found=problem, where=f"{folder}, {key}")
            yield key, example, str(record.get("text", "")), _verdict(record["verdict"], f"{folder}, {key}")


def _verdict(columns: Any, where: str) -> Verdict:
    try:
        return verdict_from_json(columns)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        fix = "Give what contextrl judge verify wrote, or a run directory"
        raise InputError("a verdict", found="none", where=where, fix=fix) from error


def draw_sample(population: Population, count: int, seed: int) -> list[Judged]:
    """As many of each kind as can be, `count` together, in mixed order; the same arguments draw the same ones.

    Raises:
        InputError: a picture of one of them cannot be read.
    """
    rng = random.Random(f"label-{seed}")
    pools = {kind: population.of(kind) for kind in KINDS}
    for pool in pools.values():
        rng.shuffle(pool)
    shares = shared_out(count, [len(pool) for pool in pools.values()])
    sample = [item for pool, share in zip(pools.values(), shares, strict=True) for item in pool[:share]]
    rng.shuffle(sample)
    problems = [f"{sample[place].key}: {text}" for place, text in wrong_images([item.example for item in sample])]
    if problems:
        raise problems_error(problems, total=f"{len(sample)} responses", where="pictures")
    return sample


def shared_out(count: int, sizes: Sequence[int]) -> list[int]:
    """`count` over pools, the same for all of them but for those that have fewer; all there is where that is less."""
    shares = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        open_pools = [place for place, size in enumerate(sizes) if shares[place] < size]
        each = max(1, left // len(open_pools))
        for place in open_pools[:left]:
            more = min(each, sizes[place] - shares[place], left)
            shares[place] += more
            left -= more
    return shares


def sheet_row(item: Judged, *, verdict: bool) -> dict[str, Any]:
    """A line to fill in: what is judged, and `label` to be set to correct, incorrect or unsure.

    Args:
        verdict: show what the judge said, which a labeller should not know.
    """
    example = item.example
    row = {
        "id": item.key,
        "digest": item.digest,
        "question": example.question,
        "images": [str(handle) for handle in example.images if isinstance(handle, Path)],
        "solution": example.solution,
        "answer": example.answer,
        "response": item.response,
    }
    shown = {"verdict": item.verdict.status, "mistake_report": item.verdict.mistake_report} if verdict else {}
    return {**row, **shown, "label": None}
