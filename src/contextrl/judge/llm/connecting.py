"""From settings to the clients of a model's servers: key, budget, cache, connections, and whether they are there."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from contextrl.errors import InputError, ServiceError
from contextrl.judge.llm.budget import Budget
from contextrl.judge.llm.cache import ReplyCache, default_cache
from contextrl.judge.llm.chat import ChatClient
from contextrl.judge.llm.endpoints import Endpoint, EndpointPool
from contextrl.judge.llm.envelope import Failure
from contextrl.judge.llm.naming import JUDGE, Naming
from contextrl.judge.settings import BudgetConfig, PriceConfig, TimeoutConfig
from contextrl.launchers import processes_started

logger = logging.getLogger("contextrl.judge")


class Connection(Protocol):
    """How servers are reached: a part of `JudgeConfig`, all of `ServerConfig`."""

    @property
    def api_key_env(self) -> str: ...
    @property
    def timeouts(self) -> TimeoutConfig: ...
    @property
    def max_retries(self) -> int: ...
    @property
    def max_concurrency(self) -> int: ...
    @property
    def max_failures(self) -> int: ...
    @property
    def patience(self) -> float: ...
    @property
    def budget(self) -> BudgetConfig: ...
    @property
    def prices(self) -> PriceConfig: ...


def shared_budget(settings: Connection) -> Budget:
    """What this process may spend: each of a run's processes takes its part."""
    return Budget(_part(settings.budget, processes_started()), settings.prices)


def chat_client(urls: Sequence[str], settings: Connection, budget: Budget, naming: Naming = JUDGE) -> ChatClient:
    """The client of the servers of one model.

    Raises:
        InputError: the key is not as it must be.
    """
    api_key = os.environ.get(settings.api_key_env) or None
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        where = f"the variable {settings.api_key_env}"
        raise InputError("a key in printable ASCII", found="something else", where=where)
    concurrency = max(1, settings.max_concurrency // processes_started())
    return ChatClient(
        EndpointPool(urls, concurrency, settings.patience, naming.service),
        budget,
        settings.timeouts,
        max_retries=settings.max_retries,
        max_failures=settings.max_failures,
        api_key=api_key,
        naming=naming,
    )


def reply_cache(setting: bool | Path) -> ReplyCache | None:
    """The user's, one in a file, or none."""
    if isinstance(setting, Path):
        return ReplyCache(setting)
    return default_cache() if setting else None


async def check_servers(client: ChatClient, model: str) -> None:
    """Ask every server of a model for its models.

    Raises:
        InputError: the model is not there, the key is refused, or the API is at another address of the server.
        ServiceError: no server of the model can be reached.
    """
    naming = client.naming
    answers = [await client.models(endpoint) for endpoint in client.pool.endpoints]
    failures = [answer for answer in answers if isinstance(answer, Failure)]
    for endpoint, answer in zip(client.pool.endpoints, answers, strict=True):
        if isinstance(answer, Failure) and answer.refused:
            fix = naming.spelled("Put the key into the variable that judge.api_key_env names")
            raise InputError(
                f"a key that the {naming.service} accepts", found=answer.detail, where=endpoint.url, fix=fix
            )
        if isinstance(answer, list) and answer and model not in answer:
            fix = naming.spelled("Change judge.model")
            raise InputError(f"the model {model!r}", found=", ".join(answer[:8]), where=endpoint.url, fix=fix)
        if answer is None and (url := await _api_address(client, endpoint)):
            fix = naming.spelled(f"Change judge.base_url to {url}")
            raise InputError(
                "the address of an API", found=f"none there, and one at {url}", where=endpoint.url, fix=fix
            )
    if len(failures) == len(answers):
        details = "; ".join(failure.detail for failure in failures)
        advice = naming.spelled("start it, or change judge.base_url")
        raise ServiceError(f"no {naming.service} can be reached ({details}): {advice}")
    for failure in failures:
        logger.warning("%s: %s", naming.service, failure.detail)


async def _api_address(client: ChatClient, endpoint: Endpoint) -> str:
    """Where the server has its API, if not at the address that was given, which lacks /v1 or goes on too far."""
    url = (
        endpoint.url.removesuffix("/chat/completions").removesuffix("/completions").removesuffix("/models").rstrip("/")
    )
    for other in (url, f"{url}/v1"):
        if other != endpoint.url and isinstance(await client.models(endpoint, other), list):
            return other
    return ""


def raise_if_gone(clients: Sequence[ChatClient]) -> None:
    """Say why no request will succeed any more.

    Raises:
        ServiceError: a budget is spent, or servers are gone.
    """
    for client in clients:
        if client.gone is not None:
            kind, reason = client.gone
            service = client.naming.service
            remedy = "raise the budget" if kind == "budget" else f"mend the {service}"
            raise ServiceError(f"the {service} stops: {reason}. What it has answered is kept: {remedy} and go on")


def _part(budget: BudgetConfig, processes: int) -> BudgetConfig:
    """One process's share; a limit too small to be shared is one call or token each."""
    if processes == 1:
        return budget
    return BudgetConfig(
        calls=None if budget.calls is None else max(1, budget.calls // processes),
        tokens=None if budget.tokens is None else max(1, budget.tokens // processes),
        money=None if budget.money is None else budget.money / processes,
    )
