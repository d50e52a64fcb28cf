"""The step that leaves questions out by rule: ratings, answers, giveaways, pictures, lengths, languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from typing import Any

from contextrl.building.answer_rules import answer_fault
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.filter_settings import FilterSettings
from contextrl.building.giveaways import giveaway
from contextrl.building.languages import language_of, may_be, version
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, EachStep
from contextrl.data.images import image_size
from contextrl.data.markers import MARKER
from contextrl.errors import InputError

FEW_PICTURES, MANY_PICTURES, UNREADABLE, SMALL, LARGE, LONG_PICTURE, FEW_PIXELS, MANY_PIXELS = (
    "too few pictures",
    "too many pictures",
    "a picture that cannot be read",
    "a picture with too short a side",
    "a picture with too long a side",
    "a picture that is too long for its width",
    "a picture of too few pixels",
    "a picture of too many pixels",
)
SHORT_QUESTION, LONG_QUESTION, SHORT_SOLUTION, LONG_SOLUTION, UNVERIFIED = (
    "too short a question",
    "too long a question",
    "too short a solution",
    "too long a solution",
    "a solution that does not end with the answer",
)
LANGUAGE, UNDECIDED = "a language that is not asked for", "a language that cannot be told"
UNTOLD = "no documents"
#: Reason and detail of a drop.
Fault = tuple[str, str]
#: (width, height) in pixels of a picture by its name, or what is wrong with it.
Sizes = Callable[[str], tuple[int, int] | str]


class Filter(EachStep):
    """The step. What it keeps has its language; a solution that does not end with the answer may be removed.

    Args:
        settings: see there.
        ratings: least ratings by name, by source; a source that is not named has none.
    """

    name = "filter"
    version = 2

    def __init__(self, settings: FilterSettings, ratings: Mapping[str, Mapping[str, float]]) -> None:
        self.settings = settings
        self.ratings = {source: dict(least) for source, least in ratings.items() if least}

    def identity(self) -> Mapping[str, Any]:
        return {**self.settings.model_dump(mode="json"), "ratings": self.ratings, "py3langid": version()}

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        """See `EachStep`; what costs least is looked at first, and its reason is the one that is given."""
        size = _sizes(context.pictures)
        for one in candidates:
            yield self._outcome(one, size)

    def _outcome(self, one: Candidate, size: Sizes) -> Candidate | Dropped:
        settings = self.settings
        fault = (
            self._rating_fault(one)
            or _document_fault(one, settings)
            or _length_fault(one, settings)
            or answer_fault(one, settings)
            or _giveaway_fault(one, settings)
            or _picture_fault(one, settings, size)
        )
        if fault is not None:
            return Dropped(one.id, *fault)
        one = one if one.language else replace(one, language=language_of(one.question, settings.language_confidence))
        if (fault := _language_fault(one, settings)) is not None:
            return Dropped(one.id, *fault)
        if settings.unverified_solutions == "keep" or ends_with_its_answer(one):
            return one
        if settings.unverified_solutions == "drop":
            return Dropped(one.id, UNVERIFIED, one.solution.strip()[-80:])
        return replace(one, solution="", reference="")

    def _rating_fault(self, one: Candidate) -> Fault | None:
        for name, least in sorted(self.ratings.get(one.source, {}).items()):
            rating = one.ratings.get(name)
            if rating is None or not isfinite(rating):
                if self.settings.without_rating == "drop":
                    there = ", ".join(sorted(one.ratings)) or "none"
                    return f"no rating {name}", f"{one.source}: ratings: {there}"
            elif rating < least:
                return f"rating {name} too low", f"{one.source}: {rating:g}, at least {least:g}"
        return None


def _document_fault(one: Candidate, settings: FilterSettings) -> Fault | None:
    return (UNTOLD, "") if settings.without_documents == "drop" and not one.documents else None


def _length_fault(one: Candidate, settings: FilterSettings) -> Fault | None:
    length = len(one.question.replace(MARKER, "").strip())
    least, most = settings.question_characters
    if not least <= length <= most:
        return (SHORT_QUESTION if length < least else LONG_QUESTION), f"{length} characters"
    least, most = settings.solution_characters
    length = len(one.solution.strip())
    if length and not least <= length <= most:
        return (SHORT_SOLUTION if length < least else LONG_SOLUTION), f"{length} characters"
    return None


def _giveaway_fault(one: Candidate, settings: FilterSettings) -> Fault | None:
    found = giveaway(one) if settings.giveaways else None
    return None if found is None else (f"a question that {found[0]}", found[1])


def _picture_fault(one: Candidate, settings: FilterSettings, size: Sizes) -> Fault | None:
    count, (least, most) = len(one.images), settings.pictures
    if not least <= count <= most:
        return (FEW_PICTURES if count < least else MANY_PICTURES), f"{count} pictures"
    for name in one.images:
        found = size(name)
        if isinstance(found, str):
            return UNREADABLE, found
        width, height = found
        short, long, pixels = min(found), max(found), width * height
        faults = (
            (short < settings.least_side, SMALL),
            (long > settings.greatest_side, LARGE),
            (long > settings.aspect_ratio * short, LONG_PICTURE),
            (pixels < settings.pixels[0], FEW_PIXELS),
            (pixels > settings.pixels[1], MANY_PIXELS),
        )
        if reason := next((reason for wrong, reason in faults if wrong), ""):
            return reason, f"{name}: {width}x{height}"
    return None


def _language_fault(one: Candidate, settings: FilterSettings) -> Fault | None:
    if not settings.languages or one.language in settings.languages:
        return None
    if one.language:
        return LANGUAGE, one.language
    if not may_be(one.question, settings.languages):
        return LANGUAGE, f"its script: {one.question[:80]}"
    return (UNDECIDED, one.question[:80]) if settings.undecided_language == "drop" else None


def ends_with_its_answer(one: Candidate) -> bool:
    """Whether a solution, where there is one, states the answer as its own."""
    return not one.solution.strip() or one.is_stated_in(one.solution)


def _sizes(pictures: PictureStore) -> Sizes:
    """Reads pictures' sizes from their headers, each once however many questions show it one after another."""

    @lru_cache(maxsize=16_384)
    def size(name: str) -> tuple[int, int] | str:
        try:
            return image_size(pictures.path(name))
        except InputError as error:
            return f"{name}: {error.found}"

    return size
