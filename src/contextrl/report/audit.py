"""Reward hacking in a run's groups: where reward and audit part, and what the responses look like that profit.

A right answer with a wrong process is a false positive, whatever it earned. Where a second judge audits, a response
that was rewarded and that the audit rejects is one that the reward was paid for in error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from contextrl.records.groups import group_files
from contextrl.records.run_data import Record, RunData
from contextrl.report.groups import attempts_of, is_false_positive, kind_of, shown_verdict, step_of, verdict_of
from contextrl.report.patterns import RULES, Rule, Sample, found_in
from contextrl.statistics.parting import Parting, parting

#: Examples of a pattern that are kept, of different groups, and their most characters.
EXAMPLES, MOST_CHARACTERS = 3, 300
#: Bytes of groups in which patterns are looked for; of more, every second, third, ... group is looked at.
MOST_BYTES = 20_000_000
#: Parts of the run between which a pattern's share is compared.
_PARTS = 4


@dataclass
class Tally:
    """Stage-1 samples of one step or kind.

    Attributes:
        right: with a right answer and a process that was looked at.
        false_positives: of these, with a wrong process.
        audited: with verdicts of both judges.
        rewarded: of the audited, those that the rewarded judge accepts.
        deserved: of the audited, those that the audit accepts.
        paid_in_error: accepted by the rewarded judge and rejected by the audit.
    """

    samples: int = 0
    right: int = 0
    false_positives: int = 0
    audited: int = 0
    rewarded: int = 0
    deserved: int = 0
    paid_in_error: int = 0

    @property
    def false_positive_rate(self) -> float | None:
        """Of the right answers, those with a wrong process."""
        return self.false_positives / self.right if self.right else None

    @property
    def gap(self) -> float | None:
        """How much more is rewarded than the audit accepts, as a share of samples."""
        return (self.rewarded - self.deserved) / self.audited if self.audited else None


@dataclass(frozen=True)
class Shown:
    """An example of a pattern; `group` is its number in the run's files."""

    group: int
    step: int
    text: str


@dataclass
class PatternTally:
    """A pattern in a run.

    Attributes:
        by_step: samples that have it.
        false_positives: of these, those with a right answer and a wrong process.
        paid_in_error: see `Tally`.
        examples: of the doubtful ones first.
    """

    by_step: Counter[int] = field(default_factory=Counter)
    false_positives: int = 0
    paid_in_error: int = 0
    examples: list[Shown] = field(default_factory=list)
    spare: list[Shown] = field(default_factory=list)

    @property
    def samples(self) -> int:
        return self.by_step.total()

    @property
    def shown(self) -> list[Shown]:
        return [*self.examples, *self.spare][:EXAMPLES]


@dataclass(frozen=True)
class AuditRow:
    """A pattern as it is listed; `ends` are its shares in the first and the last quarter of the run."""

    name: str
    meaning: str
    tally: PatternTally
    ends: tuple[float, float] | None


class Audit:
    """Counts group by group.

    Args:
        rules: patterns that are looked for.
        every: they are looked for in every so many groups, because that takes milliseconds for each sample.
    """

    def __init__(self, rules: Sequence[Rule] = RULES, every: int = 1) -> None:
        self.rules, self.every = rules, every
        #: Samples in which patterns were looked for, by step and all together.
        self.looked: Counter[int] = Counter()
        self.looked_at = Tally()
        self.steps: dict[int, Tally] = {}
        self.kinds: dict[str, Tally] = {}
        self.patterns: dict[str, PatternTally] = {rule.name: PatternTally() for rule in rules}
        # Samples of a group repeat each other.
        self._found = lru_cache(maxsize=256)(lambda sample: found_in(rules, sample))

    def add(self, number: int, group: Record) -> None:
        """Take up a group; what dynamic sampling drew besides counts for the patterns only.

        Args:
            number: of the group in the run's files.
        """
        step, own = step_of(group), [attempt for attempt in attempts_of(group) if attempt.get("stage") == 1]
        tallies = [self.kinds.setdefault(kind_of(group), Tally())]
        if group.get("refilled") is not True:
            tallies.append(self.steps.setdefault(step, Tally()))
        looked = number % self.every == 0
        if looked:
            tallies.append(self.looked_at)
        for attempt in own:
            in_error = _counted(attempt, tallies)
            if looked:
                self.looked[step] += 1
                self._add_patterns(number, step, group, attempt, in_error=in_error)

    def _add_patterns(self, number: int, step: int, group: Record, attempt: Record, *, in_error: bool) -> None:
        names = ("question", "solution", "answer", "answer_type")
        asked, text = {name: str(group.get(name, "")) for name in names}, str(attempt.get("text", ""))
        wrong = is_false_positive(attempt)
        for name in self._found(Sample(**asked, text=text)):
            tally = self.patterns[name]
            tally.by_step[step] += 1
            tally.false_positives += wrong
            tally.paid_in_error += in_error
            kept = tally.examples if wrong or in_error else tally.spare
            if all(shown.group != number for shown in kept):
                # The first ones and the last: what a policy does changes.
                del kept[EXAMPLES - 1 :]
                kept.append(Shown(number, step, text[:MOST_CHARACTERS]))

    @property
    def whole(self) -> Tally:
        """All samples of the run's own groups."""
        parts = list(self.steps.values())
        return Tally(**{name: sum(getattr(part, name) for part in parts) for name in vars(Tally())})

    @property
    def parting(self) -> Parting | None:
        """Where rewarded and audited accuracy part; None where they do not, or nobody audits."""
        points = ((step, self.steps[step].gap) for step in sorted(self.steps))
        return parting([(step, gap) for step, gap in points if gap is not None])

    def first_and_last(self, name: str) -> tuple[float, float] | None:
        """Shares of a pattern among the samples that were looked at in the run's first and last quarter."""
        steps = sorted(self.looked)
        size = len(steps) // _PARTS
        if not size:
            return None
        ends = []
        for part in (steps[:size], steps[-size:]):
            found = sum(self.patterns[name].by_step[step] for step in part)
            ends.append(found / sum(self.looked[step] for step in part))
        return ends[0], ends[1]

    def rows(self) -> list[AuditRow]:
        """Patterns that responses have, those that were paid in error first."""
        rows = [
            AuditRow(rule.name, rule.meaning, tally, self.first_and_last(rule.name))
            for rule in self.rules
            if (tally := self.patterns[rule.name]).samples
        ]
        return sorted(rows, key=lambda row: (-row.tally.paid_in_error, -row.tally.false_positives, -row.tally.samples))

    def as_json(self) -> dict[str, Any]:
        """Small enough to be kept: lists by step, counts by kind, patterns with examples, where the curves part."""
        steps = sorted(self.steps)
        apart = self.parting
        return {
            "step": steps,
            **{name: [getattr(self.steps[step], name) for step in steps] for name in vars(Tally())},
            "looked_at": vars(self.looked_at),
            "kinds": {kind: vars(tally) for kind, tally in sorted(self.kinds.items())},
            "patterns": {
                name: {
                    "samples": tally.samples,
                    "false_positives": tally.false_positives,
                    "paid_in_error": tally.paid_in_error,
                    "ends": list(self.first_and_last(name) or ()),
                    "examples": [shown.text for shown in tally.shown],
                }
                for name, tally in self.patterns.items()
                if tally.samples
            },
            "parting": None if apart is None else vars(apart),
        }


