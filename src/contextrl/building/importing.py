"""The first step of a build: rows of all sources become candidates, each question of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.copies import Place, download, place_of
from contextrl.building.hub import settle_hub
from contextrl.building.import_settings import SourceSettings
from contextrl.building.pipeline import Context, UnitsStep
from contextrl.building.seen_pictures import SeenPictures
from contextrl.building.sources.listed import with_letter
from contextrl.building.sources.registry import source_of
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import unwrapped
from contextrl.data.answer_types import guessed_type
from contextrl.data.confinement import is_inside
from contextrl.data.images import check_image
from contextrl.data.markers import settled_markers
from contextrl.data.pictures import picture
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError, ServiceError
from contextrl.records.example import AnswerType, ImageHandle

#: Why a question is left out here, besides what its source finds wrong with it.
BAD_LINE, BAD_PICTURE, OUTSIDE, TWICE, MARKERS, HALF = (
    "a line that is no row",
    "a picture that cannot be read",
    "a picture outside the rows' folder",
    "an id that an earlier one has",
    "markers that are not one for each picture",
    "half of a character",
)
#: Rows whose pictures tell whether an archive has been unpacked.
_LOOKED_AT = 100


@dataclass(frozen=True)
class _Opened:
    """A source, and where its rows are."""

    settings: SourceSettings
    source: Source
    place: Place
    decode: bool


class Import(UnitsStep):
    """The step; its units are sources.

    Args:
        sources: in the order of the recipe.
        local: a folder with copies, where the hub cannot be reached.
        limit: questions of each at most.
        decode: look at every byte of every picture here, where no later step does.
        seen: the folder for what picture files were, so that changed ones are read again; None: nobody looks.

    Raises:
        InputError: a source's settings name nothing that there is.
    """

    name = "import"
    version = 2

    def __init__(
        self,
        sources: Sequence[SourceSettings],
        *,
        local: Path | None = None,
        limit: int | None = None,
        decode: bool = False,
        seen: Path | None = None,
    ) -> None:
        if local is not None and not local.is_dir():
            raise InputError("a folder with copies", found=f"none at {local}", where="--local")
        self._seen = None if seen is None else SeenPictures(seen)
        self._sources: dict[str, _Opened] = {}
        lacking = list[InputError]()
        for settings in sources:
            least = min((one for one in (settings.limit, limit) if one is not None), default=None)
            settings = settings.model_copy(update={"limit": least})
            source = source_of(settings)
            try:
                place = place_of(settings, source, local)
            except InputError as error:
                lacking.append(error)
                continue
            self._sources[settings.unit] = _Opened(settings, source, place, decode)
        if lacking:
            raise lacking[0] if len(lacking) == 1 else _all_of(lacking)

    def identity(self) -> Mapping[str, Any]:
        return {name: {**_identity(one), **self._generation(name)} for name, one in self._sources.items()}

    def _generation(self, name: str) -> Mapping[str, str]:
        generation = "" if self._seen is None else self._seen.generation(name)
        return {"pictures": generation} if generation else {}

    def check(self) -> None:
        """Look for the first row of every source, for the pictures of an archive, and for pictures that have changed.

        Raises:
            InputError: a copy is none, or the archive has not been unpacked.
            ServiceError: the hub cannot be reached: all sources that need it, and how to have copies.
        """
        if any(one.place.rows.is_hub for one in self._sources.values()):
            settle_hub()
        gone = []
        for name, one in self._sources.items():
            try:
                _check_unpacked(one, list(islice(one.place.rows.rows(), _LOOKED_AT if one.source.needs_copy else 1)))
            except ServiceError as error:
                gone.append(f"source {name}: {_named(one)}. {download(one.settings, one.source)}")
                reason = str(error)
        if gone:
            raise ServiceError(
                "\n".join([f"the hub could not be reached for {len(gone)} of the sources.", *gone, reason])
            )
        for name, one in self._sources.items():
            if self._seen is not None:
                self._seen.look_again(name, one.place.folders[0])

    def units(self) -> Sequence[str]:
        return list(self._sources)

    def unit(self, name: str, context: Context, start: int) -> Iterator[Candidate | Dropped]:
        """See `UnitsStep`; pictures of what is passed over are not looked at again."""
        opened = self._sources[name]
        anew, base = start == 0, opened.place.folders[0]
        with nullcontext(_unnoted) if self._seen is None else self._seen.reading(name, base, anew=anew) as note:
            yield from self._outcomes(opened, context, start, note)

    def _outcomes(
        self, opened: _Opened, context: Context, start: int, note: Callable[[Path], None]
    ) -> Iterator[Candidate | Dropped]:
        seen = set[str]()
        allowed = [folder.resolve() for folder in opened.place.folders]
        for place, (identity, found, row) in enumerate(islice(_found(opened), opened.settings.limit)):
            twice = identity in seen
            seen.add(identity)
            if place < start:
                continue
            if twice:
                yield Dropped(f"{identity}, at {place}", TWICE)
                continue
            if isinstance(found, Sick):
                outcome: Candidate | Dropped = Dropped(identity, found.reason, found.detail)
            else:
                outcome = _candidate(identity, found, row, opened, allowed, context, note)
            if isinstance(outcome, Dropped):
                outcome = replace(outcome, detail=opened.place.without_folder(outcome.detail))
            yield outcome


def _all_of(errors: Sequence[InputError]) -> InputError:
    each = "\n".join(map(str, errors)).rstrip(".")
    return InputError(
        f"copies for {len(errors)} of them", found="none", where="sources", fix=f"Each by itself:\n{each}"
    )


def _unnoted(_: Path) -> None:
    """Where nobody looks at pictures again."""


def _identity(one: _Opened) -> Mapping[str, Any]:
    source = one.source
    hub = {"hub": source.hub, "config": source.config, "revision": one.place.rows.revision}
    decode = {"decode": True} if one.decode else {}
    return {**one.settings.of_the_outcome(), **hub, "copy": dict(one.place.identity()), **decode}


def _check_unpacked(one: _Opened, rows: Sequence[RawRow | InputError]) -> None:
    """Refuse a copy whose first rows name pictures of which none is there: all rows would be dropped."""
    if not one.source.needs_copy:
        return
    named: list[Path] = []
    for row in rows:
        if isinstance(row, RawRow) and row.base is not None:
            with suppress(InputError):  # a sick row is counted when it is imported
                found = [question for question in one.source.questions(row) if isinstance(question, Found)]
                named += [row.base / image for question in found for image in question.images if isinstance(image, str)]
    if named and not any(map(os.path.isfile, named)):
        where = f"source {one.settings.unit}"
        raise InputError(
            "pictures beside the rows", found=f"none at {named[0]}", where=where, fix=one.source.needs_copy
        )


def _named(one: _Opened) -> str:
    parts = [one.settings.path or one.source.hub]
    if one.source.config:
        parts.append(f"configuration {one.source.config}")
    parts.append(f"revision {one.place.rows.revision or 'none pinned'}")
    return ", ".join(parts)


def _found(one: _Opened) -> Iterator[tuple[str, Found | Sick, RawRow]]:
    """(id, what is asked, row) of all questions, in order; a row that is sick is one of them."""
    unit = one.settings.unit
    for number, row in enumerate(one.place.rows.rows(), start=1):
        if isinstance(row, InputError):
            yield f"{unit}-row{number}", Sick(BAD_LINE, str(row)), RawRow(row.where, "", None, {})
            continue
        try:
            questions = [_settled(found, one.settings) for found in one.source.questions(row)]
        except InputError as error:
            yield f"{unit}-row{number}", Sick(f"expected {error.expected}"[:120], str(error)), row
            continue
        for found in questions:
            own = _own_id(found, row) or str(number)
            # A row that is left out has no id: as a bare number it could be that of another.
            own = own if isinstance(found, Found) else f"row{number}"
            yield f"{unit}-{own}{f'-{found.id}' if found.id else ''}", found, row


def _settled(found: Found | Sick, settings: SourceSettings) -> Found | Sick:
    """With an answer and nothing around it, and a letter where the question lists options, unless the recipe says what
    answers are.
    """
    if isinstance(found, Sick):
        return found
    found = unwrapped(found)
    return with_letter(found) if settings.answer_type in ("auto", "choice") else found


def _own_id(found: Found | Sick, row: RawRow) -> str:
    """The id that the row has itself; empty where it got one when it was read."""
    return found.row_id if isinstance(found, Found) and found.row_id != row.default_id else ""


def _candidate(
    identity: str,
    found: Found,
    row: RawRow,
    opened: _Opened,
    allowed: Sequence[Path],
    context: Context,
    note: Callable[[Path], None],
) -> Candidate | Dropped:
    settings, source = opened.settings, opened.source
    texts = [identity, found.question, found.answer, found.solution, found.licence, *found.documents]
    if _is_cut([*texts, *found.origin.values()]):
        return Dropped(identity, HALF)
    try:
        question, order = settled_markers(found.question, len(found.images))
    except InputError as error:
        return Dropped(identity, MARKERS, str(error))
    names = []
    for number in order:
        where = f"{row.where}, picture {number}"
        try:
            handle = picture(found.images[number], where=where, base=row.base)
            if not _is_allowed(handle, allowed):
                return Dropped(identity, OUTSIDE, str(handle))
            if isinstance(handle, Path):
                note(handle)
            names.append(context.pictures.put(handle, where=where))
            if opened.decode:
                check_image(context.pictures.path(names[-1]), where)
        except InputError as error:
            return Dropped(identity, BAD_PICTURE, str(error))
    solution = found.solution if settings.solutions == "keep" else ""
    return Candidate(
        id=identity,
        question=question,
        answer=found.answer,
        answer_type=_answer_type(found, settings),
        task=settings.task or found.task or source.task,
        source=settings.unit,
        licence=settings.licence or found.licence or source.licence,
        images=tuple(names),
        solution=solution,
        reference="source" if solution else "",
        ratings=found.ratings,
        origin=found.origin,
        documents=tuple(found.documents),
        tolerance=found.tolerance,
    )


def _is_cut(values: Sequence[object]) -> bool:
    """Whether a text holds half of a surrogate pair, which JSON can spell: no file, tokenizer or server takes it."""
    try:
        "".join(map(str, values)).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _answer_type(found: Found, settings: SourceSettings) -> AnswerType:
    if found.answer_type is not None:
        return found.answer_type
    if settings.answer_type != "auto":
        return settings.answer_type
    # A solution that does not state the answer says nothing about its type.
    kind = guessed_type(found.answer, found.question, found.solution) if found.solution else "text"
    return guessed_type(found.answer, found.question, f"Answer: {found.answer}") if kind == "text" else kind


def _is_allowed(handle: ImageHandle, allowed: Sequence[Path]) -> bool:
    """Whether a picture is within the rows' folder: rows of strangers may name any file."""
    return not isinstance(handle, Path) or is_inside(handle, allowed)
