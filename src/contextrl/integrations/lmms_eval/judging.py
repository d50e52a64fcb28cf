"""The judge's model within lmms-eval: any OpenAI-compatible server, named by the environment."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from contextrl.errors import InputError, ServiceError
from contextrl.evaluation.benchmarks.items import Mark, failed
from contextrl.evaluation.benchmarks.steps import Ask, Step, finish, without_judge

URL, MODEL, KEY = "CONTEXTRL_JUDGE_URL", "CONTEXTRL_JUDGE_MODEL", "CONTEXTRL_JUDGE_API_KEY"
_TRIES, _TIMEOUT, _LONGEST = 3, 120.0, 10_000_000


def mark_of(step: Step, environment: Mapping[str, str] = os.environ) -> Mark:
    """Follow a response's steps to its mark; a judge that does not answer leaves it without a score.

    Args:
        environment: where `CONTEXTRL_JUDGE_URL` and `CONTEXTRL_JUDGE_MODEL` name the judge; without an address there
            is none.

    Raises:
        InputError: an address without a model, or no address of the web.
    """
    if not isinstance(step, Ask):
        return step
    url = environment.get(URL, "")
    if not url:
        return without_judge(step)
    if not url.startswith(("http://", "https://")):
        raise InputError("an address (http://HOST:PORT/v1)", found="another scheme", where=URL)
    if not environment.get(MODEL):
        raise InputError("the judge's name at its server", found="none", where=MODEL)
    try:
        return finish(step, lambda ask: _reply(ask, url, environment))
    except ServiceError as error:
        return failed(f"judge: {error}")


def _reply(ask: Ask, url: str, environment: Mapping[str, str]) -> str:
    messages = [{"role": "system", "content": ask.system}] if ask.system else []
    body = {
        "model": environment[MODEL],
        "messages": [*messages, {"role": "user", "content": ask.prompt}],
        "temperature": ask.temperature,
        "max_tokens": ask.max_tokens,
        "seed": ask.seed,
    }
    headers = {"Content-Type": "application/json"}
    if key := environment.get(KEY) or environment.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)
    problem = ""
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                return _content(json.loads(answer.read(_LONGEST)))
        except urllib.error.HTTPError as error:
            problem = f"status {error.code}"
            if error.code < 500 and error.code not in (408, 429):
                break
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            problem = type(error).__name__
        if attempt + 1 < _TRIES:
            time.sleep(2.0**attempt)
    raise ServiceError(problem)


def _content(answer: Any) -> str:
    content = answer["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError
    return content
