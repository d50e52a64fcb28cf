"""From comparisons to findings: what counts as agreement with a claim, the same rule for every study."""

from __future__ import annotations

from contextrl.statistics.seeds import SIGNIFICANT
from contextrl.studies.figures import Comparison
from contextrl.studies.study import Finding, Says


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
    ends = "" if apart.low is None or apart.high is None else f" [{apart.low:+.3f}, {apart.high:+.3f}]"
    p = "" if comparison.adjusted is None else f", p {comparison.adjusted:.2g}"
    seeds = "1 seed" if apart.n == 1 else f"{apart.n} seeds"
    return f"{apart.mean:+.3f}{ends}{p}, {seeds}"


def undecided(low: float | None, high: float | None) -> str:
    """Why a difference with this interval cannot be told from none."""
    if low is None or high is None:
        return "One seed has no interval."
    if low < 0 < high:
        return f"The interval has room for {low:+.3f} and for {high:+.3f}."
    return "By itself the interval is on one side; among as many comparisons chance gives such a one."


def finding(comparison: Comparison, claim: str, *, higher: bool = True, why: str = "") -> Finding:
    """Of one claim about a difference.

    Args:
        claim: what is compared, in words; the difference follows it.
    """
    verdict = says(comparison, higher=higher)
    reason = why
    if not reason and verdict == "cannot be told":
        reason = undecided(comparison.difference.low, comparison.difference.high)
    return Finding(verdict, f"{claim}: {difference_said(comparison)}.", reason)
