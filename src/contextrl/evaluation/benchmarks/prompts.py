"""What a judge of benchmarks is told: text files with `{{marks}}`, filled in one pass; a hash names what was asked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

from contextrl.judge.llm.neutralise import neutralise

_MARK = re.compile(r"\{\{(\w+)\}\}")
#: Characters of a response that a judge is shown; of a longer one the beginning and the end.
MAX_RESPONSE_CHARS = 32_000


@dataclass(frozen=True)
class Prompt:
    """A text with marks.

    Attributes:
        name: of its file, without the suffix.
        text: as in the file, without the last line's end.
    """

    name: str
    text: str

    @cached_property
    def marks(self) -> frozenset[str]:
        """What must be filled in."""
        return frozenset(_MARK.findall(self.text))

    @property
    def hash(self) -> str:
        """The first 16 digits of its SHA-256, for results: another text is another judge."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:16]

    def filled(self, **values: str) -> str:
        """The text with every mark replaced, in one pass: what a value contains is never looked at again.

        Raises:
            ValueError: the values are not those of its marks.
        """
        if values.keys() != self.marks:
            raise ValueError(f"{self.name} has the marks {sorted(self.marks)}, not {sorted(values)}")
        return _MARK.sub(lambda mark: values[mark[1]], self.text)


@cache
def prompt(name: str) -> Prompt:
    """A shipped prompt.

    Args:
        name: of a file in `prompts`, without its suffix.
    """
    text = resources.files("contextrl.evaluation.benchmarks").joinpath("prompts", f"{name}.txt")
    return Prompt(name, text.read_text(encoding="utf-8").rstrip("\n"))


def prompts_hash(names: Iterable[str]) -> str:
    """One hash of several prompts, whatever their order; empty for none."""
    texts = "\n".join(f"{name} {prompt(name).hash}" for name in sorted(set(names)))
    return hashlib.sha256(texts.encode("utf-8")).hexdigest()[:16] if texts else ""


def shown(text: str) -> str:
    """Untrusted text as it may stand in a prompt: it reads the same, and has no delimiter, token or verdict of ours."""
    return neutralise(text, limit=MAX_RESPONSE_CHARS).text
