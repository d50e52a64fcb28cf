"""The engine that settings and model allow, and the scorer beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contextrl.engines.compiled import compile_layers
from contextrl.engines.host import PolicyHost
from contextrl.engines.shared_prefix.engine import SharedPrefixEngine
from contextrl.engines.shared_prefix.scorer import PromptScorer
from contextrl.engines.shared_prefix.sharing import Sharing
from contextrl.engines.transformers import TransformersEngine
from contextrl.engines.vllm.engine import VLLMEngine
from contextrl.rollout.sampling import Engine


@dataclass(frozen=True)
class PolicyEngines:
    """What samples from a policy, and what scores its samples.

    Attributes:
        sharing: whether prompts are read once per group, and why not.
        rest: called when a rollout is sampled; an engine that holds memory of its own gives it back.
        close: called when a run is over, before its processes part.
    """

    engine: Engine
    scorer: PromptScorer
    sharing: Sharing
    rest: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None


def build_engines(host: PolicyHost) -> PolicyEngines:
    """Choose by `train.use_vllm`, `train.shared_prefix` and what the model allows; a new way is a branch here.

    Args:
        host: the trainer, its model loaded.
    """
    for model in (host.model, host.ref_model) if host.args.compile_layers else ():
        if model is not None:
            compile_layers(host.accelerator.unwrap_model(model))
    sharing = Sharing.of(host)
    scorer = PromptScorer(host, sharing)
    if host.args.use_vllm:
        vllm = VLLMEngine(host, scorer)
        return PolicyEngines(vllm, scorer, sharing, vllm.rest, vllm.close)
    plain = TransformersEngine(host)
    engine: Engine = plain if sharing.way == "separate" else SharedPrefixEngine(host, sharing, scorer, plain)
    return PolicyEngines(engine, scorer, sharing)
