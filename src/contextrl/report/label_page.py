"""A page in which somebody labels judged responses one after another, and takes the labels away as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from contextrl.records.example import ImageHandle
from contextrl.report.pictures import fitted_pictures
from contextrl.report.shell import environment, frame_of
from contextrl.report.text import as_script_data, for_page, visible

#: Bytes of pictures in a page.
PICTURE_BYTES = 24_000_000


@dataclass(frozen=True)
class Card:
    """A response to label.

    Attributes:
        key, digest: what its label is kept under.
        pictures: in order, by names that are the same for the same picture.
        verdict, report: what the judge said; None where a labeller is not to know, even afterwards.
    """

    key: str
    digest: str
    question: str
    solution: str
    answer: str
    response: str
    pictures: Sequence[tuple[str, ImageHandle]] = ()
    verdict: str | None = None
    report: str | None = None


def build_label_page(title: str, cards: Sequence[Card]) -> tuple[str, int]:
    """The page, and how many pictures there was no room for.

    Args:
        title: what is labelled.
    """
    pictures = fitted_pictures(dict(pair for card in cards for pair in card.pictures), PICTURE_BYTES)
    data = [
        {
            # What labels are kept under has to come back as it is; everything else is made to be looked at.
            "id": card.key,
            "digest": card.digest,
            "question": for_page(card.question),
            "solution": for_page(card.solution),
            "answer": for_page(card.answer),
            "response": for_page(card.response),
            "pictures": pictures.uris_of(name for name, _ in card.pictures),
            "verdict": card.verdict,
            "report": None if card.report is None else for_page(card.report),
        }
        for card in cards
    ]
    page = (
        environment()
        .get_template("label.html.j2")
        .render(
            **frame_of(("label.js",), charts=False),
            title=visible(title),
            count=len(cards),
            shows=any(card.verdict is not None for card in cards),
            data=Markup(as_script_data(data)),
        )
    )
    return page, pictures.left_out
