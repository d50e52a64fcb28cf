"""Judges and rewards of the user's own in a configuration: found beside the file that names them, or named clearly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from contextrl.commands.config import RunConfig, load_config, parse_config
from contextrl.commands.input_paths import with_input_paths
from contextrl.commands.judges import judge_from_config, rewards_from_config
from contextrl.commands.user_code import named_object
from contextrl.errors import InputError

RULES = """
from dataclasses import dataclass

from contextrl import Verdict
from beside import LEVEL

@dataclass
class MyJudge:
    strict: bool = False
    name = "mine"
    context = "solution"

    def judge(self, requests):
        return [Verdict("correct") for _ in requests]

class Sees(MyJudge):
    context = "answer"

class NoContext:
    name = "none"
    def judge(self, requests):
        return []

def make(level=LEVEL):
    return MyJudge(level > 1)

def needs(key):
    return MyJudge()

def fails():
    raise ConnectionError("no such host")

READY = MyJudge(True)
NUMBER = 3

def format_ok(completions, **_):
    return [1.0 for _ in completions]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module; what is imported from it is forgotten afterwards."""
    known, paths = set(sys.modules), list(sys.path)
    (tmp_path / "my_rules.py").write_text(RULES, encoding="utf-8")
    (tmp_path / "beside.py").write_text("LEVEL = 2\n", encoding="utf-8")
    package = tmp_path / "pack" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").write_text("from ..words import WORD\nreward = lambda completions: [WORD]\n")
    (package.parent / "words.py").write_text("WORD = 4.0\n")
    (package / "deep.py").write_text("from . import reward as deep_reward\n")
    (tmp_path / "syntax.py").write_text("def broken(:\n")
    (tmp_path / "raises.py").write_text("x = 1\nraise RuntimeError('no GPU here')\n")
    (tmp_path / "lacks.py").write_text("import a_module_that_is_not_there\n")
    # Names that the standard library has too.
    (tmp_path / "statistics.py").write_text("def mine(completions):\n    return []\n")
    monkeypatch.chdir("/")
    yield tmp_path
    for name in set(sys.modules) - known:
        module = sys.modules[name]
        if str(tmp_path) in str(getattr(module, "__file__", None)):
            del sys.modules[name]
    sys.path[:] = paths


def written(folder: Path, text: str) -> RunConfig:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


@pytest.mark.parametrize("path", ["my_rules:MyJudge", "my_rules.py:MyJudge", "./my_rules.py:MyJudge"])
def test_a_judge_is_found_beside_the_file_that_names_it(folder: Path, path: str) -> None:
    config = written(folder, f"judge: {{kind: python, path: '{path}', options: {{strict: true}}}}")
    # Absolute, so that the run's own config.yaml holds wherever it lies.
    assert config.judge.path == f"{folder.resolve() / 'my_rules.py'}:MyJudge"
    judge: Any = judge_from_config(parse_config(config.model_dump(mode="json")).judge)
    assert (judge.name, judge.strict) == ("mine", True)


@pytest.mark.parametrize(
    ("name", "strict"), [("make", True), ("READY", True), ("MyJudge", False)], ids=["factory", "object", "class"]
)
def test_a_judge_is_made_or_ready(folder: Path, name: str, strict: bool) -> None:
    judge: Any = judge_from_config(written(folder, f"judge: {{kind: python, path: 'my_rules:{name}'}}").judge)
    assert judge.strict is strict


def test_rewards_come_with_their_weights_from_files_packages_and_libraries(folder: Path) -> None:
    paths = ["my_rules:format_ok", "pack.inner:reward", "pack/inner/deep.py:deep_reward", "statistics:mine"]
    rows = "".join(f"  - {{path: '{path}', weight: 0.{n}}}\n" for n, path in enumerate([*paths, "trl.rewards:x"]))
    config = written(folder, f"rewards:\n{rows}")
    assert [reward.weight for reward in config.rewards] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert config.rewards[-1].path == "trl.rewards:x"
    functions = rewards_from_config(config.rewards[:-1])
    assert [function(completions=[0]) for function in functions[1:]] == [[4.0], [4.0], []]
    assert named_object("trl.rewards:think_format_reward", where="x").__name__ == "think_format_reward"
    import statistics

    assert hasattr(statistics, "median"), "the standard library's own is not replaced"


def test_a_path_of_the_command_line_is_relative_to_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "empty.yaml").write_text("judge: {kind: rules}\n")
    monkeypatch.chdir(folder)
    config = load_config("empty.yaml", ["judge.kind=python", "judge.path=my_rules:MyJudge"])
    assert config.judge.path == f"{folder.resolve() / 'my_rules.py'}:MyJudge"


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ("path: 'other:MyJudge'", r"judge\.path: expected a module, found none named other"),
        ("path: 'other.py:MyJudge'", r"judge\.path, .*other\.py: expected a Python file, found no such file"),
        ("path: 'my_rules:MyJugde'", "expected MyJugde in .*my_rules.py, found none, did you mean MyJudge"),
        ("path: my_rules", 'expected "module:name"'),
        ("path: 'my_rules:'", 'expected "module:name"'),
        ("path: ':MyJudge'", 'expected "module:name"'),
        ("path: 'my_rules:MyJudge()'", 'expected "module:name"'),
        ("path: 'syntax:X'", "SyntaxError"),
        ("path: 'raises:X'", r"RuntimeError: no GPU here \(raises\.py, line 2\)"),
        ("path: 'lacks:X'", "No module named 'a_module_that_is_not_there'"),
        ("path: 'my_rules:NUMBER'", "found the int 3"),
        ("path: 'my_rules:format_ok'", "format_ok.*missing 1 required positional argument: 'completions'"),
        ("path: 'my_rules:NoContext'", 'context = "solution"'),
        ("path: 'my_rules:needs'", r"needs\(\*\*judge\.options\).*'key'.*Set judge\.options"),
        ("path: 'my_rules:MyJudge', options: {lenient: 1}", "unexpected keyword argument 'lenient'"),
        ("path: 'my_rules:fails'", r"ConnectionError: no such host \(my_rules\.py"),
        ("path: 'my_rules:READY', options: {strict: 1}", "none for what is a judge already"),
        ("path: 'my_rules:Sees'", r"judge\.context: expected answer, as Sees\.context says, found solution"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(folder: Path, judge: str, message: str) -> None:
    config = written(folder, f"judge: {{kind: python, {judge}}}")
    with pytest.raises(InputError, match=message):
        judge_from_config(config.judge)


def test_a_context_that_both_name_is_taken(folder: Path) -> None:
    config = written(folder, "judge: {kind: python, path: 'my_rules:Sees', context: answer}")
    assert judge_from_config(config.judge).context == "answer"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("judge: {kind: python}", "belong together"),
        ("judge: {kind: rules, path: 'my_rules:MyJudge'}", "belong together"),
        ("judge: {kind: steps, path: 'my_rules:MyJudge'}", "has no judge.path"),
        ("judge: {kind: learned}", "needs judge.path, its folder"),
        ("judge: {kind: steps, audit: learned}", "only judge.kind has judge.path"),
        ("rewards: [{path: 'my_rules:format_ok', wieght: 1}]", "did you mean weight"),
        ("rewards: [{weight: 1}]", "rewards.0.path"),
        ("rewards: [{path: 'a:b', weight: .nan}]", "rewards.0.weight"),
        ("rewards: 'my_rules:format_ok'", "rewards"),
    ],
)
def test_sections_are_checked_without_running_code(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(folder, text)
    assert "my_rules" not in sys.modules


def test_reading_a_configuration_runs_nothing(folder: Path) -> None:
    written(folder, "judge: {kind: python, path: 'raises:X'}\nrewards: [{path: 'raises:Y'}]\n")
    assert written(folder, "rewards:\n# - {path: 'raises:Y'}\n").rewards == []


def test_a_judges_folder_is_beside_the_file_that_names_it(folder: Path) -> None:
    (folder / "judges" / "small").mkdir(parents=True)
    config = written(folder, "judge: {kind: learned, path: judges/small}")
    assert config.judge.path == str(folder / "judges" / "small")
    with pytest.raises(InputError, match=r"judge.path: expected the folder of a learned judge, .*small without"):
        judge_from_config(config.judge)


def test_only_what_lies_in_the_folder_is_anchored(folder: Path) -> None:
    raw = {"judge": {"path": "elsewhere:X"}, "rewards": [{"path": 3}, "text"], "model": {"path": "my_rules:MyJudge"}}
    assert with_input_paths(raw, RunConfig, folder) == raw
