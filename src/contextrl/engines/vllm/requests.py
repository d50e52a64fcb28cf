"""What vLLM is asked and what it answers, whatever way it runs in; and that it has read what the trainer will score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from contextrl.data.images import open_image
from contextrl.errors import ContextRLError, InputError
from contextrl.policy.prompts import Prompts
from contextrl.rollout.sampling import Draws, Sampled


class EngineMismatchError(ContextRLError):
    """vLLM does not sample from what the trainer scores: the run stops before it learns from it."""


@dataclass(frozen=True)
class Request:
    """Samples of one prompt.

    Attributes:
        ids: the prompt as the trainer scores it, image tokens expanded, what stage 2 adds included.
        images: in the order in which the prompt shows them, as handles (`open_image`).
        samples: how many.
        seed: of the first; vLLM gives sample i the i-th after it.
    """

    ids: list[int]
    images: tuple[Any, ...]
    samples: int
    seed: int

    def opened(self) -> Request:
        """With the images themselves, for another process."""
        return replace(self, images=tuple(open_image(image) for image in self.images))


@dataclass(frozen=True)
class Answer:
    """What vLLM made of a request.

    Attributes:
        prompt_ids: what it has read, image tokens expanded.
        placeholders: (offset, length) of each image's features in it.
        ids, logps: [samples] sampled tokens, end token included, and their log-probabilities under the distribution
            that they were drawn from.
    """

    prompt_ids: list[int]
    placeholders: list[tuple[int, int]]
    ids: list[list[int]]
    logps: list[list[float]]


def requests_of(prompts: Prompts, draws: Draws) -> list[Request]:
    """Draws as requests: consecutive samples of one context whose seeds follow one another are asked for at once.

    vLLM then reads a prompt once for all of them.
    """
    requests: list[Request] = []
    last: tuple[int, Sequence[int]] | None = None
    for n, suffix, seed in zip(draws.prompt_of, draws.suffixes, draws.seeds, strict=True):
        before = requests[-1] if requests else None
        if before is not None and last == (n, tuple(suffix)) and seed == before.seed + before.samples:
            requests[-1] = Request(before.ids, before.images, before.samples + 1, before.seed)
            continue
        images = prompts.images[n] if prompts.images else ()
        if len(images) != prompts.num_images[n]:
            raise EngineMismatchError(f"a prompt of {prompts.num_images[n]} images came with {len(images)}")
        requests.append(Request([*prompts.ids[n], *suffix], images, 1, seed))
        last = (n, tuple(suffix))
    return requests


def sampled_of(answers: Sequence[Answer]) -> Sampled:
    """All samples, in the order of the draws."""
    return Sampled([ids for a in answers for ids in a.ids], [logps for a in answers for logps in a.logps])


def image_runs(ids: Sequence[int], image_token: int | None) -> list[tuple[int, int]]:
    """(offset, length) of each run of image tokens."""
    runs: list[tuple[int, int]] = []
    for n, token in enumerate(ids):
        if token != image_token:
            continue
        if runs and sum(runs[-1]) == n:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((n, 1))
    return runs


def checked_runs(request: Request, image_token: int | None) -> list[tuple[int, int]]:
    """The runs of a request's images.

    Raises:
        InputError: it has another number of them, as where a family writes other tokens among an image's own.
    """
    runs = image_runs(request.ids, image_token)
    if len(runs) != len(request.images):
        raise InputError(
            "a policy whose prompts show each image as one run of its image token",
            found=f"{len(runs)} runs of token {image_token} for {len(request.images)} images",
            where="train.use_vllm",
            fix="Set train.use_vllm to false",
        )
    return runs


def unexpanded(request: Request, image_token: int | None) -> list[int]:
    """The prompt with one image token per image: vLLM expands them itself, where it is given the images."""
    ids: list[int] = []
    end = 0
    for offset, length in checked_runs(request, image_token):
        ids += request.ids[end : offset + 1]
        end = offset + length
    return ids + request.ids[end:]


def check_read(request: Request, answer: Answer, image_token: int | None) -> None:
    """The prompt that vLLM has read is the one that is scored, with the images' features in the same places.

    Raises:
        EngineMismatchError: with the first difference.
    """
    if answer.prompt_ids != request.ids:
        pairs = zip(answer.prompt_ids, request.ids, strict=False)
        shorter = min(len(answer.prompt_ids), len(request.ids))
        first = next((n for n, (there, here) in enumerate(pairs) if there != here), shorter)
        counts = [
            list(ids).count(image_token) if image_token is not None else 0 for ids in (answer.prompt_ids, request.ids)
        ]
        raise EngineMismatchError(
            f"vLLM has read a prompt of {len(answer.prompt_ids)} tokens ({counts[0]} of them of {len(request.images)} "
            f"images), the trainer scores one of {len(request.ids)} ({counts[1]}); they differ from token {first} on. "
            "Its processor and the trainer's must scale images alike: see model.max_pixels and the model's "
            "preprocessor_config.json"
        )
    runs = image_runs(request.ids, image_token) if request.images else []
    if answer.placeholders != runs:
        raise EngineMismatchError(
            f"vLLM has put the features of {len(request.images)} images at (offset, length) {answer.placeholders}, the "
            f"trainer scores them at {runs}"
        )
    if len(answer.ids) != request.samples:
        raise EngineMismatchError(f"vLLM gave {len(answer.ids)} samples of {request.samples}")
    for ids, logps in zip(answer.ids, answer.logps, strict=True):
        if not ids or len(ids) != len(logps):
            raise EngineMismatchError(f"vLLM gave {len(ids)} tokens with {len(logps)} log-probabilities")


def is_read(request: Request, answer: Answer, image_token: int | None) -> bool:
    """Whether `check_read` finds nothing."""
    try:
        check_read(request, answer, image_token)
    except EngineMismatchError:
        return False
    return True
