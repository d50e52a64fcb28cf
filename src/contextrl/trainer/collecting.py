"""The collector of a trainer: what samples, judges, retries and mixes, put together from its settings."""

from __future__ import annotations

from functools import partial
from typing import Any

from contextrl.judge.protocol import Judge
from contextrl.rollout.budget import RecoveryBudget
from contextrl.rollout.collect import Collector
from contextrl.rollout.dynamic import RefillCursor
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.rewards import Rewards
from contextrl.rollout.sampling import Completions
from contextrl.rollout.seeds import GroupSeeds
from contextrl.rollout.verify import Verifier
from contextrl.trainer.inputs import TrainerInputs
from contextrl.trainer.sharing_out import keep_in_step


def build_collector(trainer: Any, given: TrainerInputs, judge: Judge, audit: Judge | None) -> Collector:
    """A collector on a trainer's engine and processes.

    Args:
        trainer: `ContextRLTrainer`, its engines built.
    """
    args, tokenizer = trainer.args, trainer._tokenizer
    keep_in_step(trainer, given.examples, given.prompting)
    return Collector(
        examples=given.examples,
        num_generations=trainer.num_generations,
        build_prompts=given.prompting.prompts,
        engine=trainer.engines.engine,
        completions=Completions(tokenizer, trainer.eos_token_ids, placeholder_ids(trainer.model.config)),
        verifier=partial(Verifier.configured, judge, audit, args.judging),
        # Counted in micro-batches, which a resumed run goes on counting.
        seeds=lambda: GroupSeeds(args.seed, trainer._step),
        stage2=args.stage2,
        mixing=args.objective.mixing,
        retry_prompt=RetryPrompt(
            tokenizer,
            given.prompting.text,
            args.stage2.instruction,
            min(args.stage2.max_context_tokens, given.room),
            trainer.eos_token_ids,
        ),
        budget=RecoveryBudget(args.stage2.budget, trainer.processes.each),
        dynamic_sampling=args.dynamic_sampling,
        cursor=RefillCursor(len(given.examples), args.seed),
        processes=trainer.accelerator.num_processes,
        any_process=trainer.processes.any,
        share_out=trainer.processes.share_out,
        rewards=_rewards(trainer, given) if given.rewards else None,
    )


def _rewards(trainer: Any, given: TrainerInputs) -> Rewards:
    # Trainer replaces its state when training starts.
    context = lambda: {"trainer_state": trainer.state, "log_metric": trainer._log_metric}  # noqa: E731
    return Rewards(given.rewards, given.columns, context, trainer._log_completion_extra)


def placeholder_ids(config: Any) -> set[int]:
    """Image tokens of a model: sampled, they would make scoring look for images that are not there."""
    fields = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    ids = [getattr(config, name, None) for name in fields]
    return {int(token) for token in ids if token is not None}


def never_sample(trainer: Any, tokens: set[int]) -> None:
    """Forbid some tokens in a trainer's generation."""
    if tokens:
        suppressed = sorted(tokens | set(trainer.generation_kwargs.get("suppress_tokens") or ()))
        trainer.generation_kwargs["suppress_tokens"] = suppressed
        trainer.generation_config.suppress_tokens = suppressed
