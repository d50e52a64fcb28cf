"""95 % intervals by bootstrap over images: items that share an image are not independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def image_bootstrap(
    values: Sequence[float], images: Sequence[Sequence[str]], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` when the images are resampled.

    Each resample draws as many images as there are, with replacement. An item that shows k images with
    multiplicities m_1 ... m_k has the weight 1 + sum(m_j - 1): the first-order form of the pigeonhole bootstrap
    (A. B. Owen, 2007), whose products of multiplicities would overstate the variance of items with several images.
    With one image per item, once each, it is the ordinary bootstrap.

    Args:
        values: one number per item.
        images: the images that each item shows; an item without images counts as its own.

    Returns:
        Lower and upper bound at 95 %.
    """
    if len(values) != len(images):
        raise ValueError(f"{len(values)} values for the images of {len(images)} items")
    if not values:
        return (float("nan"), float("nan"))
    x = np.asarray(values, dtype=float)
    shown = [list(row) or [f"item-{n}"] for n, row in enumerate(images)]
    names = {name: k for k, name in enumerate(dict.fromkeys(name for row in shown for name in row))}
    membership = np.zeros((len(names), len(x)))
    for n, row in enumerate(shown):
        for name in row:
            membership[names[name], n] += 1
    rng = np.random.default_rng(seed)
    multiplicity = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    weights = 1 + (multiplicity - 1) @ membership
    totals = weights.sum(axis=1)
    means = (weights @ x)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(means, [0.025, 0.975])
    # With few items the linear weights can carry a resample's mean beyond anything that was seen.
    return (float(max(low, x.min())), float(min(high, x.max())))
