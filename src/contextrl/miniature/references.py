"""References that are not what they should be, for the question what they are worth (arXiv 2602.22623, limitations).

Only what the judge reads changes: question, picture and answer stay, and so does the final answer of the solution.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from contextrl.answers import check_answer
from contextrl.data.images import open_image
from contextrl.miniature.policy import greedy_texts
from contextrl.miniature.steps_judge import UNREADABLE, reading_span
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.records.example import Example

References = Literal["whole", "partial", "wrong_step"]
_SENTENCE = re.compile(r"(?<=\.) ")
#: Longest solution that a model is let write, in tokens.
_LONGEST = 48


def with_references(examples: Sequence[Example], kind: References, share: float = 1.0) -> list[Example]:
    """The same rows; a `share` of them has another reference, each by a draw of its own.

    `partial` leaves out some of the digits, at least one and not all, and every step after the reading. `wrong_step`
    has one digit of the reading wrong and all other steps right.
    """
    if kind == "whole":
        return list(examples)
    changed = []
    for example in examples:
        # A generator of its own: a row does not change with how many are drawn, or with the share.
        rng = random.Random(f"{kind} {example.id}")
        write = _partial if kind == "partial" else _wrong_step
        spoilt = rng.random() < share
        changed.append(replace(example, solution=write(example.solution, rng)) if spoilt else example)
    return changed


def _partial(solution: str, rng: random.Random) -> str:
    sentences = _SENTENCE.split(solution)
    reading = next(sentence for sentence in sentences if reading_span(sentence))
    start, end = reading_span(reading) or (0, 0)
    places = [place for place in range(start, end) if reading[place].isdigit()]
    missing = set(rng.sample(places, rng.randint(1, len(places) - 1)))
    told = "".join(UNREADABLE if place in missing else character for place, character in enumerate(reading))
    return f"{told} {sentences[-1]}"


def _wrong_step(solution: str, rng: random.Random) -> str:
    start, end = reading_span(solution) or (0, 0)
    place = rng.choice([place for place in range(start, end) if solution[place].isdigit()])
    wrong = rng.choice([digit for digit in "0123456789" if digit != solution[place]])
    return f"{solution[:place]}{wrong}{solution[place + 1 :]}"


def written_by(examples: Sequence[Example], model: str) -> list[Example]:
    """The same rows with a model's own solutions, greedily, where they end with the right answer.

    They may be right by wrong steps, as references are that somebody took for right because of their answers.

    Args:
        model: a folder of a policy.
    """
    policy, processor = load_policy(model), load_processor(model, policy_config(model))
    policy.eval()
    messages = [
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": example.question}]}]
        for example in examples
    ]
    prompts = [processor.apply_chat_template(one, add_generation_prompt=True, tokenize=False) for one in messages]
    images = [[open_image(image) for image in example.images] for example in examples]
    texts = greedy_texts(policy, processor, prompts, images, max_new_tokens=_LONGEST)
    return [
        replace(example, solution=text) if check_answer(text, example.answer, example.answer_type) is True else example
        for example, text in zip(examples, texts, strict=True)
    ]
