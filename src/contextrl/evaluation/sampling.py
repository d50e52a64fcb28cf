"""Many samples of every question: what a policy can reach, not only what it says first (pass@k)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from transformers import GenerationConfig

from contextrl.evaluation.generation import Draws, Response, end_tokens, generate_batch, response_of
from contextrl.evaluation.runner import images_of, record_of, summary_of
from contextrl.judge.protocol import Judge, JudgeRequest, ask
from contextrl.policy.processor import check_processor, pad_token_id
from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example
from contextrl.records.jsonl import json_ready
from contextrl.records.verdict import Verdict
from contextrl.rollout.seeds import seed_of
from contextrl.rollout.verify import not_positive_if_truncated
from contextrl.statistics.bootstrap import image_bootstrap
from contextrl.statistics.pass_at_k import pass_at_k, steps_of_k

#: Samples that are drawn at once.
ROWS = 1024


@dataclass(frozen=True)
class SamplePlan:
    """How every question is sampled.

    Attributes:
        samples: of each question.
        temperature: above 0; nothing else narrows the distribution.
        seed: a sample depends on it, the question's id and its place alone.
    """

    samples: int
    temperature: float = 1.0
    seed: int = 0

    def seeds(self, example: Example) -> list[int]:
        first = seed_of(self.seed, example.id, "pass@k")
        return [first + place for place in range(self.samples)]


class Sampler(Protocol):
    """Draws samples faster than one prompt per sample."""

    def sample(self, prompts: Prompts, prompt_of: Sequence[int], seeds: Sequence[int]) -> list[list[int]]:
        """Token ids of B samples, each up to and including its end token; sample b continues prompt `prompt_of[b]`."""
        ...

    def agrees(self, prompts: Prompts) -> bool:
        """Whether it computes what the model computes."""
        ...


def sampling_config(model: Any, tokenizer: Any, temperature: float, max_new_tokens: int) -> GenerationConfig:
    """What `generate` is given: the whole distribution at a temperature."""
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(end_tokens(model, tokenizer)),
        pad_token_id=pad_token_id(tokenizer),
        do_sample=True,
        temperature=temperature,
        top_p=1.0,
        top_k=0,
    )


def evaluate_samples(
    model: Any,
    prompting: Prompting,
    examples: Sequence[Example],
    judge: Judge,
    plan: SamplePlan,
    *,
    max_new_tokens: int,
    sampler: Sampler | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Sample and judge every question many times.

    Args:
        sampler: draws the samples, if it computes what the model computes; else every sample reads its prompt itself.
        on_batch: told how many questions each finished batch held.

    Returns:
        Accuracies over samples (pass@1) as `Evaluation.as_json` has them, and `samples`, `temperature`, `pass_at_k`
        (`answer` and `process`, by k) with `pass_at_k_ci95`; one record per sample, `sample` its place.

    Raises:
        InputError: the processor cannot render or pad prompts.
    """
    check_processor(prompting.processor)
    verdicts: list[list[Verdict]] = []
    records: list[dict[str, Any]] = []
    for chosen, responses in _sampled(model, prompting, examples, plan, max_new_tokens, sampler):
        judged = _judged(judge, chosen, responses)
        for example, own, found in zip(chosen, responses, judged, strict=True):
            for place, (response, verdict) in enumerate(zip(own, found, strict=True)):
                records.append({**record_of(example, response, verdict), "sample": place})
        verdicts += judged
        if on_batch:
            on_batch(len(chosen))
    return _figures(examples, verdicts, plan), records


def _sampled(
    model: Any,
    prompting: Prompting,
    examples: Sequence[Example],
    plan: SamplePlan,
    max_new_tokens: int,
    sampler: Sampler | None,
) -> Iterator[tuple[Sequence[Example], list[list[Response]]]]:
    """Questions batch by batch, with the samples of each."""
    stop, size = end_tokens(model, prompting.tokenizer), max(1, ROWS // plan.samples)
    training, asked = model.training, False
    model.eval()
    try:
        for start in range(0, len(examples), size):
            chosen = examples[start : start + size]
            prompts = prompting.prompts(chosen)
            prompt_of = [n for n in range(len(chosen)) for _ in range(plan.samples)]
            seeds = [seed for example in chosen for seed in plan.seeds(example)]
            if sampler is not None and not asked:
                sampler, asked = sampler if sampler.agrees(prompts) else None, True
            if sampler is None:
                rows, draws = prompts.select(prompt_of), Draws(plan.temperature, seeds)
                drawn = generate_batch(model, prompting.tokenizer, rows, max_new_tokens=max_new_tokens, draws=draws)
            else:
                ids = sampler.sample(prompts, prompt_of, seeds)
                drawn = [response_of(row, stop, prompting.tokenizer) for row in ids]
            yield chosen, [drawn[n : n + plan.samples] for n in range(0, len(drawn), plan.samples)]
    finally:
        model.train(training)


def _judged(judge: Judge, examples: Sequence[Example], responses: Sequence[list[Response]]) -> list[list[Verdict]]:
    """Samples repeat each other: each text is judged once per question."""
    keys = [(n, response.text) for n, own in enumerate(responses) for response in own]
    distinct = list(dict.fromkeys(keys))
    requests = [JudgeRequest(examples[n], text, judge.context) for n, text in distinct]
    known = dict(zip(distinct, ask(judge, requests), strict=True))
    return [
        [not_positive_if_truncated(known[n, response.text], response.truncated) for response in own]
        for n, own in enumerate(responses)
    ]


def _figures(examples: Sequence[Example], verdicts: Sequence[list[Verdict]], plan: SamplePlan) -> dict[str, Any]:
    scored = [[verdict for verdict in own if verdict.status != "unscored"] for own in verdicts]
    kept = [(example, own) for example, own in zip(examples, scored, strict=True) if own]
    answers = [[verdict.answer_correct is True for verdict in own] for _, own in kept]
    looked = any(verdict.process_correct is not None for _, own in kept for verdict in own)
    process = [[v.answer_correct is True and v.process_correct is True for v in own] for _, own in kept]
    summary = summary_of(
        [example for example, _ in kept],
        [sum(own) / len(own) for own in answers],
        [sum(own) / len(own) for own in process] if looked else None,
        unscored=len(examples) - len(kept),
    )
    figures: dict[str, Any] = {**summary.as_json(), "samples": plan.samples, "temperature": plan.temperature}
    of = {"answer": answers, **({"process": process} if looked else {})}
    images = [images_of(example) for example, _ in kept]
    curves = {name: _curve(right, images, plan.samples) for name, right in of.items()}
    values = {name: {k: value for k, (value, _) in curve.items()} for name, curve in curves.items()}
    ends = {name: {k: interval for k, (_, interval) in curve.items()} for name, curve in curves.items()}
    return figures | dict(json_ready({"pass_at_k": values, "pass_at_k_ci95": ends}, digits=4))


def _curve(
    right: Sequence[Sequence[bool]], images: Sequence[Sequence[str]], samples: int
) -> dict[str, tuple[float, tuple[float, float]]]:
    """pass@k with its interval by k; questions of which fewer samples could be scored are in none of larger k."""
    values: defaultdict[int, list[float]] = defaultdict(list)
    shown: defaultdict[int, list[Sequence[str]]] = defaultdict(list)
    for own, pictures in zip(right, images, strict=True):
        for k in steps_of_k(samples):
            if k <= len(own):
                values[k].append(pass_at_k(len(own), sum(own), k))
                shown[k].append(pictures)
    return {str(k): (sum(own) / len(own), image_bootstrap(own, shown[k])) for k, own in values.items()}
