"""What `contextrl data show` says: figures of a set as charts, tables and rows of its page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from contextrl.building.build_story import BuildStory, ClassStory
from contextrl.building.candidates import Candidate
from contextrl.building.removed_pairs import pictures_of
from contextrl.building.row_figures import NOT_STATED, RowFigures
from contextrl.building.row_pass import KeptRow
from contextrl.building.tallies import Bin, Distribution, bins_of, cut
from contextrl.commands.data_gather import MOST_COMPARED, WORK, Gathered, Pairs, ShowOptions
from contextrl.data.answer_types import AUTO
from contextrl.data.columns import typed_columns
from contextrl.data.examination import Reading
from contextrl.data.images import image_key
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle
from contextrl.records.jsonl import parse_json
from contextrl.report.distributions import columns, counted
from contextrl.report.outcome import Figure
from contextrl.report.palette import BLUE, BROWN, GREEN, TEAL, VIOLET
from contextrl.report.set_page import BalanceRow, SetView, ShownPair, ShownRow, ShownStep
from contextrl.report.specs import Chart
from contextrl.report.text import visible

#: Charts of rows by name: figure, title, caption, colour.
_NAMED = (
    ("source", "Source", "", BLUE),
    ("task", "Task", "", VIOLET),
    ("answer_type", "Answer type", "How answers are compared.", TEAL),
    ("reference", "Where reference solutions come from", "", BROWN),
    ("language", "Language", "", BROWN),
)
#: Licences and sources that the table has, and kinds of problems that are listed.
_MOST_LICENCES, _MOST_KINDS = 60, 10
#: From here on a number under a bar is rounded.
_LONG = 10_000_000


def view_of(gathered: Gathered, options: ShowOptions) -> SetView:
    """All that the page shows."""
    figures, story = gathered.figures, gathered.story
    spec = options.reading.spec
    name = (story.name if story is not None else "") or options.reading.source.path.name or spec
    drawn = len(gathered.rows.samples)
    said = (
        f"All {drawn:,} rows."
        if drawn == figures.readable
        else f"{drawn:,} of {figures.readable:,} rows, drawn with seed {options.seed}: "
        "of each source, task and answer type first."
    )
    return SetView(
        name=name,
        facts=" · ".join(_facts(figures, story, spec)),
        headline=_headline(figures),
        samples=[_row(kept) for kept in gathered.rows.samples],
        samples_said=said,
        charts=_charts(figures, story),
        same={"rows": _same_of_rows(figures), "pictures": _same_of_pictures(figures)},
        notices=wrong_with(gathered, options.reading),
        steps=[] if story is None else [ShownStep(s.name, s.taken, s.given, s.dropped) for s in story.steps],
        balance=[] if story is None else _balance(story.balance),
        pairs=_pairs(gathered),
        pairs_said=_pairs_said(gathered.pairs, options),
        licences=_licences(figures),
        recipe=None if story is None else story.recipe,
        repeat=[] if story is None else _repeat(story),
    )


def _facts(figures: RowFigures, story: BuildStory | None, spec: str) -> list[str]:
    facts = [spec if story is None else f"{spec}, built with seed {story.seed}"]
    if figures.pictures:
        facts.append(f"tokens as {figures.rule.name} counts them")
    return facts


def wrong_with(gathered: Gathered, reading: Reading) -> list[tuple[str, list[str]]]:
    """What is wrong with rows and pictures, each with the first lines of it."""
    figures = gathered.figures
    wrong: list[tuple[str, list[str]]] = [(said, []) for said in gathered.notices]
    parts = []
    if figures.sick:
        parts.append(f"{figures.sick:,} of {figures.rows:,} rows, which are in no figure")
    if figures.unreadable:
        parts.append(f"{figures.unreadable:,} of {figures.pictures:,} pictures")
    if parts:
        lines: list[str] = []
        for kind, count in figures.problem_counts.by_count()[:_MOST_KINDS]:
            lines += [f"{count:,} x expected {kind}", *figures.problems.get(kind, [])[:2]]
        wrong.append((f"Not readable: {'; '.join(parts)}. All faults: {_validating(reading)}", lines))
    if figures.refused:
        said = f"{figures.rule.name} refuses pictures that are too long for their width: {figures.refused:,} here"
        wrong.append((said, []))
    return wrong


def _validating(reading: Reading) -> str:
    """The command that reads the same rows in the same way."""
    options = [typed_columns(reading.columns or {})]
    options += [f"--split {shlex.quote(reading.split)}"] if reading.split != "train" else []
    options += [f"--answer-type {reading.answer_type}"] if reading.answer_type != AUTO else []
    options += ["--allow-outside"] if reading.allow_outside else []
    return " ".join(["contextrl data validate", shlex.quote(reading.spec), *filter(None, options)])


def _headline(figures: RowFigures) -> list[Figure]:
    tokens = figures.lengths["tokens"]
    sources = [name for name, _ in figures.tallies["source"].by_count() if name != NOT_STATED]
    first = [
        Figure(
            "rows", f"{figures.readable:,}", f"{figures.sick:,} more cannot be read" if figures.sick else "all read"
        ),
        Figure("sources", f"{len(sources):,}" if sources else "–", ", ".join(sources[:3])[:80] or NOT_STATED),
        Figure("pictures shown", f"{figures.pictures:,}", _per_row(figures)),
    ]
    if tokens.count:
        said = f"{tokens.quantile(0.05):,.0f} to {tokens.quantile(0.95):,.0f} for 90 %, {tokens.total:,.0f} in all"
        first.append(Figure("tokens of a picture, median", f"{tokens.quantile(0.5):,.0f}", said))
    return first


def _per_row(figures: RowFigures) -> str:
    return f"{figures.pictures / figures.readable:.2f} a row" if figures.readable else ""


def _charts(figures: RowFigures, story: BuildStory | None) -> dict[str, list[Chart]]:
    charts: dict[str, list[Chart]] = {"rows": [], "pictures": [], "difficulty": [], "steps": []}
    for name, title, caption, colour in _NAMED:
        if len(counts := figures.ordered(name)) > 1:
            charts["rows"].append(counted(name.replace("_", "-"), title, caption, counts, colour))
    if figures.lengths["documents"].count:
        caption = "Texts that a judge may be shown in place of the solution."
        charts["rows"].append(
            columns("documents-of-a-row", "Documents of a row", caption, "documents", figures.ordered("documents"))
        )
    lengths = (
        ("question", "Length of questions"),
        ("solution", "Length of reference solutions"),
        ("documents", "Length of a row's documents, where it has some"),
    )
    for name, title in lengths:
        if (one := figures.lengths[name]).count:
            charts["rows"].append(_columns(f"{name}-length", title, _spread(one, "characters"), "characters", one))
    charts["pictures"] = _picture_charts(figures)
    if counts := figures.ordered("right"):
        tried = [name for name, _ in figures.tried.by_count()]
        of = f"Of {tried[0]} responses" if len(tried) == 1 else "Of the responses"
        caption = f"{of} of the policy, how many the judge found right. Rows that nobody tried are not in it."
        charts["difficulty"].append(
            columns("right", "Difficulty: number right", caption, "right", [(n, c) for n, c in counts])
        )
    for place, (name, rating) in enumerate(sorted(figures.ratings.items())):
        title = f"Rating: {visible(name)[:80]}"
        charts["difficulty"].append(_columns(f"rating-{place}", title, _spread(rating, ""), "rating", rating))
    if story is not None and story.steps:
        left = [(step.name, step.given) for step in story.steps]
        charts["steps"].append(counted("funnel", "Rows that each step left", "", left, GREEN))
    return charts


def _same_of_rows(figures: RowFigures) -> list[tuple[str, str]]:
    """What is one and the same in all rows: a chart of it would be one bar."""
    ordered = [(title, figures.ordered(name)) for name, title, _, _ in _NAMED]
    return [(title, counts[0][0]) for title, counts in ordered if len(counts) == 1]


def _same_of_pictures(figures: RowFigures) -> list[tuple[str, str]]:
    counts = figures.ordered("pictures") if figures.pictures else []
    return [("Pictures of a row", counts[0][0])] if len(counts) == 1 else []


def _picture_charts(figures: RowFigures) -> list[Chart]:
    if not figures.pictures:
        return []
    charts = []
    if len(counts := figures.ordered("pictures")) > 1:
        charts.append(columns("pictures-of-a-row", "Pictures of a row", "", "pictures", counts))
    side, tokens, row_tokens = (figures.lengths[name] for name in ("side", "tokens", "row_tokens"))
    if side.count:
        caption = f"Longest side in pixels, as the files have it. {_spread(side, 'pixels')}"
        charts.append(_columns("picture-size", "Size of pictures", caption, "pixels", side, "pictures"))
    if tokens.count:
        rule = f"{visible(figures.rule.name)}: {figures.rule.said}."
        charts.append(
            _columns(
                "tokens", "Tokens of a picture", f"{rule} {_spread(tokens, 'tokens')}", "tokens", tokens, "pictures"
            )
        )
    if row_tokens.count and set(figures.tallies["pictures"].counts) - {"0", "1"}:
        caption = f"All of its pictures. {_spread(row_tokens, 'tokens')}"
        charts.append(_columns("row-tokens", "Picture tokens of a row", caption, "tokens", row_tokens))
    return charts


def _columns(name: str, title: str, caption: str, x: str, one: Distribution, what: str = "rows") -> Chart:
    return columns(name, title, caption, x, [(_label(part), part.count) for part in bins_of(one)], what)


def _spread(one: Distribution, unit: str) -> str:
    low, middle, high = (_short(one.quantile(share)) for share in (0.05, 0.5, 0.95))
    return f"Median {middle}, 90 % from {low} to {high}, most {_short(one.most)} {unit}".rstrip() + "."


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"


def _label(part: Bin) -> str:
    if part.low == part.high:
        return _tick(part.low)
    whole = part.low == int(part.low) and part.high == int(part.high)
    if whole and part.high - part.low == 1:
        return _tick(part.low)
    if part.low >= 1_000 and not part.low % 100 and not part.high % 100:
        return f"{part.low / 1_000:g}k–{part.high / 1_000:g}k"
    return f"{_tick(part.low)}–{_tick(part.high - 1)}" if whole else f"{part.low:.3g}–{part.high:.3g}"


def _tick(value: float) -> str:
    """A number under a bar: whole, as long as that is short."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < _LONG else f"{value:.3g}"


