"""What `vllm_rollouts.py` tries: trainers whose rollouts are vLLM's, and the figures of each."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from workload import SHAPES, Case, build_model, build_processor, examples_of

from contextrl.engines.building import PolicyEngines, build_engines
from contextrl.engines.vllm.engine import VLLMEngine
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.rules import RulesJudge
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompts import Prompts
from contextrl.records import metrics as names
from contextrl.records.verdict import Verdict
from contextrl.rollout.groups import Completion
from contextrl.rollout.sampling import Completions, Draws, Sampled
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

Row = dict[str, Any]
#: The variable that holds further arguments of vLLM's LLM, as JSON.
OPTIONS = "CONTEXTRL_BENCHMARK_VLLM"
#: Mean difference of log-probabilities that bfloat16 explains, in nats per token: the engine's own guard stops at 0.1.
MOST_BF16, MOST_FP32 = 0.05, 2e-3
#: Samples of a rollout whose log-probabilities are compared.
COMPARED = 4
LORA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Trial:
    """A case: how it is trained.

    Attributes:
        model: "miniature", or a name in `workload.SHAPES`.
        learns: short training, or timed sampling.
        eager: without torch.compile and CUDA graphs, which take half a minute to be built.
        seconds: after which it is stopped.
    """

    name: str
    model: str = "miniature"
    lora: bool = False
    sleeps: bool = False
    eager: bool = True
    learns: bool = True
    steps: int = 4
    seconds: float = 90.0
    lengths: tuple[int, ...] = ()


#: In order of interest: what no time is left for is said to be so.
TRIALS = (
    Trial("full", seconds=70),
    Trial("sleep", sleeps=True, seconds=70),
    Trial("lora", lora=True, seconds=70),
    Trial("sleep 2B", model="2B", sleeps=True, steps=2, seconds=110),
    Trial("speed 2B", model="2B", learns=False, eager=False, lengths=(256, 1024), seconds=200),
    Trial("sleep compiled", sleeps=True, eager=False, seconds=110),
)
TINY_TRIALS = (
    Trial("full", seconds=500, steps=3),
    Trial("lora", lora=True, seconds=500, steps=3),
    Trial("speed tiny", model="tiny", learns=False, lengths=(8, 12), seconds=500),
)


@dataclass
class Seen:
    """What was seen while a case ran. Memory is the card's, in bytes, other processes' included.

    Attributes:
        gaps: of each rollout, see `gap_of`.
        sampling, learning: memory in use after each rollout, and before each micro-batch of the learner.
        given_back: memory that was freed at the end of each rollout.
        stale: largest value, after each wake-up, in memory that must be zero and that vLLM does not restore.
    """

    gaps: list[Row] = field(default_factory=list)
    sampling: list[int] = field(default_factory=list)
    learning: list[int] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)
    stale: list[float] = field(default_factory=list)


class LengthJudge(RulesJudge):
    """Verdicts that a random policy's text spreads over: half of a group is right."""

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        return [Verdict("correct" if len(r.response) % 2 else "incorrect") for r in requests]


class Untruncated(Completions):
    """A random policy never stops by itself; what is cut would never be right, and nothing would be learned."""

    def of(self, sampled: Sampled) -> list[Completion]:
        return [replace(completion, truncated=False) for completion in super().of(sampled)]


def used() -> int:
    """Bytes of the card that are taken, by whomever; 0 on a CPU."""
    if not torch.cuda.is_available():
        return 0
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return total - free


def run(trial: Trial, folder: Path, save: Callable[[Row], None]) -> Row:
    """The figures of one case.

    Args:
        folder: for weights and runs; it may be deleted afterwards.
        save: told of the figures so far, so that a case that is stopped has some.
    """
    cuda = torch.cuda.is_available()
    figures: Row = {"checks": {}}
    with _engine_options(trial, cuda=cuda):
        began = time.perf_counter()
        trainer = _trainer(trial, folder, cuda=cuda)
    figures["build_s"] = round(time.perf_counter() - began, 1)
    save(figures)
    if trial.learns:
        _learn(trial, trainer, figures, save)
    else:
        _time_sampling(trial, trainer, figures, save)
    trainer.engines.close()
    return figures


def _trainer(trial: Trial, folder: Path, *, cuda: bool) -> Any:
    arguments = _arguments(trial, cuda=cuda) | {"output_dir": str(folder / "run")}
    peft = LoraConfig(r=16, lora_alpha=64, target_modules=LORA, task_type="CAUSAL_LM") if trial.lora else None
    if trial.model == "miniature":
        policy = str(BASE_POLICY)
        judge: Any = StepsJudge()
        model = load_policy(policy)
        examples = list(miniature_examples("train", 64))
        processor = load_processor(policy, policy_config(policy))
    else:
        model, processor, case = _saved(trial, folder, cuda=cuda)
        judge, examples = LengthJudge(), examples_of(case, 4)
    trainer = ContextRLTrainer(model, judge, ContextRLConfig(**arguments), examples, processor, peft_config=peft)
    if trial.model != "miniature":
        usual = trainer.collector.completions
        trainer.collector.completions = Untruncated(usual.tokenizer, usual.end_ids, usual.placeholders)
    return trainer


