"""The figures of one run, each left out where the run has no numbers for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from contextrl.records import metrics
from contextrl.records.evaluation import by_class, parts_of
from contextrl.records.jsonl import number
from contextrl.records.run_data import RunData, interval, section
from contextrl.report.groups import FUNNEL, GroupsSummary, KindHistory
from contextrl.report.specs import Chart, Row, bars, heat, lines, stacked, thinned

#: Parts of a run that the map of question kinds shows, and most kinds in it.
PARTS, MOST_KINDS = 12, 30
#: Series that are made here out of metrics; no run has logged them.
UNREACHED, REST = DERIVED = ("group/unreached", "time/rest")
ACCURACIES = {metrics.EVAL_PROCESS_ACCURACY: "answer and process", metrics.EVAL_ANSWER_ACCURACY: "answer"}
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
    metrics.TIME_JUDGE: "judge, stage 1",
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


def outcome_charts(run: RunData) -> list[Chart]:
    rows = evaluation_rows(run, ACCURACIES)
    spec = lines(rows, "held-out accuracy", percent=True, points=True)
    of = f" of {run.held_out}" if run.held_out else ""
    caption = f"Greedy answers to held-out questions{of}. Bands are 95 % intervals, bootstrapped by image."
    classes = class_rows(run)
    return _charts(
        Chart("outcome", "Held-out accuracy", caption, spec, rows),
        Chart(
            "outcome-by-class",
            "Held-out accuracy by class of question",
            "Right answers by right reasoning, by the last part of the rows' source (set/kind/class). What was zero "
            "and is not any more was discovered in training.",
            lines(classes, "held-out accuracy", percent=True, points=True),
            classes,
        ),
    )


def class_rows(run: RunData) -> list[Row]:
    """`step, value, series`: accuracy of process, else of answers, by class; see `records.evaluation.by_class`."""
    rows: list[Row] = []
    for record in run.steps:
        for name, part in by_class(parts_of(record.get(metrics.EVAL_BY_SOURCE))).items():
            rows.append({"step": record["step"], "value": part.score, "series": name})
    return rows


def evaluation_rows(run: RunData, names: Mapping[str, str]) -> list[Row]:
    """`step, value, series, low, high` of evaluations."""
    rows: list[Row] = []
    for name, label in names.items():
        for record in run.steps:
            value, ends = number(record.get(name)), interval(record.get(metrics.interval_of(name)))
            if value is not None:
                band = {"low": ends[0], "high": ends[1]} if ends else {}
                rows.append({"step": record["step"], "value": value, "series": label, **band})
    return rows


def discovery_charts(run: RunData, groups: GroupsSummary) -> list[Chart]:
    shares = series_rows(_with_unreached(run), GROUPS)
    funnel = [{"name": stage, "value": groups.funnel[stage]} for stage in FUNNEL]
    outcomes = _nonzero(series_rows(run, OUTCOMES))
    kinds = kind_rows(groups.kinds)
    return _charts(
        Chart(
            "groups",
            "What the groups of a step were",
            "Solved: every sample right. Mixed: both kinds at stage 1, so GRPO learns from it. All-negative: only "
            "stage 2 can help.",
            stacked(shares, "share of groups", percent=True),
            shares,
        ),
        Chart(
            "funnel",
            "Retries of stage 2",
            "From all attempts to those that were kept. Rules for standalone come before the judge, because they cost "
            "nothing; of what is correct and standalone, duplicates and what is over the cap are not kept.",
            bars(funnel, "retries"),
            funnel if groups.funnel["attempts"] else [],
        ),
        Chart(
            "retries",
            "What became of the retries",
            "Kept, and the reasons for rejection, by rollout.",
            stacked(outcomes, "retries"),
            outcomes,
        ),
        Chart(
            "kinds",
            "Which questions became reachable, and when",
            "Share of groups with a right sample at stage 1, by kind of question and part of the run; groups without "
            "any verdict do not count. A ring marks parts in which stage 2 recovered a group.",
            heat(kinds),
            kinds,
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


def judge_charts(run: RunData) -> list[Chart]:
    trust = series_rows(run, {metrics.JUDGE_FALSE_POSITIVE_RATE: "false positives", metrics.JUDGE_UNSCORED: "unscored"})
    gap = series_rows(
        run, {metrics.ACCURACY_ANSWER: "right answer", metrics.ACCURACY_PROCESS: "right answer and process"}
    )
    cost = metrics.JUDGE_COST_OF
    calls = _nonzero(
        series_rows(run, {cost["calls"]: "calls", cost["cache_hits"]: "from the cache", cost["gated"]: "gated"})
    )
    tokens = _nonzero(series_rows(run, {cost["tokens"]: "tokens"}))
    seconds = _nonzero(series_rows(run, {cost["seconds"]: "seconds of waiting, all calls together"}))
    return _charts(
        Chart(
            "gap",
            "Right answers, and right answers for the right reason",
            "Stage-1 samples. A gap that widens is the mark of reward hacking.",
            lines(gap, "share of samples", percent=True),
            gap,
        ),
        Chart(
            "false-positives",
            "False positives and unscored verdicts",
            "Of samples with a right answer, those with a wrong process; of all verdicts, those that the judge could "
            "not give.",
            lines(trust, "share", percent=True),
            trust,
        ),
        Chart(
            "judge-calls",
            "Calls to the judge",
            "A rollout; none for judges that are rules.",
            lines(calls, "calls"),
            calls,
        ),
        Chart("judge-tokens", "Tokens of the judge", "A rollout.", lines(tokens, "tokens"), tokens),
        Chart("judge-seconds", "Waiting for the judge", "A rollout.", lines(seconds, "seconds"), seconds),
    )


def optimisation_charts(run: RunData) -> list[Chart]:
    charts = []
    for curve in OPTIMISATION:
        rows = series_rows(run, curve.metrics)
        spec = lines(rows, curve.title.lower(), percent=curve.percent)
        charts.append(Chart(curve.name, curve.title, curve.caption, spec, rows))
    times = series_rows(_with_rest(run), TIMES)
    caption = "Of one optimizer step; parts of a rollout that serves several steps are spread over them."
    charts.append(Chart("step-time", "Step time by part", caption, stacked(times, "seconds"), times))
    return _charts(*charts)


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


def _nonzero(rows: list[Row]) -> list[Row]:
    """Series that are zero throughout say nothing."""
    used = {row["series"] for row in rows if row["value"]}
    return [row for row in rows if row["series"] in used]


def _charts(*charts: Chart) -> list[Chart]:
    return [chart for chart in charts if chart.rows]


def all_charts(charts: Mapping[str, Sequence[Chart]]) -> list[Chart]:
    return [chart for section in charts.values() for chart in section]
