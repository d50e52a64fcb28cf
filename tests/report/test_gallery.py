"""Which groups and pictures get into the page, and how."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from run_folders import HOSTILE, WRONG, attempt, group, recovered, spread, unreachable, verdict, write_run

from contextrl.records.run_data import read_run
from contextrl.report.gallery import Gallery, build_gallery, spread_over_tags
from contextrl.report.groups import Entry, summarise_groups
from contextrl.report.page import build_page
from contextrl.report.text import MOST_CHARACTERS, as_script_data, for_page


def gallery_of(folder: Path, **budgets: int) -> Gallery:
    run = read_run(folder)
    return build_gallery([(run, summarise_groups(run))], **budgets)


def many(count: int) -> list[dict]:  # type: ignore[type-arg]
    return [unreachable(step, example_id=f"row-{step}", question=f"Question {step}?") for step in range(1, count + 1)]


def test_all_groups_where_there_is_room(tmp_path: Path) -> None:
    found = gallery_of(write_run(tmp_path / "run", groups=[recovered(1), spread(2), unreachable(3)]))
    assert (found.chosen, found.total, found.images_left_out, found.side) == (3, 3, 0, None)
    assert [group["step"] for group in found.groups] == [1, 2, 3]
    assert len(found.images) == 1, "a picture that three groups share is there once"
    first = found.groups[0]["attempts"][0]
    assert found.texts[first["text"]] == "Digits: 1, 6. Largest: 6. Answer: 6"
    assert len(found.texts) == len(set(found.texts))


def test_too_many_groups_are_sampled_from_all_over_the_run(tmp_path: Path) -> None:
    rows = many(200)
    rows[150] = recovered(151)
    found = gallery_of(write_run(tmp_path / "run", groups=rows), group_bytes=20_000)
    assert (found.total, 10 < found.chosen < 100) == (200, True)
    steps = [group["step"] for group in found.groups]
    assert steps == sorted(steps)
    assert 151 in steps, "the rare kind is there"
    halves = sum(step <= 100 for step in steps)
    assert abs(halves - (len(steps) - halves)) <= 3


@given(st.lists(st.sets(st.sampled_from(["recovered", "unscored", "solved"])), max_size=60))
def test_the_order_of_choice_has_every_group_once(tags: list[set[str]]) -> None:
    entries = [Entry(n, Path("x"), 0, n, tuple(sorted(own)), 1) for n, own in enumerate(tags)]
    assert sorted(entry.number for entry in spread_over_tags(entries)) == list(range(len(tags)))


def test_pictures_are_scaled_until_they_fit_and_the_page_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", groups=[unreachable(n, images=[f"images/{n}.png"]) for n in range(1, 6)])
    rng = np.random.default_rng(0)
    for n in range(1, 6):
        noise = rng.integers(0, 255, (400, 300, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "images" / f"{n}.png")
    found = gallery_of(folder, image_bytes=150_000)
    assert (found.side, found.images_left_out, len(found.images)) == (128, 0, 5)
    header, _, data = found.images[0].partition(",")
    assert header == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (96, 128)
    fewer = gallery_of(folder, image_bytes=15_000)
    assert 0 < len(fewer.images) < 5
    assert fewer.images_left_out == 5 - len(fewer.images)
    assert sum(group["missing"] for group in fewer.groups) == fewer.images_left_out


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "/etc/passwd",
        "images/../../secret.png",
        "images/none.png",
        "images/broken.png",
        "images/a\0.png",
    ],
)
def test_a_group_cannot_name_pictures_outside_the_run(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    folder = write_run(tmp_path / "run", groups=[unreachable(images=[name])])
    (folder / "images" / "broken.png").write_bytes(b"<svg onload=alert(1)>")
    found = gallery_of(folder)
    assert found.images == []
    assert found.groups[0]["missing"] == 1


def test_a_group_that_is_too_large_does_not_keep_others_out(tmp_path: Path) -> None:
    large = [attempt(f"{n}" * 15_000, WRONG) for n in range(9)]
    rows = [group("all_negative", large, step=1), *many(20)]
    found = gallery_of(write_run(tmp_path / "run", groups=rows), group_bytes=50_000)
    assert (found.chosen, found.total) == (20, 21)


@pytest.fixture(scope="module")
def large_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 groups of random words, half of them with a picture of noise: 40 MB."""
    rows = []
    for n in range(2_000):
        rng = np.random.default_rng(n)
        words = [f"{word:x}" for word in rng.integers(1 << 32, 1 << 40, 900)]
        rows.append(
            group("spread", [attempt(" ".join(words[k::3]), WRONG) for k in range(3)], images=[f"images/{n}.png"])
        )
    folder = write_run(tmp_path_factory.mktemp("large") / "run", groups=rows)
    for n in range(0, 2_000, 2):
        noise = np.random.default_rng(n).integers(0, 255, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "images" / f"{n}.png")
    return folder


