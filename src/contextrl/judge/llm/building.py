"""From the `judge` section of a configuration to a judge behind a server."""

from __future__ import annotations

from contextrl.judge.llm.chat import ChatClient
from contextrl.judge.llm.connecting import chat_client, reply_cache, shared_budget
from contextrl.judge.llm.dialect import Dialect
from contextrl.judge.llm.judge import LLMJudge, Member
from contextrl.judge.llm.naming import JUDGE, Naming
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.settings import JudgeConfig
from contextrl.records.verdict import ReferenceContext


def llm_judge(config: JudgeConfig, context: ReferenceContext | None = None, *, naming: Naming = JUDGE) -> LLMJudge:
    """The judge behind the configured servers.

    Each of a run's processes has one; they share the cache, and each takes its part of the concurrency and the budget.

    Args:
        context: what it sees of the reference, if not what the configuration says.
        naming: what messages call it and its settings.

    Raises:
        InputError: prompts or key are not as they must be.
    """
    assert config.model is not None
    budget = shared_budget(config)
    clients: dict[tuple[str, ...], ChatClient] = {}
    members = []
    for model, urls in [(config.model, config.base_urls), *((m.model, m.base_urls) for m in config.panel)]:
        # Models behind the same servers share their connections and their limit.
        key = tuple(urls or config.base_urls)
        if key not in clients:
            clients[key] = chat_client(key, config, budget, naming)
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
        cache=reply_cache(config.cache),
    )
