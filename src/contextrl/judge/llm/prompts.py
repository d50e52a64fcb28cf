"""What the judge is told: text files per task and per reference context, filled in one pass.

Tasks: `verify` (answer and process), `report` (a mistake report on a response found incorrect), `retry` (as verify, and
whether a stage-2 response stands on its own). A conversation is `<task>.system.txt` and `<context>.user.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from contextrl.errors import InputError, nearest_key
from contextrl.judge.llm.neutralise import neutralise
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.verdict import Disclosure, ReferenceContext

Task = Literal["verify", "report", "retry"]
Message = dict[str, Any]

_SHIPPED = Path(__file__).parent / "prompts"
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
#: Texts that several system prompts share.
_SHARED = {"criteria", "caution"}
_REPORT_VALUES = {"disclose", "disclosure"}
#: What each context may show. A prompt that names more would tell the judge what its context forbids.
_USER_VALUES: dict[ReferenceContext, set[str]] = {
    "none": {"question", "response"},
    "answer": {"question", "response", "answer"},
    "solution": {"question", "response", "answer", "solution"},
}


def _allowed_values() -> dict[str, set[str]]:
    """Every prompt file and the placeholders it may use."""
    allowed = {
        f"{task}.system.txt": _SHARED | (_REPORT_VALUES if task == "report" else set()) for task in get_args(Task)
    }
    allowed |= {f"{context}.user.txt": values for context, values in _USER_VALUES.items()}
    plain = [*_SHARED, "again", *(f"disclose.{level}" for level in get_args(Disclosure))]
    return allowed | {f"{name}.txt": set() for name in plain}


@dataclass(frozen=True)
class PromptSet:
    """The texts by file name.

    Attributes:
        texts: as in the files.
        max_response_chars: longer responses are cut in the middle.
    """

    texts: Mapping[str, str]
    max_response_chars: int = 32_000

    @classmethod
    def load(cls, folder: Path | None = None, *, max_response_chars: int = 32_000) -> PromptSet:
        """The shipped prompts, with the files of `folder` in place of those of the same name.

        Raises:
            InputError: no such folder, an unknown file, a placeholder that is unknown or not allowed there, a user
                prompt without `{{response}}`.
        """
        allowed = _allowed_values()
        texts = {name: (_SHIPPED / name).read_text(encoding="utf-8") for name in allowed}
        if folder is not None:
            texts |= _overrides(folder, allowed)
        return cls(texts, max_response_chars)

    def messages(
        self,
        task: Task,
        request: JudgeRequest,
        *,
        images: Sequence[str] = (),
        disclose: Disclosure = "hint",
        again: bool = False,
    ) -> list[Message]:
        """The conversation: system text (left out where its file is empty), then images and the user's text.

        Args:
            task: what is asked.
            request: example, response and context; only what the context allows is shown.
            images: data URLs, in the example's order.
            disclose: how much a report may say.
            again: the last report gave the answer away.
        """
        example = request.example
        shared = {name: self.texts[f"{name}.txt"].strip() for name in _SHARED}
        levels = {"disclose": disclose, "disclosure": self.texts[f"disclose.{disclose}.txt"].strip()}
        system = _fill(self.texts[f"{task}.system.txt"], shared | levels)
        values = {
            "question": _neutral(example.question),
            "answer": _neutral(example.answer),
            "solution": _neutral(example.solution),
            "response": neutralise(request.response, limit=self.max_response_chars).text,
        }
        text = _fill(self.texts[f"{request.context}.user.txt"], values)
        if again:
            text = f"{text}\n\n{self.texts['again.txt'].strip()}"
        parts: list[Message] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
        user: Message = {"role": "user", "content": [*parts, {"type": "text", "text": text}]}
        return [{"role": "system", "content": system}, user] if system.strip() else [user]


@lru_cache(maxsize=4096)
def _neutral(text: str) -> str:
    """What all attempts at one question share is read once."""
    return neutralise(text).text


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Substitute every placeholder in one pass: what a value contains is never looked at again."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _overrides(folder: Path, allowed: Mapping[str, set[str]]) -> dict[str, str]:
    if not folder.is_dir():
        raise InputError("a folder of prompt files", found="no such folder", where=f"judge.prompts: {folder}")
    texts = {}
    for path in sorted(folder.glob("*.txt")):
        if path.name not in allowed:
            hint = nearest_key(path.name, allowed)
            raise InputError(
                "the name of a shipped prompt", found=f"{path.name}{hint}", where=f"judge.prompts: {folder}"
            )
        texts[path.name] = text = path.read_text(encoding="utf-8")
        unknown = sorted(set(_PLACEHOLDER.findall(text)) - allowed[path.name])
        if unknown:
            names = ", ".join(sorted(allowed[path.name])) or "none"
            raise InputError(f"only these placeholders: {names}", found=", ".join(unknown), where=str(path))
        if path.name.endswith(".user.txt") and "{{response}}" not in text:
            raise InputError("the placeholder {{response}}", found="none", where=str(path))
    if not texts:
        names = ", ".join(allowed)
        raise InputError(f"at least one of {names}", found="no .txt file", where=f"judge.prompts: {folder}")
    return texts
