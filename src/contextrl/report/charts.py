"""The figures of one run, each left out where the run has no numbers for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from contextrl.records import metrics
from contextrl.records.jsonl import number
from contextrl.records.run_data import RunData, section
from contextrl.report.audit import Audit
from contextrl.report.groups import FUNNEL, GroupsSummary, KindHistory
from contextrl.report.outcome import ACCURACIES, Outcome, class_rows, evaluation_rows, outcome
from contextrl.report.palette import GREEN
from contextrl.report.specs import Chart, Row, bars, heat, lines, stacked, thinned

#: Parts of a run that the map of question kinds shows, and most kinds in it.
PARTS, MOST_KINDS = 12, 30
#: Series that are made here out of metrics; no run has logged them.
UNREACHED, REST = DERIVED = ("group/unreached", "time/rest")
#: How the groups of a step divide; with `recovered` taken out of all-negative they add up to 1.
GROUPS = {
    metrics.GROUP_OF["solved"]: "solved",
    metrics.GROUP_OF["spread"]: "mixed",
    metrics.GROUP_RECOVERED: "all-negative, recovered",
    UNREACHED: "all-negative, nothing kept",
    metrics.GROUP_OF["unscored"]: "unscored",
}
OUTCOMES = {
    metrics.STAGE2_KEPT: "kept",
    metrics.STAGE2_REJECTED["incorrect"]: "incorrect",
    metrics.STAGE2_REJECTED["not_standalone"]: "not standalone",
    metrics.STAGE2_REJECTED["duplicate"]: "duplicate",
    metrics.STAGE2_REJECTED["over_cap"]: "over the cap",
    metrics.STAGE2_REJECTED["truncated"]: "truncated",
    metrics.STAGE2_REJECTED["unscored"]: "unscored",
}
TIMES = {
    metrics.TIME_STAGE1: "stage 1",
    metrics.TIME_STAGE2: "stage 2, judging of retries included",
    metrics.TIME_JUDGE: "waiting for the judge, stage 1",
    metrics.TIME_SCORE: "scoring",
    REST: "update and the rest",
}


@dataclass(frozen=True)
class Curve:
    """Metrics that share a chart of lines.

    Attributes:
        metrics: name to label.
        percent: they are shares.
    """

    name: str
    title: str
    caption: str
    metrics: Mapping[str, str]
    percent: bool = False


OPTIMISATION = (
    Curve(
        "reward",
        "Reward",
        "Over the trained groups, rolled-back responses included.",
        {metrics.REWARD: "mean", metrics.REWARD_STD: "standard deviation"},
    ),
    Curve("loss", "Loss", "", {metrics.LOSS: "loss"}),
    Curve(
        "kl",
        "KL to the reference model",
        "Estimated per token (k3). Rolled-back tokens do not come from the policy: selective KL leaves them out.",
        {metrics.KL_ON_POLICY: "on-policy tokens", metrics.KL_OFF_POLICY: "off-policy tokens"},
    ),
    Curve("entropy", "Entropy", "Of the policy's next token, in nats.", {metrics.ENTROPY: "entropy"}),
    Curve(
        "clip",
        "Clipped tokens",
        "Zero wherever one update follows each rollout.",
        {metrics.CLIPPED_LOW: "low", metrics.CLIPPED_HIGH: "high"},
        percent=True,
    ),
    Curve("gradient", "Gradient norm", "Before clipping.", {metrics.GRADIENT_NORM: "gradient norm"}),
    Curve(
        "off-policy",
        "Off-policy share",
        "Rolled-back responses in the trained groups.",
        {metrics.OFF_POLICY_SAMPLES: "of samples", metrics.OFF_POLICY_TOKENS: "of tokens"},
        percent=True,
    ),
    Curve(
        "advantages",
        "Size of advantages",
        "Mean absolute value, after advantage scaling.",
        {metrics.ADVANTAGE_ON_POLICY: "on-policy", metrics.ADVANTAGE_OFF_POLICY: "off-policy"},
    ),
    Curve(
        "token-accuracy",
        "Token accuracy on the references",
        "Share of the references' tokens that the policy would have written next.",
        {metrics.TOKEN_ACCURACY: "token accuracy"},
        percent=True,
    ),
)


def series_rows(run: RunData, names: Mapping[str, str]) -> list[Row]:
    """`step, value, series` of several metrics, thinned."""
    return [
        {"step": step, "value": value, "series": label}
        for name, label in names.items()
        for step, value in thinned(run.series(name))
    ]


def outcome_charts(run: RunData, found: Outcome | None = None) -> list[Chart]:
    found = found or outcome(run)
    rows, classes = evaluation_rows(found, ACCURACIES), class_rows(found)
    return _charts(
        Chart(
            "outcome", "Held-out accuracy", _outcome_caption(run, found), lines(rows, "accuracy", percent=True), rows
        ),
        Chart(
            "outcome-by-class",
            "Held-out accuracy by class of question",
            "Right answers by right reasoning, by the last part of the rows' source (set/kind/class). What was zero "
            "and is not any more was discovered in training.",
            lines(classes, "accuracy", percent=True),
            classes,
        ),
    )


def _outcome_caption(run: RunData, found: Outcome) -> str:
    of = f" of {run.held_out}" if run.held_out else ""
    said = [f"Greedy answers to held-out questions{of}."]
    if found.recounted is not None:
        most = max(point.asked for point in found.asked)
        said.append(
            f"All points are over the same {found.recounted:,} questions; before and after training {most:,} were "
            f"asked, which the figures above are over."
        )
    if len(found.sizes) > 1:
        said.append(
            "Evaluations on the way were over fewer questions than those before and after training, and the run did "
            "not keep every item, so that each set of questions has a line of its own: between lines there is no rise "
            "or fall."
        )
    best = number((run.results or {}).get("best_step"))
    if best is not None:
        said.append(f"The last point is of the weights that were kept, those of step {best:.0f}.")
    said.append("Bands are 95 % intervals, bootstrapped by image.")
    if found.recounted is not None and not found.by_image:
        said.append("The ends have none, because the items do not say which images they are about.")
    return " ".join(said)


def over_steps(
    name: str, title: str, caption: str, rows: list[Row], y: str, *, percent: bool = False, areas: bool = False
) -> Chart:
    """A chart of series over steps. What is zero at every step is named, because a line on the axis says nothing."""
    used = {row["series"] for row in rows if row["value"]}
    zero = [series for series in dict.fromkeys(row["series"] for row in rows) if series not in used]
    shown = [row for row in rows if row["series"] in used]
    return Chart(name, title, caption, (stacked if areas else lines)(shown, y, percent=percent), shown, zero)


def discovery_charts(run: RunData, groups: GroupsSummary) -> list[Chart]:
    funnel = [{"name": stage, "value": groups.funnel[stage]} for stage in FUNNEL]
    kinds = kind_rows(groups.kinds)
    return _charts(
        over_steps(
            "groups",
            "What the groups of a step were",
            "Solved: every sample right. Mixed: both kinds at stage 1, so GRPO learns from it. All-negative: only "
            "stage 2 can help.",
            series_rows(_with_unreached(run), GROUPS),
            "share of groups",
            percent=True,
            areas=True,
        ),
        Chart(
            "funnel",
            "Retries of stage 2",
            "From all attempts to those that were kept. Rules for standalone come before the judge, because they cost "
            "nothing; of what is correct and standalone, duplicates and what is over the cap are not kept.",
            bars(funnel, "retries", GREEN),
            funnel if groups.funnel["attempts"] else [],
        ),
        over_steps(
            "retries",
            "What became of the retries",
            "Kept, and the reasons for rejection, by rollout.",
            series_rows(run, OUTCOMES),
            "retries",
            areas=True,
        ),
        Chart(
            "kinds",
            "Which questions became reachable, and when",
            "Share of groups with a right sample at stage 1, by kind of question and part of the run; groups without "
            "any verdict do not count; blank where there were none. A number such as +2 says how many groups stage 2 "
            "recovered in that part.",
            heat(kinds),
            kinds,
            wide=True,
        ),
    )


def _with_unreached(run: RunData) -> RunData:
    """Steps in which what was recovered and what was not are apart."""
    steps = []
    for record in run.steps:
        negative = number(record.get(metrics.GROUP_OF["all_negative"]))
        if negative is not None:
            record = {**record, UNREACHED: negative - (number(record.get(metrics.GROUP_RECOVERED)) or 0.0)}
        steps.append(record)
    return replace(run, steps=steps)


def kind_rows(kinds: Mapping[str, KindHistory]) -> list[Row]:
    """`kind, steps, place, share, groups, recovered`, kinds with most groups first where there are many."""
    last = max((step for history in kinds.values() for step in history.scored), default=0)
    size = max(1, -(-last // PARTS))
    chosen = sorted(kinds, key=lambda kind: -kinds[kind].groups.total())[:MOST_KINDS]
    return [
        {
            "kind": kind,
            "steps": f"{start}–{min(start + size - 1, last)}" if size > 1 else str(start),
            "place": start,
            "share": round(reachable / scored, 4),
            "groups": scored,
            "recovered": recovered,
        }
        for kind in sorted(chosen)
        for start, (scored, reachable, recovered) in sorted(_by_part(kinds[kind], size).items())
    ]


def _by_part(history: KindHistory, size: int) -> dict[int, tuple[int, int, int]]:
    """First step of each part of so many steps to its groups: with a verdict, reachable, recovered."""
    parts: dict[int, tuple[int, int, int]] = {}
    for step, scored in history.scored.items():
        start = max(0, step - 1) // size * size + 1
        so_far = parts.get(start, (0, 0, 0))
        counts = (scored, history.reachable[step], history.recovered[step])
        parts[start] = (so_far[0] + counts[0], so_far[1] + counts[1], so_far[2] + counts[2])
    return parts


def judge_charts(run: RunData, audit: Audit | None = None) -> list[Chart]:
    """What the judge said and cost.

    Args:
        audit: of the run's groups; where a second judge audits, what the first accepts is drawn beside it.
    """
    cost = metrics.JUDGE_COST_OF
    right = {metrics.ACCURACY_ANSWER: "right answer", metrics.ACCURACY_PROCESS: "right answer and process"}
    rewarded = _rewarded_rows(audit) if audit is not None else []
    caption = "Stage-1 samples. A gap that widens is the mark of reward hacking."
    if rewarded:
        caption += " Rewarded: what the judge that gives the reward accepts; the other two are the audit's verdicts."
    return _charts(
        over_steps(
            "gap",
            "Right answers, and right answers for the right reason",
            caption,
            [*series_rows(run, right), *rewarded],
            "share of samples",
            percent=True,
        ),
        over_steps(
            "false-positives",
            "False positives and unscored verdicts",
            "Of samples with a right answer, those with a wrong process; of all verdicts, those that the judge could "
            "not give.",
            series_rows(
                run, {metrics.JUDGE_FALSE_POSITIVE_RATE: "false positives", metrics.JUDGE_UNSCORED: "unscored"}
            ),
            "share",
            percent=True,
        ),
        over_steps(
            "judge-calls",
            "Calls to the judge",
            "A rollout; none for judges that are rules.",
            series_rows(run, {cost["calls"]: "calls", cost["cache_hits"]: "from the cache", cost["gated"]: "gated"}),
            "calls",
        ),
        over_steps(
            "judge-tokens", "Tokens of the judge", "A rollout.", series_rows(run, {cost["tokens"]: "tokens"}), "tokens"
        ),
        over_steps(
            "judge-seconds",
            "Waiting for the judge",
            "A rollout, all calls together.",
            series_rows(run, {cost["seconds"]: "seconds"}),
            "seconds",
        ),
    )


def _rewarded_rows(audit: Audit) -> list[Row]:
    """`step, value, series`: what the rewarded judge accepts, where a second one audits."""
    steps = ((step, audit.steps[step]) for step in sorted(audit.steps))
    shares = [(step, tally.rewarded / tally.audited) for step, tally in steps if tally.audited]
    return [{"step": step, "value": value, "series": "rewarded"} for step, value in thinned(shares)]


def optimisation_charts(run: RunData) -> list[Chart]:
    charts = [
        over_steps(
            curve.name,
            curve.title,
            curve.caption,
            series_rows(run, curve.metrics),
            curve.title.lower(),
            percent=curve.percent,
        )
        for curve in OPTIMISATION
    ]
    caption = (
        "Of one optimizer step; parts of a rollout that serves several steps are spread over them. Judging beside "
        "sampling takes no time of its own."
    )
    times = series_rows(_with_rest(run), TIMES)
    return _charts(*charts, over_steps("step-time", "Step time by part", caption, times, "seconds", areas=True))


def _with_rest(run: RunData) -> RunData:
    """Steps with what is left of the step time beside its named parts.

    Parts are logged as means over rollouts, the step time as a mean over optimizer steps. A step with a log line of its
    own has the whole rollout or none of it; over several steps a rollout is shared.
    """
    names = [name for name in TIMES if name != REST]
    train = section(run.config, "train")
    accumulated = number(train.get("gradient_accumulation_steps")) or 1.0
    rollout = (number(train.get("steps_per_generation")) or accumulated) * (number(train.get("num_iterations")) or 1.0)
    share = accumulated / rollout
    if share < 1 and (number(train.get("logging_steps")) or 1.0) <= 1:
        share = 1.0
    steps = []
    for record in run.steps:
        whole = number(record.get(metrics.STEP_TIME))
        if whole is not None:
            parts = {name: share * value for name in names if (value := number(record.get(name))) is not None}
            record = {**record, **parts, REST: max(0.0, whole - sum(parts.values()))}
        steps.append(record)
    return replace(run, steps=steps)


def _charts(*charts: Chart) -> list[Chart]:
    return [chart for chart in charts if chart.rows or chart.zero]


def all_charts(charts: Mapping[str, Sequence[Chart]]) -> list[Chart]:
    """Those with something to draw."""
    return [chart for section in charts.values() for chart in section if chart.rows]
