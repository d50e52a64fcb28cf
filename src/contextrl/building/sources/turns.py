"""Conversations: each turn that is answered is a question of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contextrl.building.sources.source import Found, Sick
from contextrl.building.sources.texts import EMPTY_QUESTION, stated, without_markers
from contextrl.data.raw_rows import RawRow

NO_ANSWER = "no final answer in what is said"
NO_TURN = "a turn without user and assistant"
#: Columns that hold conversations, the likeliest first; names of who asks and of who answers.
_COLUMNS = ("messages", "conversations", "conversation", "texts")
_ASKS, _ANSWERS = ("user", "human"), ("assistant", "gpt", "model")


def conversation(row: RawRow) -> list[tuple[str, str] | None] | None:
    """(asked, said) of each turn of a row's conversation, None in place of one that lacks either; None where the row
    has no conversation.

    Of the forms that public sets have: `{role, content}`, `{from, value}` and `{user, assistant}`.
    """
    entries = next((value for name in _COLUMNS if isinstance(value := row.columns.get(name), list | tuple)), None)
    if not entries:
        return None
    turns: list[tuple[str, str] | None] = []
    asked: str | None = None
    for who, text in _said(entries):
        if who in _ASKS:
            turns += [] if asked is None else [None]
            asked = text
        elif who in _ANSWERS:
            turns.append(None if asked is None else (asked, text))
            asked = None
    return turns if asked is None else [*turns, None]


def _said(entries: Sequence[object]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        if "user" in entry and "assistant" in entry:
            yield from ((who, _text(entry[who])) for who in ("user", "assistant"))
        else:
            yield str(entry.get("role", entry.get("from"))), _text(entry.get("content", entry.get("value")))


def _text(content: object) -> str:
    """Text, or that of the parts of a message; its pictures are the row's."""
    if isinstance(content, list | tuple):
        return "\n".join(_text(part.get("text")) for part in content if isinstance(part, Mapping) and part.get("text"))
    return content if isinstance(content, str) else ""


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
    question = without_markers(turn[0])
    if not question:
        return Sick(EMPTY_QUESTION, id=name)
    said = stated(turn[1])
    if said is None:
        return Sick(NO_ANSWER, turn[1][-120:], id=name)
    solution, answer = said
    return Found(question, answer, images, solution, id=name, ratings=ratings, origin=origin)
