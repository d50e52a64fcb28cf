"""`judge verify`: every response of a file gets its verdict; what is done survives whatever stops it."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contextrl.errors import InputError, ServiceError
from contextrl.evaluation.judging.response_rows import ResponseRow, read_response_rows
from contextrl.evaluation.judging.verdict_file import VerdictFile
from contextrl.judge.protocol import Judge, JudgeRequest, check_judge, close_judge, stream_verdicts
from contextrl.judge.settings import TRAINING, JudgeConfig
from contextrl.records.files import write_atomically
from contextrl.records.verdict import Usage, Verdict
from contextrl.settings import OPERATIONAL, without_marked

logger = logging.getLogger("contextrl.judge")

#: Ways to be unscored that say something of the service and nothing of the response; a service that refuses every
#: request is wrongly set up.
_SERVICE_FAILURES = {"timeout", "connection", "server_error", "rate_limited", "malformed", "rejected"}


@dataclass(frozen=True)
class VerifySettings:
    """One `judge verify`.

    Attributes:
        input: JSON lines, one response each.
        output: the same lines with `verdict`.
        judge: who verifies, in which context.
        gate: rules first; a certainly wrong answer costs no call.
        reports: ask for a mistake report on every incorrect response.
        retry_unscored: judge once more what is unscored in the output.
        overwrite: forget an output that is there.
        limit: judge only the first rows.
        allow_outside: take pictures from outside the input's folder.
    """

    input: Path
    output: Path
    judge: JudgeConfig
    gate: bool = False
    reports: bool = True
    retry_unscored: bool = False
    overwrite: bool = False
    limit: int | None = None
    allow_outside: bool = False

    @property
    def record(self) -> Path:
        """Where it is written down which judge the output is from."""
        return self.output.with_name(f"{self.output.name}.judge.json")

    def identity(self) -> dict[str, Any]:
        """What a verdict depends on besides the row."""
        return {
            **self._judgement(self.judge.model_dump(mode="json")),
            "gate": self.gate,
            "reports": self.reports,
        }

    def same_judge_as(self, record: Mapping[str, Any]) -> list[str]:
        """Keys in which a record's identity differs."""
        then = self._judgement(record) | {key: record[key] for key in ("gate",) if key in record}
        now = self.identity()
        return sorted(key for key in {**then, **now} if then.get(key) != now.get(key))

    def _judgement(self, section: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a judge's settings that its verdicts depend on, not how it is reached and what it may cost."""
        kept = without_marked(section, JudgeConfig, OPERATIONAL, TRAINING, *self.judge.unread)
        return kept if self.gate else {key: value for key, value in kept.items() if key != "gate_audit_share"}


@dataclass
class Summary:
    """What a verification came to.

    Attributes:
        rows: input rows that were to be judged.
        kept: of these, the ones with a verdict from an earlier start.
        judged: verdicts of this start.
        status: rows by status, earlier ones included.
        false_positives: right answer, wrong process.
        unscored: rows by the kind of failure.
        usage: what this start cost.
        seconds: how long this start took.
    """

    rows: int
    kept: int
    judged: int = 0
    status: Counter[str] = field(default_factory=Counter)
    false_positives: int = 0
    unscored: Counter[str] = field(default_factory=Counter)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Verdicts per second."""
        return self.judged / self.seconds if self.seconds else 0.0

    def count(self, verdicts: Sequence[Verdict]) -> None:
        """Count every row's verdict."""
        self.status = Counter(verdict.status for verdict in verdicts)
        self.false_positives = sum(verdict.false_positive for verdict in verdicts)
        self.unscored = Counter(v.error_kind or "unknown" for v in verdicts if v.status == "unscored")

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "kept": self.kept,
            "judged": self.judged,
            "correct": self.status["correct"],
            "incorrect": self.status["incorrect"],
            "unscored": self.status["unscored"],
            "unscored_by_kind": dict(self.unscored),
            "false_positives": self.false_positives,
            "usage": asdict(self.usage),
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 3),
        }


#: Told after each verdict: how many of this start's are done, the verdict, and the usage so far.
OnVerdict = Callable[[int, Verdict, Usage], None]
#: Given how many are wanted, shows progress while the context lasts.
Progress = Callable[[int], AbstractContextManager[OnVerdict]]


