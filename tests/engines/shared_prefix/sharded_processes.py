"""One of two processes that hold half of a model each (FSDP2); run by `test_sharded.py` with torchrun.

Each process has prompts of its own. The reference is the whole model, which every process also has.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from accelerate import PartialState
from test_sampling import ROW, SHAPES, configured
from test_scoring import BATCHES, CPU, case, prepared, with_sharing
from tiny_models import PAD, VOCABULARY, make_prompts
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from unshared import score_unshared

from contextrl.engines.shared_prefix.generation import Samples, SharedDecoder, generate
from contextrl.engines.shared_prefix.prompts import encode_prompts
from contextrl.engines.shared_prefix.scoring import score_packed
from contextrl.trainer.launched import leave


def sharded() -> Any:
    """The policy with every block's parameters spread over the processes."""
    model = with_sharing(prepared("qwen3-vl"))
    mesh = init_device_mesh("cpu", (2,))
    settings: dict[str, Any] = {"mesh": mesh, "mp_policy": MixedPrecisionPolicy()}
    for block in [*model.model.language_model.layers, *model.model.visual.blocks]:
        fully_shard(block, **settings)
    return fully_shard(model, **settings)


def gradient_of(model: Any, loss: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    loss.backward()
    gradients = [p.grad for _, p in sorted(model.named_parameters()) if p.grad is not None]
    whole = [g.full_tensor() if hasattr(g, "full_tensor") else g for g in gradients]
    return torch.cat([g.flatten() for g in whole])


def check_scoring(rank: int) -> None:
    model, reference = sharded(), prepared("qwen3-vl")
    cases = [case(name, "qwen3-vl") for name in ("unequal-groups", "several-images")]
    assert len(BATCHES["unequal-groups"][0]) != len(BATCHES["several-images"][0])
    prompts, row, completions, lengths, weights = cases[rank]
    encoded = encode_prompts(model, prompts, CPU)
    logps, _ = score_packed(model, encoded, row, completions, lengths)
    expected, _ = score_unshared(reference, prompts, row, completions, lengths, "left")
    assert float((logps - expected).abs().max()) < 1e-5
    found = gradient_of(model, (logps * weights).sum())
    # FSDP averages over processes.
    losses = [(score_unshared(reference, *one[:4], "left")[0] * one[4]).sum() for one in cases]
    wanted = gradient_of(reference, sum(losses) / 2)
    assert float((found - wanted).norm() / wanted.norm()) < 1e-5


def check_sampling(rank: int) -> None:
    """The processes stop at different steps: the first to end must go on until the other has."""
    model, reference = sharded().eval(), with_sharing(prepared("qwen3-vl")).eval()
    row = (ROW, ROW[:1])[rank]
    stops = ([1], list(range(VOCABULARY)))[rank]
    prompts, config = make_prompts("qwen3-vl", SHAPES), configured(do_sample=False, eos_token_id=stops)
    texts = []
    for one in (model, reference):
        samples = Samples(encode_prompts(one, prompts, CPU), row, [[]] * len(row))
        decoder = SharedDecoder(one, samples, 12)
        texts.append(generate(one, samples, decoder, config, PAD, synced=one is model))
    assert texts[0] == texts[1]
    assert (max(map(len, texts[0])) == 1) == (rank == 1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = PartialState(cpu=True).process_index
    check_scoring(place)
    check_sampling(place)
    torch.distributed.barrier()
    leave()
    sys.stdout.write("equal\n")