def _row(kept: KeptRow) -> ShownRow:
    example = kept.example
    pictures = [(_key(handle, n), handle) for n, handle in enumerate(example.images)] if kept.confined else []
    hidden = [] if kept.confined else [("pictures", f"{len(example.images)} outside the rows' folder, not looked at")]
    return ShownRow(
        id=cut(example.id),
        question=example.question,
        answer=example.answer,
        solution=example.solution,
        documents=example.documents,
        source=cut(example.source),
        task=example.task,
        answer_type=example.answer_type,
        pictures=pictures,
        facts=[*hidden, *_further(kept.columns)],
    )


def _further(columns: Mapping[str, object]) -> list[tuple[str, str]]:
    """What else a row's file says of it, on a line."""
    right, tried = columns.get("right"), columns.get("tried")
    said = {name: columns[name] for name in columns if name not in ("right", "tried", "ratings", "origin")}
    parts = [f"{name} {value}" for name, value in said.items() if str(value).strip()]
    if right is not None:
        parts.append(f"right {right}" if tried is None else f"right {right} of {tried}")
    parts += [f"{name} {value}" for name in ("ratings", "origin") if (value := _listed(columns.get(name)))]
    return [("further", " · ".join(parts))] if parts else []


def _listed(value: object) -> str:
    """An object, or its JSON, as `name value, name value`."""
    if isinstance(value, str):
        value = parse_json(value.encode("utf-8", "replace"))[0] or value
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return "" if value is None or value == "{}" else str(value)


