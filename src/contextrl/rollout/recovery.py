"""Stage 2: the conversation that shows the policy its failed attempt and the mistake report.

`[user: image + question] [assistant: attempt] [user: report + instruction]`, in token ids. The attempt enters as the
ids that were sampled: decoding and tokenising it again could give other ids than the policy wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from contextrl.errors import InputError
from contextrl.policy.prompts import neutralise_special_tokens
from contextrl.rollout.settings import WITHOUT_REPORT

# A text that no template treats specially; what the template puts after it is the end of the assistant's turn.
_SENTINEL = "ATTEMPT0SENTINEL"


class RetryPrompt:
    """Builds stage-2 prompts for one tokenizer and chat template.

    Args:
        tokenizer: the policy's tokenizer (a processor's `tokenizer`).
        render: renders a conversation to text with a generation prompt (`apply_chat_template(tokenize=False)`).
        instruction: what to ask after the report.
        max_context_tokens: budget for the whole stage-2 prompt; the attempt is cut in its middle to fit, the report
            never.
        end_ids: tokens that end a completion; the template closes the attempt's turn itself.
    """

    def __init__(
        self,
        tokenizer: Any,
        render: Any,
        instruction: str,
        max_context_tokens: int,
        end_ids: Collection[int] = (),
    ) -> None:
        self.end_ids = end_ids
        self.tokenizer = tokenizer
        self.render = render
        self.instruction = instruction
        self.max_context_tokens = max_context_tokens
        # Small models make the same few mistakes over and over.
        self.follow_up = lru_cache(maxsize=1024)(self._follow_up)

    def _follow_up(self, report: str) -> list[int]:
        """Ids of everything after the attempt: the end of its turn, the report, the next generation prompt."""
        message = f"{neutralise_special_tokens(report or WITHOUT_REPORT, self.tokenizer)} {self.instruction}"
        text = self.render(
            [
                {"role": "user", "content": [{"type": "text", "text": "-"}]},
                {"role": "assistant", "content": [{"type": "text", "text": _SENTINEL}]},
                {"role": "user", "content": [{"type": "text", "text": message}]},
            ]
        )
        _, sentinel, after = text.partition(_SENTINEL)
        if not sentinel:
            raise InputError(
                "a chat template that shows earlier assistant turns", found="one that drops them", where="model.path"
            )
        return list(self.tokenizer(after, add_special_tokens=False)["input_ids"])

    def build(self, prompt_ids: Sequence[int], attempt_ids: Sequence[int], report: str) -> list[int] | None:
        """The stage-2 prompt: the stage-1 prompt and its `suffix`."""
        suffix = self.suffix(prompt_ids, attempt_ids, report)
        return None if suffix is None else [*prompt_ids, *suffix]

    def suffix(self, prompt_ids: Sequence[int], attempt_ids: Sequence[int], report: str) -> list[int] | None:
        """What follows the stage-1 prompt in stage 2, or None if question and report alone exceed the budget.

        Args:
            prompt_ids: stage-1 prompt with its image placeholders expanded.
            attempt_ids: the sampled completion, with or without its end-of-turn token.
            report: the judge's mistake report; empty to say only that the answer is wrong.
        """
        after = self.follow_up(report)
        attempt = list(attempt_ids)
        if attempt and (attempt[-1] == after[0] or attempt[-1] in self.end_ids):
            attempt.pop()
        room = self.max_context_tokens - len(prompt_ids) - len(after)
        if room < 0:
            return None
        return [*cut_middle(attempt, room), *after]


def cut_middle(ids: list[int], room: int) -> list[int]:
    """Keep the beginning and the end of `ids` within `room` tokens: the mistake may be early, the answer is last."""
    if len(ids) <= room:
        return ids
    head = (room + 1) // 2
    tail = room - head
    return ids[:head] + (ids[-tail:] if tail else [])