def _saved(trial: Trial, folder: Path, *, cuda: bool) -> tuple[Any, Any, Case]:
    """A random policy in a folder, because vLLM reads architecture and weights there."""
    shape, where = SHAPES[trial.model], folder / "policy"
    device = torch.device("cuda" if cuda else "cpu")
    model = build_model(shape, device, torch.bfloat16 if cuda else torch.float32)
    processor = build_processor(shape)
    model.save_pretrained(where)
    processor.save_pretrained(where)
    model.set_attn_implementation("sdpa")
    model.name_or_path = model.config._name_or_path = str(where)
    picture, text = ((1024, 1024), 256) if cuda else ((64, 96), 24)
    return model, processor, Case(trial.model, picture, text, max(trial.lengths, default=256))


def _arguments(trial: Trial, *, cuda: bool) -> Row:
    random = trial.model != "miniature"
    longest = max(trial.lengths, default=256) if random else 40
    groups = 1 if random else 8
    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_enable_sleep_mode": trial.sleeps,
        "vllm_gpu_memory_utilization": 0.4 if random else 0.2,
        "bf16": cuda,
        "use_cpu": not cuda,
        "num_generations": 8,
        "per_device_train_batch_size": 8 * groups,
        "max_completion_length": longest,
        # So far that weights of the step before give other log-probabilities.
        "learning_rate": 1e-5 if random else 2e-3,
        "lr_scheduler_type": "constant",
        "beta": 0.0,
        "max_steps": trial.steps,
        "gradient_checkpointing": random,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "optim": "adamw_torch",
        "stage2": {"enabled": not random},
        "prompts": {"max_prompt_tokens": 2048 if random and cuda else 512},
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
        "save_strategy": "no",
        "seed": 3,
    }


@contextmanager
def _engine_options(trial: Trial, *, cuda: bool) -> Iterator[None]:
    """As `OPTIONS` and the case say; on a CPU linear layers stay plain, else no weight can be loaded again."""
    vllm: Any = importlib.import_module("vllm")
    given = json.loads(os.environ.get(OPTIONS) or "{}")
    if not cuda:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "vllm_rollouts"))
        importlib.import_module("plain_linear").keep_linear_layers_plain(setattr)
    elif trial.eager:
        given = {"enforce_eager": True} | given
    original: Any = vllm.LLM
    vllm.LLM = partial(original, **given)
    try:
        yield
    finally:
        vllm.LLM = original


def _learn(trial: Trial, trainer: Any, figures: Row, save: Callable[[Row], None]) -> None:
    """A few steps; every rollout's log-probabilities beside the trainer's of the moment."""
    seen = Seen()
    _watch(trainer, seen, lambda: save(figures | _figures_of(trainer, seen)))
    began = time.perf_counter()
    trainer.train()
    figures |= _figures_of(trainer, seen) | {"train_s": round(time.perf_counter() - began, 1)}
    most = MOST_BF16 if torch.cuda.is_available() else MOST_FP32
    checks: dict[str, bool] = {
        "every step sampled": {gap["step"] for gap in seen.gaps} == set(range(trial.steps)),
        "weights follow the policy": max(gap["mean"] for gap in seen.gaps) < most,
    }
    if trial.model == "miniature":
        # Else weights that are never sent would pass too.
        checks["the policy has moved"] = max((gap["moved"] for gap in seen.gaps[1:]), default=0.0) > 0
        checks["stage 2 was sampled"] = any(gap["stage"] == 2 for gap in seen.gaps)
    if trial.model == "miniature" and torch.cuda.is_available():
        # A CPU's blocks of 128 tokens are longer than these prompts.
        checks["prefix cache was hit"] = max(figures["prefix_cache_hits"], default=0.0) > 0
    if trial.sleeps:
        wanted = 0.5 * trainer.args.vllm_gpu_memory_utilization * torch.cuda.mem_get_info()[1]
        checks["sleeping gives memory back"] = min(seen.given_back, default=0) > wanted
    figures["checks"] = checks
    save(figures)


