"""Which fields of a request a server knows, learned from what it refuses."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger("contextrl.judge")

#: The token limit's two names; a server knows at least one.
_LIMIT, _NEWER_LIMIT = "max_tokens", "max_completion_tokens"
#: Fields that sampling can do without.
SAMPLING_FIELDS = ("top_k", "top_p", "presence_penalty", "temperature", "seed")
#: Words that are about a field, and ones that are about its value.
_UNKNOWN = re.compile(
    r"unsupported|not (?:yet |currently )?supported|not support|unrecogni[sz]ed|unknown|unexpected|extra[ _]?(?:inputs|"
    r"fields|forbidden)|not (?:permitted|allowed|accepted|recogni[sz]ed|implemented|available)|not a valid|no such|"
    r"not (?:accept|know|recogni[sz]e)|invalid (?:parameter|field|argument|property)|additional propert",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"too (?:large|long|high|many)|exceed|context|at most|less than|greater than", re.IGNORECASE)


class KnownFields:
    """Rewrites requests for a server that does not know all of their fields.

    Args:
        service: what log lines call it.
        optional: fields that may be left out.

    Attributes:
        left_out: fields that it refused and that are not sent any more.
    """

    def __init__(self, service: str = "judge", optional: Iterable[str] = ()) -> None:
        self.left_out: list[str] = []
        self.limit_name = _LIMIT
        self._service, self._optional = service, tuple(optional)

    def spelled(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A request's fields as the server knows them; the token limit is given as `max_tokens`."""
        return {self._name(name): value for name, value in fields.items() if name not in self.left_out}

    def _name(self, name: str) -> str:
        return self.limit_name if name == _LIMIT else name

    def refused(self, detail: str, fields: Mapping[str, Any]) -> bool:
        """Learn from a refusal; returns whether the same request is worth sending in another form.

        Args:
            detail: what the server said.
            fields: of the request, as they were sent.
        """
        about_names = _UNKNOWN.search(detail) is not None
        first = _first(detail, (_LIMIT, *self._optional))
        # vLLM names both where the limit is too large for the context.
        if _LIMIT in fields and (_NEWER_LIMIT in detail or (about_names and first == _LIMIT)):
            if _TOO_LARGE.search(detail):
                return False
            self.limit_name = _NEWER_LIMIT
            return True
        if not about_names:
            return False
        # One at a time: a message may go on with the names that are known.
        name = _first(detail, [name for name in self._optional if name in fields])
        if name is not None and name not in self.left_out:
            self.left_out.append(name)
            logger.warning("%s: the server does not know %s; going on without it", self._service, name)
        return name is not None


def _first(detail: str, names: Iterable[str]) -> str | None:
    """The name that a message has first."""
    places = {}
    for name in names:
        found = re.search(rf"(?<![A-Za-z_]){name.replace('_', '[_ -]?')}(?![A-Za-z_])", detail, re.IGNORECASE)
        if found is not None:
            places[name] = found.start()
    return min(places, key=lambda name: places[name], default=None)
