"""Copies of hub sets with several configurations: one is read, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.data.folders import row_files
from contextrl.data.hub_card import configurations
from contextrl.errors import InputError

EN = "- config_name: en\n  data_files:\n  - split: train\n    path: en/train-*.parquet\n"
FR = "- config_name: fr\n  data_files:\n  - split: train\n    path: fr/train-*.parquet\n"


def copy(folder: Path, card: str | None, *names: str) -> Path:
    for name in names or ("en/train-0.parquet", "fr/train-0.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    if card is not None:
        (folder / "README.md").write_text(f"---\nlicense: mit\nconfigs:\n{card}---\n# A set\n", encoding="utf-8")
    return folder


def read(folder: Path, split: str = "train") -> list[str]:
    return [str(path.relative_to(folder)) for path in row_files(folder, split)]


@pytest.mark.parametrize(
    "card",
    [
        pytest.param(EN + FR, id="by-pattern"),
        pytest.param("- config_name: en\n  data_dir: en\n- config_name: fr\n  data_dir: fr\n", id="by-folder"),
        pytest.param("- config_name: en\n  data_files: en/*\n- config_name: fr\n  data_files: [fr/*]\n", id="short"),
        pytest.param(
            "- config_name: en\n  data_files: '**/en/*'\n- config_name: fr\n  data_files: fr/**\n", id="any-depth"
        ),
    ],
)
def test_several_configurations_are_not_mixed(tmp_path: Path, card: str) -> None:
    with pytest.raises(InputError, match=r"one of its configurations, found en, fr.*Name the folder.*en/train-0"):
        row_files(copy(tmp_path, card), "train")


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        pytest.param(EN + FR + "  default: true\n", ["fr/train-0.parquet"], id="marked"),
        pytest.param(EN.replace(": en\n", ": default\n", 1) + FR, ["en/train-0.parquet"], id="named"),
        pytest.param(EN, ["en/train-0.parquet"], id="one-alone"),
        pytest.param("- 7\n- config_name:\n", ["en/train-0.parquet", "fr/train-0.parquet"], id="nonsense"),
        pytest.param(None, ["en/train-0.parquet", "fr/train-0.parquet"], id="no-card"),
        pytest.param(EN + EN.replace(": en\n", ": again\n", 1), ["en/train-0.parquet"], id="the-same-twice"),
    ],
)
def test_what_is_read(tmp_path: Path, card: str | None, expected: list[str]) -> None:
    assert read(copy(tmp_path, card)) == expected


def test_a_configuration_without_the_split_is_not_in_the_way(tmp_path: Path) -> None:
    folder = copy(tmp_path, EN + FR.replace("train", "test"), "en/train-0.parquet", "fr/test-0.parquet")
    assert "en/train-0.parquet" in read(folder)


def test_a_card_of_another_layout_says_nothing(tmp_path: Path) -> None:
    assert read(copy(tmp_path, EN + FR, "data/train-0.parquet")) == ["data/train-0.parquet"]


def test_patterns_do_not_leave_the_folder(tmp_path: Path) -> None:
    outside = copy(tmp_path / "other", None, "train-0.parquet")
    card = EN.replace("en/train-*.parquet", f"{outside}/*") + FR.replace("fr/train-*.parquet", "../other/*")
    assert read(copy(tmp_path / "set", card)) == ["en/train-0.parquet", "fr/train-0.parquet"]


@pytest.mark.parametrize("text", ["", "---\n- : [\n---\n", "no front matter", "---\nconfigs: en\n---\n", "---\n---\n"])
def test_cards_that_say_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert configurations(tmp_path) == []