def _watch(trainer: Any, seen: Seen, save: Callable[[], None]) -> None:
    engine: VLLMEngine = trainer.engines.engine
    backend: Any = engine.backend
    sample, rest, wake, loss = engine.sample, backend.rest, backend.llm.wake_up, trainer._compute_loss
    start = [weight.detach().clone() for weight in _few(trainer)]

    def sampling(prompts: Prompts, draws: Draws) -> Sampled:
        sampled = sample(prompts, draws)
        seen.sampling.append(used())
        moved = max(float((a - b).abs().max()) for a, b in zip(start, _few(trainer), strict=True))
        stage = 2 if any(draws.suffixes) else 1
        seen.gaps.append({"step": int(trainer.state.global_step), "stage": stage, "moved": moved})
        seen.gaps[-1] |= gap_of(trainer, prompts, draws, sampled)
        save()
        return sampled

    def resting() -> None:
        before = used()
        rest()
        seen.given_back.append(before - used())

    def waking(*given: Any, **named: Any) -> None:
        wake(*given, **named)
        if "weights" in (named.get("tags") or ()):
            model = backend.llm.llm_engine.model_executor.driver_worker.model_runner.model
            left = getattr(model, "deepstack_input_embeds", None) or []
            # NaN compares as nothing: it is told as a large number.
            seen.stale.append(max((float(part.abs().nan_to_num(1e9).max()) for part in left), default=0.0))

    def learning(*given: Any, **named: Any) -> Any:
        seen.learning.append(used())
        return loss(*given, **named)

    engine.sample = sampling  # type: ignore[method-assign]
    backend.rest, backend.llm.wake_up, trainer._compute_loss = resting, waking, learning


def _few(trainer: Any) -> list[torch.Tensor]:
    """Some of the weights that learn."""
    return [weight.detach() for weight in trainer.model.parameters() if weight.requires_grad][-4:]


def gap_of(trainer: Any, prompts: Prompts, draws: Draws, sampled: Sampled) -> Row:
    """Differences of log-probabilities in nats per token, engine against trainer, over a few samples."""
    places = range(0, len(draws), max(1, len(draws) // COMPARED))
    rows = [draws.prompt_of[n] for n in places]
    ids = [[*prompts.ids[row], *draws.suffixes[n]] for row, n in zip(rows, places, strict=True)]
    here = trainer.engines.engine.guard._logps(prompts.select(rows).extended(ids), [[sampled.ids[n]] for n in places])
    assert sampled.logps is not None
    there = [sampled.logps[n] for n in places]
    apart = [abs(a - b) for one, other in zip(here, there, strict=True) for a, b in zip(one, other, strict=True)]
    return {"mean": float(f"{sum(apart) / len(apart):.3g}"), "max": float(f"{max(apart):.3g}"), "tokens": len(apart)}


def _figures_of(trainer: Any, seen: Seen) -> Row:
    def gib(values: Sequence[int]) -> list[float]:
        return [round(value / 2**30, 2) for value in values]

    logged = [line for line in trainer.state.log_history if names.ENGINE_PREFIX_CACHE_HITS in line]
    guard = trainer.engines.engine.guard.gaps
    return {
        "gaps": list(seen.gaps),
        "guard": [{"engine": g.engine, "blank": g.blank, "pictures": g.pictures, "tokens": g.tokens} for g in guard],
        "prefix_cache_hits": [round(float(line[names.ENGINE_PREFIX_CACHE_HITS]), 3) for line in logged],
        "sampling_gb": gib(seen.sampling),
        "learning_gb": gib(seen.learning),
        "given_back_gb": gib(seen.given_back),
        "stale": list(seen.stale),
    }


def _time_sampling(trial: Trial, trainer: Any, figures: Row, save: Callable[[Row], None]) -> None:
    """Tokens a second of one group, by vLLM and by transformers with a shared prefix, the same policy and prompt."""
    figures["speed"] = speed = {}
    group = trainer.args.num_generations
    prompts = trainer.collector.build_prompts(trainer.examples[:1])
    figures["prompt_tokens"] = len(prompts.ids[0])
    engines: dict[str, PolicyEngines] = {"vllm": trainer.engines}
    trainer.args.use_vllm = False
    engines["transformers"] = build_engines(trainer)
    trainer.args.use_vllm = True
    figures["transformers_way"] = engines["transformers"].sharing.way
    trainer.model.eval()
    for name, built in engines.items():
        for length in trial.lengths:
            trainer.max_completion_length = trainer.generation_config.max_new_tokens = length
            times, tokens = [], 0
            # The first loads weights and compiles; every one reads the prompt.
            for number in range(3 if name == "vllm" else 2 if length == trial.lengths[0] else 1):
                if name == "vllm":
                    trainer.engines.engine.backend.forget()
                draws = Draws([0] * group, [()] * group, range(1000 * number, 1000 * number + group))
                began = time.perf_counter()
                with torch.no_grad():
                    sampled = built.engine.read(prompts).sample(draws)
                used()
                times.append(time.perf_counter() - began)
                tokens = sum(len(ids) for ids in sampled.ids)
                if name == "vllm":
                    figures["gap"] = gap_of(trainer, prompts, draws, sampled)
            best = min(times[1:] or times)
            speed[f"{name}, {length}"] = {"seconds": round(best, 3), "tokens_per_second": round(tokens / best, 1)}
            save(figures)
    most = MOST_BF16 if torch.cuda.is_available() else MOST_FP32
    figures["checks"] = {"weights follow the policy": figures["gap"]["mean"] < most}
    for length in trial.lengths:
        ours, theirs = (speed[f"{name}, {length}"]["tokens_per_second"] for name in ("vllm", "transformers"))
        figures[f"vllm_times_{length}"] = round(ours / theirs, 2)
    save(figures)
