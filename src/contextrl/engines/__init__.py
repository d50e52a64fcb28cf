"""Implementations of sampling and scoring: transformers' own, a group's prompt read once, and vLLM.

An engine is a file or folder here that implements `contextrl.rollout.sampling.Engine`, and a line in `build_engine`.
"""

from contextrl.engines.building import PolicyEngines, build_engines

__all__ = ["PolicyEngines", "build_engines"]
