"""vLLM on a CPU packs weights into another layout and drops the originals, so that none can be loaded again.

On a GPU it does not. For these tests a linear layer is torch's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def keep_linear_layers_plain(setattr: Callable[[Any, str, Any], None]) -> None:
    """Call before an engine is built.

    Args:
        setattr: as the function of that name, or one that can take it back.
    """
    import torch
    from vllm.model_executor.layers import utils

    def keep(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    setattr(utils, "dispatch_cpu_unquantized_gemm", keep)
