"""Both stages with the judge beside the engine: groups are judged and retried as they are ready, not all at once.

The main thread samples; threads ask the judge. A part is what is judged together: the groups of one example, because
equal responses to it are asked about once. What is decided over a whole stage (`Verifier.insist`) waits for its last
verdict. So every result is that of `judge_groups` and `recover`, whoever answers first.

Threads that ask take part in nothing collective, so processes that train together overlap too. They enter the sampling
of retries together, and therefore in one wave: which of a process's groups are judged by when is no other's knowledge.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from contextrl.objective.settings import Mixing
from contextrl.records import metrics as names
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict
from contextrl.rollout.groups import Attempt, Completion, Group
from contextrl.rollout.mixing import mix_group
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.sampling import Draws
from contextrl.rollout.settings import Stage2Settings
from contextrl.rollout.threads import Threads
from contextrl.rollout.two_stage import (
    AnyProcess,
    Retry,
    first_draws,
    plan_retries,
    reject_judged,
    reject_unjudged,
    report_failures,
    report_mistakes,
    retry_draws,
)
from contextrl.rollout.verify import Verifier

#: Told of the completion of a draw, by its place, while others are sampled.
Arrived = Callable[[int, Completion], None]
#: Samples as `two_stage.Sample` does, and hands over what has ended; what it has not handed over comes at the end.
Sampling = Callable[[Draws, Arrived], list[Completion]]
#: How many calls a judge that says `concurrent` may get at once.
CALLS = 16


@dataclass(eq=False)
class Part:
    """Groups of one example, or their retries, that are judged together.

    Attributes:
        groups: by their place in the rollout.
        retries: of them, in stage 2.
        verdicts: what the judge said at first.
    """

    groups: dict[int, Group]
    retries: list[Retry] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def pairs(self, stage: int) -> list[tuple[Example, Attempt]]:
        """What is to be verified."""
        if stage == 1:
            return [(group.example, attempt) for group in self.groups.values() for attempt in group.attempts]
        return [(r.group.example, r.attempt) for r in self.retries if r.attempt.rejection is None]


class Judging:
    """The judging of one stage, part by part.

    Args:
        stage: 1 or 2.
        settings: of stage 2.
    """

    def __init__(self, stage: int, verifier: Verifier, settings: Stage2Settings, threads: Threads) -> None:
        self.stage, self.verifier, self.settings, self.threads = stage, verifier, settings, threads
        full = settings.asks_for_reports
        self._wishes = (
            stage == 1 and full and verifier.reports == "with_verdict",
            stage == 2 and settings.filters,
        )
        self._lock = threading.Lock()
        self._queued: list[Part] = []
        self._stopped = False
        self._at_work, self._since = 0, 0.0
        #: Seconds in which a thread was judging.
        self.seconds = 0.0
        # The main thread's own: parts without an answer, parts in doubt, verdicts that stand.
        self._answers: queue.SimpleQueue[tuple[list[Part], list[Part], BaseException | None]] = queue.SimpleQueue()
        self._asked, self._doubtful, self._stand = 0, list[Part](), list[Verdict]()
        self._submitted, self._closed = 0, False

    def submit(self, part: Part) -> None:
        """Have a part judged whose samples have ended."""
        self._asked += 1
        self._submitted += 1
        with self._lock:
            self._queued.append(part)
        self._start(self._judge)

    def close(self) -> None:
        """No more parts will come."""
        self._closed = True
        self._insist_if_due()

    def stop(self) -> None:
        """Ask about nothing more; a call under way is left behind."""
        with self._lock:
            self._queued, self._stopped = [], True

    @property
    def left(self) -> int:
        """Parts whose verdicts do not stand yet."""
        return self._asked + len(self._doubtful)

    @property
    def expected(self) -> float:
        """Seconds until the last verdict, if the parts that are left take as long as those before them."""
        settled = self._submitted - self.left
        return self.seconds * self.left / settled if settled else 0.0

    def take(self, timeout: float | None = None) -> list[Part]:
        """Parts whose verdicts stand now, after the next answer or so many seconds.

        Raises:
            BaseException: what a thread has met.
        """
        done: list[Part] = []
        while self._asked:
            try:
                settled, doubtful, failure = self._answers.get(timeout=0 if done else timeout)
            except queue.Empty:
                break
            if failure is not None:
                raise failure
            done += settled
            self._asked -= len(settled) + len(doubtful)
            self._doubtful += doubtful
            self._stand += [verdict for part in settled for verdict in part.verdicts]
            self._insist_if_due()
        return done

    def _insist_if_due(self) -> None:
        if self._closed and not self._asked and self._doubtful:
            parts, self._doubtful = self._doubtful, []
            self._asked = len(parts)
            others = tuple(self._stand)
            self._start(lambda: self._insist(parts, others))

    def _start(self, work: Callable[[], tuple[list[Part], list[Part]]]) -> None:
        self.threads.submit(lambda: self._answer(work), CALLS if self.verifier.concurrent else 1)

    # ---- in a thread ---------------------------------------------------------------------------------------------

    def _answer(self, work: Callable[[], tuple[list[Part], list[Part]]]) -> None:
        """What a thread meets is the main thread's to raise."""
        self._count(1)
        try:
            answer = (*work(), None)
        except BaseException as error:
            self._count(-1)
            self._answers.put(([], [], error))
        else:
            self._count(-1)
            self._answers.put(answer)

    def _count(self, change: int) -> None:
        """Time with a thread at work, however many there are."""
        with self._lock:
            now = time.perf_counter()
            if self._at_work:
                self.seconds += now - self._since
            self._at_work, self._since = self._at_work + change, now

    def _judge(self) -> tuple[list[Part], list[Part]]:
        """All parts that are ready, in one call."""
        with self._lock:
            parts, self._queued = self._queued, []
        for part in parts:
            reject_unjudged(part.retries, self.settings)
        self._verdicts(parts, self.verifier.first(self._pairs(parts), *self._wishes))
        doubtful = [part for part in parts if self.verifier.in_doubt(part.verdicts)]
        settled = [part for part in parts if part not in doubtful]
        self._settle(settled)
        return settled, doubtful

    def _insist(self, parts: list[Part], others: Sequence[Verdict]) -> tuple[list[Part], list[Part]]:
        first = [verdict for part in parts for verdict in part.verdicts]
        self._verdicts(parts, self.verifier.insist(self._pairs(parts), first, *self._wishes, others))
        self._settle(parts)
        return parts, []

    def _verdicts(self, parts: Sequence[Part], verdicts: Sequence[Verdict]) -> None:
        left = iter(verdicts)
        for part in parts:
            part.verdicts = [next(left) for _ in part.pairs(self.stage)]

    def _settle(self, parts: Sequence[Part]) -> None:
        if self._stopped:
            return
        self.verifier.settle(self._pairs(parts), [verdict for part in parts for verdict in part.verdicts])
        if self.stage == 2:
            for part in parts:
                reject_judged([retry for retry in part.retries if retry.attempt.rejection is None], self.settings)
        elif self.settings.asks_for_reports:
            report_mistakes([group for part in parts for group in part.groups.values()], self.verifier)

    def _pairs(self, parts: Sequence[Part]) -> list[tuple[Example, Attempt]]:
        return [pair for part in parts for pair in part.pairs(self.stage)]


