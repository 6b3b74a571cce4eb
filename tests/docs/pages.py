"""Reads the Markdown of the tree: which pages there are, their headings, links and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_FENCE = re.compile(r"^(?P<mark>```+|~~~+|:::+).*?^(?P=mark)\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_HEADING = re.compile(r"^(#+) +(.+?)\s*$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TOCTREE = re.compile(r"^```\{toctree\}\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"(?:^|`)make ([a-z]+)", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @cached_property
    def text(self) -> str:
        """The file as it is."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without code."""
        return _CODE.sub("", _FENCE.sub("", self.text))

    @property
    def headings(self) -> tuple[tuple[int, str], ...]:
        """Level and words of each heading, in order; code in a heading is kept."""
        return tuple((len(marks), words) for marks, words in _HEADING.findall(_FENCE.sub("", self.text)))

    @property
    def anchors(self) -> frozenset[str]:
        """The names under which headings can be linked to."""
        return frozenset(slug(words) for _, words in self.headings)

    @property
    def links(self) -> tuple[str, ...]:
        """Targets of links to other files of the tree or places in them; web addresses are left out."""
        return tuple(link for link in _LINK.findall(self.prose) if not re.match(r"[a-z]+:", link))

    @property
    def listed(self) -> frozenset[Path]:
        """The pages that this one's tables of contents name."""
        bodies = "\n".join(_TOCTREE.findall(self.text)).splitlines()
        names = (line.strip() for line in bodies if line.strip() and not line.startswith(":"))
        return frozenset((self.path.parent / f"{name}.md").resolve() for name in names)

    @property
    def make_targets(self) -> frozenset[str]:
        """What the page tells its reader to make."""
        return frozenset(_MAKE.findall(self.text))


def slug(words: str) -> str:
    """Return the name under which a heading can be linked to."""
    kept = re.sub(r"[^\w\- ]", "", words.replace("`", "").lower())
    return kept.replace(" ", "-")


def pages_below(folder: Path) -> Iterator[Page]:
    """Yield every page of a folder, sorted by name."""
    yield from (Page(path) for path in sorted(folder.rglob("*.md")))


def entrance_pages(root: Path) -> Iterator[Page]:
    """Yield the pages at the top of the tree."""
    yield from (Page(path) for path in sorted(root.glob("*.md")))
