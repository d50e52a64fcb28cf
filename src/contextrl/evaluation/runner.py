"""Evaluate a policy on examples with a judge: answer and process accuracy with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from contextrl.data.images import image_key
from contextrl.evaluation.generation import Response, generate_greedy
from contextrl.judge.protocol import Judge, JudgeRequest, ask
from contextrl.policy.prompting import Prompting
from contextrl.records.evaluation import Evaluation, Part
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict
from contextrl.rollout.verify import not_positive_if_truncated
from contextrl.statistics.bootstrap import image_bootstrap


def evaluate(
    model: Any,
    prompting: Prompting,
    examples: Sequence[Example],
    judge: Judge,
    *,
    max_new_tokens: int,
    batch_size: int = 128,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[Evaluation, list[dict[str, Any]]]:
    """Greedy answers, judged.

    Returns:
        The figures, and one record per item: its id, source, images, response and verdict.
    """
    responses = generate_greedy(
        model, prompting, examples, max_new_tokens=max_new_tokens, batch_size=batch_size, on_batch=on_batch
    )
    requests = [JudgeRequest(e, r.text, judge.context) for e, r in zip(examples, responses, strict=True)]
    verdicts = [
        not_positive_if_truncated(verdict, response.truncated)
        for verdict, response in zip(ask(judge, requests), responses, strict=True)
    ]
    records = [record_of(*item) for item in zip(examples, responses, verdicts, strict=True)]
    return summarise(examples, verdicts), records


def record_of(example: Example, response: Response, verdict: Verdict) -> dict[str, Any]:
    """An item as files hold it."""
    return {
        "id": example.id,
        "source": example.source,
        "images": images_of(example),
        "response": response.text,
        "truncated": response.truncated,
        "status": verdict.status,
        "answer_correct": verdict.answer_correct,
        "process_correct": verdict.process_correct,
    }


def images_of(example: Example) -> list[str]:
    """What tells an example's images apart."""
    return [str(name) for name in example.image_ids] or [image_key(handle) for handle in example.images]


def summarise(examples: Sequence[Example], verdicts: Sequence[Verdict]) -> Evaluation:
    """Means and image-bootstrapped intervals; unscored items are counted apart."""
    scored = [(e, v) for e, v in zip(examples, verdicts, strict=True) if v.status != "unscored"]
    answers = [float(v.answer_correct is True) for _, v in scored]
    looked = any(v.process_correct is not None for _, v in scored)
    process = [float(v.answer_correct is True and v.process_correct is True) for _, v in scored]
    unscored = len(examples) - len(scored)
    return summary_of([e for e, _ in scored], answers, process if looked else None, unscored=unscored)


def summary_of(
    examples: Sequence[Example], answers: Sequence[float], process: Sequence[float] | None, *, unscored: int
) -> Evaluation:
    """Means over scored items of values between 0 and 1, a value each; `process` is None where nobody looked."""
    images = [images_of(example) for example in examples]
    return Evaluation(
        answer_accuracy=_mean(answers),
        answer_accuracy_ci95=image_bootstrap(answers, images),
        process_accuracy=None if process is None else _mean(process),
        process_accuracy_ci95=None if process is None else image_bootstrap(process, images),
        n=len(examples),
        unscored=unscored,
        by_source=_by_source([example.source for example in examples], answers, process),
    )


def _by_source(sources: Sequence[str], answers: Sequence[float], process: Sequence[float] | None) -> dict[str, Part]:
    items: defaultdict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        items[source].append(index)
    return {
        source: Part(
            len(chosen),
            _mean([answers[index] for index in chosen]),
            None if process is None else _mean([process[index] for index in chosen]),
        )
        for source, chosen in sorted(items.items())
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
