"""`contextrl report --follow` and `--text`: runs while they go, and their groups in a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from contextrl.commands.config import settings_of_the_method
from contextrl.commands.report import audit_rules, damage_of, distinct
from contextrl.console import is_live
from contextrl.errors import InputError
from contextrl.records.run_data import RunData, read_run, with_names_of_their_own
from contextrl.report.audit import audit_lines, audit_of
from contextrl.report.browse import Browser, browse, places_of, print_groups, tagged
from contextrl.report.groups import TAGS
from contextrl.report.live import LOOK_EVERY, Follower, LivePage, LiveServer, Made
from contextrl.report.page import build_page
from contextrl.report.text import visible


def follow(paths: Sequence[Path], megabytes: float, port: int | None, console: Console) -> None:
    """Serve a page that is made anew as runs write, until Ctrl-C.

    Raises:
        InputError: a run is not there, or the port is taken.
        KeyboardInterrupt: always, in the end.
    """
    paths, page = distinct(paths), LivePage()
    follower = Follower(paths, lambda: make_page(paths, megabytes), page)
    follower.look()
    with LiveServer(page, port) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        _say(console, f"Following {', '.join(str(path) for path in paths)}: {server.address}")
        said = ""
        try:
            while True:
                said = _tell(console, page, said)
                time.sleep(LOOK_EVERY)
                follower.look()
        finally:
            server.shutdown()


def make_page(paths: Sequence[Path], megabytes: float) -> Made:
    """The page of runs as they are now."""
    runs = with_names_of_their_own([read_run(path, is_written=True) for path in paths])
    html = build_page(runs, megabytes=megabytes, method_settings=settings_of_the_method, rules=audit_rules()).html
    states = [run.reached if len(runs) == 1 else f"{run.name}: {run.reached}" for run in runs]
    return Made(html, visible("; ".join(states)), all(run.results is not None for run in runs))


def _tell(console: Console, page: LivePage, said: str) -> str:
    """Say what is new about the runs; what is said already is not repeated."""
    if page.finished and not page.problem:
        now = "The run has finished. The page stays until Ctrl-C."
    else:
        now = page.problem or "The run goes on. Ctrl-C ends this, not the run."
    if now != said:
        _say(console, now)
    return now


def _say(console: Console, text: str) -> None:
    console.print(visible(text), soft_wrap=True, markup=False, highlight=False)


def show_groups(paths: Sequence[Path], tag: str, most: int, console: Console) -> None:
    """Page through groups in a terminal; elsewhere print the first ones.

    Raises:
        InputError: a run is not there, or there is no such kind of group.
    """
    tag = tag.replace("-", "_")
    if tag and tag not in TAGS:
        raise InputError(" or ".join(TAGS), found=repr(tag), where="--only")
    runs: list[RunData] = with_names_of_their_own([read_run(path) for path in distinct(paths)])
    places = places_of(runs)
    for run in runs:
        _say(console, f"{run.name}: {run.method}, seed {run.seed}, {run.state}")
        if run.damaged:
            _say(console, damage_of(run))
        for line in audit_lines(audit_of(run, audit_rules())):
            _say(console, line)
    if tagged(places, tag) and is_live(console) and sys.stdin.isatty():
        browse(console, Browser(places, tag))
    else:
        print_groups(console, places, tag, most, several=len(runs) > 1)
