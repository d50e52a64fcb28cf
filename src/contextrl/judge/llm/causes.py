"""What it means that a server gave no reply, or an error: a failure whose message names host, cause and remedy."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import aiohttp

from contextrl.judge.llm.endpoints import Endpoint, Health
from contextrl.judge.llm.envelope import Failure, error_message
from contextrl.judge.llm.wire import Response

#: OpenSSL's reasons for what is no TLS at all.
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
#: Errors of a server, or of a moment, that may be over at the next try. 501, 505, 510 and 511 will not.
_PASSING = {408, 409, 425, *range(500, 600)} - {501, 505, 510, 511}
#: What to do about errors that come again and again.
_REMEDIES = {
    400: "the request is too long or has a field that the server does not know: see judge.max_response_chars, "
    "judge.image_max_side and judge.sampling",
    402: "see to the account that the key belongs to",
    405: "change judge.base_url to the server's /v1",
    407: "the proxy of the environment wants credentials",
    410: "change judge.base_url",
    413: "lower judge.max_response_chars or judge.image_max_side",
    415: "change judge.base_url to a server of OpenAI's chat completions",
    422: "the server does not know a field of the request: see judge.sampling and judge.structured",
    501: "change judge.base_url to a server of OpenAI's chat completions",
    511: "the network wants a login",
}


def no_reply(error: Exception, endpoint: Endpoint, read_timeout: float) -> Failure:
    """A failure from what the HTTP client raised.

    Args:
        read_timeout: seconds without a byte, for the message.
    """
    url, host = endpoint.url, urlsplit(endpoint.url).netloc
    change = "change judge.base_url"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        detail = f"{url}: the name {error.host} cannot be resolved (DNS: {error.os_error.strerror}): {change}"
        return Failure("connection", detail, passing=True, health="down")
    if isinstance(error, ssl.SSLError | ssl.CertificateError | aiohttp.ClientSSLError):
        return _tls_failure(error, url, host)
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return Failure("connection", f"{url}: {error}", passing=True, health="down")
    if isinstance(error, TimeoutError):
        return Failure("timeout", f"{url} sent nothing for {read_timeout:g} s", passing=True, health="busy")
    detail = f"{url}: {type(error).__name__}: {error}"
    if isinstance(error, aiohttp.ClientResponseError) and not isinstance(error, aiohttp.ClientHttpProxyError):
        detail = f"{url}: {host} does not speak HTTP ({error.message}); if it speaks https, {change}"
    elif isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and url.startswith("http:"):
        detail += f" (if {host} speaks https, {change})"
    return Failure("connection", detail, passing=True)


def _tls_failure(error: Exception, url: str, host: str) -> Failure:
    """A wrong certificate and a port without TLS stay what they are; other trouble may pass."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        detail = (
            f"{url}: TLS: the certificate of {host} is not accepted ({cause.verify_message or cause.reason}): change "
            "judge.base_url, or name its authority's file in the variable SSL_CERT_FILE"
        )
        return Failure("connection", detail, health="down", refused=True)
    reason = getattr(cause, "reason", None) or str(cause) or type(cause).__name__
    if reason in _NO_TLS:
        detail = f"{url}: TLS: {host} does not speak https ({reason}): change judge.base_url to http://"
        return Failure("connection", detail, health="down", refused=True)
    detail = f"{url}: TLS with {host} fails ({reason}): change judge.base_url"
    return Failure("connection", detail, passing=True, health="down")


def http_error(response: Response) -> Failure:
    """What a status other than 200 means; 401, 403 and 404 say that this server will never accept us."""
    status, wait = response.status, _seconds(response.retry_after)
    detail = f"HTTP {status}: {error_message(response.content or b'')}"
    if 300 <= status < 400:
        detail = f"HTTP {status}: redirect to {_shown(response.location)}"
    if status == 429:
        return Failure("rate_limited", detail, passing=True, health="busy", retry_after=wait, status=status)
    if status in _PASSING:
        health: Health = "busy" if status in (503, 529) else "ok"
        return Failure("server_error", detail, passing=True, health=health, retry_after=wait, status=status)
    return Failure("rejected", detail, refused=status in (401, 403, 404), status=status)


def remedy(failure: Failure) -> str:
    """What to do about an error that comes again and again."""
    if failure.status is not None and 300 <= failure.status < 400:
        return "change judge.base_url to the address that it names"
    return _REMEDIES.get(failure.status or 0, "see judge.base_url and judge.sampling")


def _shown(location: str | None) -> str:
    """Where a redirect leads, without what may be a secret in it: user, password, query, fragment."""
    try:
        parts = urlsplit(location or "")
    except ValueError:
        return "nowhere"
    host = parts.netloc.rpartition("@")[2]
    where = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    return where[:200] or "nowhere"


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; as a date it is rare and left to our own backoff."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
