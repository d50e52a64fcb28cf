"""One of two processes (gloo) that share a fake server; writes a file where all was right."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from fake_backend import IMAGE, FakeClient, answered

from contextrl.engines.vllm.requests import Request
from contextrl.engines.vllm.server import ServerBackend
from contextrl.engines.vllm.settings import VLLMSettings
from contextrl.errors import ServiceError
from contextrl.trainer.launched import leave

#: Requests of the two processes.
COUNTS = ((3, 3), (1, 3), (2, 0), (0, 0), (0, 2))


class Broken(FakeClient):
    def _post(self, url: str, json: dict[str, object]) -> dict[str, object]:
        raise RuntimeError("the server is gone")


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    rank = accelerator.process_index
    host = SimpleNamespace(accelerator=accelerator)
    settings = VLLMSettings("policy", "float32", 64, 0, IMAGE, {})
    for counts in COUNTS:
        own = [Request([30 * rank + n, 2], (), n % 2 + 1, 5 * n + rank) for n in range(counts[rank])]
        client = FakeClient() if rank == 0 else None
        got = ServerBackend(host, settings, client).generate(own, {"max_tokens": 3})  # type: ignore[arg-type]
        assert got == [answered(request) for request in own], (rank, counts, got)
        if not sum(counts):
            continue
        broken = ServerBackend(host, settings, Broken() if rank == 0 else None)  # type: ignore[arg-type]
        with pytest.raises(ServiceError, match="the server is gone"):
            broken.generate(own, {})
    (Path(sys.argv[1]) / f"right-{rank}").touch()
    leave()
