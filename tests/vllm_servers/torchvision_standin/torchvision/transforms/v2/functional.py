"""See `torchvision.transforms.functional`."""

from torchvision.transforms.functional import (
    InterpolationMode,
    crop,
    grayscale_to_rgb,
    normalize,
    pad,
    pil_modes_mapping,
    pil_to_tensor,
    resize,
)

__all__ = [
    "InterpolationMode",
    "crop",
    "grayscale_to_rgb",
    "normalize",
    "pad",
    "pil_modes_mapping",
    "pil_to_tensor",
    "resize",
]