@dataclass
class Pipeline:
    """Both stages of one rollout's groups.

    Attributes:
        sample: continues the prompts that the groups are in the order of.
        any_process: whether a condition holds on any process.
        waves: groups may be retried while others are judged, because this process samples by itself.
        seconds: times of the rollout, to add to.
    """

    verifier: Verifier
    settings: Stage2Settings
    retry_prompt: RetryPrompt
    mixing: Mixing
    sample: Sampling
    any_process: AnyProcess
    waves: bool
    seconds: dict[str, float]
    threads: Threads
    _stage1: float = field(init=False, default=0.0)

    def run(self, groups: Sequence[Group]) -> None:
        """Sample, judge, retry and mix unsampled groups, in place. A judge that is gone is in `verifier.failure`."""
        stages = [1] + [2] * self.settings.rounds
        first, *rounds = [Judging(stage, self.verifier, self.settings, self.threads) for stage in stages]
        try:
            self._sample_first(groups, first)
            self._retry(first, rounds)
        finally:
            for judging in (first, *rounds):
                judging.stop()
        for group in groups:
            if group.retries:
                mix_group(group, self.mixing, self.settings.max_positives)

    def _sample_first(self, groups: Sequence[Group], judging: Judging) -> None:
        """Stage 1; a part is handed on when its last sample has ended."""
        parts: dict[str, Part] = {}
        for n, group in enumerate(groups):
            parts.setdefault(group.example.id, Part({})).groups[n] = group
        attempts = [(parts[group.example.id], attempt) for group in groups for attempt in group.attempts]
        started = time.perf_counter()
        self._draw(first_draws(groups), attempts, judging)
        self._stage1 = time.perf_counter() - started
        self.seconds[names.TIME_STAGE1] += self._stage1
        judging.close()

    def _retry(self, first: Judging, rounds: Sequence[Judging]) -> None:
        """Stage 2, its first round where it pays in waves: of the groups that are judged, while others are judged."""
        started = time.perf_counter()
        begun = None
        judged: list[Part] = []
        for wave in self._waves(first):
            at = self._round(wave, rounds[0])
            begun = begun or at
            judged += wave
        self._finish(rounds[0])
        for judging in rounds[1:] if begun else ():
            with self._waiting():
                groups = [group for part in judged for group in part.groups.values()]
                report_failures(groups, self.settings, self.verifier)
            if not self._round(judged, judging):
                break
            self._finish(judging)
        ended = time.perf_counter()
        begun = begun or ended
        self.seconds[names.TIME_JUDGE] += begun - started
        self.seconds[names.TIME_STAGE2] += ended - begun

    def _round(self, parts: Sequence[Part], judging: Judging) -> float | None:
        """Sample a round of retries of judged parts; when that began, None where no process has any."""
        # Where one process has lost its judge none of them goes on, and each says so when all are here.
        if self.any_process(self.verifier.failure is not None) or not self.settings.in_use:
            return None
        retries = self._planned(parts)
        if not self.any_process(bool(retries)):
            return None
        begun = time.perf_counter()
        draws = retry_draws([n for n, _, _ in retries], [retry for _, _, retry in retries])
        self._draw(draws, [(part, retry.attempt) for _, part, retry in retries], judging)
        return begun

    def _finish(self, judging: Judging) -> None:
        """Wait for the last verdict of a round."""
        judging.close()
        with self._waiting():
            while judging.left:
                judging.take()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[names.TIME_JUDGE_WAITING] += time.perf_counter() - started

    def _waves(self, judging: Judging) -> Iterator[list[Part]]:
        """Judged parts, those together that are to be retried together."""
        if not self.waves:
            every: list[Part] = []
            with self._waiting():
                while judging.left:
                    every += judging.take()
            yield every
        while judging.left:
            with self._waiting():
                wave = self._wave(judging)
            yield wave

    def _wave(self, judging: Judging) -> list[Part]:
        """What is judged, once waiting for the rest would take longer than sampling another wave afterwards.

        An engine needs hardly longer for the retries of many groups than for those of one. As long as stage 1 took is
        what a wave is taken to take; nobody waits longer than that for an answer that does not come.
        """
        wave = judging.take(0)
        until = time.perf_counter() + self._stage1
        while judging.left and (not wave or judging.expected < self._stage1):
            left = until - time.perf_counter()
            if wave and left <= 0:
                break
            wave += judging.take(max(left, 0) if wave else None)
        return wave

    def _planned(self, parts: Sequence[Part]) -> list[tuple[int, Part, Retry]]:
        """Retries of judged parts, in the order of their groups: the group's place, what is judged with it, itself."""
        found: list[tuple[int, Part, Retry]] = []
        again = {part: Part(part.groups) for part in parts}
        for n, part in sorted(((n, one) for one in parts for n in one.groups), key=lambda place: place[0]):
            for retry in plan_retries(part.groups[n], self.settings, self.retry_prompt, self.mixing):
                retry.group.retries.append(retry.attempt)
                again[part].retries.append(retry)
                found.append((n, again[part], retry))
        return found

    def _draw(self, draws: Draws, attempts: Sequence[tuple[Part, Attempt]], judging: Judging) -> None:
        """Fill attempts, and have a part judged when its last one has ended."""
        missing: dict[Part, set[int]] = {}
        for n, (part, _) in enumerate(attempts):
            missing.setdefault(part, set()).add(n)

        def arrived(n: int, completion: Completion) -> None:
            part, attempt = attempts[n]
            if n not in missing[part]:
                return
            attempt.completion = completion
            missing[part].remove(n)
            if not missing[part]:
                judging.submit(part)

        for n, completion in enumerate(self.sample(draws, arrived)):
            arrived(n, completion)
            # The same text; only now has the engine told its log-probabilities.
            attempts[n][1].completion = completion
