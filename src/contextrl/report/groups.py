"""One pass over a run's groups: what became reachable, where stage 2 lost its retries, how answers were right for the
wrong reason, and where each group stands in its file, so that some can be shown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path

from contextrl.records.run_data import Record, RunData, groups_at
from contextrl.report.text import as_script_data, for_page, normalised, steps_of

#: What the gallery can be filtered by; a group can be several.
TAGS = {
    "recovered": "recovered",
    "false_positive": "false positive",
    "not_standalone": "rejected as not standalone",
    "unreachable": "still unreachable",
    "unscored": "unscored",
    "mixed": "mixed at stage 1",
    "solved": "solved",
}
#: Stages of a retry's way, and what takes it off: the rules are asked before the judge, because they cost nothing.
FUNNEL = ("attempts", "complete", "standalone by rule", "standalone", "correct", "kept")
#: Longest words of a step whose difference is worth a pattern of its own.
_FEW_WORDS = 4
_EXAMPLES = 3
#: Steps of a solution and of a response that are compared; longer ones differ before.
_MOST_STEPS = 60
#: Words of a step that are compared: the time grows with their square.
_MOST_WORDS = 100


@dataclass
class KindHistory:
    """Groups of one kind of question by step.

    Attributes:
        groups, scored, reachable, recovered: step to number of groups: all, with a verdict, with a positive at stage 1,
            recovered.
    """

    groups: Counter[int] = field(default_factory=Counter)
    scored: Counter[int] = field(default_factory=Counter)
    reachable: Counter[int] = field(default_factory=Counter)
    recovered: Counter[int] = field(default_factory=Counter)

    def add(self, step: int, *, scored: bool, reachable: bool, recovered: bool) -> None:
        self.groups[step] += 1
        if scored:
            self.scored[step] += 1
        if reachable:
            self.reachable[step] += 1
        if recovered:
            self.recovered[step] += 1

    @property
    def first_recovered(self) -> int | None:
        return min(self.recovered, default=None)

    @property
    def first_reachable(self) -> int | None:
        return min(self.reachable, default=None)


@dataclass
class Pattern:
    """A way in which right answers came with wrong reasoning.

    Attributes:
        examples: numbers of the first groups that have it.
    """

    kind: str
    expected: str
    said: str
    count: int = 0
    examples: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """Where a group is, what it is an example of, and about how many bytes of a page it takes."""

    number: int
    file: Path
    offset: int
    step: int
    tags: tuple[str, ...]
    size: int


@dataclass
class GroupsSummary:
    """What a run's groups say together.

    Attributes:
        kinds: by kind of question.
        funnel: retries that came so far, by `FUNNEL`.
        rejections: retries by why they were not kept.
        patterns: of false positives, the commonest first.
        false_positives, right_answers: stage-1 samples whose right answer came with a wrong process, and all whose
            answer was right and whose process was looked at.
        entries: every group.
        seen_again: examples that came more than once and were all-negative at first, and how many of these had a
            positive at stage 1 later.
    """

    kinds: dict[str, KindHistory] = field(default_factory=dict)
    funnel: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    patterns: list[Pattern] = field(default_factory=list)
    false_positives: int = 0
    right_answers: int = 0
    entries: list[Entry] = field(default_factory=list)
    seen_again: tuple[int, int] = (0, 0)

    def tag_counts(self) -> Counter[str]:
        return Counter(tag for entry in self.entries for tag in entry.tags)


def summarise_groups(
    run: RunData, advance: Callable[[], object] = lambda: None, also: Callable[[int, Record], object] | None = None
) -> GroupsSummary:
    """Read all groups once; memory grows with their number by a few numbers each.

    Args:
        advance: called after each group.
        also: given each group with its number, so that nobody else need read them.
    """
    summary = GroupsSummary()
    kinds: defaultdict[str, KindHistory] = defaultdict(KindHistory)
    patterns: dict[tuple[str, str, str], Pattern] = {}
    visits: defaultdict[str, list[tuple[int, bool]]] = defaultdict(list)
    for number, (file, offset, group) in enumerate(run.groups()):
        entry = Entry(number, file, offset, step_of(group), tags_of(group), size_of(group))
        summary.entries.append(entry)
        reachable, scored = "mixed" in entry.tags or "solved" in entry.tags, group.get("kind") != "unscored"
        kinds[kind_of(group)].add(entry.step, scored=scored, reachable=reachable, recovered="recovered" in entry.tags)
        if scored:
            visits[str(group.get("example_id"))].append((entry.step, reachable))
        _count_retries(summary, group)
        _count_false_positives(summary, patterns, number, group)
        if also is not None:
            also(number, group)
        advance()
    summary.kinds = dict(sorted(kinds.items()))
    summary.patterns = sorted(patterns.values(), key=lambda pattern: -pattern.count)
    summary.seen_again = _seen_again(visits.values())
    return summary


def _seen_again(visits: Iterable[list[tuple[int, bool]]]) -> tuple[int, int]:
    """Of questions that came again after a visit without a right sample: how many, and with one later how many."""
    again = []
    for visited in visits:
        # Each process has a file of its own, so that the order of reading is not that of time.
        start, first = min(visited)
        later = [reachable for step, reachable in visited if step > start]
        if later and not first:
            again.append(any(later))
    return len(again), sum(again)


def step_of(group: Record) -> int:
    step = group.get("step")
    return step if isinstance(step, int) and 0 <= step < 1 << 53 else 0


def kind_of(group: Record) -> str:
    """Where the question comes from, else what it asks for."""
    source = group.get("source")
    return str(source) if source else f"{group.get('task') or 'unknown task'}, {group.get('answer_type') or 'any'}"


def attempts_of(group: Record) -> list[Record]:
    attempts = group.get("attempts")
    return [attempt for attempt in attempts if isinstance(attempt, dict)] if isinstance(attempts, list) else []


def verdict_of(attempt: Record, judge: str = "verdict") -> Record:
    verdict = attempt.get(judge)
    return verdict if isinstance(verdict, dict) else {}


def shown_verdict(attempt: Record) -> Record:
    """The audit's where there is one, as accuracy is counted."""
    return verdict_of(attempt, "audit") or verdict_of(attempt)


