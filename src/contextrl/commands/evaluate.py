"""`contextrl eval`: which model is meant, and its figures on each benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from contextrl.commands.chat_template import chat_template_kwargs
from contextrl.commands.config import DEFAULT_NEW_TOKENS, ModelConfig, RunConfig
from contextrl.commands.data_config import DataConfig
from contextrl.commands.models import model_config, policy_folder
from contextrl.commands.sources import evaluation_examples, evaluation_judge
from contextrl.console import progress_bar
from contextrl.disk import writing
from contextrl.engines.shared_prefix.alone import PromptSampler
from contextrl.errors import InputError
from contextrl.evaluation.answering.local import LocalModel, weights_digest
from contextrl.evaluation.runner import evaluate
from contextrl.evaluation.sampling import SamplePlan, evaluate_samples, sampling_config
from contextrl.policy.loading import has_vision, is_model, load_policy, load_processor
from contextrl.policy.prompting import Prompting
from contextrl.records.files import write_atomically
from contextrl.records.run_directory import RunDirectory
from contextrl.trainer.checkpoint_folders import latest_checkpoint


def evaluated_model(target: str, settings: RunConfig | None) -> str:
    """A run's trained model, else its newest checkpoint, else the model it starts from; or a model's own path."""
    if settings is None:
        return target
    # A run directory may have been moved: its own place counts, not the one its configuration names.
    run = RunDirectory(Path(target) if RunDirectory(Path(target)).exists() else settings.run_dir)
    if is_model(run.model):
        return str(run.model)
    results = run.results() or {}
    best = run.checkpoints / f"checkpoint-{results.get('best_step')}"
    if checkpoint := best if best.is_dir() else latest_checkpoint(run.checkpoints):
        return str(checkpoint)
    if results:
        raise InputError("a run with its model or a checkpoint", found="none", where=str(run.path))
    return settings.model.path


def evaluate_benchmarks(
    target: str,
    settings: RunConfig | None,
    names: list[str],
    limit: int,
    predictions: Path | None,
    console: Console,
    *,
    allow_outside: bool = False,
    plan: SamplePlan | None = None,
) -> dict[str, Any]:
    """Figures by benchmark: `{"model", "benchmarks": {name: {answer_accuracy, process_accuracy, ..., n}}}`.

    Args:
        plan: how often each question is sampled; None is one greedy answer.
    """
    if predictions is not None:
        _check_place(predictions)
    path, config, model, prompting = _loaded(target, settings)
    longest = settings.max_new_tokens if settings else DEFAULT_NEW_TOKENS
    data = settings.data if settings else DataConfig(eval=None)
    data = data.model_copy(update={"allow_outside": data.allow_outside or allow_outside})
    results: dict[str, Any] = {"model": path, "benchmarks": {}}
    lines: list[str] = []
    for name in names:
        examples = evaluation_examples(name, limit, data, vision=has_vision(config))
        with progress_bar(console, f"Evaluating {name}", len(examples)) as on_batch:
            judge = evaluation_judge(name)
            if plan is None:
                greedy, records = evaluate(model, prompting, examples, judge, max_new_tokens=longest, on_batch=on_batch)
                figures = greedy.as_json()
            else:
                figures, records = evaluate_samples(
                    model,
                    prompting,
                    examples,
                    judge,
                    plan,
                    max_new_tokens=longest,
                    sampler=_sampler(model, prompting, plan, longest),
                    on_batch=on_batch,
                )
        results["benchmarks"][name] = figures
        lines += [json.dumps({"benchmark": name, **record}, ensure_ascii=False) + "\n" for record in records]
    if predictions is not None:
        with writing(predictions):
            write_atomically(predictions, "".join(lines))
    return results


def _sampler(model: Any, prompting: Prompting, plan: SamplePlan, longest: int) -> PromptSampler | None:
    return PromptSampler.of(model, sampling_config(model, prompting.tokenizer, plan.temperature, longest))


def local_model(target: str, settings: RunConfig | None) -> LocalModel:
    """A run's or another model in this process, to answer the questions of benchmarks."""
    path, _, model, prompting = _loaded(target, settings)
    return LocalModel(model, prompting, digest=weights_digest(Path(path)))


def _loaded(target: str, settings: RunConfig | None) -> tuple[str, Any, Any, Prompting]:
    """(path, config, model, how it is asked) of what is evaluated."""
    path = policy_folder(evaluated_model(target, settings))
    trust = settings.model.trust_remote_code if settings else False
    config = model_config(path, trust_remote_code=trust)
    own = settings.model if settings else ModelConfig()
    processor = load_processor(path, config, own.max_pixels, own.min_pixels, trust_remote_code=trust)
    prompting = Prompting(processor)
    if settings:
        prompting = Prompting(processor, settings.data.system_prompt, chat_template_kwargs(settings))
    prompting.check()
    return path, config, load_policy(path, trust_remote_code=trust, dtype=own.dtype or "float32"), prompting


def _check_place(predictions: Path) -> None:
    """Found before anything is evaluated: the answers would have nowhere to go."""
    if predictions.is_dir():
        raise InputError("a file to write", found="a folder", where=f"--predictions {predictions}")
    with writing(predictions, "Change --predictions"):
        predictions.parent.mkdir(parents=True, exist_ok=True)
