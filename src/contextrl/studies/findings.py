"""From comparisons to findings: what counts as agreement with a claim, the same rule for every study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contextrl.statistics.seeds import SIGNIFICANT, Estimate, PairedDifference
from contextrl.studies.figures import Comparison, adjusted_together
from contextrl.studies.study import Finding, Says
from contextrl.studies.tables import ends_of, spread

#: A share, or a difference of shares, that counts for something: one in a hundred.
WORTH = 0.01


@dataclass(frozen=True)
class Claim:
    """That the first arm's figure of a comparison is higher, or lower.

    Attributes:
        said: what is compared, in words; the difference follows it.
        higher: what is claimed.
        paper: how large the difference is there, where it is of the same kind.
        why: what is to be said where it is told.
        of_the_paper: False: the paper claims nothing of it.
    """

    pair: Comparison
    said: str
    higher: bool = True
    paper: float | None = None
    why: str = ""
    of_the_paper: bool = True


def findings_of(claims: Sequence[Claim]) -> list[Finding]:
    """What became of a study's claims, in their order; p are adjusted for all of the paper's, and apart for ours."""
    adjusted: dict[int, Comparison] = {}
    for of_the_paper in (True, False):
        places = [place for place, claim in enumerate(claims) if claim.of_the_paper == of_the_paper]
        adjusted |= dict(zip(places, adjusted_together([claims[place].pair for place in places]), strict=True))
    return [_finding(claim, adjusted[place]) for place, claim in enumerate(claims)]


def _finding(claim: Claim, pair: Comparison) -> Finding:
    verdict, sees = says(pair, higher=claim.higher), f"{claim.said}: {difference_said(pair)}."
    small = within_worth(pair.difference)
    if not claim.of_the_paper:
        told = "" if verdict == "cannot be told" else "Told apart from none."
        return Finding("not claimed", sees, claim.why or told or small or undecided(pair.difference))
    if small and claim.paper is not None and abs(claim.paper) >= WORTH:
        return Finding("disagrees", sees, f"{small} The paper's is {signed(claim.paper)}.")
    if verdict != "cannot be told":
        return Finding(verdict, sees, claim.why or small)
    return Finding(verdict, sees, undecided(pair.difference, claim.paper))


def says(comparison: Comparison, *, higher: bool = True) -> Says:
    """Whether a difference over seeds agrees with the claim that the first arm's figure is higher (or lower).

    It agrees or disagrees only where the adjusted p is below 0.05; one seed tells nothing.
    """
    if comparison.adjusted is None or comparison.adjusted >= SIGNIFICANT:
        return "cannot be told"
    return "agrees" if (comparison.difference.mean > 0) == higher else "disagrees"


def within_worth(apart: PairedDifference) -> str:
    """That a difference is none that counts, where its whole interval says so; else nothing."""
    if apart.low is None or apart.high is None or max(-apart.low, apart.high) >= WORTH:
        return ""
    return "The whole interval is within a point of none."


def difference_said(comparison: Comparison) -> str:
    """`+0.288 [+0.280, +0.296], p 7.8e-07, 5 seeds`."""
    apart = comparison.difference
    p = "" if comparison.adjusted is None else f", p {comparison.adjusted:.2g}"
    seeds = "1 seed" if apart.n == 1 else f"{apart.n} seeds"
    return f"{apart.mean:+.3f}{ends_of(apart)}{p}, {seeds}"


def signed(value: float) -> str:
    """`+0.020`, `+0.0032`: two digits of a small one."""
    return f"{value:+.3f}" if abs(value) >= WORTH else f"{value:+.4f}"


def no_interval(seeds: int) -> str:
    """Why there is no interval."""
    return "One seed has no interval." if seeds == 1 else "The seeds do not differ, so that there is no interval."


def undecided(apart: PairedDifference, paper: float | None = None) -> str:
    """Why a difference cannot be told from none; and where it can be, that it is not the paper's."""
    if apart.low is None or apart.high is None:
        return no_interval(apart.n)
    if apart.low < 0 < apart.high:
        without = "" if paper is None or apart.low <= paper <= apart.high else f", not for the paper's {signed(paper)}"
        return f"The interval has room for {signed(apart.low)} and for {signed(apart.high)}{without}."
    return "By itself the interval is on one side; adjusted for the others it is not."


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
