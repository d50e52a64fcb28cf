"""What a client's messages call the service and its settings: a judge's, unless it is another model's client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SETTING = re.compile(r"\bjudge\.[a-z_]+(?:\.[a-z]+)?")


@dataclass(frozen=True)
class Naming:
    """Names for messages.

    Attributes:
        service: what stops, or cannot be reached.
        settings: what a setting is called (`--base-url`), by the judge's name for it (`judge.base_url`); a setting's
            own name goes before its section's.
        section: what the section `judge` is called, for settings that `settings` does not name.
    """

    service: str = "judge"
    settings: Mapping[str, str] = field(default_factory=dict)
    section: str = "judge"

    def spelled(self, text: str) -> str:
        """Text with the settings' own names."""
        return _SETTING.sub(lambda found: self._name(found[0]), text) if self != JUDGE else text

    def _name(self, setting: str) -> str:
        named = self.settings.get(setting) or self.settings.get(setting.rpartition(".")[0])
        return named or self.section + setting.removeprefix("judge")


JUDGE = Naming()
