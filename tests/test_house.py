"""What the layers of pyproject.toml (import-linter) do not see: imports inside functions, names and sizes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "contextrl"
FILES = sorted(SOURCE.rglob("*.py"))
#: Lines of a file, of a function, and the largest share of all lines that one package may have.
FILE_LINES, FUNCTION_LINES, PACKAGE_SHARE = 400, 60, 0.20


def package_of(path: Path) -> str:
    """`judge` for `judge/llm/chat.py`, `errors` for `errors.py`."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(SOURCE)) for path in paths]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports_of_ours(node: ast.AST) -> Iterator[str]:
    """Packages of ours that are imported below a node."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("contextrl."):
            yield str(inner.module).split(".")[1]
        elif isinstance(inner, ast.Import):
            yield from (alias.name.split(".")[1] for alias in inner.names if alias.name.startswith("contextrl."))


@pytest.mark.parametrize("path", [p for p in FILES if package_of(p) != "commands"], ids=lambda p: names([p])[0])
def test_no_import_inside_a_function_crosses_packages(path: Path) -> None:
    """A circle could hide there. Commands may: torch is loaded when a command runs, not when it is looked up."""
    crossing = {
        f"{function.name}: {package}"
        for function in functions(path)
        for package in imports_of_ours(function)
        if package != package_of(path)
    }
    assert not crossing


def test_only_commands_name_the_miniature() -> None:
    """It is a plug-in: the library looks names up in `contextrl.plugins`."""
    library = [p for p in FILES if package_of(p) not in ("miniature", "commands")]
    assert names([p for p in library if "miniature" in p.read_text(encoding="utf-8").lower()]) == []


def test_only_commands_know_the_configuration_of_a_run() -> None:
    below = [p for p in FILES if package_of(p) != "commands"]
    assert names([p for p in below if "RunConfig" in p.read_text(encoding="utf-8")]) == []


@pytest.mark.parametrize("package", ["records", "statistics", "answers", "data", "report", "studies"])
def test_light_packages_load_without_torch(package: str) -> None:
    modules = [
        "contextrl." + ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if package_of(path) == package and path.name != "worker.py"  # a program of its own
    ]
    code = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_help_loads_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "aiohttp", "pydantic", "PIL"}
    code = f"import sys, contextrl.commands.cli\nassert not {heavy!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_an_evaluation_loads_no_trainer() -> None:
    code = "import sys, contextrl.commands.evaluate\nassert 'torch' in sys.modules\nassert 'trl' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_files_and_functions_are_of_a_size_to_read() -> None:
    long = {path: path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert names([path for path, lines in long.items() if lines > FILE_LINES]) == []
    assert [
        f"{names([path])[0]}: {function.name}"
        for path in FILES
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= FUNCTION_LINES
    ] == []


def test_no_package_is_the_whole_house() -> None:
    lines: dict[str, int] = {}
    for path in FILES:
        lines[package_of(path)] = lines.get(package_of(path), 0) + path.read_text(encoding="utf-8").count("\n")
    total = sum(lines.values())
    assert {package for package, count in lines.items() if count > PACKAGE_SHARE * total} == set()


def test_files_of_tests_have_names_of_their_own() -> None:
    """Pytest imports them by their names alone."""
    names = [path.name for path in (Path(__file__).parent).rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def test_scripts_name_tests_that_there_are() -> None:
    """Pytest ends with an error where one of the paths that it is given is not there, and runs none."""
    root = SOURCE.parents[1]
    scripts = [root / "Makefile", *root.glob("tests/**/*.sh")]
    named = {name for script in scripts for name in re.findall(r"\btests/[\w./-]+", script.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert not [name for name in sorted(named) if not (root / name.rstrip(".")).exists()]
