"""One of two processes that train together (DDP); run by `test_two_processes.py` with torchrun.

The same short run with the prompt once per group and once per sample. Stage 2 happens where the examples are even: the
other process then only stands in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from test_shared_trainer import run

from contextrl.trainer.launched import leave

if __name__ == "__main__":
    policy, folder = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    variant = {"beta": 0.05, "num_iterations": 2, "per_device_train_batch_size": 4}
    shared = run(policy, folder / "shared", variant)
    separate = run(policy, folder / "separate", variant, shared_prefix=False)
    assert shared.accelerator.num_processes == 2
    assert shared.engines.sharing.way == "packed"
    assert shared.rows is not None
    here = sum(len(group.retries) for group in shared.rows.rollout.sampled)
    counts = shared.accelerator.gather(torch.tensor([here])).tolist()
    expected = separate.model.state_dict()
    for name, weights in shared.model.state_dict().items():
        torch.testing.assert_close(weights, expected[name], rtol=0, atol=2e-6, msg=f"{name} differs")
    kept = [row.get("stage2/kept", 0) for row in shared.state.log_history]
    assert sum(kept) > 0
    sys.stdout.write(f"equal; retries of the last rollout {counts}\n")
    leave()
