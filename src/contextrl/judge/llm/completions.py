"""Chat completions of one model for any number of calls: pulled as they are needed, given out as they come.

A thread of its own pulls the calls, since what makes them may open pictures; as many as the servers may get are in
memory, and a few that wait for their turn.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from contextrl.errors import ContextRLError, InputError
from contextrl.judge.llm.cache import ReplyCache, cache_key
from contextrl.judge.llm.chat import ChatClient
from contextrl.judge.llm.connecting import chat_client, check_servers, raise_if_gone, reply_cache, shared_budget
from contextrl.judge.llm.dialect import request_body
from contextrl.judge.llm.envelope import Failure, Reply
from contextrl.judge.llm.known_fields import SAMPLING_FIELDS, KnownFields
from contextrl.judge.llm.naming import Naming
from contextrl.judge.settings import ServerConfig
from contextrl.loop import LoopThread
from contextrl.records.verdict import Usage

K = TypeVar("K")
#: What a call came to, and what it cost.
Finished = tuple[K, Reply | Failure, Usage]
#: Failures after which a call is left for the next time.
_OPEN = ("gone", "budget")
#: How a reply ends that would be the same if it were asked for again.
_ENDED = ("stop", "length", "")


@dataclass(frozen=True)
class Call(Generic[K]):
    """One request.

    Attributes:
        key: what its outcome is known by.
        messages: the conversation as JSON (`conversation_json`), or what makes it: called when its turn comes; an
            InputError is the outcome of this call alone.
        fields: of the request's body: `temperature`, `max_tokens`, `seed`, ...
        then: what the reply leads to: another request, whose outcome comes under the first one's key, or None. It runs
            in a thread.
        needs_content: an empty reply is no outcome: it is asked for again, and then a failure.
    """

    key: K
    messages: str | Callable[[], str]
    fields: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[[Reply], Call[Any] | None] | None = None
    needs_content: bool = False


@dataclass(frozen=True)
class Settled(Generic[K]):
    """What needs no request and passes through."""

    key: K
    outcome: Reply | Failure


def conversation_json(prompt: str, *, system: str = "", image_urls: Sequence[str] = ()) -> str:
    """A conversation of one user's turn, pictures before the text.

    Args:
        image_urls: `data:` addresses as `base64` writes them; they are put in as they are, since they are long.
    """
    pictures = [f'{{"type": "image_url", "image_url": {{"url": "{url}"}}}}' for url in image_urls]
    text = json.dumps(prompt)
    if pictures:
        text = f'[{", ".join(pictures)}, {{"type": "text", "text": {text}}}]'
    first = f'{{"role": "system", "content": {json.dumps(system)}}}, ' if system else ""
    return f'[{first}{{"role": "user", "content": {text}}}]'


class Completions:
    """Completions of one model.

    Args:
        model: its name at the servers.
        client: of its servers.
        extra: further fields of every request.
        cache: of replies; None keeps none.
    """

    def __init__(
        self,
        model: str,
        client: ChatClient,
        *,
        extra: Mapping[str, Any] | None = None,
        cache: ReplyCache | None = None,
    ) -> None:
        self.model, self.client, self.cache = model, client, cache
        self._extra = dict(extra or {})
        self._known = KnownFields(client.naming.service, SAMPLING_FIELDS)
        self._identity = json.dumps([model, self._extra], sort_keys=True)
        self._answered = False
        self._loop = LoopThread("contextrl-completions")
        # What nobody closed is closed at the end of the program, or aiohttp complains of open connections.
        atexit.register(_close_if_there, weakref.ref(self))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Fields of sampling that the server has refused, so that replies were sampled without them."""
        return tuple(self._known.left_out)

    @property
    def width(self) -> int:
        """Requests at once."""
        return len(self.client.pool.endpoints) * self.client.pool.max_concurrency

    def stream(self, calls: Iterable[Call[K] | Settled[K]]) -> Iterator[Finished[K]]:
        """(key, reply or failure, usage) in the order in which they come.

        Args:
            calls: pulled in another thread, about as many ahead as there may be requests at once.

        Raises:
            ServiceError: the servers are gone or the budget is spent, after everything that has finished. Calls that
                this left open are not given out.
            Exception: what `calls` or a call's `then` raises, after everything that has finished.
        """
        self.client.revive()
        flow = _Flow(self, calls)
        work = self._loop.submit(flow.run())
        work.add_done_callback(flow.finish)
        try:
            while (item := flow.done.get()) is not None:
                yield item
        finally:
            work.cancel()
            if self.cache is not None:
                self.cache.flush()
        if flow.error is not None:
            raise flow.error
        raise_if_gone([self.client])

    async def converse(self, call: Call[Any], messages: str) -> tuple[Reply | Failure, Usage]:
        """The last reply of a conversation, or what ended it before."""
        spent = Usage()
        while True:
            outcome, usage = await self._ask(call, messages)
            spent += usage
            if isinstance(outcome, Failure) or call.then is None:
                return outcome, spent
            following = await asyncio.to_thread(call.then, outcome)
            if following is None:
                return outcome, spent
            call = following
            prepared = await asyncio.to_thread(_prepared, call)
            if isinstance(prepared, Failure):
                return prepared, spent
            messages = prepared

    async def _ask(self, call: Call[Any], messages: str) -> tuple[Reply | Failure, Usage]:
        """One reply, from the cache or from a server, in a form that it understands."""
        fields = call.fields
        key = b""
        if self.cache is not None:
            key = cache_key(f"{self._identity} {json.dumps(dict(fields), sort_keys=True)} {messages}")
            if (kept := _kept_reply(self.cache.get(key))) is not None:
                return kept, Usage(cache_hits=1)
        spent = Usage()
        while True:
            sent = self._known.spelled({"model": self.model, **fields, **self._extra})
            outcome, usage = await self.client.complete(request_body(sent, messages), needs_content=call.needs_content)
            spent += usage
            if isinstance(outcome, Reply):
                self._answered = True
                if self.cache is not None and outcome.text and outcome.finish_reason in _ENDED and not outcome.refusal:
                    self.cache.put(key, _to_keep(outcome))
            elif outcome.kind == "rejected":
                if outcome.status in (400, 422) and self._known.refused(outcome.detail, sent):
                    continue
                if not self._answered:
                    # Where others are answered, the fault is this request's own.
                    self.client.count_refusal(outcome)
            return outcome, spent

    def check(self) -> None:
        """Ask every server for its models, so that a wrong address, key or name is found before work starts.

        Raises:
            InputError: the model is not there, or the key is refused.
            ServiceError: no server can be reached.
        """
        try:
            self._loop.submit(check_servers(self.client, self.model)).result()
        except ContextRLError:
            self.close()
            raise

    def close(self) -> None:
        """Close connections and the cache."""
        if self._loop.started:
            self._loop.submit(self.client.close()).result()
        self._loop.stop()
        if self.cache is not None:
            self.cache.close()


