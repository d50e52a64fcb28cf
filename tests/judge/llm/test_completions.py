"""Streams of calls through the whole client, against servers of a test's choice."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer, running_fault_server
from raw_server import Request, Script, completion, plain, running_raw_server

from contextrl.errors import InputError, ServiceError
from contextrl.judge.llm.completions import Call, Completions, Settled, completions_of, conversation_json
from contextrl.judge.llm.envelope import Failure, Reply
from contextrl.judge.llm.known_fields import SAMPLING_FIELDS, KnownFields
from contextrl.judge.llm.naming import Naming
from contextrl.judge.settings import ServerConfig

NAMING = Naming("model server", {"judge.base_url": "--base-url", "judge.budget": "--budget", "judge.model": "--model"})
OK = plain(completion("fine", usage={"prompt_tokens": 7, "completion_tokens": 2}))
REFUSED = "400 Bad Request"


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultServer]:
    with running_fault_server() as server:
        yield server


def client_at(*urls: str, **changes: Any) -> Completions:
    """One that loses patience quickly."""
    settings: dict[str, Any] = {
        "base_url": list(urls),
        "model": "m",
        "max_retries": 2,
        "timeouts": {"connect": 1.0, "read": 0.5, "total": 5.0},
        "patience": 1.0,
    }
    return completions_of(ServerConfig.model_validate(settings | changes), NAMING)


def asked(number: int, text: str = "", **fields: Any) -> Call[int]:
    content = [{"type": "text", "text": f"number {number} {text}"}]
    return Call(number, json.dumps([{"role": "user", "content": content}]), fields)


def outcomes(client: Completions, calls: Any) -> dict[int, Reply | Failure]:
    """Outcomes by key; every key comes once."""
    try:
        found = [(key, outcome) for key, outcome, _ in client.stream(calls)]
    finally:
        client.close()
    assert len(dict(found)) == len(found)
    return dict(found)


def error(message: str) -> bytes:
    return plain(json.dumps({"error": {"message": message}}).encode(), REFUSED)


def says(answer: Callable[[Request], bytes]) -> Callable[[Request], Script]:
    return lambda request: [(0.0, answer(request))]


# ---- order, memory ---------------------------------------------------------------------------------------------------


def test_replies_come_in_the_order_in_which_they_are_ready() -> None:
    """The first call is the slowest: 0.3 s, the others at once."""
    with running_raw_server(lambda r: [(0.3 if r.asked == 0 else 0.0, plain(completion(str(r.asked))))]) as server:
        client = client_at(server.url)
        keys = [(key, outcome.text) for key, outcome, _ in client.stream(asked(n) for n in range(5))]
        client.close()
    assert keys[-1] == (0, "0")
    assert sorted(keys) == [(n, str(n)) for n in range(5)]


def test_no_more_calls_are_pulled_than_the_servers_may_get() -> None:
    """4 at once and 2 that wait; the next one is in the hand of who waits for room."""
    pulled: list[int] = []
    release = threading.Event()

    def calls() -> Iterator[Call[int]]:
        for number in range(50):
            pulled.append(number)
            yield asked(number)

    def hold(_: Request) -> Script:
        return [(0.0 if release.is_set() else 0.4, OK)]

    with running_raw_server(hold) as server:
        client = client_at(server.url, max_concurrency=4, timeouts={"connect": 1, "read": 5, "total": 9})
        stream = client.stream(calls())
        next(stream)
        # One has ended, perhaps all four that were under way.
        assert len(pulled) <= 4 + 4 + 2 + 1
        release.set()
        assert len(list(stream)) == 49
        client.close()
    assert pulled == list(range(50))


def test_what_is_settled_passes_through() -> None:
    done = Reply("known", "stop", None, False)
    with running_raw_server(says(lambda _: OK)) as server:
        found = outcomes(client_at(server.url), [Settled(1, done), asked(2), Settled(3, done)])
    assert (found[1], found[3]) == (done, done)
    assert isinstance(found[2], Reply)
    assert found[2].text == "fine"


def test_no_calls_end_at_once() -> None:
    assert outcomes(client_at("http://127.0.0.1:9/v1"), []) == {}


def test_a_stream_that_is_left_early_stops_pulling() -> None:
    pulled: list[int] = []

    def calls() -> Iterator[Call[int]]:
        for number in range(1000):
            pulled.append(number)
            yield asked(number)

    with running_raw_server(says(lambda _: OK)) as server:
        client = client_at(server.url, max_concurrency=2)
        stream = client.stream(calls())
        next(stream)
        stream.close()
        client.close()
    assert len(pulled) < 100


# ---- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["status_429x1", "status_500x2", "cut_beforex1", "html_200x1", "read_hangx1"])
def test_what_may_pass_is_tried_again(faults: FaultServer, fault: str) -> None:
    faults.reset()
    client = client_at(faults.url)
    [(key, outcome, usage)] = client.stream([asked(1, f"FAULT={fault}")])
    client.close()
    assert (key, type(outcome)) == (1, Reply)
    assert usage.retries == int(fault[-1])


SICK = {"status_400": "rejected", "status_500": "server_error", "cut_before": "connection", "html_200": "malformed"}


def test_sick_calls_do_not_stop_the_others(faults: FaultServer) -> None:
    faults.reset()
    calls = [asked(n, f"FAULT={list(SICK)[n % 4]}" if n % 10 == 0 else "") for n in range(60)]
    found = outcomes(client_at(faults.url, max_retries=1), calls)
    failures = {n: outcome.kind for n, outcome in found.items() if isinstance(outcome, Failure)}
    assert failures == {n: SICK[list(SICK)[n % 4]] for n in range(0, 60, 10)}
    assert len(found) == 60


def test_a_picture_that_cannot_be_read_is_the_fault_of_its_own_call() -> None:
    def broken() -> str:
        raise InputError("an image", found="none", where="row 3")

    with running_raw_server(says(lambda _: OK)) as server:
        found = outcomes(client_at(server.url), [asked(1), Call(2, broken), asked(3)])
    assert found[2] == Failure("rejected", "row 3: expected an image, found none.")
    assert [isinstance(found[n], Reply) for n in (1, 3)] == [True, True]


def test_many_refused_rows_do_not_stop_a_server_that_answers_others() -> None:
    """Twice as many in a row as would count as a server that refuses everything."""
    with running_raw_server(says(lambda r: OK if r.asked == 0 else error("the prompt is too long"))) as server:
        client = client_at(server.url, max_failures=4, max_concurrency=1)
        found = outcomes(client, (asked(n) for n in range(9)))
    assert Counter(type(outcome) for outcome in found.values()) == {Failure: 8, Reply: 1}


def test_a_server_that_refuses_everything_stops_the_stream() -> None:
    with running_raw_server(says(lambda _: error("the prompt is too long"))) as server:
        client = client_at(server.url, max_failures=4, max_concurrency=1)
        with pytest.raises(ServiceError, match="the model server stops: 4 requests in a row were refused alike"):
            outcomes(client, (asked(n) for n in range(500)))
    assert len(server.requests) < 10


def test_a_dead_server_ends_the_stream_after_what_has_finished() -> None:
    with running_fault_server() as server:
        client = client_at(server.url, max_concurrency=2)
        seen: list[Any] = []

        def read() -> None:
            for key, outcome, _ in client.stream(asked(n) for n in range(400)):
                seen.append((key, type(outcome)))
                if len(seen) == 20:
                    server.kill()

        with pytest.raises(ServiceError, match=r"the model server stops: .*could not be reached"):
            read()
        client.close()
    assert [kind for _, kind in seen[:20]] == [Reply] * 20
    assert len(seen) < 400


def test_a_spent_budget_ends_the_stream_after_what_has_finished() -> None:
    with running_raw_server(says(lambda _: OK)) as server:
        client = client_at(server.url, budget={"calls": 7})
        seen: list[int] = []
        with pytest.raises(ServiceError, match=r"--budget of 7 is spent.*raise the budget and go on"):
            seen.extend(key for key, _, _ in client.stream(asked(n) for n in range(30)))
        client.close()
    assert len(seen) == len(set(seen)) == 7
    assert len(server.requests) == 7


def test_an_error_of_the_iterable_comes_after_what_has_finished() -> None:
    def calls() -> Iterator[Call[int]]:
        yield asked(1)
        yield asked(2)
        raise InputError("a row", found="none")

    seen: list[int] = []
    with running_raw_server(lambda _: [(0.2, OK)]) as server:
        client = client_at(server.url)
        with pytest.raises(InputError, match="expected a row"):
            seen.extend(key for key, _, _ in client.stream(calls()))
        client.close()
    assert sorted(seen) == [1, 2]


def test_several_servers_share_the_work_and_one_may_be_dead() -> None:
    with running_raw_server(lambda _: [(0.02, OK)]) as one, running_raw_server(lambda _: [(0.02, OK)]) as two:
        client = client_at(one.url, two.url, "http://127.0.0.1:9/v1", max_concurrency=4)
        found = outcomes(client, (asked(n) for n in range(60)))
    assert len(found) == 60
    assert all(isinstance(outcome, Reply) for outcome in found.values())
    assert min(len(one.requests), len(two.requests)) >= 15


# ---- conversations ---------------------------------------------------------------------------------------------------


def test_a_reply_may_lead_to_another_call() -> None:
    """Three turns: the number is counted up by one a turn; tokens are summed under the first key."""

    def following(number: int) -> Call[int]:
        def then(reply: Reply) -> Call[int] | None:
            assert reply.text is not None
            return following(int(reply.text)) if int(reply.text) % 10 < 3 else None

        return Call(number, asked(number).messages, {"max_tokens": 5}, then)

    def count(request: Request) -> bytes:
        return plain(completion(str(request.asked + 1), usage={"prompt_tokens": 1, "completion_tokens": 1}))

    with running_raw_server(says(count)) as server:
        client = client_at(server.url)
        found = {key: (outcome, usage) for key, outcome, usage in client.stream(following(n) for n in (0, 10, 20))}
        client.close()
    assert {key: outcome.text for key, (outcome, _) in found.items()} == {0: "3", 10: "13", 20: "23"}
    assert {usage.calls for _, usage in found.values()} == {3}
    assert {usage.tokens for _, usage in found.values()} == {6}


def test_an_error_of_what_a_reply_leads_to_is_raised() -> None:
    def then(_: Reply) -> None:
        raise KeyError("a mistake")

    with running_raw_server(says(lambda _: OK)) as server:
        client = client_at(server.url)
        with pytest.raises(KeyError, match="a mistake"):
            list(client.stream([Call(1, asked(1).messages, {}, then)]))
        client.close()


def test_replies_are_kept_and_cut_ones_are_not_asked_again(tmp_path: Path) -> None:
    def answer(request: Request) -> bytes:
        if request.asked == 2:
            return plain(completion(""))
        return OK

    with running_raw_server(says(answer)) as server:
        for hits in (0, 1):
            client = client_at(server.url, cache=tmp_path / "replies.sqlite")
            found = {key: (outcome, usage) for key, outcome, usage in client.stream([asked(1), asked(2)])}
            client.close()
            # What says nothing is asked again.
            assert (found[1][1].cache_hits, found[2][1].cache_hits) == (hits, 0)
            assert found[1][0] == Reply("fine", "stop", None, False, 7, 2)
        client = client_at(server.url, cache=tmp_path / "replies.sqlite")
        assert next(client.stream([asked(1, temperature=0.5)]))[2].cache_hits == 0
        client.close()
    assert len(server.requests) == 4


# ---- what servers know -----------------------------------------------------------------------------------------------

SAMPLED = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "presence_penalty": 1.5, "max_tokens": 99, "seed": 0}


@pytest.mark.parametrize("name", ["top_k", "presence_penalty", "seed", "temperature", "top_p"])
@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: '{name}'",
        "[{{'type': 'extra_forbidden', 'loc': ['body', '{name}']}}]",
        "unknown field {name}",
    ],
)
def test_a_refused_field_is_left_out_and_told(name: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: Request) -> bytes:
        return error(message.replace("{name}", name)) if name in request.body else OK

    with running_raw_server(says(answer)) as server:
        client = client_at(server.url, max_concurrency=2)
        with caplog.at_level(logging.WARNING):
            found = outcomes(client, (asked(n, **SAMPLED) for n in range(8)))
    assert all(isinstance(outcome, Reply) for outcome in found.values())
    assert client.left_out == (name,)
    last = server.requests[-1].body
    assert {field: last.get(field) for field in SAMPLED} == {**SAMPLED, name: None}
    # Two were under way when the first refusal came, and two waited.
    assert len(server.requests) <= 8 + 4
    assert caplog.messages.count(f"model server: the server does not know {name}; going on without it") == 1


def test_the_newer_name_of_the_limit_and_several_fields_are_learned_together() -> None:
    def answer(request: Request) -> bytes:
        for name in ("max_tokens", "seed", "top_k"):
            if name in request.body:
                return error(f"Unrecognized request argument supplied: {name}")
        return OK

    with running_raw_server(says(answer)) as server:
        client = client_at(server.url)
        found = outcomes(client, [asked(1, **SAMPLED)])
    assert isinstance(found[1], Reply)
    assert sorted(client.left_out) == ["seed", "top_k"]
    assert server.requests[-1].body["max_completion_tokens"] == 99


NOT_ABOUT_A_FIELD = [
    "This model's maximum context length is 8192 tokens. However, you requested 16384 output tokens",
    "'max_tokens' or 'max_completion_tokens' is too large: 16384. This model's maximum context length is 8192 tokens",
    "max_tokens must be at least 1",
    "top_k must be -1 (disable), or at least 1, got -5",
    "the image in the prompt cannot be decoded",
    "unknown image format",
]


@pytest.mark.parametrize("message", NOT_ABOUT_A_FIELD)
def test_a_refused_value_changes_nothing(message: str) -> None:
    known = KnownFields("model server", SAMPLING_FIELDS)
    assert not known.refused(message, SAMPLED)
    assert known.spelled(SAMPLED) == SAMPLED
    assert known.left_out == []


def test_of_a_message_that_lists_what_is_known_the_first_name_is_meant() -> None:
    known = KnownFields("model server", SAMPLING_FIELDS)
    assert known.refused("unknown field top_k; known are temperature, top_p, seed", SAMPLED)
    assert known.left_out == ["top_k"]
    # One that was under way in the old form is sent again.
    assert known.refused("unknown field top_k; known are temperature, top_p, seed", SAMPLED)
    assert known.left_out == ["top_k"]
    assert "top_k" not in known.spelled(SAMPLED)


# ---- the rest --------------------------------------------------------------------------------------------------------


def test_pictures_stand_before_the_text_and_the_system_before_both() -> None:
    assert json.loads(conversation_json("q", system="s", image_urls=["data:1", "data:2"])) == [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:1"}},
                {"type": "image_url", "image_url": {"url": "data:2"}},
                {"type": "text", "text": "q"},
            ],
        },
    ]
    assert json.loads(conversation_json("\ud800 é")) == [{"role": "user", "content": "\ud800 é"}]


def test_a_wrong_model_is_found_before_work_starts() -> None:
    with running_raw_server(says(lambda _: OK)) as server:
        client_at(server.url).check()
        with pytest.raises(InputError, match=r"expected the model 'other', found m. Change --model"):
            client_at(server.url, model="other").check()
    with pytest.raises(ServiceError, match=r"no model server can be reached .*or change --base-url"):
        client_at(server.url).check()


def test_the_key_is_never_told(faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    faults.reset()
    found = outcomes(
        client_at(faults.url, max_retries=0), [asked(1, "FAULT=leaks_key"), asked(2, "FAULT=echo_key_text")]
    )
    assert "sk-secret" not in str(found)
    assert "***" in str(found[1])


@pytest.mark.parametrize("url", ["no-address", [], "http://user:pw@host/v1", ["http://a/v1", "ftp://b"]])
def test_addresses_are_checked(url: Any) -> None:
    with pytest.raises(ValueError, match="address"):
        ServerConfig(base_url=url, model="m")
