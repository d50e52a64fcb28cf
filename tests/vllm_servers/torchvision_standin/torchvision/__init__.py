"""What transformers' image processors call of torchvision, and nothing else: enough to serve a Qwen3-VL on a CPU.

For the tests of `make vllm` only, on that server's PYTHONPATH. The real torchvision for the server's torch would bring
several gigabytes of GPU libraries.
"""

from torchvision import io, transforms

#: The release that goes with the server's torch: transformers compares versions.
__version__ = "0.28.0"

__all__ = ["io", "transforms"]