def verify_file(settings: VerifySettings, build: Callable[[], Judge], progress: Progress) -> Summary:
    """Judge what the output does not hold yet, and bring it into the input's order.

    Args:
        settings: files, judge and wishes.
        build: makes the judge that `settings.judge` describes, its gate included; called if there is work.
        progress: how the user is kept informed.

    Raises:
        InputError: before any call, with every problem of the input.
        ServiceError: the judge is gone; what is done stays, and the same command goes on.
    """
    _check_wishes(settings)
    rows = read_response_rows(
        settings.input, settings.judge.context, limit=settings.limit, allow_outside=settings.allow_outside
    )
    wanted = rows[: settings.limit]
    output = VerdictFile(settings.output, rows, overwrite=settings.overwrite)
    if output.verdicts:
        _check_same_judge(settings)
    open_keys = {
        row.key: row
        for row in wanted
        if row.key not in output.verdicts or (settings.retry_unscored and output.verdicts[row.key].status == "unscored")
    }
    todo = list(open_keys.values())
    summary = Summary(rows=len(wanted), kept=sum(row.key not in open_keys for row in wanted))
    started = time.monotonic()
    if todo:
        _judge_rows(settings, todo, output, progress, summary, build())
    output.sort()
    if not todo and not settings.record.exists():
        _write_record(settings)
    summary.seconds = time.monotonic() - started
    summary.count([output.verdicts[row.key] for row in wanted])
    return summary


def _judge_rows(
    settings: VerifySettings,
    todo: Sequence[ResponseRow],
    output: VerdictFile,
    progress: Progress,
    summary: Summary,
    judge: Judge,
) -> None:
    """Ask the judge, write each verdict down as it comes."""
    try:
        check_judge(judge)
        output.open()
        _write_record(settings)
        with progress(len(todo)) as on_verdict:
            stream = stream_verdicts(judge, [_request(settings, row) for row in todo])
            for index, verdict in _without_last_gasps(stream):
                output.put(todo[index].key, verdict)
                summary.judged += 1
                summary.usage += verdict.usage
                on_verdict(summary.judged, verdict, summary.usage)
    except ServiceError as error:
        if not settings.output.exists():
            raise
        # Counted by key, as the work is.
        raise ServiceError(f"{error}\n{progress_words(output, settings)}") from error
    finally:
        output.close()
        close_judge(judge)


def _without_last_gasps(stream: Iterator[tuple[int, Verdict]]) -> Iterator[tuple[int, Verdict]]:
    """Hold a failure of the service back until a later reply shows that the service lives.

    Where none comes, the failures were the service's end: these responses are open, not unscored.
    """
    held: list[tuple[int, Verdict]] = []
    for item in stream:
        held.append(item)
        if item[1].error_kind not in _SERVICE_FAILURES:
            yield from held
            held.clear()
    yield from held


def progress_words(output: VerdictFile, settings: VerifySettings) -> str:
    """How far an interrupted verification came and how it goes on."""
    done = sum(row.key in output.verdicts for row in output.rows[: settings.limit])
    total = len(output.rows[: settings.limit])
    again = "run the same command again to go on"
    if settings.overwrite:
        again += " (without --overwrite)"
    return f"{done} of {total} verdicts are in {settings.output}: {again}."


def _request(settings: VerifySettings, row: ResponseRow) -> JudgeRequest:
    return JudgeRequest(
        row.example,
        row.response,
        settings.judge.context,
        wants_report=settings.reports,
    )


def _check_wishes(settings: VerifySettings) -> None:
    """Options that cannot go together."""
    if settings.output.exists() and settings.input.exists() and settings.output.samefile(settings.input):
        raise InputError("another file than the input", found=str(settings.output), where="--output")
    if settings.gate and settings.judge.context == "none":
        raise InputError(
            "a context that includes the answer",
            found="none",
            where="--gate",
            fix="The gate compares answers, and would tell a judge that must not know",
        )


def _write_record(settings: VerifySettings) -> None:
    write_atomically(settings.record, json.dumps(settings.identity(), indent=2) + "\n")


def _check_same_judge(settings: VerifySettings) -> None:
    """Verdicts of two judges in one file would be told apart by nobody."""
    if not settings.record.is_file():
        logger.warning("%s is gone: nobody can tell whether the verdicts kept are by the same judge", settings.record)
        return
    try:
        then = json.loads(settings.record.read_text(encoding="utf-8"))
        changed = settings.same_judge_as(then)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError("the record of an output's judge", found="none", where=str(settings.record)) from error
    if changed:
        key = changed[0]
        raise InputError(
            f"the judge that the output is from ({key}: {then.get(key)!r})",
            found=f"{settings.identity().get(key)!r}",
            where=str(settings.output),
            fix="Go on with the same judge, add --overwrite to start anew, or change --output",
        )
