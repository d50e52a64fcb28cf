"""Conversations: each turn that is answered is a question of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contextrl.building.sources.listed import letters_said, listed_options
from contextrl.building.sources.source import Found, Sick
from contextrl.building.sources.texts import EMPTY_QUESTION, markers_in, stated, without_markers
from contextrl.data.markers import MARKER
from contextrl.data.raw_rows import RawRow

NO_ANSWER = "no final answer in what is said"
NO_TURN = "a turn without user and assistant"
#: Columns that hold conversations, the likeliest first; names of who asks and of who answers.
_COLUMNS = ("messages", "conversations", "conversation", "texts")
#: Kinds of parts that are pictures, and fields that hold them.
_PICTURES = ("image", "image_url", "input_image")
_HELD = (*_PICTURES, "url", "path", "base64", "bytes", "source")
#: In place of a picture: the marker shows one of the row's.
ROWS = object()
_ASKS, _ANSWERS = ("user", "human"), ("assistant", "gpt", "model")


@dataclass(frozen=True)
class Turn:
    """A turn of a conversation.

    Attributes:
        asked: with a marker where a part of the message is a picture; None: nobody asked.
        said: None: nobody answered.
        shown: what the markers in `asked` show, in order: a picture that the message holds, or `ROWS`.
    """

    asked: str | None
    said: str | None
    shown: tuple[object, ...] = ()


def conversation(row: RawRow) -> list[Turn] | None:
    """The turns of a row's conversation; None where it has none.

    Of the forms that public sets have: `{role, content}`, `{from, value}` and `{user, assistant}`.
    """
    entries = next((value for name in _COLUMNS if isinstance(value := row.columns.get(name), list | tuple)), None)
    if not entries:
        return None
    turns: list[Turn] = []
    open_turn: Turn | None = None
    for who, content in _said(entries):
        if who in _ASKS:
            turns += [] if open_turn is None else [open_turn]
            text, shown = _message(content)
            open_turn = Turn(text, None, shown)
        elif who in _ANSWERS:
            turns.append(replace(open_turn or Turn(None, None), said=_text(content)))
            open_turn = None
    return turns if open_turn is None else [*turns, open_turn]


def _said(entries: Sequence[object]) -> Iterator[tuple[str, object]]:
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        if "user" in entry and "assistant" in entry:
            yield from ((who, entry[who]) for who in ("user", "assistant"))
        else:
            yield str(entry.get("role", entry.get("from"))).casefold(), entry.get("content", entry.get("value"))


def _text(content: object) -> str:
    """Text, or that of the parts of a message."""
    if isinstance(content, Mapping):
        content = [content]
    if isinstance(content, list | tuple):
        return "\n".join(_text(part.get("text")) for part in content if isinstance(part, Mapping) and part.get("text"))
    return content if isinstance(content, str) else ""


def _message(content: object) -> tuple[str, tuple[object, ...]]:
    """What is asked, and what its markers show."""
    if isinstance(content, Mapping):
        content = [content]
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list | tuple) else []
    pictures = [_picture(part) for part in parts if _is_picture(part)]
    text = _text(content)
    if not pictures:
        return text, (ROWS,) * markers_in(text)
    if markers_in(text) == len(pictures):
        return text, tuple(pictures)  # the text says where they belong
    texts, shown = list[str](), list[object]()
    for part in parts:
        text = MARKER if _is_picture(part) else _text(part.get("text"))
        texts += [text] if text else []
        shown += [_picture(part)] if _is_picture(part) else [ROWS] * markers_in(text)
    return "\n".join(texts), tuple(shown)


def _is_picture(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return kind in _PICTURES if kind is not None else any(part.get(name) is not None for name in _PICTURES)


def _picture(part: Mapping[str, Any]) -> object:
    """A part's picture as `picture` reads it; `ROWS` where it only says that one of the row's stands there."""
    for value in (part.get(name) for name in _HELD):
        if isinstance(value, Mapping):
            # `{"url": ...}` of OpenAI's parts, `{"data": ...}` of Anthropic's.
            inner = (value.get(name) for name in ("url", "data"))
            value = next((one for one in inner if one is not None), value)
        if value is not None and value != "":
            return value
    return ROWS


def asked_in(
    turn: tuple[str, str] | None,
    images: Sequence[object],
    name: str,
    ratings: Mapping[str, float],
    origin: Mapping[str, Any],
) -> Found | Sick:
    """What a turn asks, its answer being what is said.

    Args:
        turn: (asked, said); None: it lacks either.
        name: of the turn within its row.
    """
    if turn is None:
        return Sick(NO_TURN, id=name)
    question, answered = turn
    if not without_markers(question):
        return Sick(EMPTY_QUESTION, id=name)
    said = stated(answered)
    if said is None and (options := listed_options(question)):
        letters = letters_said(answered, options)
        said = None if letters is None else (answered.strip(), letters)
    if said is None:
        return Sick(NO_ANSWER, answered[-120:], id=name)
    solution, answer = said
    return Found(question, answer, images, solution, id=name, ratings=ratings, origin=origin)
