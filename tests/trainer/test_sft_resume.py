"""A resumed SFT run counts on: tokens read and tokens trained are the whole run's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from trl import SFTConfig

from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.trainer.checkpoints import MARKER
from contextrl.trainer.sft import ReferenceSFTTrainer

STEPS, STOP = 4, 2


def run(policy: Path, folder: Path, resume: Path | None = None) -> ReferenceSFTTrainer:
    args = SFTConfig(
        output_dir=str(folder),
        max_steps=STEPS,
        save_steps=1,
        per_device_train_batch_size=2,
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        report_to="none",
        logging_steps=1,
        max_length=None,
        remove_unused_columns=False,
        gradient_checkpointing=False,
        seed=3,
    )
    model, processor = load_policy(str(policy), trainable=True), load_processor(str(policy), policy_config(str(policy)))
    trainer = ReferenceSFTTrainer(model, args, miniature_examples("train", 8), Prompting(processor))
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    return trainer


def tokens(trainer: Any) -> list[float]:
    return [row["num_tokens"] for row in trainer.state.log_history if "num_tokens" in row]


@pytest.fixture(scope="module")
def straight(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> ReferenceSFTTrainer:
    return run(tiny_policy, tmp_path_factory.mktemp("straight"))


def test_num_tokens_goes_on(tiny_policy: Path, tmp_path: Path, straight: ReferenceSFTTrainer) -> None:
    resumed = run(tiny_policy, tmp_path, straight.checkpoints.at(STOP))
    assert tokens(resumed) == tokens(straight)
    assert tokens(straight) == sorted(set(tokens(straight))), "it grows with every step"
    assert len(tokens(straight)) == STEPS
    assert resumed.progress == straight.progress
    for name, weights in straight.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name


def test_a_checkpoint_of_an_earlier_version_is_resumed_from(
    tiny_policy: Path, tmp_path: Path, straight: ReferenceSFTTrainer
) -> None:
    """It has no count of tokens read, which then begins with the resumed steps; all else goes on."""
    checkpoint = straight.checkpoints.at(STOP)
    marker = checkpoint / MARKER
    saved = json.loads(marker.read_text())
    whole = marker.read_text()
    for state in saved["processes"]:
        del state["tokens_read"]
    marker.write_text(json.dumps(saved))
    try:
        resumed = run(tiny_policy, tmp_path, checkpoint)
    finally:
        marker.write_text(whole)
    assert resumed.state.global_step == STEPS
    before = tokens(straight)[STOP - 1]
    assert tokens(resumed)[STOP:] == [count - before for count in tokens(straight)[STOP:]]
    assert resumed.progress == straight.progress