@pytest.mark.parametrize("megabytes", [3, 10, 20])
def test_a_page_keeps_to_its_megabytes(large_run: Path, megabytes: int) -> None:
    size = len(build_page([read_run(large_run)], megabytes=megabytes).html.encode())
    assert 0.5 * megabytes * 1e6 < size < megabytes * 1e6


def test_a_very_long_text_is_cut_in_its_middle() -> None:
    cut = for_page("a" * MOST_CHARACTERS + "b" * 1000)
    assert len(cut) < MOST_CHARACTERS + 100
    assert "[1,000 characters left out]" in cut
    assert (cut[0], cut[-1]) == ("a", "b")


@pytest.mark.parametrize(
    "text", ["数" * 500, "<b>&<i>" * 100, "\x00" * 300, '"\\\n' * 300], ids=["cjk", "markup", "nul", "escapes"]
)
def test_the_budget_is_one_of_bytes(tmp_path: Path, text: str) -> None:
    failed = verdict("unscored", error=f"timeout: {text}")
    rows = [group("unscored", [attempt(f"{n} {m} {text}", failed) for m in range(4)]) for n in range(100)]
    found = gallery_of(write_run(tmp_path / "run", groups=rows), group_bytes=100_000)
    size = len(as_script_data(found.payload(["run"])).encode())
    assert 30_000 < size < 110_000
    assert 0 < found.chosen < 100


def test_pictures_of_runs_are_shared_and_every_run_has_some(tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        folder = write_run(
            tmp_path / name,
            groups=[unreachable(n, images=[f"images/{name}{n}.png", "images/a.png"]) for n in range(20)],
        )
        for n in range(20):
            noise = np.random.default_rng(n).integers(0, 255, (60, 60, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / "images" / f"{name}{n}.png")
        folders.append(folder)
    runs = [read_run(folder) for folder in folders]
    found = build_gallery([(run, summarise_groups(run)) for run in runs], image_bytes=40_000)
    shown = [{place for g in found.groups if g["run"] == run for place in g["images"]} for run in (0, 1)]
    assert len(shown[0] & shown[1]) == 1, "the one that both have"
    assert min(len(shown[0]), len(shown[1])) > 2
    assert found.images_left_out > 0
    late = [g for g in found.groups if g["step"] >= 10 and len(g["images"]) == 2]
    assert late, "not the first steps only"


def test_lines_with_other_fields_do_no_harm(tmp_path: Path) -> None:
    odd = {
        "step": "x",
        "images": 3,
        "attempts": [
            None,
            {
                "stage": 7,
                "parent": True,
                "reward": "much",
                "advantage": float("nan"),
                "verdict": 1,
                "audit": {"answer_correct": []},
            },
        ],
    }
    found = gallery_of(write_run(tmp_path / "run", groups=[odd]))
    (only,) = found.groups[0]["attempts"]
    assert found.texts[only.pop("audit")] == "answer not looked at, process not looked at"
    assert only == {"stage": 1}


def test_script_data_cannot_leave_its_element() -> None:
    text = as_script_data({HOSTILE: [HOSTILE, "</ScRiPt>", "<!--"]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {HOSTILE: [HOSTILE, "</ScRiPt>", "<!--"]}


def test_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        as_script_data(float("nan"))
