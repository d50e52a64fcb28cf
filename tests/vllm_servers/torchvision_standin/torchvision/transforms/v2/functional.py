"""See `torchvision.transforms.functional`."""

from torchvision.transforms.functional import (
    InterpolationMode,
    grayscale_to_rgb,
    normalize,
    pil_modes_mapping,
    pil_to_tensor,
    resize,
)

__all__ = ["InterpolationMode", "grayscale_to_rgb", "normalize", "pil_modes_mapping", "pil_to_tensor", "resize"]
