"""Whether vLLM can be given a policy's prompts with pictures, found out before a weight is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from contextrl.engines.vllm.requests import Request, checked_runs
from contextrl.engines.vllm.settings import image_token
from contextrl.policy.loading import has_vision
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example

#: Upright, and of several patches both ways: families that mark rows of patches or tiles show it.
_SMALL = (64, 96)


def check_vllm_prompts(args: Any, config: Any, prompting: Prompting, examples: Sequence[Example]) -> None:
    """Every picture of a prompt is one run of the policy's image token, of which vLLM is given one.

    Asks the processor about one small picture, and about the first row that shows several, whose runs may touch.

    Args:
        args: TrainingArguments; those without `use_vllm` pass.
        config: the policy's transformers config.
        examples: what is trained on; where no row has pictures, nothing is asked.

    Raises:
        InputError: names `train.use_vllm`.
    """
    if not getattr(args, "use_vllm", False) or not has_vision(config):
        return
    if examples and not any(example.images for example in examples):
        return
    small = Example("-", "-", "-", "-", images=(Image.new("RGB", _SMALL, (127, 127, 127)),))
    several = next((example for example in examples if len(example.images) > 1), None)
    for example in (small, *([several] if several is not None else [])):
        try:
            prompts = prompting.prompts([example])
        except ValueError:  # a processor that cannot show pictures is refused for that, whatever samples
            return
        checked_runs(Request(prompts.ids[0], prompts.images[0], 1, 0), image_token(config))
