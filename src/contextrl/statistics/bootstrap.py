"""95 % intervals by bootstrap over clusters: items that share an image or a question are not independent.

Dimension legend: N items, K clusters, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def cluster_draws(clusters: int, *, resamples: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """How often each cluster is drawn: in each resample as many as there are, with replacement.

    Args:
        clusters: K, at least 1.

    Returns:
        `[R, K]`; rows sum to K.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)


def percentile_interval(figures: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of a figure's resamples: `[R]`, at least one."""
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)


def image_bootstrap(
    values: Sequence[float], images: Sequence[Sequence[str]], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` when the images are resampled.

    An item that shows k images with multiplicities m_1 ... m_k has the weight 1 + sum(m_j - 1): the first-order form of
    the pigeonhole bootstrap (A. B. Owen, 2007), whose products of multiplicities would overstate the variance of items
    with several images. With one image per item, once each, it is the ordinary bootstrap.

    Args:
        values: `[N]`, one number per item.
        images: the images that each item shows; an item without images counts as its own.

    Returns:
        Lower and upper bound at 95 %; NaN where there are no items.

    Raises:
        ValueError: there is not one row of images per value.
    """
    if len(values) != len(images):
        raise ValueError(f"{len(values)} values for the images of {len(images)} items")
    if not values:
        return (float("nan"), float("nan"))
    x = np.asarray(values, dtype=float)
    membership = _membership(images)
    multiplicity = cluster_draws(len(membership), resamples=resamples, seed=seed)
    weights = 1 + (multiplicity - 1) @ membership
    totals = weights.sum(axis=1)
    low, high = percentile_interval((weights @ x)[totals > 0] / totals[totals > 0])
    # With few items the linear weights can carry a resample's mean beyond anything that was seen.
    return (max(low, float(x.min())), min(high, float(x.max())))


def _membership(images: Sequence[Sequence[str]]) -> npt.NDArray[np.float64]:
    """How often each item shows each image: `[K, N]`, images in the order in which they first appear."""
    shown = [list(row) or [f"item-{n}"] for n, row in enumerate(images)]
    names = {name: k for k, name in enumerate(dict.fromkeys(name for row in shown for name in row))}
    membership = np.zeros((len(names), len(shown)))
    for n, row in enumerate(shown):
        for name in row:
            membership[names[name], n] += 1
    return membership
