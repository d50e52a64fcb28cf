"""Groups in a terminal: one after another with keys, or as plain text where nobody can press any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click
from rich.console import Console, Group
from rich.text import Text

from contextrl.records.jsonl import number
from contextrl.records.run_data import Record, RunData
from contextrl.records.secrets import without_credentials
from contextrl.report.groups import TAGS, Entry, attempts_of, kind_of, read_entries, step_of, tags_of, verdict_of
from contextrl.report.text import for_page, visible

#: What is done at a key; an arrow comes as its sequence.
NEXT, PREVIOUS = ("n", "l", "\r", "\n", "\x1b[C", "\x1bOC"), ("p", "h", "\x1b[D", "\x1bOD")
DOWN, UP = ("j", "\x1b[B", "\x1bOB"), ("k", "\x1b[A", "\x1bOA")
PAGE_DOWN, PAGE_UP = (" ", "\x1b[6~"), ("b", "\x1b[5~")
FIRST, LAST = ("g", "\x1b[H", "\x1b[1~", "\x1bOH"), ("G", "\x1b[F", "\x1b[4~", "\x1bOF")
QUIT = ("q", "Q", "\x1b", "\x03", "\x04")
HELP = "n next  p previous  f filter  space scrolls  number and Enter go to  q quits"
_STYLES = {"correct": "green", "unscored": "yellow", "not judged": "yellow"}


@dataclass(frozen=True)
class Place:
    """A group of a run, not read yet."""

    run: RunData
    entry: Entry

    def read(self) -> Record | None:
        """The group; None where a run that was resumed meanwhile has dropped it."""
        return next((group for _, group in read_entries([self.entry])), None)


def places_of(runs: Sequence[RunData]) -> list[Place]:
    """Every group of every run, in the order of the files."""
    return [
        Place(run, Entry(number, file, offset, step_of(group), tags_of(group), 0))
        for run in runs
        for number, (file, offset, group) in enumerate(run.groups())
    ]


def tagged(places: Sequence[Place], tag: str) -> list[Place]:
    """Those that are an example of a tag of `TAGS`; all of them for the empty one."""
    return [place for place in places if not tag or tag in place.entry.tags]


# ---- one group -------------------------------------------------------------------------------------------------------


def group_text(place: Place, group: Record, *, run_name: str = "") -> Text:
    """A group: question, reference, and each attempt with its verdict, reward, report and retries."""
    entry = place.entry
    facts = [f"group {entry.number}", f"step {entry.step}", ", ".join(TAGS[tag] for tag in entry.tags), kind_of(group)]
    text = Text()
    text.append(" · ".join(visible(fact) for fact in (run_name, *facts) if fact) + "\n\n", "bold")
    images = group.get("images")
    pictures = ", ".join(str(name) for name in images) if isinstance(images, list) else ""
    for label, value in (
        ("question", group.get("question")),
        ("pictures", pictures),
        ("reference", group.get("solution")),
        ("answer", group.get("answer")),
        ("example", group.get("example_id")),
    ):
        if value not in (None, ""):
            _paragraph(text, label, value)
    if group.get("trained") is False:
        text.append("Not trained: dynamic sampling looked for groups with both kinds of samples.\n", "dim")
    attempts = attempts_of(group)
    for numbers in _alike(attempts):
        _attempt(text, attempts[numbers[0]], _title("Attempt", numbers))
        retries = [n for n, one in enumerate(attempts) if one.get("stage") == 2 and one.get("parent") in numbers]
        for retry in retries:
            _attempt(text, attempts[retry], f"Retry of {int(attempts[retry]['parent']) + 1}", indent="    ")
    return text


def _alike(attempts: Sequence[Record]) -> list[list[int]]:
    """Places of the attempts of stage 1; those with the same text and verdict are one."""
    places: dict[str, list[int]] = {}
    for place, one in enumerate(attempts):
        if one.get("stage") != 2:
            same = repr([one.get(name) for name in ("text", "verdict", "reward", "advantage", "truncated")])
            places.setdefault(same, []).append(place)
    return list(places.values())


def _title(name: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{name} {numbers[0] + 1}"
    return f"{name}s {', '.join(str(n + 1) for n in numbers)} (×{len(numbers)})"


def _attempt(text: Text, attempt: Record, title: str, indent: str = "") -> None:
    verdict = verdict_of(attempt)
    label = outcome(attempt)
    text.append(f"\n{indent}{title}: ", "bold")
    text.append(label, _STYLES.get(label, "red"))
    facts = []
    if attempt.get("stage") == 2:
        facts.append("kept" if attempt.get("kept") is True else f"not kept: {attempt.get('rejection') or 'no reason'}")
    if attempt.get("truncated") is True:
        facts.append("cut at the length limit")
    facts += [f"{name} {value:g}" for name in ("reward", "advantage") if (value := _rounded(attempt, name)) is not None]
    text.append("".join(f" · {visible(fact).replace('_', ' ')}" for fact in facts) + "\n")
    if attempt.get("stage") == 2 and attempt.get("seen"):
        _paragraph(text, "it was told", attempt["seen"], indent)
    _paragraph(text, "response", attempt.get("text") or "(empty)", indent)
    if verdict.get("mistake_report"):
        _paragraph(text, "report", verdict["mistake_report"], indent)
    if verdict.get("error"):
        _paragraph(text, "judge failed", without_credentials(str(verdict["error"])), indent)


def _rounded(attempt: Record, name: str) -> float | None:
    value = number(attempt.get(name))
    return None if value is None else round(value, 3)


def _paragraph(text: Text, label: str, value: object, indent: str = "") -> None:
    text.append(f"{indent}{label}: ", "dim")
    lines = for_page(str(value)).split("\n")
    text.append(f"\n{indent}  ".join(lines) + "\n")


def outcome(attempt: Record) -> str:
    """What the judge found, in words."""
    verdict = verdict_of(attempt)
    status = verdict.get("status")
    if status in ("correct", "unscored"):
        return str(status)
    if not status:
        return "not judged"
    if verdict.get("self_consistent") is False:
        return "not self-consistent"
    if verdict.get("answer_correct") is True and verdict.get("process_correct") is False:
        return "right answer, wrong process"
    return "wrong answer" if verdict.get("answer_correct") is False else "incorrect"


# ---- as plain text ---------------------------------------------------------------------------------------------------


def print_groups(console: Console, places: Sequence[Place], tag: str, most: int, *, several: bool) -> None:
    """The first groups, and how many there are."""
    found = tagged(places, tag)
    for place in found[:most]:
        group = place.read()
        if group is not None:
            name = place.run.name if several else ""
            console.print(group_text(place, group, run_name=name), soft_wrap=True, highlight=False)
    kind = f" that are {TAGS[tag]}" if tag else ""
    if not found:
        console.print(f"No groups{kind}." if places else "No groups so far.")
    elif len(found) > most:
        console.print(f"{most} of {len(found):,} groups{kind} are shown; --groups {len(found)} shows all.")
    else:
        console.print(f"All {len(found):,} groups{kind} are shown.")


# ---- with keys -------------------------------------------------------------------------------------------------------


class Browser:
    """Which group is shown, from which line on, and what a key does about it.

    Args:
        places: all groups; at least one.
        tag: what is shown at first.
    """

    def __init__(self, places: Sequence[Place], tag: str = "") -> None:
        self.places = places
        counts = Counter(tag for place in places for tag in place.entry.tags)
        #: Filters that find something.
        self.filters = ["", *(name for name in TAGS if counts[name])]
        self.several = len({id(place.run) for place in places}) > 1
        self.typed = ""
        self._height = 1
        self._show(tag if tag in self.filters else "")

    def _show(self, tag: str) -> None:
        self.tag, self.found, self.at, self.top = tag, tagged(self.places, tag), 0, 0

    def press(self, key: str) -> bool:
        """Do what a key says; False where it ends the browser."""
        if key in QUIT:
            return False
        if key.isdigit():
            self.typed += key
            return True
        typed, self.typed = self.typed, ""
        if typed and key in ("\r", "\n"):
            self._go(int(typed[:12]) - 1)
        elif key in ("f", "F"):
            step = 1 if key == "f" else -1
            self._show(self.filters[(self.filters.index(self.tag) + step) % len(self.filters)])
        else:
            self._move(key)
        return True

    def _move(self, key: str) -> None:
        moves = {NEXT: 1, PREVIOUS: -1, FIRST: -len(self.found), LAST: len(self.found)}
        lines = {DOWN: 1, UP: -1, PAGE_DOWN: self._height, PAGE_UP: -self._height}
        for keys, step in moves.items():
            if key in keys:
                self._go(self.at + step)
        for keys, step in lines.items():
            if key in keys:
                self.top = max(0, self.top + step)

    def _go(self, place: int) -> None:
        self.at, self.top = min(max(0, place), len(self.found) - 1), 0

    def lines(self, console: Console) -> Iterator[Text]:
        """A screen of the group, and what can be done."""
        width, height = console.width, max(1, console.height - 2)
        place = self.found[self.at]
        group = place.read()
        gone = Text("This group is gone: a run that was resumed meanwhile has dropped it.")
        name = place.run.name if self.several else ""
        text = gone if group is None else group_text(place, group, run_name=name)
        lines = list(text.wrap(console, width))
        self._height = height
        self.top = max(0, min(self.top, len(lines) - height))
        shown = lines[self.top : self.top + height]
        yield from shown
        yield from [Text()] * (height - len(shown))
        below = len(lines) - self.top - len(shown)
        which = f"{self.at + 1} of {len(self.found):,}, {TAGS[self.tag] if self.tag else 'all'}"
        more = f"  {below} lines below" if below else ""
        typed = f"  go to {self.typed}" if self.typed else ""
        yield Text(f"{which}{more}{typed}", "reverse", no_wrap=True, overflow="ellipsis")
        yield Text(HELP, "dim", no_wrap=True, overflow="ellipsis")


def browse(console: Console, browser: Browser, read_key: Callable[[], str] = click.getchar) -> None:
    """Show groups until the reader has seen enough."""
    with console.screen() as screen:
        while True:
            screen.update(Group(*browser.lines(console)))
            try:
                key = read_key()
            except (EOFError, KeyboardInterrupt):
                return
            if not browser.press(key):
                return
