"""How every prompt of a policy is made: the same in training, stage 2, evaluation and the checks of lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2.exceptions import TemplateError

from contextrl.errors import InputError
from contextrl.policy.processor import check_processor
from contextrl.policy.prompts import Prompts, build_prompts, conversation, plain_contents, system_turn
from contextrl.records.example import Example


@dataclass(frozen=True)
class Prompting:
    """A processor with what is put around every question.

    Attributes:
        processor: the policy's processor, or its tokenizer where no row has images.
        system_prompt: stands before every conversation; None leaves it to the chat template, which may have its own.
        template_kwargs: passed to the chat template (`enable_thinking: false`, ...).
    """

    processor: Any
    system_prompt: str | None = None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Any:
        return getattr(self.processor, "tokenizer", self.processor)

    def messages(self, example: Example) -> list[dict[str, Any]]:
        """The conversation that asks an example's question, pictures decoded."""
        return conversation(example, self.tokenizer, self.system_prompt)

    def prompts(self, examples: Sequence[Example]) -> Prompts:
        """Stage-1 prompts as token ids."""
        return build_prompts(self.processor, examples, system_prompt=self.system_prompt, **self.template_kwargs)

    def text(self, messages: list[dict[str, Any]]) -> str:
        """A conversation as the chat template writes it, up to where the policy goes on.

        Args:
            messages: without the system prompt; contents are lists of parts.
        """
        if self.system_prompt is not None:
            messages = [system_turn(self.system_prompt), *messages]
        if self.processor is self.tokenizer:
            messages = plain_contents(messages)
        return str(
            self.processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False, **self.template_kwargs
            )
        )

    def check(self) -> None:
        """Render a question, so that a template that cannot take these settings is found before a model is loaded.

        Raises:
            InputError: there is no template; it raises, or leaves the system prompt out.
        """
        check_processor(self.processor)
        try:
            text = self.text([{"role": "user", "content": [{"type": "text", "text": "-"}]}])
        except (TemplateError, TypeError, ValueError) as error:
            what = "a system prompt" if self.system_prompt is not None else "train.chat_template_kwargs"
            raise InputError(
                f"a chat template that takes {what}",
                found=" ".join(str(error).split())[:200],
                where="data.system_prompt" if self.system_prompt is not None else "model.path",
                fix="Put the instruction into the questions" if self.system_prompt is not None else "",
            ) from error
        if self.system_prompt is not None and self.system_prompt.strip() not in text:
            raise InputError(
                "a chat template that shows a system prompt",
                found="one that leaves it out",
                where="data.system_prompt",
                fix="Put the instruction into the questions",
            )