def _key(handle: ImageHandle, number: int) -> str:
    """The same for the same picture; what cannot be read has a name that no other has."""
    try:
        return image_key(handle)
    except InputError:
        return f"unreadable {id(handle)} {number}"


def _candidate(candidate: Candidate, gathered: Gathered) -> ShownRow:
    work = gathered.folder / WORK if gathered.folder is not None else None
    pictures = [] if work is None else [(f"build {name}", path) for name, path in pictures_of(work, candidate)]
    return ShownRow(
        id=cut(candidate.id),
        question=str(candidate.question),
        answer=str(candidate.answer),
        solution=str(candidate.solution),
        documents=[str(text) for text in candidate.documents],
        source=cut(str(candidate.source)),
        task=str(candidate.task),
        answer_type=str(candidate.answer_type),
        pictures=pictures,
        facts=_further({"licence": candidate.licence, "reference": candidate.reference}),
    )


def _pairs(gathered: Gathered) -> list[ShownPair]:
    pairs = gathered.pairs
    if pairs.removed is None:
        shown = []
        for one in pairs.found:
            second, first = (pairs.places.get(place) for place in (one.place, one.partner))
            if second is not None and first is not None:
                names = (cut(second.example.id), cut(first.example.id))
                shown.append(ShownPair(one.reason, one.how, *names, _row(second), _row(first)))
        return shown

    def known(name: str) -> ShownRow | None:
        if name in gathered.rows.by_id:
            return _row(gathered.rows.by_id[name])
        return _candidate(pairs.candidates[name], gathered) if name in pairs.candidates else None

    return [
        ShownPair(cut(one.reason), cut(one.how), cut(one.id), cut(one.partner), known(one.id), known(one.partner))
        for one in pairs.removed.pairs
    ]


