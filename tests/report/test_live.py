"""The page that follows a run: made anew as it writes, served to this machine alone, read without disturbance."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pages import needs_chromium
from run_folders import evaluated, metrics, recovered, results, spread, unreachable, write_run

from contextrl.commands.follow import make_page
from contextrl.errors import InputError
from contextrl.report import live
from contextrl.report.live import Follower, LivePage, LiveServer, Made


def made(count: list[int]) -> Made:
    count[0] += 1
    return Made(f"page {count[0]}", f"step {count[0]}", False)


def append(path: Path, *rows: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


class Now:
    """A clock that tests set."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Now:
    fake = Now()
    monkeypatch.setattr(live, "time", fake)
    return fake


def test_a_page_is_made_when_there_is_something_new(tmp_path: Path, time: Now) -> None:
    run, count, page = write_run(tmp_path / "run", steps=[metrics(1)]), [0], LivePage()
    follower = Follower([run], lambda: made(count), page)
    assert [follower.look(), follower.look()] == [True, False]
    time.now += 5
    assert not follower.look(), "nothing is new"
    append(run / "metrics.jsonl", metrics(2))
    assert follower.look()
    assert (page.version, page.html, page.state) == (2, b"page 2", "step 2")


def test_making_pages_takes_a_share_of_the_time(tmp_path: Path, time: Now) -> None:
    run, page = write_run(tmp_path / "run"), LivePage()
    took = [0.0]

    def make() -> Made:
        time.now += took[0]
        return Made("", "", False)

    follower = Follower([run], make, page)
    follower.look()
    times = []
    for step, seconds in ((1, 4.0), (2, 100.0), (3, 0.1)):
        append(run / "metrics.jsonl", metrics(step))
        took[0] = seconds
        while not follower.look():
            time.now += 1
        times.append(time.now - seconds)
    # 4 s make 20 s until the next; 100 s would make 500, but no page is older than a minute.
    assert [round(times[1] - times[0]), round(times[2] - times[1])] == [20, 100]


def test_a_run_that_is_replaced_keeps_its_page(tmp_path: Path, time: Now) -> None:
    run, page = write_run(tmp_path / "run"), LivePage()
    broken = [False]

    def make() -> Made:
        if broken[0]:
            raise InputError("a run directory", found="none\x1b")
        return Made("page", "", False)

    follower = Follower([run], make, page)
    follower.look()
    broken[0] = True
    append(run / "metrics.jsonl", metrics(1))
    time.now += 5
    follower.look()
    assert page.as_json() | {"state": ""} == {
        "version": 1,
        "state": "",
        "finished": False,
        "problem": "expected a run directory, found none[U+001B].",
    }
    broken[0] = False
    time.now += 5
    assert follower.look()
    assert (page.version, page.problem) == (2, "")


def test_a_run_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run directory"):
        Follower([tmp_path], lambda: make_page([tmp_path], 10), LivePage()).look()