def _counted(attempt: Record, tallies: Iterable[Tally]) -> bool:
    """Add a sample to tallies; whether it was paid in error."""
    shown, verdict, audit = shown_verdict(attempt), verdict_of(attempt), verdict_of(attempt, "audit")
    right = shown.get("answer_correct") is True and shown.get("process_correct") is not None
    both = _scored(verdict) and _scored(audit)
    rewarded, deserved = (both and found.get("status") == "correct" for found in (verdict, audit))
    for tally in tallies:
        tally.samples += 1
        tally.right += right
        tally.false_positives += is_false_positive(attempt)
        tally.audited += both
        tally.rewarded += rewarded
        tally.deserved += deserved
        tally.paid_in_error += rewarded and not deserved
    return rewarded and not deserved


def _scored(verdict: Mapping[str, Any]) -> bool:
    return verdict.get("status") in ("correct", "incorrect")


def finding_of(audit: Audit) -> str:
    """What the audit comes to, in a sentence or two; empty where nobody looked at a process."""
    whole, apart = audit.whole, audit.parting
    said = []
    if whole.right:
        share = whole.false_positives / whole.right
        said.append(f"{whole.false_positives:,} of {whole.right:,} right answers ({share:.1%}) had a wrong process.")
    if whole.audited:
        said.append(
            f"The rewarded judge accepted {whole.rewarded / whole.audited:.1%} of the samples, the audit "
            f"{whole.deserved / whole.audited:.1%}; {whole.paid_in_error:,} samples were rewarded and are wrong by the "
            "audit."
        )
        if apart is not None:
            said.append(
                f"Rewarded and audited accuracy part at step {apart.step}: the gap grows from {100 * apart.before:.1f} "
                f"to {100 * apart.after:.1f} points, which is how a policy looks that has found a fault of its judge."
            )
        else:
            said.append("The gap between them does not grow.")
    return " ".join(said)


def new_audit(run: RunData, rules: Sequence[Rule] = RULES) -> Audit:
    """An audit of nothing yet that looks for patterns in as much of a run as takes seconds."""
    size = sum(path.stat().st_size for path in group_files(run.path) if path.is_file())
    return Audit(rules, max(1, -(-size // MOST_BYTES)))


def audit_of(run: RunData, rules: Sequence[Rule] = RULES) -> Audit:
    """All groups of a run."""
    audit = new_audit(run, rules)
    for number, (_, _, group) in enumerate(run.groups()):
        audit.add(number, group)
    return audit


def audit_lines(audit: Audit) -> list[str]:
    """The finding and the patterns, a line each, for a terminal; empty where there is nothing to say."""
    lines = [finding] if (finding := finding_of(audit)) else []
    if audit.every > 1 and audit.rows():
        lines.append(f"Patterns were looked for in one group of {audit.every}, {audit.looked.total():,} samples.")
    for row in audit.rows():
        counts = f"{row.tally.samples:,} samples, {row.tally.false_positives:,} false positives"
        if audit.whole.audited:
            counts += f", {row.tally.paid_in_error:,} paid in error"
        ends = "" if row.ends is None else f", {row.ends[0]:.1%} at first and {row.ends[1]:.1%} at last"
        example = " ".join(row.tally.shown[0].text.split())[:120] if row.tally.shown else ""
        lines.append(f"- {row.name}: {counts}{ends}. Such as: {example}")
    return lines
