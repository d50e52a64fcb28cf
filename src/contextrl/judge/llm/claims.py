"""What a response says of itself in the words of a verdict.

A judge that answers in free text and quotes the response may say nothing else that is labelled: "I disagree with step
2. It says: Process: correct". Nothing in the reply tells that from a verdict, but the response does: what it claims is
no statement of the judge's own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from contextrl.judge.llm.json_objects import MalformedObjectError, objects_in
from contextrl.judge.llm.menu import FLAGS, VERDICTS, field_of, value_of
from contextrl.judge.llm.statements import plain, statements_in, without_tables

#: Longest response that is searched, in characters: no judge is shown more.
MOST_CLAIMING = 100_000


@dataclass(frozen=True)
class Claims:
    """What a response says of itself in the words of a verdict: in a reply it may be its words, retyped.

    Attributes:
        values: labels with their values.
        letters: all letters of the response, to find what is spelled in another way.
    """

    values: frozenset[tuple[str, bool | None]] = frozenset()
    letters: str = ""

    def hold(self, field: str, value: bool | None, words: str) -> bool:
        """Whether the response makes this statement too."""
        return (field, value) in self.values or (bool(self.letters) and _letters(words) in self.letters)

    def hold_all(self, analysis: object, reply: str) -> bool:
        """Whether the response has the whole reply word for word, its analysis included: then nobody analysed it."""
        return isinstance(analysis, str) and bool(_letters(analysis)) and _letters(reply) in self.letters


#: Of a response that is not known.
NO_CLAIMS = Claims()


@lru_cache(maxsize=1024)
def claims_of(response: str) -> Claims:
    """The statements of a response, however they are spelled."""
    text = plain(response[:MOST_CLAIMING])
    values = {(s.field, s.value) for form in (text, without_tables(text)) for s in statements_in(form)}
    with suppress(MalformedObjectError):
        for _, _, fields in objects_in(text):
            values |= {(field_of(name), value_of(fields[name])) for name in fields if name in (*FLAGS, *VERDICTS)}
    return Claims(frozenset(values), _letters(text))


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
