"""Local copies of public sets with step labels: ProcessBench and VisualProcessBench."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contextrl.answers import check_answer
from contextrl.answers.numbers import parse_number
from contextrl.answers.options import parse_yes_no
from contextrl.data.loading import file_objects
from contextrl.errors import InputError
from contextrl.evaluation.judging.labelled import Labelled
from contextrl.evaluation.judging.measures import label_of
from contextrl.evaluation.judging.response_rows import lenient_example
from contextrl.records.example import AnswerType, Example

#: ProcessBench's label of a response without a wrong step.
_NO_ERROR = -1
#: Why a response of VisualProcessBench has no label: rules cannot tell whether its final answer is right.
DOUBTFUL = "doubtful final answer"


def read_public_set(name: str, path: Path) -> tuple[list[Labelled], Counter[str]]:
    """All responses of a set, and how many were left out by reason.

    Args:
        name: a key of `READERS`.
        path: a .json, .jsonl or .parquet file, or a folder of such files.

    Raises:
        InputError: nothing is there, or a row has another form.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".json", ".jsonl", ".parquet"))
    if not files or not files[0].is_file():
        fix = "Download the data set and give the path of its files"
        raise InputError(
            "a .json, .jsonl or .parquet file, or a folder of them", found="none", where=str(path), fix=fix
        )
    items: list[Labelled] = []
    left_out: Counter[str] = Counter()
    for file in files:
        for number, (where, row) in enumerate(file_objects(file), start=1):
            identity = str(row["id"]) if row.get("id") is not None else f"{file.stem}-{number}"
            item = READERS[name](row, where, identity, file.parent)
            if isinstance(item, Labelled):
                items.append(item)
            else:
                left_out[item] += 1
    return items, left_out


def process_bench(row: Mapping[str, Any], where: str, identity: str, base: Path) -> Labelled:  # noqa: ARG001
    """Qwen/ProcessBench (arXiv 2412.06559): text only; `label` is the first wrong step, -1 where there is none."""
    steps, label, final = _steps(row, where), row.get("label"), row.get("final_answer_correct")
    if not isinstance(label, int) or isinstance(label, bool) or not _NO_ERROR <= label < len(steps):
        expected = f"the number of a step from 0, or {_NO_ERROR}"
        raise InputError(expected, found=repr(label)[:60], where=f"{where}, field 'label'")
    if not isinstance(final, bool):
        raise InputError("true or false", found=repr(final)[:60], where=f"{where}, field 'final_answer_correct'")
    problem = row.get("problem")
    if not isinstance(problem, str) or not problem.strip():
        raise InputError("text", found=repr(problem)[:60], where=f"{where}, field 'problem'")
    example = Example(identity, problem.strip(), "", "", "math", source="processbench")
    return Labelled(example, "\n\n".join(steps), label_of(answer_correct=final, process_correct=label == _NO_ERROR))


def visual_process_bench(row: Mapping[str, Any], where: str, identity: str, base: Path) -> Labelled | str:
    """OpenGVLab/VisualProcessBench (arXiv 2503.10291): each step is 1 right, -1 wrong or 0 neutral.

    It does not say whether the final answer is right: rules compare it with `answer`, and where they are in doubt the
    response is left out.
    """
    response = row.get("response")
    if isinstance(response, str):
        try:
            response = json.loads(response)
        except ValueError:
            response = None
    if not isinstance(response, Mapping):
        expected = "an object with steps and process_correctness"
        raise InputError(expected, found=repr(row.get("response"))[:60], where=f"{where}, field 'response'")
    steps, marks = _steps(response, where), response.get("process_correctness")
    if not isinstance(marks, list) or len(marks) != len(steps) or any(mark not in (-1, 0, 1) for mark in marks):
        raise InputError(
            f"-1, 0 or 1 for each of {len(steps)} steps", found=repr(marks)[:60], where=f"{where}, process_correctness"
        )
    example = _visual_example(row, where, identity, base)
    text = "\n\n".join(steps)
    right = check_answer(text, example.answer, example.answer_type)
    if right is None:
        right = check_answer(steps[-1], example.answer, example.answer_type)
    if right is None:
        return DOUBTFUL
    return Labelled(example, text, label_of(answer_correct=right, process_correct=-1 not in marks))


def _visual_example(row: Mapping[str, Any], where: str, identity: str, base: Path) -> Example:
    images = row.get("image", row.get("images"))
    answer = row.get("answer")
    # Numbers as answers are numbers, not text in quotes, in some copies.
    answer = str(answer) if isinstance(answer, int | float) and not isinstance(answer, bool) else answer
    columns = {
        "id": identity,
        "question": row.get("question"),
        "images": images if isinstance(images, list) else [] if images is None else [images],
        "answer": answer,
        "answer_type": guess_answer_type(answer) if isinstance(answer, str) else "text",
        "source": "visualprocessbench",
    }
    try:
        return lenient_example(columns, "answer", base)
    except InputError as error:
        place = error.where.partition("field ")[2]
        raise InputError(error.expected, found=error.found, where=f"{where}, field {place}", fix=error.fix) from error


def guess_answer_type(answer: str) -> AnswerType:
    """How a reference answer whose type nobody states is compared."""
    plain = answer.strip()
    if re.fullmatch(r"\(?[A-J]\)?\.?", plain):
        return "choice"
    if parse_yes_no(plain) is not None:
        return "yes_no"
    if parse_number(plain) is not None:
        return "number"
    return "math" if re.search(r"[\d\\^_=]", plain) else "text"


def _steps(row: Mapping[str, Any], where: str) -> list[str]:
    steps = row.get("steps")
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        raise InputError("a list of texts", found=repr(steps)[:60], where=f"{where}, field 'steps'")
    return steps


Reader = Callable[[Mapping[str, Any], str, str, Path], Labelled | str]
READERS: dict[str, Reader] = {"processbench": process_bench, "visualprocessbench": visual_process_bench}
