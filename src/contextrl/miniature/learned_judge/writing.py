"""What a learned judge writes, greedily or drawn, in this process: sorted batches, equal conversations once."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from contextrl.data.images import image_key, open_image
from contextrl.judge.llm.prompts import PromptSet, Task
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.learned_judge.training import prompt_text
from contextrl.policy.drawing import own_numbers
from contextrl.records.verdict import Disclosure
from contextrl.rollout.seeds import seed_of

#: Longest reply, in tokens; the longest of a lesson has about 60.
MAX_TOKENS = 96
#: Replies that are remembered.
_REMEMBERED = 20_000


@dataclass(frozen=True)
class Written:
    """A reply.

    Attributes:
        text: without the end token.
        pieces: the text of each token, the end token's left out.
        chances: the probability that the model gives each piece, whatever the temperature.
        ended: whether it ends by itself; False for one that was cut.
        prompt_tokens: of the conversation, its picture's included.
        seconds: its share of the batch's time; 0 for one that was remembered.
    """

    text: str
    pieces: tuple[str, ...]
    chances: tuple[float, ...]
    ended: bool
    prompt_tokens: int
    seconds: float


class ReplyWriter:
    """Replies of one model.

    Args:
        model, processor: of the judge.
        prompts: that it was taught.
        batch: conversations at once.
        max_tokens: of a reply.
        temperature: 0 for greedy replies. Others depend on the seed, the conversation and which look at it this is
            (`JudgeRequest.vote` and `attempt`), not on what is written beside them.
        seed: of what is drawn.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        prompts: PromptSet,
        *,
        batch: int = 64,
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.model, self.processor, self.prompts = model, processor, prompts
        self.batch, self.max_tokens = batch, max_tokens
        self.temperature, self.seed = temperature, seed
        self._kept: dict[tuple[str, ...], Written] = {}

    def write(
        self, requests: Sequence[JudgeRequest], task: Task = "verify", disclose: Disclosure = "hint"
    ) -> list[Written]:
        """One reply per request, in order."""
        replies = dict(self.stream(requests, task, disclose))
        return [replies[index] for index in range(len(requests))]

    def stream(
        self, requests: Sequence[JudgeRequest], task: Task = "verify", disclose: Disclosure = "hint"
    ) -> Iterator[tuple[int, Written]]:
        """(index of the request, reply), batch by batch; of equal conversations one is written.

        Raises:
            InputError: a picture cannot be read.
        """
        places: dict[tuple[str, ...], list[int]] = {}
        for index, request in enumerate(requests):
            text = prompt_text(self.processor, self.prompts, request, task, disclose)
            look = [str(request.vote), str(request.attempt)] if self.temperature else []
            key = (text, *look, *(image_key(image) for image in request.example.images))
            if key in self._kept:
                yield index, self._kept[key]
            else:
                places.setdefault(key, []).append(index)
        # Padding costs as much as text: conversations of similar length stand together.
        keys = sorted(places, key=lambda key: len(key[0]))
        for start in range(0, len(keys), self.batch):
            chosen = keys[start : start + self.batch]
            images = [[open_image(image) for image in requests[places[key][0]].example.images] for key in chosen]
            for key, written in zip(chosen, self._generate(chosen, images), strict=True):
                if len(self._kept) >= _REMEMBERED:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[key] = replace(written, seconds=0.0)
                for number, index in enumerate(places[key]):
                    yield index, self._kept[key] if number else written

    @torch.no_grad()
    def _generate(self, keys: Sequence[tuple[str, ...]], images: list[list[Any]]) -> list[Written]:
        begun = time.perf_counter()
        texts = [key[0] for key in keys]
        inputs = self.processor(text=texts, images=images, padding=True, return_tensors="pt")
        drawn = {"temperature": self.temperature, "top_k": 0, "top_p": 1.0} if self.temperature else {}
        config = copy.deepcopy(self.model.generation_config)
        config.update(max_new_tokens=self.max_tokens, do_sample=bool(drawn), **drawn)
        config.update(return_dict_in_generate=True, output_logits=True)
        seeds = [seed_of(self.seed, "judge", *key) for key in keys]
        with own_numbers(self.model, seeds) if drawn else nullcontext():
            output = self.model.generate(**inputs, generation_config=config)
        ids = output.sequences[:, inputs["input_ids"].shape[1] :]
        logits = torch.stack(output.logits, dim=1)  # [B, C, V]
        chances = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0].exp()
        seconds = (time.perf_counter() - begun) / len(texts)
        prompts = inputs["attention_mask"].sum(1).tolist()
        end = self.processor.tokenizer.eos_token_id
        replies = []
        for row, given, length in zip(ids.tolist(), chances.tolist(), prompts, strict=True):
            ended = end in row
            count = row.index(end) if ended else len(row)
            pieces = tuple(self.processor.batch_decode([[token] for token in row[:count]]))
            text = self.processor.decode(row[:count], skip_special_tokens=True)
            replies.append(Written(text, pieces, tuple(given[:count]), ended, length, seconds))
        return replies
