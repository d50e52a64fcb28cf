"""Bodies of completions: one reading or none, at bounded cost, whatever is in them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrl.judge.llm.envelope import NoCompletionError, Reply, error_message, read_completion, read_models

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def body(message: Any = None, choice: Any = None, **fields: Any) -> bytes:
    """A completion that says `hello`, but for what is given."""
    choices = [{"finish_reason": "stop", "message": {"content": "hello"} | (message or {})} | (choice or {})]
    return json.dumps({"choices": choices} | fields).encode()


def with_number(number: str) -> bytes:
    return body(usage={"prompt_tokens": 7}).replace(b"7}", number.encode() + b"}")


READ: dict[str, tuple[bytes, str | None, int]] = {
    "plain": (body(), "hello", 0),
    "stuck at commas": (body({"content": ',"\\' * 100_000}), ',"\\' * 100_000, 0),
    "usage": (body(usage={"prompt_tokens": 3, "completion_tokens": 4}), "hello", 7),
    "usage is a list": (body(usage=[3, 4]), "hello", 0),
    "infinite": (with_number("1e400"), "hello", 0),
    "NaN": (with_number("NaN"), "hello", 0),
    "minus infinity": (with_number("-Infinity"), "hello", 0),
    "10^400": (with_number("1" + "0" * 400), "hello", 0),
    "negative": (with_number("-5"), "hello", 0),
    "true": (with_number("true"), "hello", 0),
    "no content": (body({"content": None}), None, 0),
    "parts": (body({"content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}), "hello", 0),
    "output parts": (body({"content": [{"type": "output_text", "text": "hello"}]}), "hello", 0),
    "no parts": (body({"content": []}), "", 0),
    "null error": (body(error=None), "hello", 0),
    "byte order mark": (json.dumps({"choices": [{"message": {"content": "hello"}}]}).encode("utf-8-sig"), "hello", 0),
    "odd finish reason": (body(choice={"finish_reason": [[["stop"]]]}), "hello", 0),
    "a surrogate": (body({"content": "\ud83d"}), "\ud83d", 0),
    "unknown fields": (body(deep=[[[[{"a": [1, 2, {"b": None}]}]]]], note="x" * 100_000), "hello", 0),
}


@pytest.mark.parametrize(("content", "text", "tokens"), READ.values(), ids=READ.keys())
def test_what_is_read(content: bytes, text: str | None, tokens: int) -> None:
    reply = read_completion(content)
    assert (reply.text, reply.tokens) == (text, tokens)
    assert isinstance(reply.finish_reason, str)


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        ({"cached_tokens": 16}, 16),
        ({"cached_tokens": 0}, 0),
        ({"cached_tokens": None}, 0),
        ({"cached_tokens": 10**9}, 20),
        ({"cached_tokens": True}, 0),
        ({"cached_tokens": "16"}, 0),
        ([16], 0),
        (None, 0),
    ],
)
def test_tokens_from_the_servers_prefix_cache(details: Any, cached: int) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 2, "prompt_tokens_details": details}
    assert read_completion(body(usage=usage)).cached_tokens == cached


WHOLE = body().decode()
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no completion"),
    "html": (b"<html></html>", "no completion"),
    "null": (b"null", "no completion"),
    "a number": (b"1e999", "no completion"),
    "a list": (b"[" + body() + b"]", "no completion"),
    "cut": (body()[:-2], "no completion"),
    "twice": (body() + body(), "no completion"),
    "with a tail": (body() + b"}", "no completion"),
    "no choices": (b'{"object": "chat.completion"}', "no completion"),
    "empty choices": (b'{"choices": []}', "no completion"),
    "choices by name": (b'{"choices": {"0": {"message": {"content": "hello"}}}}', "no completion"),
    "two choices": (WHOLE.replace("[{", '[{"message": {"content": "bye"}}, {', 1).encode(), "2 choices"),
    "choices twice": (WHOLE.replace('{"choices"', '{"choices": [], "choices"', 1).encode(), "twice"),
    "content twice": (WHOLE.replace('"content"', '"content": "bye", "content"').encode(), "twice"),
    "content twice, escaped": (WHOLE.replace('"content"', '"content": "bye", "c\\u006fntent"').encode(), "twice"),
    "error beside choices": (body(error={"message": "overloaded"}), "an error beside the choices: 'overloaded'"),
    "error as text": (body(error="overloaded"), "an error beside the choices: 'overloaded'"),
    "error without a message": (body(error={"code": 500}), "no completion"),
    "content is a number": (body({"content": 5}), "no completion"),
    "content is an object": (body({"content": {"answer_correct": True}}), "no completion"),
    "a part without text": (body({"content": [{"type": "text"}]}), "no completion"),
    "a part that is a picture": (body({"content": [{"type": "text", "text": "a"}, {"type": "image"}]}), "no compl"),
    "a part that is a number": (body({"content": [{"type": "text", "text": 5}]}), "no completion"),
    "a part that is a string": (body({"content": ["hello"]}), "no completion"),
    "nested lists": (b"[" * 1_000_000, "no completion"),
    "nested objects": (b'{"a":' * 500_000, "no completion"),
    "nested in the content": (WHOLE.replace('"hello"', "[" * 90_000 + "]" * 90_000).encode(), "no completion"),
    "an endless number": (with_number("1" + "0" * 1_000_000), "no completion"),
    "many values": (b'{"choices": [' + b"[]," * 1_000_000 + b"[]]}", "more than 50,000 values"),
    "many values beside a long text": (
        b'{"a": "' + b"," * 60_000 + b'", "b": [' + b"0," * 60_000 + b"0]}",
        "50,000 values",
    ),
    "an endless string of quotes": (b'{"a": "' + b'\\",' * 500_000, "no completion"),
    "many fields": (b"{" + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}", "more than 50,000 values"),
    "no UTF-8": (b'{"choices": "\xff"}', "no completion"),
    "UTF-16, cut": (body().decode().encode("utf-16")[:-1], "no completion"),
}


@pytest.mark.parametrize(("content", "found"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_completion_or_more_than_one(content: bytes, found: str) -> None:
    with pytest.raises(NoCompletionError, match=found):
        read_completion(content)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(NoCompletionError):
        assert isinstance(read_completion(content), Reply)
    assert error_message(content)
    names = read_models(content)
    assert names is None or all(isinstance(name, str) for name in names)


@given(JSON, JSON, JSON, JSON)
def test_any_values_in_a_completion_are_read_or_refused(content: Any, refusal: Any, reason: Any, usage: Any) -> None:
    message = {"content": content, "refusal": refusal, "reasoning": usage}
    text = body(message, {"finish_reason": reason}, usage={"prompt_tokens": usage, "completion_tokens": reason})
    try:
        reply = read_completion(text)
    except NoCompletionError:
        assert content is not None
        assert not isinstance(content, str)
        return
    assert reply.text is None or isinstance(reply.text, str)
    assert 0 <= reply.tokens <= 2 * 10**9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"error": {"message": "too long"}}', "too long"),
        (b'{"error": "too long"}', "too long"),
        (b'{"message": "too long"}', "too long"),
        (b"too long", "too long"),
        (b"", "no message"),
        (b'{"error": {"message": ""}}', "no message"),
        (b'{"error": {"message": NaN}}', "nan"),
        (b'{"error": {"code": 5}}', '{"error": {"code": 5}}'),
        (b"[" * 60_000, "[" * 2_000),
        (b'{"error": "' + b"x" * 100_000 + b'"}', '{"error": "' + "x" * 1_989),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_messages_of_errors(content: bytes, message: str) -> None:
    assert error_message(content) == message


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b'{"data": [{"id": "a"}, {"id": "b"}]}', ["a", "b"]),
        (b'{"data": []}', []),
        (b'{"data": [{"id": 5}]}', None),
        (b'{"data": [{"id": [[]]}]}', None),
        (b'{"data": 5}', None),
        (b"[" * 100_000, None),
        (b"<html>", None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_names_of_models(content: bytes, names: list[str] | None) -> None:
    assert read_models(content) == names
