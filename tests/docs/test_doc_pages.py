"""What the pages say is there: generated blocks, links, commands, settings, metrics, files and figures."""

from __future__ import annotations

import ast
import importlib.util
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from doc_pages import PAGES, README, ROOT, anchors, blocks, links, spans, written

from contextrl.building.model_settings import DifficultySettings
from contextrl.commands.config import RunConfig
from contextrl.records.metrics import METRICS, UNSCORED_PREFIX
from contextrl.settings import section_in

ALL = [README, ROOT / "CONTRIBUTING.md", *PAGES]
OURS = [README, *PAGES]
#: A section of a build that says nothing of its judge but which it is.
ASKED = {"policy": {"base_url": "http://h/v1", "model": "m"}, "judge": {"kind": "rules"}}


def name(page: Path) -> str:
    return page.name


def test_generated_blocks_are_those_of_todays_code(capsys: pytest.CaptureFixture[str]) -> None:
    """`make pages` writes them."""
    assert write_pages().main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("heading", ["difficulty.judge", "references.judge"])
def test_a_default_is_the_one_of_its_place(heading: str) -> None:
    """A build's judge sees the answer where its section says nothing; elsewhere it sees the solution."""
    page = (ROOT / "docs" / "data-sets.md").read_text(encoding="utf-8")
    table = page.split(f"#### `{heading}`", 1)[1].split("####", 1)[0]
    [row] = [line for line in table.splitlines() if line.startswith("| `context`")]
    assert row.split(" | ")[2] == f"`{DifficultySettings.model_validate(ASKED).judge.context}`" == "`answer`"
    other = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert "| `none`, `answer`, `documents`, `solution` | `solution` |" in other


def test_a_stale_block_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "a.md"
    page.write_text("# A\n<!-- generated: verdict -->\nold\n<!-- /generated -->\nmine\n", encoding="utf-8")
    script = write_pages()
    script.PAGES = tmp_path
    assert script.main(["--check"]) == 1
    assert "a.md" in capsys.readouterr().out
    assert "old" in page.read_text(encoding="utf-8"), "--check changes nothing"
    assert script.main([]) == 0
    text = page.read_text(encoding="utf-8")
    assert "`mistake_report`" in text
    assert "old" not in text
    assert text.endswith("<!-- /generated -->\nmine\n")
    assert script.main(["--check"]) == 0


def write_pages() -> Any:
    """The script that `make pages` runs."""
    spec = importlib.util.spec_from_file_location("write_pages", ROOT / "tools" / "write_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ALL, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for _, target in links(page):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_a_link_to_a_heading_that_is_not_there_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# One two\n## `judge.x` ↻\n[x](#one-two) `[no](gone.md)` ![y](b.png)\n```text\n# no\n```\n")
    assert anchors(page) == {"one-two", "judgex"}
    assert list(links(page)) == [("x", "#one-two"), ("y", "b.png")]


def test_every_page_is_in_the_navigation() -> None:
    config = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    assert sorted(re.findall(r'"([\w-]+\.md)"', config)) == sorted(page.name for page in PAGES)


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) < 900


def test_pictures_say_what_they_show_and_the_method_reads_in_light_and_dark() -> None:
    for page in OURS:
        assert [target for text, target in links(page) if target.endswith(("png", "svg")) and len(text) < 40] == []
    text = (ROOT / "docs" / "method.svg").read_text(encoding="utf-8")
    picture = ElementTree.fromstring(text)
    assert {child.tag.rpartition("}")[2] for child in picture} >= {"title", "desc", "style"}
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|<image", text), "it fetches nothing"


# ---- what is named in backticks --------------------------------------------------------------------------------------


def commands_in(page: Path) -> list[str]:
    lines = [line for block in blocks(page) if block.language == "sh" for line in block.body.splitlines()]
    return [text.partition("  #")[0].strip() for text in (*lines, *spans(page)) if text.startswith("contextrl ")]


@pytest.mark.parametrize("page", OURS, ids=name)
def test_commands_and_their_options_exist(page: Path) -> None:
    assert [problem for text in commands_in(page) if (problem := problem_of_command(text))] == []


