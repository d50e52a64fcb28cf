"""How far bfloat16 is from float32 in each layout: packed may not be farther off than rows by themselves are."""

from __future__ import annotations

from typing import Any

import torch
from sides import completions_of
from workload import Case

from contextrl.engines.shared_prefix.packing import real_tokens
from contextrl.engines.shared_prefix.scoring import score_packed
from contextrl.engines.shared_prefix.separate import score_separate

#: Tokens of each completion that are compared: a float32 model needs twice the memory.
COMPARED = 256
#: How much farther than separate rows still counts as the same, beyond two standard errors.
SLACK = 1.1


@torch.no_grad()
def exactness(side: Any, case: Case) -> dict[str, Any]:
    """Mean and largest difference of log-probabilities from float32, for each layout in bfloat16.

    `farther` names the packed layouts whose mean difference is more than a tenth larger than that of separate rows, by
    more than chance explains: two standard errors of the paired difference.
    """
    trainer = side.trainer
    # Wrappers of gradient checkpointing and adapters compute the same; the layout is chosen here, not by cost.
    model, scorer = trainer.model, trainer.engines.scorer
    length = min(COMPARED, case.completion)
    completions = torch.tensor(completions_of(case), device=trainer.accelerator.device)[:, :length]
    encoded, row, lengths = scorer.encode(side.prompts([0])), [0] * case.generations, [length] * case.generations
    real = real_tokens(lengths, length, completions.device)
    pad = trainer._tokenizer.pad_token_id
    original, training = model.dtype, model.training
    model.eval()
    try:
        model.to(torch.bfloat16)
        found = {
            "separate": score_separate(model, encoded, row, completions, lengths, pad)[0],
            "dense": score_packed(model, encoded, row, completions, lengths)[0],
        }
        blocks = trainer.engines.sharing.blocks
        if completions.device.type == "cpu" or (blocks is not None and blocks.usable()):
            found["blocks"] = score_packed(model, encoded, row, completions, lengths, blocks=True)[0]
        # Weights of bfloat16 are exact in float32, and come back as they were.
        model.to(torch.float32)
        exact = score_separate(model, encoded, row, completions, lengths, pad)[0]
    finally:
        model.to(original)
        model.train(training)
    apart = {name: (values.float() - exact.float()).abs()[real] for name, values in found.items()}
    mean = {name: float(values.mean()) for name, values in apart.items()}
    return {
        "mean": {name: float(f"{value:.3g}") for name, value in mean.items()},
        "max": {name: float(f"{float(values.max()):.3g}") for name, values in apart.items()},
        "farther": [name for name, values in apart.items() if _farther(values, apart["separate"])],
        "tokens": int(real.sum()),
    }


def _farther(values: torch.Tensor, reference: torch.Tensor) -> bool:
    """Whether differences [T] are larger on average than those of separate rows [T]."""
    excess = values - SLACK * reference
    return bool(excess.mean() > 2 * excess.std() / excess.numel() ** 0.5)
