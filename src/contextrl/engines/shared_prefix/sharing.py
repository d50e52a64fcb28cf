"""Whether a run reads the prompt of a group once: decided from structure first, from numbers once there are prompts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from contextrl.engines.host import PolicyHost
from contextrl.engines.shared_prefix.attention import install
from contextrl.engines.shared_prefix.cost import Layout, ModelCost
from contextrl.engines.shared_prefix.flex import BlockAttention
from contextrl.engines.shared_prefix.support import Support, Way, supported_way, underlying, why_not_sampled
from contextrl.policy.prompts import Prompts

logger = logging.getLogger("contextrl.engines")


@dataclass
class Sharing:
    """The way that is in use, and why it is not a better one.

    Attributes:
        support: what is possible; a probe may take it back (`give_up`).
        not_sampled: why sampling cannot share although scoring can; None if it can.
        cost: arithmetic of the model, None where nothing is shared.
        main: whether this process speaks.
        blocks: attention of packed groups by block masks; None where there is none.
    """

    support: Support
    not_sampled: str | None = None
    cost: ModelCost | None = None
    main: bool = True
    blocks: BlockAttention | None = None

    @staticmethod
    def of(host: PolicyHost) -> Sharing:
        """From the settings and the model's structure; installs the attention that sharing needs."""
        main = host.accelerator.is_main_process
        if not host.args.shared_prefix:
            return Sharing(Support("separate"), main=main)
        support = supported_way(
            host.accelerator.unwrap_model(host.model),
            checkpointing=host.args.gradient_checkpointing or host.model.is_gradient_checkpointing,
            processes=host.accelerator.num_processes,
        )
        if support.way == "separate":
            sharing = Sharing(support, main=main)
            sharing.warn("Prompts", support.reason)
            return sharing
        sharing = Sharing(support, why_not_sampled(host.generation_config), ModelCost.of(host.model), main)
        if sharing.not_sampled:
            sharing.warn("In sampling, prompts", sharing.not_sampled)
        elif support.way == "repeated" and host.args.stage2.in_use:
            sharing.warn("In stage 2, prompts", support.reason)
        if support.way == "packed":
            config = underlying(host.model).config.get_text_config()
            low = host.accelerator.mixed_precision == "bf16"
            dtype = torch.bfloat16 if low else host.model.dtype
            sharing.blocks = BlockAttention.of(config, host.accelerator.device, dtype, sharing.warn_of_blocks)
            for model in (host.model, host.ref_model):
                if model is not None:
                    install(underlying(host.accelerator.unwrap_model(model)).config.get_text_config())
        return sharing

    @property
    def way(self) -> Way:
        return self.support.way

    @property
    def reason(self) -> str:
        return self.support.reason

    def layout(self, prompts: Prompts, prompt_of: Sequence[int], lengths: Sequence[int]) -> Layout:
        """The cheapest layout that is possible for a micro-batch; see `ModelCost.layout`."""
        if self.way == "separate":
            return "separate"
        assert self.cost is not None
        if self.way == "packed" and self.blocks is not None:
            layout = self.cost.layout(prompts, prompt_of, lengths, blocks=True)
            if layout != "blocks" or self.blocks.usable():
                return layout
            self.blocks = None
        return self.cost.layout(prompts, prompt_of, lengths)

    def give_up(self, reason: str) -> None:
        """Read prompts once per sample from now on."""
        self.support = Support("separate", reason)
        self.warn("Prompts", reason)

    def warn(self, prompts: str, reason: str) -> None:
        if self.main:
            logger.warning(
                "%s are read once per sample, as GRPOTrainer does, not once per group: %s. "
                "Set train.shared_prefix to false to go on without this warning.",
                prompts,
                reason,
            )

    def warn_of_blocks(self, reason: str) -> None:
        if self.main:
            logger.warning(
                "Packed groups use dense attention masks, not block masks, which makes long completions slower: %s. "
                "Set TORCH_COMPILE_DISABLE=1 to go on without trying.",
                reason,
            )
