"""pass@k: how likely one of k samples of a question is right, estimated without bias from n of them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pass_at_k(n: int, right: int, k: int) -> float:
    """1 - C(n - right, k) / C(n, k) (Chen et al., arXiv 2107.03374, equation 1).

    The share of the subsets of k samples in which at least one is right; 1 - (1 - right / n)^k would be too low.

    Raises:
        ValueError: not 1 <= k <= n, or not 0 <= right <= n.
    """
    if not (1 <= k <= n and 0 <= right <= n):
        raise ValueError(f"pass@{k} of {right} right among {n} samples")
    # As a product, whose factors are shares: the binomials of hundreds of samples have hundreds of digits.
    return 1.0 - math.prod(1.0 - k / i for i in range(n - right + 1, n + 1)) if n - right >= k else 1.0


def steps_of_k(n: int) -> list[int]:
    """The k that a curve is drawn at: powers of two below n, and n."""
    return [*(1 << power for power in range(max(n, 1).bit_length()) if 1 << power < n), n] if n else []


def mean_pass_at_k(right: Sequence[int], n: int, k: int) -> float | None:
    """Mean over questions of which each was sampled n times; None without questions."""
    return sum(pass_at_k(n, count, k) for count in right) / len(right) if right else None