def is_false_positive(attempt: Record) -> bool:
    """Right answer, wrong process."""
    verdict = shown_verdict(attempt)
    return verdict.get("answer_correct") is True and verdict.get("process_correct") is False


def tags_of(group: Record) -> tuple[str, ...]:
    attempts, kind = attempts_of(group), group.get("kind")
    recovered = group.get("recovered") is True
    is_tagged = {
        "recovered": recovered,
        "false_positive": any(is_false_positive(attempt) for attempt in attempts),
        "not_standalone": any(attempt.get("rejection") == "not_standalone" for attempt in attempts),
        "unreachable": kind == "all_negative" and not recovered,
        "unscored": any(verdict_of(attempt).get("status") == "unscored" for attempt in attempts),
        "mixed": kind == "spread",
        "solved": kind == "solved",
    }
    return tuple(tag for tag in TAGS if is_tagged[tag])


def size_of(group: Record) -> int:
    """About what a group takes in a page. Texts that repeat within it are written once."""
    attempts = attempts_of(group)
    said = {str(attempt.get(name)) for attempt in attempts for name in ("text", "seen")}
    said |= {str(verdict_of(attempt).get(name)) for attempt in attempts for name in ("mistake_report", "error")}
    own = [str(group.get(name, "")) for name in ("question", "solution", "answer", "example_id", "source", "task")]
    return sum(len(as_script_data(for_page(text)).encode()) for text in (*said, *own)) + 150 * len(attempts) + 300


def _count_retries(summary: GroupsSummary, group: Record) -> None:
    for retry in attempts_of(group):
        if retry.get("stage") != 2:
            continue
        rejection, judged = retry.get("rejection"), bool(verdict_of(retry))
        alone = judged and rejection not in ("not_standalone", "unscored")
        if rejection is not None:
            summary.rejections[str(rejection)] += 1
        reached = {
            "attempts": True,
            "complete": rejection != "truncated",
            "standalone by rule": judged,
            "standalone": alone,
            "correct": alone and rejection != "incorrect",
            "kept": rejection is None,
        }
        summary.funnel.update(stage for stage in FUNNEL if reached[stage])


def _count_false_positives(
    summary: GroupsSummary, patterns: dict[tuple[str, str, str], Pattern], number: int, group: Record
) -> None:
    kind, reference = kind_of(group), str(group.get("solution", ""))
    for attempt in attempts_of(group):
        if attempt.get("stage") != 1:
            continue
        verdict = shown_verdict(attempt)
        summary.right_answers += verdict.get("answer_correct") is True and verdict.get("process_correct") is not None
        if not is_false_positive(attempt):
            continue
        summary.false_positives += 1
        expected, said = difference(reference, str(attempt.get("text", "")))
        pattern = patterns.setdefault((kind, expected, said), Pattern(kind, expected, said))
        pattern.count += 1
        if number not in pattern.examples and len(pattern.examples) < _EXAMPLES:
            pattern.examples.append(number)


@lru_cache(maxsize=1024)  # samples of a group repeat each other
def difference(reference: str, response: str) -> tuple[str, str]:
    """Where a response first leaves its reference: what the reference has there and what the response says.

    A few words, where the step has a like in the reference; else the response's whole step. Numbers stay, because
    which ones are taken for which is the pattern.
    """
    known = {normalised(step): step for step in steps_of(reference)[:_MOST_STEPS]}
    for step in steps_of(response)[:_MOST_STEPS]:
        if normalised(step) in known:
            continue
        near = max(known.values(), key=lambda other: _likeness(other, step), default="")
        expected, said = _words(near), _words(step)
        for code, a, b, c, d in SequenceMatcher(None, expected, said, autojunk=False).get_opcodes():
            if code != "equal" and max(b - a, d - c) <= _FEW_WORDS and _likeness(near, step) > 0.5:
                return " ".join(expected[a:b]).strip(".,;"), " ".join(said[c:d]).strip(".,;")
        return "", step[:200]
    return "", ""


def _likeness(first: str, other: str) -> float:
    return SequenceMatcher(None, _words(first), _words(other), autojunk=False).ratio()


def _words(step: str) -> list[str]:
    return step.split(maxsplit=_MOST_WORDS)[:_MOST_WORDS]


def read_entries(entries: list[Entry]) -> Iterator[tuple[Entry, Record]]:
    """The groups of entries, in the order of their files."""
    by_file: dict[Path, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_file[entry.file].append(entry)
    for path, wanted in by_file.items():
        at = {entry.offset: entry for entry in wanted}
        for offset, record in groups_at(path, sorted(at)):
            yield at[offset], record
