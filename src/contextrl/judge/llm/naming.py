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
    """

    service: str = "judge"
    settings: Mapping[str, str] = field(default_factory=dict)

    def spelled(self, text: str) -> str:
        """Text with the settings' own names."""
        return _SETTING.sub(lambda found: self._name(found[0]), text) if self.settings else text

    def _name(self, setting: str) -> str:
        section = setting.rpartition(".")[0]
        return self.settings.get(setting) or self.settings.get(section) or setting


JUDGE = Naming()
