"""How a list fits its terminal: what people copy or type again stands in one piece.

A column gives way only as far as its words stay whole, ids of the clouds among them; what is longer than `WHOLE` is
broken, behind a sign where there is one. A table that is still too wide loses its frame first. Then its rows are
shown one below the other, each value behind its head, and what is empty is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.box import Box
    from rich.console import Console, ConsoleOptions, RenderResult

#: Words up to this width are never broken: the longest ids of servers and events have 22 characters.
WHOLE = 24
#: Behind these a longer word is broken rather than anywhere; behind a colon first, where an id may follow.
SIGNS = "./_-,="
#: What a cell shows that holds nothing.
NOTHING = ("", "-")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A list under a title, with a line below it; rows are as long as the heads."""

    title: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Show it in the first form for which there is room."""
        count, width = len(self.heads), options.max_width
        for frame, taken in ((box.HEAVY_HEAD, 3 * count + 1), (box.SIMPLE_HEAD, 2 * count - 2)):
            if widths := self._widths(width - taken):
                yield self._table(frame, widths)
                return
        yield from self._records(console, width)

    def _widths(self, room: int) -> list[int]:
        """Return how wide each column is; what one does not use where it gives way is left to the others."""
        columns, widest, narrowest = self._columns(), self._widest(), self._narrowest()
        if not (widths := shared(widest, narrowest, room)):
            return []
        used = [max(_used(cell, width) for cell in column) for column, width in zip(columns, widths, strict=True)]
        enough = [most if use == width else use for most, use, width in zip(widest, used, widths, strict=True)]
        return shared(enough, narrowest, room)

    def _columns(self) -> list[list[str]]:
        return [list(column) for column in zip(self.heads, *self.rows, strict=True)]

    def _widest(self) -> list[int]:
        return [max(cell_len(line) for one in column for line in one.split("\n")) for column in self._columns()]

    def _narrowest(self) -> list[int]:
        return [
            max((min(cell_len(word), WHOLE) for one in column for word in one.split()), default=0)
            for column in self._columns()
        ]

    def _table(self, frame: Box, widths: Sequence[int]) -> Table:
        framed = frame is box.HEAVY_HEAD
        table = Table(
            title=self.title,
            title_justify="left",
            caption=self.caption,
            caption_justify="left",
            box=frame,
            show_edge=framed,
            pad_edge=framed,
            padding=(0, 1) if framed else (0, 1, 0, 0),
        )
        for head, width in zip(self.heads, widths, strict=True):
            table.add_column(Text(broken(head, width)), overflow="fold", width=width)
        for row in self.rows:
            table.add_row(*(Text(broken(cell, width)) for cell, width in zip(row, widths, strict=True)))
        return table

    def _records(self, console: Console, width: int) -> Iterator[Text]:
        """Yield the rows one below the other, with a free line between them."""
        yield Text(self.title, style="table.title")
        margin = max(map(cell_len, self.heads)) + 2
        for row in self.rows:
            for head, cell in zip(self.heads, row, strict=True):
                if cell not in NOTHING:
                    yield from _beside(console, head, cell, margin, max(width - margin, 1))
            yield Text()
        yield Text(self.caption, style="table.caption")


def shared(widest: Sequence[int], narrowest: Sequence[int], room: int) -> list[int]:
    """Return how wide each column is within the room, taken from the widest first; nothing where it is too little."""
    if sum(narrowest) > room:
        return []
    widths = list(widest)
    while sum(widths) > room:
        able = [number for number, width in enumerate(widths) if width > narrowest[number]]
        widths[max(able, key=widths.__getitem__)] -= 1
    return widths


def broken(text: str, width: int) -> str:
    """Return a text whose words fit the width, broken behind a sign where one is near the end of the line."""
    return "\n".join(" ".join("\n".join(_pieces(word, width)) for word in line.split(" ")) for line in text.split("\n"))


def _pieces(word: str, width: int) -> Iterator[str]:
    while cell_len(word) > width:
        fitting = next(size for size in range(len(word), 0, -1) if size == 1 or cell_len(word[:size]) <= width)
        sign = max(word.rfind(sign, 0, fitting) for sign in SIGNS) + 1
        cut = word.rfind(":", 0, fitting) + 1 or (sign if sign > fitting // 2 else fitting)
        yield word[:cut]
        word = word[cut:]
    yield word


def _used(text: str, width: int) -> int:
    """Return how wide the widest line of a text is where lines have that width."""
    most = 0
    for line in broken(text, width).split("\n"):
        length = 0
        for word in map(cell_len, line.split(" ")):
            length = length + 1 + word if length and length + 1 + word <= width else word
            most = max(most, length)
    return most


def _beside(console: Console, head: str, cell: str, margin: int, width: int) -> Iterator[Text]:
    """Yield the lines of one value, the first one behind its head."""
    lines = Text(broken(cell, width)).wrap(console, width, overflow="fold")
    for number, line in enumerate(lines):
        shown = head if number == 0 else ""
        line.rstrip()
        yield Text.assemble((shown, "table.header"), " " * (margin - cell_len(shown)), line)
