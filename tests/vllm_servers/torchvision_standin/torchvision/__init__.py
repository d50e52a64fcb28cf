"""What transformers' image processors call of torchvision, and nothing else: enough to serve a Qwen3-VL on a CPU.

For tests only, on the PYTHONPATH of their processes: of the server that `make vllm` starts, and of those that train
each family of models as if torchvision were there. The real one belongs to another torch and brings several gigabytes
of GPU libraries.
"""

from torchvision import io, transforms

#: The release that goes with the server's torch: transformers compares versions.
__version__ = "0.28.0"

__all__ = ["io", "transforms"]