def _pairs_said(pairs: Pairs, options: ShowOptions) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in pairs.reasons)
    shown = len(pairs.found) if pairs.removed is None else len(pairs.removed.pairs)
    some = f" {shown:,} of them, of every kind, beside the row that stays:" if shown < pairs.total else ""
    if pairs.removed is not None:
        return f"The build removed {pairs.total:,} ({reasons}).{some}" if pairs.total else "The build found none."
    if pairs.compared is None:
        return "Nobody has looked: the command was given --no-duplicates." if not options.duplicates else "None."
    among = f"the {pairs.compared:,} rows that can be read"
    if pairs.compared < 1:
        return "There was no row to look at."
    if pairs.compared >= MOST_COMPARED:
        among = f"the first {pairs.compared:,} rows; the others were not looked at"
    if not pairs.total:
        return f"None among {among}."
    return f"{pairs.total:,} among {among} ({reasons}). They are still in the set; a build would take them out.{some}"


def _balance(rows: Sequence[ClassStory]) -> list[BalanceRow]:
    """Each class by what sets it apart from the class that it divides."""
    shown, above = [], dict[int, Mapping[str, str]]()
    for row in rows:
        depth = len(row.classes)
        above[depth] = row.classes
        known = above.get(depth - 1, {}).items()
        own = [f"{name.replace('_', ' ')} {value}" for name, value in row.classes.items() if (name, value) not in known]
        shown.append(BalanceRow(row.group, ", ".join(own) or "all", depth, row.asked, row.there, row.taken))
    return shown


def _licences(figures: RowFigures) -> list[tuple[str, str, int]]:
    if set(figures.licences) <= {NOT_STATED}:
        return []
    rows = [
        (licence, source, count) for licence, tally in figures.licences.items() for source, count in tally.by_count()
    ]
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    rest = rows[_MOST_LICENCES:]
    if not rest:
        return rows
    return [*rows[:_MOST_LICENCES], (f"({len(rest):,} others)", "", sum(count for _, _, count in rest))]


def _repeat(story: BuildStory) -> Sequence[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in story.versions.items())
    return [("Seed", str(story.seed)), ("Packages", versions)]