def completions_of(config: ServerConfig, naming: Naming) -> Completions:
    """The model behind the configured servers.

    Raises:
        InputError: the key is not as it must be.
    """
    client = chat_client(config.base_urls, config, shared_budget(config), naming)
    return Completions(config.model, client, extra=config.extra, cache=reply_cache(config.cache))


class _Flow(Generic[K]):
    """One stream's calls on their way: a thread pulls them, tasks of the loop see to them.

    Attributes:
        done: what has finished; None at the end.
        error: what the calls, or what a reply led to, raised.
    """

    def __init__(self, completions: Completions, calls: Iterable[Call[K] | Settled[K]]) -> None:
        self.done: queue.SimpleQueue[Finished[K] | None] = queue.SimpleQueue()
        self.error: BaseException | None = None
        self._completions, self._calls = completions, calls
        # A few wait for their turn, so that a server has its next request when it has answered one.
        self._room = threading.Semaphore(completions.width + max(2, completions.width // 16))
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """See to all calls, or until the stream is stopped; cancelling drops what is under way."""
        loop = asyncio.get_running_loop()
        fed: asyncio.Future[None] = loop.create_future()
        threading.Thread(target=self._feed, args=(loop, fed), name="contextrl-calls", daemon=True).start()
        try:
            await fed
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._stop()
            for task in self._tasks:
                task.cancel()

    def finish(self, work: Future[None]) -> None:
        """Tell the end to who waits for the next one."""
        if not work.cancelled() and (error := work.exception()) is not None:
            self.error = self.error or error
        self.done.put(None)

    def _feed(self, loop: asyncio.AbstractEventLoop, fed: asyncio.Future[None]) -> None:
        """Pull calls while there is room."""
        try:
            for call in self._calls:
                if self._stopped:
                    break
                if isinstance(call, Settled):
                    self.done.put((call.key, call.outcome, Usage()))
                    continue
                self._room.acquire()
                if self._stopped:
                    break
                messages = _prepared(call)
                if isinstance(messages, Failure):
                    self._room.release()
                    self.done.put((call.key, messages, Usage()))
                else:
                    loop.call_soon_threadsafe(self._start, loop, call, messages)
        except BaseException as error:  # the iterable's own, handed to who reads the stream
            self.error = error
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, fed)

    def _start(self, loop: asyncio.AbstractEventLoop, call: Call[K], messages: str) -> None:
        if self._stopped:
            return
        task = loop.create_task(self._see_to(call, messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _see_to(self, call: Call[K], messages: str) -> None:
        try:
            outcome, usage = await self._completions.converse(call, messages)
        except Exception as error:  # of what the reply led to, handed to who reads the stream
            self.error = self.error or error
            self._stop()
            return
        finally:
            self._room.release()
        if isinstance(outcome, Failure) and outcome.kind in _OPEN:
            self._stop()
        else:
            self.done.put((call.key, outcome, usage))

    def _stop(self) -> None:
        """No further calls."""
        self._stopped = True
        self._room.release()


def _prepared(call: Call[Any]) -> str | Failure:
    """A call's conversation, or what is wrong with its pictures."""
    if isinstance(call.messages, str):
        return call.messages
    try:
        return call.messages()
    except InputError as error:
        return Failure("rejected", str(error))


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _to_keep(reply: Reply) -> dict[str, Any]:
    return {
        "text": reply.text,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
    }


def _kept_reply(kept: dict[str, Any] | None) -> Reply | None:
    """What `_to_keep` made; None for anything else."""
    if kept is None or not isinstance(kept.get("text"), str) or not isinstance(kept.get("finish_reason"), str):
        return None
    counts = [kept.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if isinstance(count, int) else 0 for count in counts)
    return Reply(kept["text"], kept["finish_reason"], None, False, prompt, completion)


def _close_if_there(reference: weakref.ref[Completions]) -> None:
    if (completions := reference()) is not None:
        completions.close()
