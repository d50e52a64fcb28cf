"""Small models behind real servers, for artifacts that are built as users build them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from contextrl.errors import ContextRLError


@contextmanager
def served(model: str) -> Iterator[str]:
    """A policy behind chat completions, in a process of its own with one thread; yields the server's address.

    Args:
        model: `miniature`, a run directory or a model's folder.

    Raises:
        ContextRLError: the server did not start.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "contextrl.miniature.policy_server", model, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            url = next((word.rstrip(",") for word in line.split() if word.startswith("http")), None)
            if url is None:
                raise ContextRLError(f"a server of {model} did not start")
            yield url
        finally:
            server.terminate()