def problem_of_command(text: str) -> str | None:
    from typer.main import get_command

    from contextrl.commands.cli import app

    command, words = get_command(app), text.split()[1:]
    while (inner := getattr(command, "commands", None)) is not None and words and not words[0].startswith("-"):
        if words[0].isupper():
            return None  # `contextrl COMMAND --help`
        if words[0] not in inner:
            return f"{text}: no command {words[0]}"
        command, words = inner[words[0]], words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in {*known, "--help"}]
    return f"{text}: no {', '.join(unknown)}" if unknown else None


def test_a_command_or_option_that_is_not_there_would_be_found() -> None:
    assert problem_of_command("contextrl trian x.yaml") == "contextrl trian x.yaml: no command trian"
    assert problem_of_command("contextrl judge verify --inputs x") == "contextrl judge verify --inputs x: no --inputs"
    assert problem_of_command("contextrl train x.yaml --set a=b --help") is None


_SECTIONS = {key for key, field in RunConfig.model_fields.items() if section_in(field.annotation) or key == "train"}


@pytest.mark.parametrize("page", OURS, ids=name)
def test_settings_exist(page: Path) -> None:
    found = [re.match(r"(\w+(?:\.\w+)+)(?=[:=]|$)", text) for text in spans(page)]
    dotted = [match[1] for match in found if match and match[1].partition(".")[0] in _SECTIONS]
    assert [key for key in dotted if not is_setting(key)] == []


def is_setting(key: str) -> bool:
    section: type = RunConfig
    first, *rest = key.split(".")
    if first == "train":
        from dataclasses import fields

        from trl import SFTConfig

        from contextrl.trainer.config import ContextRLConfig

        return rest[0] in {field.name for kind in (ContextRLConfig, SFTConfig) for field in fields(kind)}
    for part in (first, *rest):
        if section is dict:
            return True  # a free mapping's keys are its own
        known = getattr(section, "model_fields", {})
        if part not in known:
            return False
        field = known[part].annotation
        section = section_in(field) or (dict if "dict[" in str(field) or "Mapping[" in str(field) else type(None))
    return True


def test_a_setting_that_is_not_there_would_be_found() -> None:
    assert is_setting("judge.report.disclose")
    assert is_setting("train.beta")
    assert not is_setting("judge.report.close")
    assert not is_setting("train.betta")
    assert not is_setting("seed.x")
    assert is_setting("model.lora.r")


def test_settings_that_messages_name_exist() -> None:
    """An error or warning that sends its reader to a setting that is not there helps nobody."""
    named = re.compile(rf"(?<![\w./])(?:{'|'.join(_SECTIONS)})\.[a-z]\w*(?:\.[a-z]\w*)*(?![\w(/])")
    missing = [
        f"{path.name}:{line}: {key}"
        for path in sorted((ROOT / "src" / "contextrl").rglob("*.py"))
        for line, text in messages(path)
        for key in named.findall(text)
        if not is_setting(key) and not key.endswith((".sqlite", ".safetensors", ".json", ".yaml", "_"))
    ]
    assert missing == []


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Text constants of a file with their lines, docstrings apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, documented) and _begins_with_text(n)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def _begins_with_text(node: Any) -> bool:
    return bool(node.body) and isinstance(node.body[0], ast.Expr)


@pytest.mark.parametrize("page", OURS, ids=name)
def test_metrics_exist(page: Path) -> None:
    families = {metric.partition("/")[0] for metric in METRICS if "/" in metric}
    named = [
        text for text in spans(page) if re.fullmatch(r"[a-z_\d]+/[a-z_\d]+", text) and text.split("/")[0] in families
    ]
    known = {*METRICS, *(f"{metric}_ci95" for metric in METRICS)}
    # Folders of the package look the same.
    missing = [text for text in named if text not in known and not text.startswith(UNSCORED_PREFIX)]
    assert [text for text in missing if not list((ROOT / "src" / "contextrl").glob(f"{text}*"))] == []


