"""Judges and rewards of the user's own, named by a configuration as `module:name`.

Naming one runs its module, as `python module.py` would: whoever may write a configuration may run code. Only what
builds a run or a judge from it does so; reading, reporting on and comparing runs import nothing that they name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from contextrl.errors import InputError, nearest_key
from contextrl.judge.contract import place_of

_FORM = '"module:name", such as my_rules:MyJudge or rules.py:MyJudge'


def code_path(path: str, folder: Path) -> str:
    """`module:name` with the module's file, absolute, where that lies in a folder: it then holds everywhere."""
    module, colon, name = path.rpartition(":")
    file = _file_of(module, folder) if colon else None
    return path if file is None else f"{file}:{name}"


def _file_of(module: str, folder: Path) -> Path | None:
    """The file of a module in a folder; a path to a file needs none to be there."""
    if module.endswith(".py") or "/" in module or "\\" in module:
        return (folder / Path(module).expanduser()).resolve()
    parts = module.split(".")
    places = (folder.joinpath(*parts[:-1], f"{parts[-1]}.py"), folder.joinpath(*parts, "__init__.py"))
    return next((place.resolve() for place in places if place.is_file()), None)


def named_object(path: str, *, where: str) -> Any:
    """What `module:name` names; runs the module.

    Args:
        path: a module that can be imported or is in the current folder, or a file.
        where: the key of the configuration.

    Raises:
        InputError: there is no such module or name, or running it fails.
    """
    module, colon, name = path.rpartition(":")
    if not colon or not module or not name.isidentifier():
        raise InputError(_FORM, found=repr(path), where=where)
    found = _imported(module, where)
    if not hasattr(found, name):
        public = [key for key in vars(found) if not key.startswith("_")]
        raise InputError(f"{name} in {module}", found=f"none{nearest_key(name, public)}", where=where)
    return getattr(found, name)


def _imported(module: str, where: str) -> ModuleType:
    file = _file_of(module, Path.cwd())
    if file is not None and not file.is_file():
        raise InputError("a Python file", found="no such file", where=f"{where}, {file}")
    try:
        if file is not None:
            return _run_file(file)
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            fix = "Name it relative to the configuration's folder, or as rules.py:name"
            raise InputError("a module", found=f"none named {module}", where=where, fix=fix) from error
        raise _failing(module, error, where) from error
    except Exception as error:
        raise _failing(module, error, where) from error


def _failing(module: str, error: Exception, where: str) -> InputError:
    found = f"{type(error).__name__}: {error}{place_of(error)}"
    return InputError(f"{module} to be imported", found=found, where=where)


def _run_file(file: Path) -> ModuleType:
    """Import a file under its own name; what lies beside it can be imported too.

    A file of a package is imported as a part of it. Where its name is taken by another module it gets one of its own.
    """
    parts, root = [file.stem], file.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    if parts[-1] == "__init__":
        parts.pop()
    if str(root) not in sys.path:
        # Last: a file that is called like a library must not replace it for everybody else.
        sys.path.append(str(root))
    name = ".".join(parts)
    for known in (name, f"contextrl_user.{name}"):
        if known in sys.modules and _is(sys.modules[known], file):
            return sys.modules[known]
    found = importlib.util.find_spec(name)
    if found is not None and found.origin is not None and Path(found.origin).resolve() == file:
        return importlib.import_module(name)
    name = f"contextrl_user.{name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their modules up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is(module: ModuleType, file: Path) -> bool:
    return Path(getattr(module, "__file__", None) or "").resolve() == file
