"""What the judge is told: text files, filled in one pass, in an order that a server's prefix cache can use.

A conversation is the system text, then images, question and reference, then the response, then the task. All but the
last two are the same for every response of a group and for every task, so that a server reads images and reference
once. Tasks: `verify` (is it self-consistent, right, rightly reasoned), `report` (a mistake report on a response found
incorrect) and `verify_and_report` (both in one reply). The instruction follows the paper's (arXiv 2602.22623, A.2), in
our words and with its correctness split into answer and process; stage 2 has no instruction of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from contextrl.data.markers import MARKER, placed
from contextrl.errors import InputError, nearest_key
from contextrl.judge.llm.neutralise import neutralise
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.verdict import Disclosure, ReferenceContext

Task = Literal["verify", "report", "verify_and_report"]
#: Why the same thing is asked again: the report gave the answer away, or the reply could not be read.
Again = Literal["again", "unreadable"]
Message = dict[str, Any]

_SHIPPED = Path(__file__).parent / "prompts"
#: Where an image stands in a text that is being filled: no neutralised text has it.
_PICTURE = "\0"
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
#: What each file may show, besides the user's. A prompt that names more would tell the judge what its context forbids.
_SHARED = {"criteria", "caution"}
_REPORT_VALUES = {"disclose", "disclosure", "report_rules"}
_PLACEHOLDERS: dict[str, set[str]] = {
    "system": _SHARED,
    "criteria": {"cues"},
    "verify.task": set(),
    "report.task": _REPORT_VALUES,
    "verify_and_report.task": _REPORT_VALUES,
    "report_rules": {"disclosure"},
    **{name: set() for name in ("cues", "caution", *get_args(Again))},
    **{f"disclose.{level}": set() for level in get_args(Disclosure)},
}
_USER_VALUES: dict[ReferenceContext, set[str]] = {
    "none": {"question", "response"},
    "answer": {"question", "response", "answer"},
    "documents": {"question", "response", "answer", "documents"},
    "solution": {"question", "response", "answer", "solution"},
}


def _allowed_values() -> dict[str, set[str]]:
    """Every prompt file and the placeholders it may use."""
    users = {f"{context}.user": values for context, values in _USER_VALUES.items()}
    return {f"{name}.txt": values for name, values in (_PLACEHOLDERS | users).items()}


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
        again: Again | None = None,
    ) -> list[Message]:
        """The conversation: system text (left out where its file is empty), then the user's text with its images.

        Args:
            task: what is asked.
            request: example, response and context; only what the context allows is shown.
            images: data URLs, in the example's order.
            disclose: how much a report may say.
            again: why the judge is asked once more.
        """
        example = request.example
        values = {
            "question": _shown_question(example.question, len(images)),
            "answer": neutralise(example.answer).text,
            "solution": neutralise(example.solution).text,
            "documents": "\n\n".join(neutralise(text).text for text in example.documents),
            "response": neutralise(request.response, limit=self.max_response_chars).text,
        }
        asked = [_fill(self.texts[f"{request.context}.user.txt"], values), self._tasks[task, disclose]]
        asked += [] if again is None else [self._text(again)]
        text = "\n\n".join(part for part in asked if part)
        user: Message = {"role": "user", "content": _content(text, images)}
        system = self._systems[request.context]
        return [{"role": "system", "content": system}, user] if system else [user]

    @cached_property
    def _systems(self) -> dict[ReferenceContext, str]:
        """The system text of each context: the same for every request."""
        return {context: self._system(context) for context in _USER_VALUES}

    @cached_property
    def _tasks(self) -> dict[tuple[Task, Disclosure], str]:
        """What is asked, by task and level of disclosure."""
        return {(task, level): self._task(task, level) for task in get_args(Task) for level in get_args(Disclosure)}

    def _system(self, context: ReferenceContext) -> str:
        """The paper asks for revision cues only beside a solution; documents stand in the place of one."""
        cues = f" {self._text('cues')}" if context in ("solution", "documents") else ""
        shared = {"criteria": _fill(self._text("criteria"), {"cues": cues}), "caution": self._text("caution")}
        return _fill(self._text("system"), shared)

    def _task(self, task: Task, disclose: Disclosure) -> str:
        disclosure = {"disclose": disclose, "disclosure": self._text(f"disclose.{disclose}")}
        rules = {"report_rules": _fill(self._text("report_rules"), disclosure)}
        return _fill(self._text(f"{task}.task"), disclosure | rules)

    def _text(self, name: str) -> str:
        return self.texts[f"{name}.txt"].strip()


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Substitute every placeholder in one pass: what a value contains is never looked at again."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _shown_question(question: str, images: int) -> str:
    """The question made safe, with `_PICTURE` where its images stand; without it, they come first."""
    parts = placed(question, images)
    if parts[:-1] == list(range(images)):
        return neutralise(question).text
    return "".join(_PICTURE if isinstance(part, int) else neutralise(part).text for part in parts)


def _content(text: str, images: Sequence[str]) -> list[Message]:
    """Text and images of a user's message: images where the question has them, else before all text."""
    shown: list[Message] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    texts = text.split(_PICTURE, len(images))
    if len(texts) != len(images) + 1:
        texts = [*[""] * len(images), text]
    parts = [part for pair in zip(texts, [*shown, None], strict=True) for part in pair]
    # A file that shows the question twice shows its images once.
    return [{"type": "text", "text": p.replace(_PICTURE, MARKER)} if isinstance(p, str) else p for p in parts if p]


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
