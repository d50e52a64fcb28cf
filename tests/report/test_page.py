"""The page as a file: complete, closed to the outside, with nothing of a run's text as markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from run_folders import HOSTILE, evaluated, finished_run, metrics, recovered, results, spread, write_run

from contextrl.records.run_data import read_run
from contextrl.report.page import build_page, outcome_of

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


class Elements(HTMLParser):
    """Tags with their attributes, and the text of scripts, styles and everything else."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "": []}
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""
        if self._inside:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data
        else:
            self.texts[""].append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts[""]).split())


def page_of(*folders: Path) -> str:
    return build_page([read_run(folder) for folder in folders], now=NOW).html


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(finished_run(tmp_path_factory.mktemp("runs") / "demo"))


def test_the_page_says_what_the_run_did(page: str) -> None:
    text = Elements(page).text
    assert "contextrl, seed 0 · finished · written 2026-11-25 12:30 UTC" in text
    assert (
        "Held-out answer and process from 40.0% [30.0%, 50.0%] to 55.0% [45.0%, 65.0%]; "
        "answer from 50.0% [40.0%, 60.0%] to 60.0% [50.0%, 70.0%] (1,000 questions)."
    ) in text
    assert "All 12 groups are here." in text
    assert "Retries that were not kept: duplicate 4, not standalone 4, incorrect 4." in text
    assert "contextrl train 'a b.yaml'" in text
    assert "trl 1.16.0" in text
    assert "max_steps: 4" in text


def test_only_our_scripts_and_styles_may_run(page: str) -> None:
    elements = Elements(page)
    policy = next(a["content"] for t, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    scripts = [a for tag, a in elements.tags if tag == "script"]
    for attributes, text in zip(scripts, elements.texts["script"], strict=True):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        is_data = attributes.get("type") == "application/json"
        assert (f"'sha256-{digest}'" in policy) != is_data
    (style,) = elements.texts["style"]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy


def test_nothing_comes_from_elsewhere(page: str) -> None:
    for tag, attributes in Elements(page).tags:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:")), f"<{tag} {name}={value}>"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def hostile_run(folder: Path) -> Path:
    """The same text everywhere that a run has text."""
    more = dict.fromkeys(("example_id", "question", "solution", "answer", "task", "source"), HOSTILE)
    groups = [recovered(1, **more), spread(2, **more)]
    for one in groups:
        for attempt in one["attempts"]:
            attempt |= {"text": HOSTILE, "seen": HOSTILE, "rejection": HOSTILE if attempt["rejection"] else None}
            if attempt["verdict"]:
                attempt["verdict"] = attempt["verdict"] | {"mistake_report": HOSTILE, "error": HOSTILE}
    return finished_run(
        folder,
        config={"method": HOSTILE, "seed": HOSTILE, "data": {"train": HOSTILE, HOSTILE: 1}},
        groups=groups,
        environment={"python": HOSTILE, "packages": {HOSTILE: HOSTILE}, "command": [HOSTILE]},
    )


def test_hostile_text_adds_no_element_and_no_attribute(page: str, tmp_path: Path) -> None:
    hostile = hostile_run(tmp_path / "javascript:alert(1)&<b>")
    found, plain = Elements(page_of(hostile)), Elements(page)
    ours = {(tag, name) for tag, attributes in plain.tags for name in attributes}
    assert {(tag, name) for tag, attributes in found.tags for name in attributes} <= ours
    assert [tag for tag, _ in found.tags if tag in ("script", "img", "b", "iframe")] == ["script"] * 4
    both = Elements(page_of(hostile, hostile_run(tmp_path / "other")))
    assert [tag for tag, _ in both.tags if tag in ("script", "img", "b", "iframe")] == ["script"] * 4
    for elements in (found, both):
        assert "49" not in elements.text or "{{ 7*7 }}" in elements.text, "templates in text are not run"
        for attributes in (attributes for _, attributes in elements.tags):
            assert not str(attributes.get("href", "")).startswith("javascript:")


def test_hostile_text_is_shown_as_it_is(tmp_path: Path) -> None:
    html = page_of(hostile_run(tmp_path / "run"))
    elements = Elements(html)
    assert "<script>window.pwned=1</script></script><img src=x" in elements.text
    assert "\u202e" not in html
    assert "[U+202E]gnp.exe" in elements.text
    (data,) = [json.loads(text) for text in elements.texts["script"] if text.startswith('{"groups"')]
    assert any(text.startswith("<script>window.pwned=1</script>") for text in data["texts"])


def test_no_secret_gets_into_the_page(tmp_path: Path) -> None:
    command = ["contextrl", "train", "x.yaml", "--set", "judge.base_url=https://me:hunter2@host/v1"]
    config = {"judge": {"base_url": "https://me:hunter2@host/v1", "extra": {"api_key": "sk-hunter2"}}}
    html = page_of(finished_run(tmp_path / "run", config=config, environment={"command": command}))
    assert "hunter2" not in html
    assert "https://[hidden]@host/v1" in html


@pytest.mark.parametrize(
    ("config", "steps", "groups", "said"),
    [
        ({}, [], [], ["no step yet", "No held-out evaluation so far", "No groups so far.", "No step so far."]),
        (
            {"method": "sft"},
            [{"step": 0, **evaluated(0.5, None)}, {"step": 1, "loss": 1.0}],
            [],
            ["SFT imitates the references", "SFT asks no judge", "not finished: step 1 of 4", "Held-out answer 50.0%"],
        ),
        ({}, [metrics(1)], [recovered(1)], ["not finished: step 1 of 4", "All 1 groups are here."]),
    ],
    ids=["just-started", "sft", "killed"],
)
def test_runs_that_have_little_to_show(
    tmp_path: Path, config: dict[str, str], steps: list, groups: list, said: list[str]
) -> None:
    text = Elements(page_of(write_run(tmp_path / "run", config=config, steps=steps, groups=groups))).text
    for sentence in said:
        assert sentence in text


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = finished_run(tmp_path / "run")
    with (folder / "groups.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 5, ')
    assert "Not readable in run: groups.jsonl line 13." in Elements(page_of(folder)).text


def test_runs_side_by_side(tmp_path: Path) -> None:
    folders = [
        finished_run(tmp_path / f"{method}-{seed}", config={"method": method, "seed": seed}, outcome=results(0.6, p))
        for method, values in (("contextrl", (0.50, 0.51, 0.52)), ("grpo", (0.30, 0.31, 0.33)))
        for seed, p in enumerate(values)
    ]
    html = page_of(*folders)
    text = Elements(html).text
    assert "6 runs side by side" in text
    assert "Welch's t-test over seeds, adjusted for all comparisons of the same measure by Holm's method" in text
    assert re.search(r"contextrlgrpo\+19\.7 points \*< 0\.001", text)
    assert html.count('class="significant"') == 1, "answers are equal"
    assert "All 72 groups are here." in text


def test_a_run_without_change_is_said_once(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", steps=[{"step": 0, **evaluated(0.5, 0.4)}]))
    assert outcome_of(run).startswith("Held-out answer and process 40.0% [30.0%, 50.0%]; answer 50.0%")


def test_evaluations_of_other_sizes_are_named(tmp_path: Path) -> None:
    steps = [{"step": 0, **evaluated(0.5, None)}, {"step": 2, **evaluated(0.6, None), "eval/n": 300}]
    run = read_run(write_run(tmp_path / "run", steps=steps))
    assert outcome_of(run).endswith(
        "to 60.0% [50.0%, 70.0%] (1,000, then 300 questions). "
        "These are figures over different questions: their difference is no change."
    )
