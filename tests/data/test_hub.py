"""Whether the hub is there is found out once and soon, however it is not there."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import datasets
import pytest
from huggingface_hub import constants

from contextrl.building.import_settings import SourceSettings
from contextrl.building.importing import Import
from contextrl.data.hub import hub_trouble
from contextrl.errors import ServiceError


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """It takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_hub_that_says_anything_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", address(server.socket))
        assert hub_trouble() is None
        server.shutdown()


def test_nobody_is_asked_where_the_user_says_that_there_is_no_hub(
    monkeypatch: pytest.MonkeyPatch, listening: socket.socket
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "ENDPOINT", address(listening))
    assert hub_trouble() is None
    listening.settimeout(0.2)
    with pytest.raises(TimeoutError):
        listening.accept()


def test_silence_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch, listening: socket.socket) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address(listening))
    started = time.monotonic()
    assert address(listening) in str(hub_trouble(0.5))
    assert time.monotonic() - started < 5


def test_without_a_hub_all_sources_are_named_after_one_attempt(
    monkeypatch: pytest.MonkeyPatch, listening: socket.socket
) -> None:
    """Each of them would be tried for half a minute and more."""
    asked = []

    def hang_up() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            asked.append(connection)
            connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", address(listening))
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", address(listening))
    names = [f"owner/set{n}" for n in range(5)]
    started = time.monotonic()
    with pytest.raises(ServiceError) as caught:
        Import([SourceSettings(path=name) for name in names]).check()
    assert time.monotonic() - started < 10
    assert len(asked) == 1
    message = str(caught.value)
    assert "could not be reached for 5 of the sources" in message
    assert all(f"hf download {name} --repo-type dataset" in message for name in names)
    assert address(listening) in message
    assert "HF_HUB_OFFLINE" not in message, "nobody has set it"
