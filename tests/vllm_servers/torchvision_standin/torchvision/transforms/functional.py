"""Functions on images as tensors [..., channels, height, width]."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torch.nn.functional import pad as pad_last_dimensions


class InterpolationMode(Enum):
    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


pil_modes_mapping = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.LANCZOS: 1,
}


def pil_to_tensor(image: Image.Image) -> torch.Tensor:
    """uint8 [channels, height, width]."""
    pixels = torch.from_numpy(np.array(image, copy=True))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def grayscale_to_rgb(image: torch.Tensor) -> torch.Tensor:
    return image if image.shape[-3] == 3 else image.expand(*image.shape[:-3], 3, *image.shape[-2:])


def resize(
    image: torch.Tensor,
    size: Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool = True,
) -> torch.Tensor:
    """To (height, width), computed in the image's own type as torchvision does on a CPU."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    if interpolation is InterpolationMode.LANCZOS and image.dtype == torch.uint8:
        channels = image.reshape(-1, *image.shape[-2:]).numpy()
        by_pillow = [Image.fromarray(c).resize((size[1], size[0]), Image.Resampling.LANCZOS) for c in channels]
        return torch.from_numpy(np.stack([np.array(c) for c in by_pillow])).reshape(*image.shape[:-2], *size)
    if interpolation not in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        raise NotImplementedError(f"the stand-in for torchvision does not resize with {interpolation.value}")
    flat = image.reshape(-1, *image.shape[-3:])
    resized = interpolate(flat, size=tuple(size), mode=interpolation.value, align_corners=False, antialias=antialias)
    return resized.reshape(*image.shape[:-2], *size)


def normalize(
    image: torch.Tensor,
    mean: Sequence[float] | torch.Tensor,
    std: Sequence[float] | torch.Tensor,
    inplace: bool = False,
) -> torch.Tensor:
    """(image - mean) / std by channel."""
    centre, spread = (
        torch.as_tensor(value, dtype=image.dtype, device=image.device).reshape(-1, 1, 1) for value in (mean, std)
    )
    return image.sub_(centre).div_(spread) if inplace else (image - centre) / spread


def pad(
    image: torch.Tensor,
    padding: Sequence[int],
    fill: float | Sequence[float] | None = 0,
    padding_mode: str = "constant",
) -> torch.Tensor:
    """By (left, top, right, bottom), or (left and right, top and bottom)."""
    if padding_mode != "constant":
        raise NotImplementedError(f"the stand-in for torchvision does not pad with {padding_mode}")
    left, top, right, bottom = (*padding, *padding) if len(padding) == 2 else padding
    sides = (left, right, top, bottom)
    padded = pad_last_dimensions(image, sides)
    if fill is None or fill == 0:
        return padded
    values = torch.as_tensor(fill, dtype=image.dtype, device=image.device).reshape(-1, 1, 1)
    inside = pad_last_dimensions(torch.ones_like(image[..., :1, :, :]), sides).bool()
    return torch.where(inside, padded, values)


def crop(image: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """What lies outside the image is 0."""
    have_height, have_width = image.shape[-2:]
    outside = (max(-left, 0), max(-top, 0), max(left + width - have_width, 0), max(top + height - have_height, 0))
    top, left = top + outside[1], left + outside[0]
    return pad(image, outside)[..., top : top + height, left : left + width]
