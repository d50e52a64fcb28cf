"""The page: one HTML file that needs nothing else and lets nothing in it run but its own script."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import yaml
from markupsafe import Markup

from contextrl.records.run_data import RunData
from contextrl.records.secrets import without_credentials
from contextrl.report.audit import Audit, AuditRow, finding_of, new_audit
from contextrl.report.charts import (
    MOST_KINDS,
    all_charts,
    discovery_charts,
    judge_charts,
    optimisation_charts,
    outcome_charts,
)
from contextrl.report.comparison import (
    MEASURES,
    Comparison,
    MethodSettings,
    all_settings,
    compare,
    comparison_charts,
    method_charts,
)
from contextrl.report.gallery import MEGABYTES, Gallery, budgets, build_gallery
from contextrl.report.groups import TAGS, GroupsSummary, KindHistory, Pattern, summarise_groups
from contextrl.report.outcome import Figure, Outcome, headline, outcome, outcome_of
from contextrl.report.patterns import RULES, Rule
from contextrl.report.shell import chart_data, environment, frame_of, made_visible
from contextrl.report.specs import Chart
from contextrl.report.text import as_script_data, visible, visible_tree

#: In the order in which they are needed.
SCRIPTS = ("charts.js", "groups.js", "filters.js")
#: Most patterns of false positives that are listed.
MOST_PATTERNS = 15


@dataclass(frozen=True)
class RunView:
    """One run as the page shows it."""

    run: RunData
    groups: GroupsSummary
    audit: Audit = field(default_factory=Audit)

    @cached_property
    def evaluations(self) -> Outcome:
        return outcome(self.run)

    @cached_property
    def charts(self) -> dict[str, list[Chart]]:
        """By section of the page; runs side by side do without."""
        return {
            "outcome": outcome_charts(self.run, self.evaluations),
            "discovery": discovery_charts(self.run, self.groups),
            "judge": judge_charts(self.run, self.audit),
            "optimisation": optimisation_charts(self.run),
        }

    @property
    def outcome(self) -> str:
        """In one line."""
        return outcome_of(self.run, self.evaluations)

    @property
    def headline(self) -> list[Figure]:
        counts = self.groups.tag_counts()
        return headline(self.run, self.evaluations, (counts["recovered"], counts["recovered"] + counts["unreachable"]))

    @property
    def patterns(self) -> list[Pattern]:
        return self.groups.patterns[:MOST_PATTERNS]

    @property
    def finding(self) -> str:
        """What the audit comes to."""
        return finding_of(self.audit)

    @property
    def audited(self) -> list[AuditRow]:
        """Patterns that responses have, those that were paid in error first."""
        return self.audit.rows()

    @property
    def kinds(self) -> dict[str, KindHistory]:
        """Those of most groups, where there are many."""
        most = sorted(self.groups.kinds.items(), key=lambda item: -item[1].groups.total())[:MOST_KINDS]
        return dict(sorted(most))

    @property
    def repeat(self) -> list[tuple[str, str]]:
        """What is needed to run it again."""
        environment = self.run.environment
        packages = environment.get("packages")
        versions = [f"{name} {version}" for name, version in packages.items()] if isinstance(packages, dict) else []
        command = environment.get("command")
        words = [str(word) for word in command] if isinstance(command, list) else []
        facts = {
            "Command": without_credentials(shlex.join(words)),
            "Seed": str(self.run.seed),
            "Python": str(environment.get("python", "")),
            "Platform": str(environment.get("platform", "")),
            "Packages": ", ".join(versions),
        }
        return [(name, visible(value)) for name, value in facts.items() if value]

    @property
    def configuration(self) -> str:
        return str(yaml.safe_dump(visible_tree(self.run.config), sort_keys=False, allow_unicode=True))


@dataclass(frozen=True)
class Page:
    """A rendered page and the charts in it."""

    html: str
    charts: list[Chart]
    gallery: Gallery


def build_page(
    runs: Sequence[RunData],
    *,
    megabytes: float = MEGABYTES,
    method_settings: MethodSettings = all_settings,
    now: datetime | None = None,
    advance: Callable[[], object] = lambda: None,
    rules: Sequence[Rule] = RULES,
) -> Page:
    """Render runs: one by itself, several side by side.

    Args:
        megabytes: most of the page; groups and pictures are chosen to fit.
        method_settings: what makes the method of several runs; see `report.comparison`.
        advance: called after each group that is read.
        rules: patterns that the audit looks for.
    """
    audits = [new_audit(run, rules) for run in runs]
    views = [
        RunView(run, summarise_groups(run, advance, audit.add), audit) for run, audit in zip(runs, audits, strict=True)
    ]
    several = len(views) > 1
    comparison = compare(runs, method_settings) if several else None
    by_method = method_charts(comparison) if comparison else []
    curves = comparison_charts(runs, method_settings, [view.evaluations for view in views]) if several else []
    gallery = build_gallery([(view.run, view.groups) for view in views], **budgets(megabytes))
    own = [chart for view in views for chart in all_charts(view.charts)] if not several else []
    charts = [made_visible(chart) for chart in (*by_method, *curves, *own)]
    html = _render(
        views, comparison, {"methods": by_method, "curves": curves}, charts, gallery, now or datetime.now(UTC)
    )
    return Page(html, charts, gallery)


def _render(
    views: Sequence[RunView],
    comparison: Comparison | None,
    shared: Mapping[str, Sequence[Chart]],
    charts: Sequence[Chart],
    gallery: Gallery,
    now: datetime,
) -> str:
    frame = frame_of(SCRIPTS)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            **frame,
            views=views,
            several=len(views) > 1,
            comparison=comparison,
            measures=MEASURES,
            shared=shared,
            gallery=gallery,
            tags=TAGS,
            tag_counts=sum((view.groups.tag_counts() for view in views), Counter()),
            written=f"{now:%Y-%m-%d %H:%M} UTC",
            chart_data=chart_data(charts),
            gallery_data=Markup(as_script_data(gallery.payload([visible(view.run.name) for view in views]))),
        )
    )
