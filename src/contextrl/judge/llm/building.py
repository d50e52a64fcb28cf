"""From the `judge` section of a configuration to a judge behind a server."""

from __future__ import annotations

import os
from pathlib import Path

from contextrl.errors import InputError
from contextrl.judge.llm.budget import Budget
from contextrl.judge.llm.cache import ReplyCache, default_cache
from contextrl.judge.llm.chat import ChatClient
from contextrl.judge.llm.dialect import Dialect
from contextrl.judge.llm.endpoints import EndpointPool
from contextrl.judge.llm.judge import LLMJudge, Member
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.settings import BudgetConfig, JudgeConfig
from contextrl.launchers import processes_started
from contextrl.records.verdict import ReferenceContext


def llm_judge(config: JudgeConfig, context: ReferenceContext | None = None) -> LLMJudge:
    """The judge behind the configured servers.

    Each of a run's processes has one; they share the cache, and each takes its part of the concurrency and the budget.

    Args:
        context: what it sees of the reference, if not what the configuration says.

    Raises:
        InputError: prompts or key are not as they must be.
    """
    processes = processes_started()
    api_key = os.environ.get(config.api_key_env) or None
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise InputError("a key in printable ASCII", found="something else", where=f"the variable {config.api_key_env}")
    assert config.model is not None
    budget = Budget(_part(config.budget, processes), config.prices)
    clients: dict[tuple[str, ...], ChatClient] = {}
    members = []
    for model, urls in [(config.model, config.base_urls), *((m.model, m.base_urls) for m in config.panel)]:
        # Models behind the same servers share their connections and their limit.
        key = tuple(urls or config.base_urls)
        if key not in clients:
            pool = EndpointPool(key, max(1, config.max_concurrency // processes), config.patience)
            clients[key] = ChatClient(
                pool,
                budget,
                config.timeouts,
                max_retries=config.max_retries,
                max_failures=config.max_failures,
                api_key=api_key,
            )
        members.append(Member(clients[key], Dialect(model, config.structured, config.sampling)))
    return LLMJudge(
        members,
        PromptSet.load(config.prompts, max_response_chars=config.max_response_chars),
        context or config.context,
        disclose=config.report.disclose,
        reports=config.reports,
        votes=config.votes,
        max_tokens=config.sampling.max_tokens,
        image_max_side=config.image_max_side,
        cache=_cache(config.cache),
    )


def _cache(setting: bool | Path) -> ReplyCache | None:
    if isinstance(setting, Path):
        return ReplyCache(setting)
    return default_cache() if setting else None


def _part(budget: BudgetConfig, processes: int) -> BudgetConfig:
    """One process's share; a limit too small to be shared is one call or token each."""
    if processes == 1:
        return budget
    return BudgetConfig(
        calls=None if budget.calls is None else max(1, budget.calls // processes),
        tokens=None if budget.tokens is None else max(1, budget.tokens // processes),
        money=None if budget.money is None else budget.money / processes,
    )
