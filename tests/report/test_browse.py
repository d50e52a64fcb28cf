"""Groups in a terminal: what is shown of one, what keys do, what is printed where there is no terminal."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from run_folders import HOSTILE, WRONG, attempt, finished_run, group, recovered, retry, spread, write_run

from contextrl.records.run_data import read_run
from contextrl.report.browse import Browser, Place, browse, group_text, outcome, places_of, print_groups


@pytest.fixture
def places(tmp_path: Path) -> list[Place]:
    """Twelve groups: recovered, mixed with a false positive, unreachable, four times."""
    return places_of([read_run(finished_run(tmp_path / "run"))])


def shown(place: Place) -> str:
    record = place.read()
    assert record is not None
    return group_text(place, record).plain


def printed(places: list[Place], tag: str = "", most: int = 20) -> str:
    output = io.StringIO()
    print_groups(Console(file=output, width=80), places, tag, most, several=False)
    return output.getvalue()


def test_a_group_has_question_attempts_verdicts_reports_and_retries(places: list[Place]) -> None:
    text = shown(places[0])
    assert text.startswith("group 0 · step 1 · recovered, rejected as not standalone · miniature/largest\n")
    for part in (
        "question: Which digit is the largest?\n",
        "pictures: images/a.png\n",
        "reference: Digits: 7, 6. Largest: 7. Answer: 7\n",
        "Attempts 1, 3 (×2): wrong answer · reward 0 · advantage -0.354\nresponse: Digits: 1, 6. Largest: 6. Answer: 6",
        "report: Mistake: step 1 should say Digits: 7, 6.\n",
        "    Retry of 1: correct · kept · reward 1 · advantage 2.474\n    it was told: Mistake: step 1 should say",
        "    Retry of 3: not judged · not kept: not standalone\n",
        "Attempt 2: wrong answer",
        "    Retry of 2: correct · not kept: duplicate\n",
    ):
        assert part in text
    assert text.index("Retry of 3") < text.index("Attempt 2")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ({"status": "correct"}, "correct"),
        ({"status": "unscored"}, "unscored"),
        ({}, "not judged"),
        ({"status": "incorrect", "self_consistent": False}, "not self-consistent"),
        ({"status": "incorrect", "answer_correct": True, "process_correct": False}, "right answer, wrong process"),
        ({"status": "incorrect", "answer_correct": False}, "wrong answer"),
        ({"status": "incorrect"}, "incorrect"),
        ({"status": ["x"]}, "incorrect"),
    ],
)
def test_outcomes_in_words(verdict: dict[str, object], said: str) -> None:
    assert outcome({"verdict": verdict}) == said


def test_text_is_neither_markup_nor_escape_sequence(tmp_path: Path) -> None:
    said = f"[red]x[/red] :smile: {HOSTILE} sk-proj-Ab12Cd34Ef56"
    attempts = [attempt(said, WRONG), retry(said, {"status": "unscored", "error": f"{said} token=abc"}, 0, said)]
    run = write_run(tmp_path / "run", groups=[group("all_negative", attempts, question=said, source=said)])
    text = printed(places_of([read_run(run)]))
    assert "[red]x[/red] :smile:" in text
    assert not {"\x1b", "\x00", "\u202e"} & set(text)
    assert "Ab12Cd34Ef56" not in text
    assert "token=[hidden]" in text


@pytest.mark.parametrize("value", [None, 5, "x", [1], {"a": 1}, 1e300, True])
def test_records_of_any_form_are_shown(tmp_path: Path, value: object) -> None:
    odd = spread(1)
    for one in odd["attempts"]:
        one |= dict.fromkeys(one, value)
    records = [odd, dict.fromkeys(spread(2), value), {"attempts": [{"stage": 2, "parent": value}]}]
    assert printed(places_of([read_run(write_run(tmp_path / "run", groups=records))]))


def test_plain_text_is_limited_and_says_so(places: list[Place]) -> None:
    text = printed(places, most=2)
    assert (text.count("group 0 ·"), text.count("question: ")) == (1, 2)
    assert text.endswith("2 of 12 groups are shown; --groups 12 shows all.\n")
    assert printed(places).endswith("All 12 groups are shown.\n")
    text = printed(places, "false_positive")
    assert text.count("question: ") == 4
    assert text.endswith("All 4 groups that are false positive are shown.\n")
    assert printed(places, "solved") == "No groups that are solved.\n"
    assert printed([]) == "No groups so far.\n"


def screen(browser: Browser, width: int = 80, height: int = 12) -> list[str]:
    return [line.plain for line in browser.lines(Console(file=io.StringIO(), width=width, height=height))]


def test_keys_go_through_groups(places: list[Place]) -> None:
    browser = Browser(places)
    at = []
    for key in ("n", "\x1b[C", "p", "G", "n", "g", "p", "1", "1", "\r", "x"):
        assert browser.press(key)
        at.append(browser.at)
    assert at == [1, 2, 1, 11, 11, 0, 0, 0, 0, 10, 10]
    assert screen(browser, 120)[0].startswith("group 10 · step 4 · false positive, unscored, mixed at stage 1 · ")
    assert [browser.press(key) for key in ("q", "\x1b", "\x03")] == [False] * 3


def test_filters_are_those_that_find_something(places: list[Place]) -> None:
    browser = Browser(places)
    seen = []
    for _ in browser.filters:
        seen.append((browser.tag, len(browser.found)))
        browser.press("f")
    assert seen == [
        *(("", 12), ("recovered", 4), ("false_positive", 4), ("not_standalone", 4), ("unreachable", 4)),
        *(("unscored", 4), ("mixed", 4)),
    ]
    assert browser.tag == ""
    browser.press("F")
    assert browser.tag == "mixed"
    assert "1 of 4, mixed at stage 1" in screen(browser)[-2]
    assert Browser(places, "unreachable").tag == "unreachable"


@pytest.mark.parametrize(("width", "height"), [(80, 12), (30, 5), (10, 3), (200, 60)])
def test_a_screen_is_never_larger_than_the_terminal(places: list[Place], width: int, height: int) -> None:
    browser = Browser(places)
    for key in ("", " ", " ", "k", "b", "n", "j"):
        browser.press(key)
        lines = screen(browser, width, height)
        assert len(lines) == height
        assert all(len(line.rstrip()) <= width for line in lines[:-2])


def test_scrolling_ends_at_the_last_line(places: list[Place]) -> None:
    browser = Browser(places)
    first = screen(browser)
    assert "lines below" in first[-2]
    for _ in range(50):
        browser.press(" ")
        last = screen(browser)
    assert "lines below" not in last[-2]
    assert any("Digits: 9, 6. Largest: 9" in line for line in last), "the last retry"
    for _ in range(50):
        browser.press("\x1b[5~")
        again = screen(browser)
    assert again == first


def test_a_group_that_is_gone(places: list[Place]) -> None:
    places[0].entry.file.write_text("", encoding="utf-8")
    assert screen(Browser(places))[0] == "This group is gone: a run that was resumed meanwhile has dropped it."


@pytest.mark.parametrize("end", ["q", KeyboardInterrupt, EOFError])
def test_the_terminal_is_given_back(places: list[Place], end: str | type[BaseException]) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=80, height=12, color_system=None)
    browse(console, Browser(places), _keys(["n", "f", end]))
    assert "1 of 4, recovered" in output.getvalue()
    assert output.getvalue().rstrip().endswith(("\x1b[?1049l\x1b[?25h", "\x1b[?25h\x1b[?1049l"))


def _keys(pressed: list[str | type[BaseException]]) -> Callable[[], str]:
    waiting: Iterator[str | type[BaseException]] = iter(pressed)

    def read() -> str:
        key = next(waiting)
        if isinstance(key, str):
            return key
        raise key

    return read


def test_two_runs_are_told_apart(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / name, groups=[recovered(1)])) for name in ("one", "two")]
    output = io.StringIO()
    print_groups(Console(file=output, width=80), places_of(runs), "", 5, several=True)
    assert ["one · group 0" in output.getvalue(), "two · group 0" in output.getvalue()] == [True, True]
