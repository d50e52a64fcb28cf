"""Questions to a model in this process, with transformers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from contextrl.errors import InputError
from contextrl.evaluation.answering.questions import Answer, Question
from contextrl.evaluation.benchmarks.items import Sampling
from contextrl.evaluation.generation import Draws, Response, generate_batch
from contextrl.policy.processor import check_processor
from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example

#: Bytes of a file of weights that are looked at, at each of its ends.
_ENDS = 2**20


class LocalModel:
    """A transformers model; a batch's pictures are in memory, and no more.

    Args:
        model: an unwrapped model.
        prompting: how its prompts are made.
        batch_size: questions at once.
        digest: tells its weights from others of the same name.

    Raises:
        InputError: the processor cannot render or pad prompts.
    """

    def __init__(self, model: Any, prompting: Prompting, *, batch_size: int = 16, digest: str = "") -> None:
        check_processor(prompting.processor)
        self.model, self.prompting, self.batch_size, self.digest = model, prompting, batch_size, digest

    def answers(self, questions: Iterable[Question], sampling: Sampling) -> Iterator[Answer]:
        """See `Model`: in order, batch by batch, a batch's errors first."""
        source = iter(questions)
        while batch := list(islice(source, self.batch_size)):
            asked: list[Question] = []
            prompts: list[Prompts] = []
            for question in batch:
                # One by one, so that a picture that cannot be read is the fault of its own question.
                try:
                    prompts.append(self.prompting.prompts([_example(question)]))
                except InputError as error:
                    yield Answer(question.id, error=f"rejected: {error}")
                else:
                    asked.append(question)
            if asked:
                responses = self._generate(asked, Prompts.join(prompts), sampling)
                for question, response in zip(asked, responses, strict=True):
                    yield _answer(question, response)

    def _generate(self, asked: Sequence[Question], prompts: Prompts, sampling: Sampling) -> list[Response]:
        draws = None
        if sampling.temperature > 0:
            seeds = [_seed(sampling.seed, question) for question in asked]
            draws = Draws(sampling.temperature, seeds, sampling.top_p, sampling.top_k)
        return generate_batch(
            self.model,
            self.prompting.tokenizer,
            prompts,
            max_new_tokens=sampling.max_tokens,
            draws=draws,
            presence_penalty=sampling.presence_penalty or 0.0,
        )


def weights_digest(folder: Path) -> str:
    """16 hex characters that tell a folder's weights from those that it held before; empty where there are none.

    Of each file its size, its beginning and its end: sixteen gigabytes are not read for a name.
    """
    digest, found = hashlib.sha256(), False
    for path in sorted(folder.glob("*.safetensors")):
        found = True
        size = path.stat().st_size
        digest.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            digest.update(file.read(_ENDS))
            file.seek(max(0, size - _ENDS))
            digest.update(file.read(_ENDS))
    return digest.hexdigest()[:16] if found else ""


def _example(question: Question) -> Example:
    return Example(question.id, question.prompt, "", "", images=question.images)


def _answer(question: Question, response: Response) -> Answer:
    reason = "length" if response.truncated else "stop"
    return Answer(question.id, response.text, response.truncated, reason, response.tokens)


def _seed(seed: int, question: Question) -> int:
    """A question's own, whatever else is asked and in which order."""
    digest = hashlib.sha256(f"{seed}:{question.id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big")
