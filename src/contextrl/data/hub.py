"""Whether the hub can be reached: found out once and shortly, where every set by itself would try for minutes."""

from __future__ import annotations

import importlib
import queue
import threading
from typing import Any

#: Longest wait for its first word, in seconds.
PATIENCE = 6.0


def hub_trouble(seconds: float = PATIENCE) -> str | None:
    """Why the hub cannot be reached; None: it answers, whatever it says, or nobody is to ask it (`HF_HUB_OFFLINE`).

    Args:
        seconds: are waited at most; a name that cannot be resolved may take longer than any limit of a request.
    """
    constants = importlib.import_module("huggingface_hub.constants")
    if constants.HF_HUB_OFFLINE:
        return None
    outcome: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    asking = threading.Thread(target=_ask, args=(constants.ENDPOINT, seconds, outcome), daemon=True)
    asking.start()
    try:
        return outcome.get(timeout=seconds)
    except queue.Empty:
        return f"{constants.ENDPOINT} said nothing for {seconds:g} s"


def work_offline() -> None:
    """Let this process take sets from the cache or not at all, as `HF_HUB_OFFLINE=1` does from the start."""
    settings: list[Any] = [importlib.import_module(name) for name in ("huggingface_hub.constants", "datasets.config")]
    for one in settings:
        one.HF_HUB_OFFLINE = True


def _ask(endpoint: str, seconds: float, outcome: queue.SimpleQueue[str | None]) -> None:
    session = importlib.import_module("huggingface_hub.utils").get_session()
    try:
        session.head(endpoint, timeout=seconds)
    except Exception as error:  # of whichever library the hub's client is made with
        outcome.put(f"{endpoint}: {str(error)[:200] or type(error).__name__}")
    else:
        outcome.put(None)