@pytest.mark.parametrize("page", OURS, ids=name)
def test_files_of_the_repository_exist(page: Path) -> None:
    places = (ROOT, ROOT / "src" / "contextrl")
    names = [text for text in spans(page) if re.fullmatch(r"(?:[\w-]+/)+(?:[\w-]+(?:\.\w+)?)?", text)]
    inside = ("src", "tests", "benchmarks", "examples", "configs", "tools", "reproduction")
    packages = {path.name for path in (ROOT / "src" / "contextrl").iterdir() if path.is_dir()}
    ours = [
        text
        for text in names
        if text.split("/")[0] in inside or (text.endswith(".py") and text.split("/")[0] in packages)
    ]
    assert [text for text in ours if not any((place / text).exists() for place in places)] == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {text.split()[1] for page in ALL for text in spans(page) if re.fullmatch(r"make [\w-]+", text)}
    assert named <= targets
    assert {"demo", "test", "docs", "pages"} <= named


def messages_of_the_code() -> str:
    """The source with its text constants joined where a line break splits them; `{...}` of f-strings stay."""
    files = sorted((ROOT / "src" / "contextrl").rglob("*.py"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return " ".join(re.sub(r'"\s*\n\s*f?"', "", text).split())


def test_messages_that_troubleshooting_quotes_are_said_by_the_code() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    symptoms = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    quoted = [text for symptom in symptoms for text in re.findall(r'"([^"]+)"', symptom.replace('`"after": null`', ""))]
    assert len(quoted) > 10
    said = messages_of_the_code().replace("{field!r}", "'question'")
    for name in ("{service}", "{naming.service}"):  # a judge's client names the judge
        said = said.replace(name, "judge")
    ours = ("as the report says",)  # what a policy says
    assert [text for text in quoted if text not in said and text not in ours] == []


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_figures_of_the_readme_are_those_of_the_tables() -> None:
    said = re.search(
        r"right in ([\d.]+) before training, ([\d.]+) with\s+GRPO, ([\d.]+) with DAPO and ([\d.]+)", written(README)
    )
    assert said is not None
    tables = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    rows = [
        re.search(rf"^\| {re.escape(arm)} \| [^|]+\| ([\d.]+)", tables, re.MULTILINE)
        for arm in ("base policy", "GRPO, answer reward", "DAPO, answer reward", "ContextRL")
    ]
    assert list(said.groups()) == [row[1] for row in rows if row is not None]


def test_what_the_demo_prints_has_the_form_of_the_readme() -> None:
    """Figures are about; the lines are the command's."""
    from rich.console import Console

    from contextrl.commands.result_tables import discovery_table, results_line, results_table

    shown = next(block.body for block in blocks(README) if "held-out" in block.body)
    classes = {"known": (464, 0.944, 0.884), "misconceived": (378, 0.0, 0.78), "shaky": (158, 0.0, 0.747)}
    before, after = (
        {
            "data": "miniature",
            "n": 1000,
            "answer_accuracy": answer[0],
            "answer_accuracy_ci95": answer[1:],
            "process_accuracy": process[0],
            "process_accuracy_ci95": process[1:],
            "by_source": {
                f"miniature/sum/{name}": {"n": row[0], "answer_accuracy": 0.0, "process_accuracy": row[column]}
                for name, row in classes.items()
            },
        }
        for column, answer, process in (
            (1, (0.539, 0.466, 0.607), (0.438, 0.357, 0.515)),
            (2, (0.863, 0.814, 0.909), (0.823, 0.762, 0.877)),
        )
    )
    results = {
        "method": "contextrl",
        "seed": 0,
        "steps": 60,
        "before": before,
        "after": after,
        "groups": {"all_negative": 102, "recovered": 95},
        "seconds": {"train": 209, "eval": 54, "total": 263},
    }
    console = Console(width=100, record=True, file=StringIO())
    console.print(results_table(results))
    console.print(results_line(results))
    console.print(discovery_table(results))
    printed = [line.strip() for line in console.export_text().splitlines()]
    assert [line.strip() for line in shown.splitlines()][: len(printed)] == printed


def test_results_quote_the_tables_that_the_command_wrote() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    tables = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    for study in ("methods", "ablations", "rates"):
        quoted = re.search(rf"<!-- reproduce: {study} -->\n(.*?)\n<!-- /reproduce -->", page, re.DOTALL)
        assert quoted is not None
        assert quoted[1] in tables
    assert "--readme docs/results.md" in (ROOT / "Makefile").read_text(encoding="utf-8")