def test_states_of_runs(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", steps=[metrics(2)])
    two = write_run(tmp_path / "two", outcome=results(0.5, 0.4))
    assert (make_page([one], 3).state, make_page([one], 3).finished) == ("step 2 of 4", False)
    both = make_page([one, two], 3)
    assert (both.state, both.finished) == ("one: step 2 of 4; two: no step yet", False)
    assert make_page([two], 3).finished


@pytest.fixture
def server() -> Iterator[LiveServer]:
    page = LivePage()
    page.show(Made("<p>\ud800page", "step 1", True))
    with LiveServer(page, 0) as started:
        threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield started
        started.shutdown()


def got(server: LiveServer, path: str, host: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=20)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def test_what_the_server_answers(server: LiveServer) -> None:
    assert server.address == f"http://127.0.0.1:{server.server_address[1]}/"
    status, headers, shell = got(server, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
    assert "live.js" in shell
    assert got(server, "/report.html?tag=recovered")[2] == "<p>?page"
    status, headers, state = got(server, "/state")
    assert json.loads(state) == {"version": 1, "state": "step 1", "finished": True, "problem": ""}
    assert (headers["cache-control"], headers["cross-origin-resource-policy"]) == ("no-store", "same-origin")


@pytest.mark.parametrize(
    "path", ["/config.yaml", "/../../etc/passwd", "//etc/passwd", "/live.js/../page.js", "/images/a"]
)
def test_nothing_else_is_served(server: LiveServer, path: str) -> None:
    assert got(server, path)[0] == 404


@pytest.mark.parametrize(
    ("host", "status"), [("evil.com", 403), ("evil.com:80", 403), ("127.0.0.1.evil.com", 403), ("localhost:9", 200)]
)
def test_names_of_others_that_lead_here_read_nothing(server: LiveServer, host: str, status: int) -> None:
    for path in ("/", "/state", "/report.html"):
        assert got(server, path, host)[0] == status


def test_it_only_reads(server: LiveServer) -> None:
    assert {got(server, "/", method=method)[0] for method in ("POST", "PUT", "DELETE")} == {501}


def test_ports(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = int(server.server_address[1])
    with pytest.raises(InputError, match=rf"--port: expected a free port, found {taken}: Address already in use"):
        LiveServer(LivePage(), taken)
    monkeypatch.setattr(live, "PORT", taken)
    with LiveServer(LivePage()) as other:
        assert other.server_address[1] not in (0, taken), "any that is free, where nobody asked for one"


@needs_chromium
def test_a_reader_is_not_disturbed(browser: Any, tmp_path: Path) -> None:
    """A new page keeps filters, what is open and what is read, though groups came in above and below."""
    run = write_run(tmp_path / "run", steps=[{"step": 0, **evaluated(0.5, 0.4)}, metrics(1)])
    append(run / "groups.jsonl", unreachable(1), spread(1), recovered(1))
    page = LivePage()
    page.show(make_page([run], 10))
    with LiveServer(page, 0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        tab, said = browser.new_page(viewport={"width": 1000, "height": 700}), []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(server.address)
        tab.wait_for_selector("html[data-version='1']", state="attached", timeout=60_000)
        frame = tab.frames[1]
        frame.locator("input[name=tag][value=recovered]").check()
        # Not by an expression that is waited for: the page forbids eval.
        frame.locator("#groups > .group").nth(1).wait_for(state="detached")
        frame.locator("#groups > .group > summary").click()
        frame.locator("#groups .attempt").first.wait_for()
        where = "document.querySelector('#groups > .group[open]').getBoundingClientRect().top"
        frame.evaluate(
            "document.querySelector('#groups > .group').scrollIntoView({block: 'start', behavior: 'instant'})"
        )
        before = frame.evaluate(where)
        append(run / "groups.jsonl", *[one for step in (2, 3) for one in (recovered(step), spread(step))])
        append(run / "metrics.jsonl", metrics(2), metrics(3))
        (run / "results.json").write_text(json.dumps(results(0.6, 0.55)), encoding="utf-8")
        page.show(make_page([run], 10))
        tab.wait_for_selector("html[data-version='2'][data-finished=true]", state="attached", timeout=60_000)
        assert len(tab.frames) == 2
        frame = tab.frames[1]
        assert frame.locator("input[name=tag][value=recovered]").is_checked()
        assert frame.evaluate("[...document.querySelectorAll('#groups > .group')].map(one => one.open)") == [
            *(True, False, False)
        ]
        assert frame.evaluate(where) == pytest.approx(before, abs=40)
        assert tab.locator("#state").inner_text() == "The run has finished: step 3 of 4."
        assert said == []
        tab.locator("#pause").click()
        page.show(make_page([run], 10))
        tab.locator("#news", has_text="There is news").wait_for(timeout=30_000)
        tab.locator("#pause").click()
        tab.wait_for_selector("html[data-version='3']", state="attached", timeout=60_000)
        tab.close()
        server.shutdown()
