"""FSDP2 with two processes."""

from __future__ import annotations

from pathlib import Path

from two_processes import on_two_processes


def test_sharded_parameters_score_and_sample_alike() -> None:
    """accelerate offers FSDP2 on accelerators only, so torch's own `fully_shard` wraps the model."""
    printed = on_two_processes(Path(__file__).with_name("sharded_processes.py"), timeout=90)
    assert printed.count("equal") == 2
