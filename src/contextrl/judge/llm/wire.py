"""HTTP to the judge's servers: every reply is the one to its request.

HTTP/1.1 pairs replies with requests by their order on a connection, so a server or proxy that sends a reply twice
shifts all that follow, however late the copy comes, and aiohttp hands a copy that came while the connection was idle
to the next request. Closing connections with unread data finds only copies that come early enough. So a connection
serves one request, unless the server names the request in its reply (vLLM makes the completion's id of X-Request-Id;
others repeat the header): then connections are kept, and a reply that does not name its request is dropped.
"""

from __future__ import annotations

import io
import secrets
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from contextrl.judge.llm.endpoints import Endpoint
from contextrl.judge.llm.envelope import MAX_BODY_BYTES
from contextrl.judge.settings import TimeoutConfig

_ID_HEADER = "X-Request-Id"
#: Longest body that is written in one piece, in bytes.
_ONE_PIECE = 2**19


@dataclass(frozen=True)
class Response:
    """What a server sent.

    Attributes:
        content: the body; None if it is longer than any reply should be, however the server announces it.
        foreign: it is or may be another request's: it names that one, or came on a connection that was used before
            and names none.
    """

    status: int
    content: bytes | None
    retry_after: str | None
    location: str | None
    foreign: bool = False


@dataclass
class _RequestIds:
    """Ids that name this client and one of its requests."""

    client: str = field(default_factory=lambda: secrets.token_hex(12))
    sent: int = 0

    def next(self) -> str:
        self.sent += 1
        return f"{self.client}{self.sent:010x}"


class Wire:
    """The connections to the servers of one model; made anew after `close`.

    Args:
        timeouts: see `TimeoutConfig`.
        urls: of the servers, without a slash at the end.
        api_key: sent as a bearer token; None sends none.
    """

    def __init__(self, timeouts: TimeoutConfig, urls: Iterable[str], api_key: str | None) -> None:
        self._timeouts, self._api_key = timeouts, api_key
        self._proxies = {url: _proxy(url) for url in urls}
        self._ids = _RequestIds()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(self, endpoint: Endpoint, data: bytes, *, fresh: bool = False) -> Response:
        """Send a request body.

        Args:
            fresh: on a connection of its own, where what comes is the reply whatever it names: refusals often name
                nothing.

        Raises:
            TimeoutError, aiohttp.ClientError, OSError, ValueError: there is no reply.
        """
        kept = endpoint.names_requests is True and not fresh
        try:
            return await self._exchange(endpoint, data, kept=kept)
        except (aiohttp.ClientError, OSError, ValueError):
            if kept:
                # The connection may have been spoiled by what came before: the next try gets a fresh one.
                endpoint.names_requests = None
            raise

    async def _exchange(self, endpoint: Endpoint, data: bytes, *, kept: bool) -> Response:
        request_id = self._ids.next()
        async with self._session(kept=kept).post(
            f"{endpoint.url}/chat/completions",
            # A long body in one piece would hold the loop up while it is written.
            data=data if len(data) <= _ONE_PIECE else io.BytesIO(data),
            headers={_ID_HEADER: request_id},
            proxy=self._proxies[endpoint.url],
            allow_redirects=False,
        ) as response:
            content = await _body(response)
            named = self._names(request_id, response.headers.get(_ID_HEADER, ""), content or b"")
            if named is False:
                # Not to be trusted with a second request on a connection any more.
                endpoint.names_requests = False
            elif endpoint.names_requests is not False:
                endpoint.names_requests = named
            return Response(
                response.status,
                content,
                response.headers.get("Retry-After"),
                response.headers.get("Location"),
                foreign=named is False or (named is None and kept),
            )

    def _names(self, request_id: str, header: str, content: bytes) -> bool | None:
        """Whether a reply names this request (True), another one of ours (False), or none."""
        if request_id in header or request_id.encode() in content:
            return True
        return False if self._ids.client in header or self._ids.client.encode() in content else None

    async def models(self, endpoint: Endpoint, url: str = "") -> Response:
        """Ask for the models, at another address of the same server where one is given; raises as `post`."""
        async with self._session(kept=False).get(
            f"{url or endpoint.url}/models", proxy=self._proxies[endpoint.url], allow_redirects=False
        ) as response:
            content, location = await _body(response), response.headers.get("Location")
            return Response(response.status, content, None, location)

    def _session(self, *, kept: bool) -> aiohttp.ClientSession:
        if kept not in self._sessions:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            if not kept:
                headers["Connection"] = "close"
            if self._api_key:
                headers["Authorization"] = f"Bearer {self._api_key}"
            self._sessions[kept] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, force_close=not kept),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._timeouts.connect, sock_read=self._timeouts.read
                ),
                headers=headers,
            )
        return self._sessions[kept]

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body; None if it is too long."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
    return b"".join(chunks)


def _proxy(url: str) -> str | None:
    """The environment's proxy for a server; looked up once, because aiohttp would do so for every request."""
    parts = urlsplit(url)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)
