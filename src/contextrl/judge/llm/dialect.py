"""What a server understands of the protocol, learned from what it refuses or ignores."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from contextrl.judge.llm.known_fields import KnownFields
from contextrl.judge.llm.prompts import Task
from contextrl.judge.settings import SamplingConfig, Structured

logger = logging.getLogger("contextrl.judge")

#: Replies in free text, although a form was asked for, after which the server counts as ignoring it.
_IGNORED_AFTER = 3
_FORM_REFUSED = re.compile(r"response_format|json_schema|json_object|structured|guided|grammar|schema", re.IGNORECASE)
_VERDICT = {"self_consistent": "boolean", "answer_correct": "boolean", "process_correct": "boolean"}
_REPORT = {"step": "integer", "mistake_report": "string"}
_FIELDS: dict[Task, dict[str, str]] = {
    "verify": {"analysis": "string", **_VERDICT},
    "report": {"analysis": "string", **_REPORT},
    "verify_and_report": {"analysis": "string", **_VERDICT, **_REPORT},
}


def reply_schema(task: Task) -> dict[str, Any]:
    """The JSON schema of a task's reply; the analysis comes first, so that the verdict follows from it."""
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in _FIELDS[task].items()},
        "required": list(_FIELDS[task]),
        "additionalProperties": False,
    }


def request_body(fields: dict[str, Any], messages: str) -> bytes:
    """The body as it is sent; `messages` is JSON already."""
    head = json.dumps(fields).removesuffix("}")
    return f'{head}, "messages": {messages}}}'.encode("ascii")


class Dialect:
    """Builds request bodies for one model and adapts them.

    Args:
        model: its name at the server.
        structured: how the reply's form is enforced.
        sampling: temperature and the like.

    Attributes:
        identity: what a model's replies depend on besides the conversation.
        form: what is asked for now: json_schema, json_object, or None for free text.
    """

    def __init__(self, model: str, structured: Structured, sampling: SamplingConfig) -> None:
        self.model, self.structured, self.sampling = model, structured, sampling
        self.form: str | None = {"auto": "json_schema", "off": None}.get(structured, structured)
        self.identity = json.dumps([model, structured, sampling.model_dump()], sort_keys=True)
        self._may_change = structured == "auto"
        self._ignored = 0
        self._known = KnownFields()

    def fields(self, task: Task, max_tokens: int, vote: int) -> dict[str, Any]:
        """A request's body but for its messages; vote k is drawn with the seed moved by k."""
        body: dict[str, Any] = {"model": self.model, "max_tokens": max_tokens}
        if self.sampling.temperature is not None:
            body["temperature"] = self.sampling.temperature
        if self.sampling.top_p is not None:
            body["top_p"] = self.sampling.top_p
        if self.sampling.seed is not None:
            body["seed"] = self.sampling.seed + vote
        if self.form == "json_schema":
            schema = {"name": task, "strict": True, "schema": reply_schema(task)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.form == "json_object":
            body["response_format"] = {"type": "json_object"}
        return self._known.spelled(body) | self.sampling.extra

    def refused(self, detail: str, fields: dict[str, Any]) -> bool:
        """Learn from a 400; returns whether the same request is worth sending in the new dialect."""
        if self._known.refused(detail, fields):
            return True
        if "response_format" not in fields or not _FORM_REFUSED.search(detail):
            return False
        if not self._may_change:
            return False
        if fields["response_format"]["type"] == self.form:
            # Others under way may have learned the same already.
            self.form = "json_object" if self.form == "json_schema" else None
            logger.warning("judge: %s refuses a JSON schema; going on with %s", self.model, self.form or "free text")
        return True

    def saw(self, *, free_text: bool, fields: dict[str, Any]) -> None:
        """Notice a server that accepts a form and does not keep to it."""
        if "response_format" not in fields or not self._may_change or self.form is None:
            return
        self._ignored = self._ignored + 1 if free_text else 0
        if self._ignored == _IGNORED_AFTER:
            logger.warning("judge: %s ignores the JSON schema; going on with free text", self.model)
            self.form = None
