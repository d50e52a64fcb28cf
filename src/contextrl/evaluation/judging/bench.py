"""`contextrl judge bench`: a judge's figures by reference context, and its agreement with a second one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from contextrl.errors import InputError
from contextrl.evaluation.judging.measures import Agreement, Identifiability, agreement, identifiability
from contextrl.evaluation.judging.sets import LabelledSet
from contextrl.evaluation.judging.verification import Progress
from contextrl.judge.gate import GatedJudge
from contextrl.judge.protocol import Judge, JudgeRequest, check_judge, close_judge, stream_verdicts
from contextrl.judge.settings import JudgeConfig
from contextrl.records.jsonl import json_ready
from contextrl.records.verdict import ReferenceContext, Usage, Verdict

#: Makes the judge that a configuration describes, without a gate.
Build = Callable[[JudgeConfig], Judge]


@dataclass
class BenchResult:
    """Everything that was measured, by context.

    Attributes:
        data: the labelled set.
        judge: who was measured.
        second: who it was compared with.
        figures: rates of the first judge.
        agreements: of the two.
        usage: what the first judge cost.
        second_usage: what the second one cost.
    """

    data: LabelledSet
    judge: JudgeConfig
    second: JudgeConfig | None = None
    figures: dict[ReferenceContext, Identifiability] = field(default_factory=dict)
    agreements: dict[ReferenceContext, Agreement] = field(default_factory=dict)
    usage: dict[ReferenceContext, Usage] = field(default_factory=dict)
    second_usage: dict[ReferenceContext, Usage] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """With null for what cannot be said; intervals are at 95 %."""
        contexts: dict[str, Any] = {}
        for name, figures in self.figures.items():
            contexts[name] = {**asdict(figures), "usage": asdict(self.usage[name])}
            if name in self.agreements:
                contexts[name]["second_judge"] = {
                    **asdict(self.agreements[name]),
                    "usage": asdict(self.second_usage[name]),
                }
        record = {
            "data": self.data.name,
            "n": len(self.data.items),
            "left_out": dict(self.data.left_out),
            "judge": judge_name(self.judge),
            "second_judge": None if self.second is None else judge_name(self.second),
            "contexts": contexts,
        }
        return dict(json_ready(record, digits=4))


def judge_name(config: JudgeConfig) -> str:
    """How a judge is called in tables: its kind, or its models."""
    if config.kind != "llm":
        return config.kind
    return ", ".join([str(config.model), *(member.model for member in config.panel)])


def chosen_contexts(data: LabelledSet, wanted: Sequence[str], judge: JudgeConfig) -> list[ReferenceContext]:
    """The contexts to measure: those that are wanted, or all that set and judge can serve.

    Raises:
        InputError: a context is none, needs a reference that the set does not have, or is not the judge's.
    """
    served = [name for name in data.contexts() if judge.kind != "rules" or name == "answer"]
    contexts: list[ReferenceContext] = []
    for name in wanted or served:
        match: ReferenceContext | None = next((c for c in get_args(ReferenceContext) if c == name), None)
        if match is None:
            raise InputError("none, answer, documents or solution", found=repr(name), where="--contexts")
        if judge.kind == "rules" and match != "answer":
            raise InputError("answer: rules compare with it and see nothing else", found=match, where="--contexts")
        if match not in data.contexts():
            raise _no_reference(data, match)
        if match not in contexts:
            contexts.append(match)
    if not contexts:
        raise _no_reference(data, "answer")
    return contexts


def _no_reference(data: LabelledSet, context: ReferenceContext) -> InputError:
    part = {"answer": "a reference answer", "documents": "documents"}.get(context, "a reference solution")
    shown = "answer" if context == "none" else context
    missing = [item.example.id for item in data.items if not (item.example.answer and getattr(item.example, shown))]
    return InputError(
        f"{part} for every response, to show it to the judge",
        found=f"none for {len(missing)} of {len(data.items)} ({', '.join(missing[:3])}{', …' * (len(missing) > 3)})",
        where=f"--data {data.name}, context {context}",
        fix="Give --references FILE.jsonl (id or question, answer, solution), or choose other --contexts",
    )


def run_bench(
    data: LabelledSet,
    judge: JudgeConfig,
    contexts: Sequence[ReferenceContext],
    build: Build,
    progress: Progress,
    *,
    gate: bool = False,
    second: JudgeConfig | None = None,
) -> BenchResult:
    """Ask the judge about every response in every context, and the second judge about the same.

    Args:
        contexts: from `chosen_contexts`.
        build: makes the judge that a configuration describes.
        progress: how the user is kept informed.
        gate: rules first, wherever the context includes the answer.
        second: compared with the first in the same contexts; `rules` always see the answer.

    Raises:
        InputError: the second judge needs answers that the set does not have.
        ServiceError: a judge is gone; with its cache, the same command repeats no call.
    """
    if second is not None and second.kind == "rules" and "answer" not in data.contexts():
        raise _no_reference(data, "answer")
    result = BenchResult(data, judge, second)
    clusters = [item.question_key for item in data.items]
    labels = [item.label for item in data.items]
    # Judges come and go one after the other: two models may share one machine.
    verdicts = _ask_all(judge, data, contexts, build, progress, gate)
    others = {} if second is None else _ask_all(second, data, contexts, build, progress, gate=False)
    for context in contexts:
        result.figures[context] = identifiability(labels, verdicts[context], clusters)
        result.usage[context] = _total(verdicts[context])
        if context in others:
            result.agreements[context] = agreement(verdicts[context], others[context], clusters)
            result.second_usage[context] = _total(others[context])
    return result


def _total(verdicts: Sequence[Verdict]) -> Usage:
    return sum((verdict.usage for verdict in verdicts), Usage())


def _ask_all(
    config: JudgeConfig,
    data: LabelledSet,
    contexts: Sequence[ReferenceContext],
    build: Build,
    progress: Progress,
    gate: bool,
) -> dict[ReferenceContext, list[Verdict]]:
    """One judge, one budget, every context."""
    judge = build(config.model_copy(update={"context": "solution"}))
    try:
        check_judge(judge)
        verdicts = {}
        with progress(len(contexts) * len(data.items)) as on_verdict:
            counted = _Counted(on_verdict)
            for context in contexts:
                gated = gate and context != "none" and config.kind != "rules"
                asked: Judge = GatedJudge(judge, config.gate_audit_share) if gated else judge
                verdicts[context] = _ask(asked, data, context, counted)
        return verdicts
    finally:
        close_judge(judge)


@dataclass
class _Counted:
    """Verdicts so far, over all contexts."""

    tell: Any
    done: int = 0
    usage: Usage = field(default_factory=Usage)

    def __call__(self, verdict: Verdict) -> None:
        self.done += 1
        self.usage += verdict.usage
        self.tell(self.done, verdict, self.usage)


def _ask(judge: Judge, data: LabelledSet, context: ReferenceContext, counted: _Counted) -> list[Verdict]:
    """A verdict on every response of the set, in order."""
    requests = [JudgeRequest(item.example, item.response, context) for item in data.items]
    verdicts: dict[int, Verdict] = {}
    for index, verdict in stream_verdicts(judge, requests):
        verdicts[index] = verdict
        counted(verdict)
    return [verdicts[index] for index in range(len(requests))]
