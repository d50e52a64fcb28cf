"""From comparisons to findings: what counts as agreement with a claim, the same rule for every study."""

from __future__ import annotations

from contextrl.statistics.seeds import SIGNIFICANT, Estimate, PairedDifference
from contextrl.studies.figures import Comparison
from contextrl.studies.study import Finding, Says
from contextrl.studies.tables import ends_of, spread

#: A share that counts for something: one in a hundred.
WORTH = 0.01


def says(comparison: Comparison, *, higher: bool = True) -> Says:
    """Whether a difference over seeds agrees with the claim that the first arm's figure is higher (or lower).

    It agrees or disagrees only where the adjusted p is below 0.05; one seed tells nothing.
    """
    if comparison.adjusted is None or comparison.adjusted >= SIGNIFICANT:
        return "cannot be told"
    return "agrees" if (comparison.difference.mean > 0) == higher else "disagrees"


def difference_said(comparison: Comparison) -> str:
    """`+0.288 [+0.280, +0.296], p 7.8e-07, 5 seeds`."""
    apart = comparison.difference
    p = "" if comparison.adjusted is None else f", p {comparison.adjusted:.2g}"
    seeds = "1 seed" if apart.n == 1 else f"{apart.n} seeds"
    return f"{apart.mean:+.3f}{ends_of(apart)}{p}, {seeds}"


def no_interval(seeds: int) -> str:
    """Why there is no interval."""
    return "One seed has no interval." if seeds == 1 else "The seeds do not differ, so that there is no interval."


def undecided(apart: PairedDifference, paper: float | None = None) -> str:
    """Why a difference cannot be told from none; and where it can be, that it is not the paper's."""
    if apart.low is None or apart.high is None:
        return no_interval(apart.n)
    if apart.low < 0 < apart.high:
        without = "" if paper is None or apart.low <= paper <= apart.high else f", not for the paper's {paper:+.3f}"
        return f"The interval has room for {apart.low:+.3f} and for {apart.high:+.3f}{without}."
    return "By itself the interval is on one side; among as many comparisons chance gives such a one."


def finding(
    comparison: Comparison, claim: str, *, higher: bool = True, why: str = "", paper: float | None = None
) -> Finding:
    """Of one claim about a difference.

    Args:
        claim: what is compared, in words; the difference follows it.
        paper: how large it is there, where it is of the same kind.
    """
    verdict = says(comparison, higher=higher)
    reason = undecided(comparison.difference, paper) if not why and verdict == "cannot be told" else why
    return Finding(verdict, f"{claim}: {difference_said(comparison)}.", reason)


def worth(claim: str, share: Estimate, paper: float) -> Finding:
    """Of the claim that a share counts for something, whatever its size: agreement is a whole interval above 1 %.

    Args:
        claim: that it is more than 1 %, in words; the share follows it.
        paper: what it is there; whether it is as large here is said, and decides nothing.
    """
    sees = f"{claim}: {spread(share)} (the paper: {paper:.3f})."
    if len(share.values) == 1:
        return Finding("cannot be told", sees, no_interval(1))
    # Of seeds that do not differ the figure stands for itself.
    low, high = (share.mean if end is None else end for end in (share.low, share.high))
    if low > WORTH:
        size = "above" if high < paper else "below" if low > paper else "within"
        return Finding(
            "agrees", sees, f"That it counts is the claim, not how much: the paper's is {size} the interval."
        )
    if high < WORTH:
        return Finding("disagrees", sees, "Less than 1 %, by the whole interval.")
    return Finding("cannot be told", sees, "The interval has room for less than 1 % and for more.")
