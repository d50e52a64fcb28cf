"""The judge behind a server: verifies answer and process, writes mistake reports, never guesses.

A request goes through: nothing to judge? -> cache -> server -> reading -> votes -> verdict -> report, if it is wanted.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from contextrl.errors import ContextRLError, InputError
from contextrl.judge.disclosure import cut_to_location, leaks_answer
from contextrl.judge.llm.cache import ReplyCache, cache_key
from contextrl.judge.llm.chat import ChatClient
from contextrl.judge.llm.connecting import check_servers, raise_if_gone
from contextrl.judge.llm.dialect import Dialect, request_body
from contextrl.judge.llm.emptiness import says_nothing
from contextrl.judge.llm.envelope import Failure, Reply
from contextrl.judge.llm.images import ImageUrls
from contextrl.judge.llm.neutralise import neutralise
from contextrl.judge.llm.parsing import Reading, parse_reply, parse_report
from contextrl.judge.llm.prompts import Again, PromptSet, Task
from contextrl.judge.llm.verdicts import Vote, decide, is_decided, rule_of
from contextrl.judge.protocol import JudgeRequest
from contextrl.loop import LoopThread, off_loop
from contextrl.records.verdict import Disclosure, ReferenceContext, ReportTiming, Usage, Verdict

#: More than a reply about one response is asked for again, so that no two draws of it are the same.
_ATTEMPTS = 1000
NOTHING_SAID = "Mistake: the response gives no answer."
"""The report on a response without content, which no judge is asked about."""


@dataclass
class Member:
    """One model that votes: its client and what its server understands."""

    client: ChatClient
    dialect: Dialect


class LLMJudge:
    """Verdicts by language models over HTTP.

    Args:
        members: models that vote, in turn; one suffices.
        prompts: what they are told.
        context: how much of the reference they see.
        disclose: how much a mistake report may say.
        reports: whether a report is asked for alone, once it is needed, or together with the verdict.
        votes: verdicts per response.
        max_tokens: longest reply; one that is cut is asked for once more with twice the room.
        image_max_side: larger images are downscaled, in pixels.
        cache: where replies are kept; None asks every time.
    """

    name = "llm"
    #: Requests of all callers go through one loop and share the servers' limits.
    concurrent = True

    def __init__(
        self,
        members: Sequence[Member],
        prompts: PromptSet,
        context: ReferenceContext = "solution",
        *,
        disclose: Disclosure = "hint",
        reports: ReportTiming = "lazy",
        votes: int = 1,
        max_tokens: int = 2048,
        image_max_side: int = 1536,
        cache: ReplyCache | None = None,
    ) -> None:
        self.members, self.prompts, self.cache = members, prompts, cache
        self.context: ReferenceContext = context
        self.disclose: Disclosure = disclose
        self.reports: ReportTiming = reports
        self.votes, self.max_tokens = votes, max_tokens
        self._images = ImageUrls(image_max_side)
        self._loop = LoopThread("contextrl-judge")
        self._calls, self._counting = 0, threading.Lock()
        self._under_way: dict[bytes, asyncio.Future[Reading]] = {}
        # A judge that nobody closed is closed at the end of the program, or aiohttp complains of open connections.
        atexit.register(_close_if_there, weakref.ref(self))

    # ---- the judge protocol --------------------------------------------------------------------------------------

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict per request, in order.

        Raises:
            ServiceError: the judge is gone or its budget is spent. What was answered before is in the cache.
        """
        verdicts: dict[int, Verdict] = {}
        # Not through `stream`: waking this thread for every verdict would hold the loop up.
        work = self._start(requests, lambda item: verdicts.__setitem__(*item))
        try:
            work.result()
        finally:
            self._end(work)
        raise_if_gone([member.client for member in self.members])
        return [verdicts[index] for index in range(len(requests))]

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        """(index, verdict) as they come; see `judge`."""
        done: queue.SimpleQueue[tuple[int, Verdict] | BaseException | None] = queue.SimpleQueue()
        work = self._start(requests, done.put)
        work.add_done_callback(lambda future: done.put(None if future.cancelled() else future.exception()))
        try:
            while (item := done.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._end(work)
        raise_if_gone([member.client for member in self.members])

    def _start(self, requests: Sequence[JudgeRequest], put: Callable[[tuple[int, Verdict]], None]) -> Future[None]:
        with self._counting:
            # Another caller's call that finds the judge gone has to see that it is.
            if not self._calls:
                for member in self.members:
                    member.client.revive()
            self._calls += 1
        return self._loop.submit(self._work_through(requests, put))

    def _end(self, work: Future[None]) -> None:
        work.cancel()
        with self._counting:
            self._calls -= 1
        if self.cache is not None:
            self.cache.flush()

    def check(self) -> None:
        """Ask every server for its models, so that a wrong address, key or name is found before work starts.

        Raises:
            InputError: the model is not there, or the key is refused.
            ServiceError: no server of a model can be reached.
        """
        try:
            self._loop.submit(self._check()).result()
        except ContextRLError:
            # Nobody works with it any more, and aiohttp complains of open connections.
            self.close()
            raise

    def close(self) -> None:
        """Close connections and the cache."""
        if self._loop.started:
            self._loop.submit(self._close()).result()
        self._loop.stop()
        if self.cache is not None:
            self.cache.close()

    # ---- requests ------------------------------------------------------------------------------------------------

    async def _work_through(self, requests: Sequence[JudgeRequest], put: Callable[[tuple[int, Verdict]], None]) -> None:
        """As many requests at once as the servers may get; verdicts that the judge's end left open are not put."""
        todo = iter(enumerate(requests))

        async def work() -> None:
            for index, request in todo:
                verdict = await self._verdict(request)
                if verdict.error_kind in ("gone", "budget"):
                    return
                put((index, verdict))

        width = sum(len(m.client.pool.endpoints) * m.client.pool.max_concurrency for m in self.members)
        await asyncio.gather(*(work() for _ in range(min(width, len(requests)))))

    async def _verdict(self, request: JudgeRequest) -> Verdict:
        """Verify one response, and report on it if that is wanted."""
        drafted: Reading | None = None
        if request.known_verdict is not None:
            verdict = replace(request.known_verdict, usage=Usage())
        elif says_nothing(request.response, request.example.answer, request.example.question):
            report = NOTHING_SAID if request.wants_report else None
            return Verdict("incorrect", answer_correct=False, process_correct=False, mistake_report=report)
        else:
            verdict, drafted = await self._vote(request)
        # What is not of one piece gets no report (arXiv 2602.22623, A.2).
        if not request.wants_report or verdict.status != "incorrect" or verdict.self_consistent is False:
            return replace(verdict, mistake_report=None)
        report, step, usage = await self._report(request, drafted)
        return replace(verdict, mistake_report=report, mistake_step=step, usage=verdict.usage + usage)

    async def _vote(self, request: JudgeRequest) -> tuple[Verdict, Reading | None]:
        """The verdict, and a report that came with it. A majority first, the other votes only if it is divided."""
        cut = neutralise(request.response, limit=self.prompts.max_response_chars).cut
        together = request.wants_report and self.reports == "with_verdict"
        task: Task = "verify_and_report" if together else "verify"
        again: Again | None = "unreadable" if request.attempt else None

        async def cast(vote: int) -> Vote:
            read = partial(parse_reply, response=request.response)
            return await self._ask(task, request, read, vote, again=again)

        rule = rule_of(request)
        first = self.votes // 2 + 1
        votes = list(await asyncio.gather(*(cast(vote) for vote in range(first))))
        if not is_decided(votes, rule, self.votes):
            votes += await asyncio.gather(*(cast(vote) for vote in range(first, self.votes)))
        verdict = decide(votes, rule, cut=cut)
        drafts = (vote.reading for vote in votes if vote.reading.report == verdict.mistake_report)
        return verdict, next(drafts, None) if verdict.mistake_report else None

    async def _report(self, request: JudgeRequest, drafted: Reading | None) -> tuple[str | None, int | None, Usage]:
        """A mistake report that gives away no more than it may: asked for again, then cut to the location.

        The first wrong step with it, where the judge names it.

        Args:
            drafted: the report that came with the verdict, if one did.
        """
        spent = Usage()
        report: str | None = None
        step: int | None = None
        tries: tuple[Again | None, ...] = (None, "again")
        for again in tries:
            if again is None and drafted is not None:
                reading = drafted
            else:
                vote = await self._ask("report", request, parse_report, again=again)
                spent += vote.usage
                reading = vote.reading
            if reading.report is None:
                break
            report, step = reading.report, reading.step
            if self.disclose not in ("location", "hint") or not await asyncio.to_thread(
                leaks_answer, report, request.example, request.response
            ):
                return report, step, spent
            report = cut_to_location(report, step)
        return report, step, spent

    async def _ask(
        self,
        task: Task,
        request: JudgeRequest,
        read: Callable[[str], Reading],
        vote: int = 0,
        *,
        again: Again | None = None,
    ) -> Vote:
        """One reading: from the cache, from an equal request under way, or from the server."""
        member = self.members[(vote + request.vote) % len(self.members)]
        try:
            images = [self._images.url(handle) for handle in request.example.images]
        except InputError as error:
            return Vote(Reading(failure="rejected", detail=str(error)), Usage())
        # Serialised once for the key and the body: images make it long.
        messages = json.dumps(self.prompts.messages(task, request, images=images, disclose=self.disclose, again=again))
        # Looks of one response, each with its attempts and votes; attempts are few.
        draw = vote + (request.attempt + request.vote * _ATTEMPTS) * self.votes
        key = self._key(member, task, messages, draw)
        if self.cache is not None and (kept := self.cache.get(key)) is not None:
            reading = await _read_text(str(kept.get("text")), read, member.client, Usage())
            if reading.failure is None:
                return Vote(reading, Usage(cache_hits=1))
        if (other := self._under_way.get(key)) is not None:
            return Vote(await asyncio.shield(other), Usage(cache_hits=1))
        self._under_way[key] = asyncio.get_running_loop().create_future()
        result = Vote(Reading(failure="gone", detail="cancelled"), Usage())
        try:
            result = await self._converse(member, task, messages, read, draw, key)
        finally:
            self._under_way.pop(key).set_result(result.reading)
        return result

    async def _converse(
        self,
        member: Member,
        task: Task,
        messages: str,
        read: Callable[[str], Reading],
        draw: int,
        key: bytes,
    ) -> Vote:
        """Ask the server, again in a form that it understands and once more with more room."""
        spent, max_tokens = Usage(), self.max_tokens
        while True:
            fields = member.dialect.fields(task, max_tokens, draw)
            outcome, usage = await member.client.complete(request_body(fields, messages))
            spent += usage
            if isinstance(outcome, Failure):
                if outcome.kind == "rejected":
                    if member.dialect.refused(outcome.detail, fields):
                        continue
                    member.client.count_refusal(outcome)
                return Vote(Reading(failure=outcome.kind, detail=outcome.detail), spent)
            reading = _without_text(outcome) or await _read_text(str(outcome.text), read, member.client, spent)
            if reading.failure == "truncated" and max_tokens == self.max_tokens:
                max_tokens *= 2
                continue
            member.dialect.saw(free_text=reading.free_text, fields=fields)
            if reading.failure is None:
                if self.cache is not None:
                    self.cache.put(key, {"text": outcome.text, "tokens": outcome.tokens})
                return Vote(reading, spent)
            return Vote(reading, replace(spent, parse_failures=spent.parse_failures + 1))

    def _key(self, member: Member, task: Task, messages: str, draw: int) -> bytes:
        """What a reply depends on. Not the server's address: several serve the same model."""
        dialect = member.dialect
        return cache_key(f"{dialect.identity} {self.max_tokens} {task} {draw} {messages}")

    # ---- the end -------------------------------------------------------------------------------------------------

    async def _check(self) -> None:
        for member in self.members:
            await check_servers(member.client, member.dialect.model)

    async def _close(self) -> None:
        for member in self.members:
            await member.client.close()


def _close_if_there(reference: weakref.ref[LLMJudge]) -> None:
    if (judge := reference()) is not None:
        judge.close()


def _redacted(reading: Reading, client: ChatClient) -> Reading:
    """A reading without the key, which JSON inside the reply may have spelled in escapes."""
    report = None if reading.report is None else client.redacted(reading.report)
    return replace(reading, report=report, detail=client.redacted(reading.detail))


async def _read_text(text: str, read: Callable[[str], Reading], client: ChatClient, spent: Usage) -> Reading:
    """A reading of a reply's text, within what is left of the verdict's time."""
    total = client.timeouts.total
    try:
        return _redacted(await off_loop(read, text, total - spent.seconds), client)
    except TimeoutError:
        return Reading(failure="timeout", detail=f"the reply could not be read within {total:g} s of the request")


def _without_text(reply: Reply) -> Reading | None:
    """The failures that only the reply's envelope tells; None where there is a text to read."""
    if reply.finish_reason == "length":
        return Reading(failure="truncated", detail="cut at sampling.max_tokens, twice")
    if reply.refusal is not None:
        return Reading(failure="refusal", detail=f"the judge refuses: {reply.refusal[:80]!r}")
    if reply.finish_reason == "content_filter":
        return Reading(failure="refusal", detail="the server's content filter has cut the reply")
    if reply.finish_reason not in ("stop", ""):
        return Reading(failure="malformed", detail=f"the reply ended with {reply.finish_reason!r}, not with stop")
    if reply.text is None:
        where = ", only reasoning" if reply.reasoning else ""
        return Reading(failure="null", detail=f"the reply has no content{where}")
    return None
