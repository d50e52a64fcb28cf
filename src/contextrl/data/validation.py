"""Checking examples before a run: every image decodes and every reference passes its own verifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from rich.console import Console

from contextrl.answers import check_answer, extract_answer
from contextrl.console import progress_bar
from contextrl.data.images import ImageChecks, image_problems
from contextrl.data.markers import marker_problem
from contextrl.data.problems import faulty_rows, sifted
from contextrl.data.raw_rows import quoted
from contextrl.records.example import Example

#: From this many rows on, checking takes long enough to show a progress bar.
PROGRESS_ROWS = 2_000


class ValidExamples(list[Example]):
    """Examples that `validate_examples` has passed: nobody needs to decode their images a second time."""


def load_valid_examples(load: Callable[[], Sequence[Example]], *, vision: bool, where: str) -> Sequence[Example]:
    """Rows that can be read and pass `validate_examples`; what is wrong in either way is one error.

    Args:
        load: reads the rows.

    Raises:
        RowsError: the rows without fault are its `usable`.
    """
    return sifted(load, partial(validate_examples, vision=vision, where=where), where=where)


def validate_examples(examples: Sequence[Example], *, vision: bool, where: str, progress: bool = True) -> None:
    """Check every example, images decoded in full, and report all problems at once.

    Args:
        examples: the rows to check.
        vision: whether the model has a vision tower; without one, a row with images is a problem.
        where: the file or dataset, for the error.
        progress: allow a progress bar on stderr (shown for more than `PROGRESS_ROWS` rows).

    Raises:
        InputError: one for all rows. It lists the first `problems.SHOWN_PROBLEMS` problems (row id, field, expected,
            found) and their number: an image that is missing, corrupt or too long for its width, images without a
            vision tower, markers that are not as many as images, an empty solution, a solution that does not end with
            the row's answer.
    """
    faults: list[list[str]] = []
    bar = progress_bar(
        Console(stderr=True), "Checking examples", len(examples), shown=progress and len(examples) > PROGRESS_ROWS
    )
    with ImageChecks() as checks, bar as advance:
        # All begin now: while threads decode, this one compares answers.
        begun = [checks.start(example.images) if vision else [] for example in examples]
        for example, images in zip(examples, begun, strict=True):
            faults.append(list(row_problems(example, image_problems(images), vision=vision)))
            advance(1)
    faulty_rows(examples, faults, where=where)


def row_problems(example: Example, pictures: Iterable[str], *, vision: bool) -> Iterator[str]:
    """What is wrong with a row, a line each.

    Args:
        pictures: what is wrong with its pictures.
        vision: whether the model has a vision tower.
    """
    yield from _missing_tower(example, vision)
    yield from _wrong_markers(example)
    yield from pictures
    yield from _reference_problems(example)


def _missing_tower(example: Example, vision: bool) -> Iterator[str]:
    if example.images and not vision:
        count = len(example.images)
        yield f"field 'images': expected [] for a model without a vision tower, found {count} image(s)"


def _wrong_markers(example: Example) -> Iterator[str]:
    """Rows are checked when they are read; examples that were built are not."""
    if (error := marker_problem(example.question, len(example.images))) is not None:
        yield f"field 'question': expected {error.expected}, found {error.found}. {error.fix}"


def _reference_problems(example: Example) -> Iterator[str]:
    if not example.solution.strip():
        yield "field 'solution': expected a worked solution, found an empty string"
        return
    if check_answer(example.solution, example.answer, example.answer_type, tolerance=example.tolerance) is True:
        return
    stated = extract_answer(example.solution, example.answer_type)
    ending = "no recognisable final answer" if stated is None else f"{quoted(stated)} at its end"
    expected = f"the final answer {quoted(example.answer)} ({example.answer_type})"
    yield f"field 'solution': expected {expected}, found {ending}"
