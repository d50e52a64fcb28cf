"""Collect what a machine without network needs for `speed.py`: ours as source, the rest as wheels, in one folder.

    python benchmarks/gpu/pack.py FOLDER [--python 3.12]

The machine has torch, transformers and accelerate with what they bring, and numpy, pandas, pyarrow, scipy,
scikit-learn, rich, typer, jinja2, pillow, aiohttp, pyyaml and xxhash. TRL imports datasets and, where it is there,
peft; datasets imports dill and multiprocess; ours imports math-verify (latex2sympy2-extended, antlr4-python3-runtime)
and pydantic. Versions are those installed here. Then, there: `bash FOLDER/run.sh`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Every package that is imported and that the machine does not have.
WHEELS = (
    "trl",
    "peft",
    "datasets",
    "dill",
    "multiprocess",
    "math-verify",
    "latex2sympy2-extended",
    "antlr4-python3-runtime",
    "pydantic",
    "pydantic-core",
    "annotated-types",
    "typing-inspection",
)
LIMIT = 60 * 2**20


def wheel_command(name: str, folder: Path, python: str) -> list[str]:
    """pip's, for Linux on x86-64 whatever this machine is."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17)] + ["manylinux2014_x86_64"]
    where = [part for platform in platforms for part in ("--platform", platform)]
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", python, *where),
        *("--dest", str(folder), f"{name}=={version(name)}"),
    ]


def copy_sources(folder: Path) -> None:
    """Ours as it is in this checkout, uncommitted changes included."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    shutil.copytree(ROOT / "benchmarks", folder / "benchmarks", ignore=ignored)
    shutil.copy2(ROOT / "benchmarks" / "gpu" / "run.sh", folder / "run.sh")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--python", default="3.12", help="version of Python on the machine")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} exists")
    options.folder.mkdir(parents=True)
    copy_sources(options.folder)
    for name in WHEELS:
        found = subprocess.run(wheel_command(name, options.folder / "wheels", options.python), check=False)
        if found.returncode:
            raise SystemExit(f"no wheel of {name} {version(name)} for Python {options.python}")
    size = sum(file.stat().st_size for file in options.folder.rglob("*") if file.is_file())
    print(f"{options.folder}: {size / 2**20:.1f} MB; there: bash {options.folder.name}/run.sh")
    if size > LIMIT:
        raise SystemExit(f"more than {LIMIT / 2**20:.0f} MB")


if __name__ == "__main__":
    main()
