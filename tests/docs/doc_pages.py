"""Reading the pages: blocks, links, headings and what stands in code spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
#: Why a block is not run. Anything else above a block is a mistake.
REASONS = ("a GPU", "a server", "a cluster", "the network", "minutes")

_FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
_GENERATED = re.compile(r"<!-- generated: [\w-]+ -->\n.*?<!-- /generated -->", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: the first word after the fence; title: the file that it is, if it says so.
        mark: the comment directly above it.
    """

    page: Path
    line: int
    language: str
    title: str | None
    mark: str
    body: str

    @property
    def reason(self) -> str | None:
        """Why it is not run, None if it is."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else None

    @property
    def given(self) -> str | None:
        """A run folder that it needs."""
        return self.mark.removeprefix("given: ") if self.mark.startswith("given: ") else None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, generated ones apart."""
    text = page.read_text(encoding="utf-8")
    generated = [match.span() for match in _GENERATED.finditer(text)]
    found = []
    for match in _FENCE.finditer(text):
        if any(start <= match.start() < end for start, end in generated):
            continue
        language, _, more = match["info"].partition(" ")
        title = re.fullmatch(r'title="([^"]+)"', more.strip())
        line = text.count("\n", 0, match.start("info")) + 1
        found.append(Block(page, line, language, title[1] if title else None, match["mark"] or "", match["body"]))
    return found


def prose(page: Path) -> str:
    """A page without its blocks and comments."""
    return _COMMENT.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))


def written(page: Path) -> str:
    """Prose that a person wrote: generated blocks are out too."""
    return _COMMENT.sub("", _FENCE.sub("", _GENERATED.sub("", page.read_text(encoding="utf-8"))))


def spans(page: Path) -> list[str]:
    """What stands in backticks, in text that a person wrote."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", written(page))


def links(page: Path) -> Iterator[tuple[str, str]]:
    """(text, target) of links and pictures."""
    yield from re.findall(r"!?\[([^\]]*)\]\(([^)\s]+)\)", re.sub(r"(?<!`)`[^`\n]+`(?!`)", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """Ids of the headings, as GitHub and the site make them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+?) *#*$", prose(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")
        found[plain] = found.get(plain, 0) + 1
    return set(found)
