"""Checking examples before a run: every image decodes and every reference passes its own verifier."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import track

from contextrl.data.example import Example, ImageHandle
from contextrl.data.images import check_image
from contextrl.errors import InputError
from contextrl.judge.answers import check_answer, extract_answer

#: Problems that the error spells out; it counts the rest.
SHOWN_PROBLEMS = 10
#: From this many rows on, checking takes long enough to show a progress bar.
PROGRESS_ROWS = 2_000


class ValidExamples(list[Example]):
    """Examples that `validate_examples` has passed: nobody needs to decode their images a second time."""


def validate_examples(examples: Sequence[Example], *, vision: bool, where: str, progress: bool = True) -> None:
    """Check every example, images decoded in full, and report all problems at once.

    Args:
        examples: the rows to check.
        vision: whether the model has a vision tower; without one, a row with images is a problem.
        where: the file or dataset, for the error.
        progress: allow a progress bar on stderr (shown for more than `PROGRESS_ROWS` rows).

    Raises:
        InputError: one for all rows. It lists the first `SHOWN_PROBLEMS` problems (row id, field, expected,
            found) and their number: an image that is missing or corrupt, images without a vision tower, an
            empty solution, a solution that does not end with the row's answer.
    """
    count = 0
    shown: list[str] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        # Pillow releases the interpreter lock while it decodes; meanwhile this thread compares answers.
        image_problems = pool.map(_image_checker(vision), examples)
        rows = track(
            zip(examples, image_problems, strict=True),
            description="Checking examples",
            total=len(examples),
            console=Console(stderr=True),
            transient=True,
            disable=not progress or len(examples) <= PROGRESS_ROWS,
        )
        for example, problems in rows:
            for problem in (*problems, *_reference_problems(example)):
                count += 1
                if len(shown) < SHOWN_PROBLEMS:
                    shown.append(f"row {example.id!r}, {problem}")
    if count:
        more = f", the first {SHOWN_PROBLEMS}" if count > SHOWN_PROBLEMS else ""
        listing = "".join(f"\n  {problem}" for problem in shown)
        found = f"{count} problem{'s' if count > 1 else ''} in {len(examples)} rows{more}:{listing}"
        raise InputError("usable rows", found=found, where=where)


def _image_checker(vision: bool) -> Callable[[Example], list[str]]:
    """Return a check of one example's images that decodes each file once, however many rows share it."""
    known: dict[Path, InputError | None] = {}

    def check(example: Example) -> list[str]:
        if example.images and not vision:
            count = len(example.images)
            return [f"field 'images': expected [] for a model without a vision tower, found {count} image(s)"]
        return list(problems_of(example.images))

    def problems_of(images: Sequence[ImageHandle]) -> Iterator[str]:
        for index, handle in enumerate(images):
            error = _image_error(handle, known)
            if error is not None:
                yield f"field 'images[{index}]': expected {error.expected}, found {error.found}"

    return check


def _image_error(handle: ImageHandle, known: dict[Path, InputError | None]) -> InputError | None:
    if isinstance(handle, Path) and handle in known:
        return known[handle]
    error: InputError | None = None
    try:
        check_image(handle, "")
    except InputError as caught:
        error = caught
    if isinstance(handle, Path):
        known[handle] = error
    return error


def _reference_problems(example: Example) -> Iterator[str]:
    if not example.solution.strip():
        yield "field 'solution': expected a worked solution, found an empty string"
        return
    if check_answer(example.solution, example.answer, example.answer_type) is True:
        return
    stated = extract_answer(example.solution, example.answer_type)
    ending = "no recognisable final answer" if stated is None else f"{stated!r} at its end"
    expected = f"the final answer {example.answer!r} ({example.answer_type})"
    yield f"field 'solution': expected {expected}, found {ending}"
