"""One of two processes (DDP) that train the run of `test_mixed_groups.py`; the first writes the weights."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from test_mixed_groups import trainer_of

from contextrl.trainer.launched import leave

if __name__ == "__main__":
    policy, folder = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    trainer = trainer_of(policy, folder, max_steps=3, per_device_train_batch_size=4)
    assert trainer.accelerator.num_processes == 2
    trainer.train()
    if trainer.accelerator.is_main_process:
        model = trainer.accelerator.unwrap_model(trainer.model)
        torch.save(model.state_dict(), folder / "weights.pt")
    leave()
