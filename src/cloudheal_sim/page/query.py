"""What the page's requests ask for: text and whole numbers, never an error; a bad number means its default.

The addresses are typed and edited by people, and a page that answers them with an error helps nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Rows on one page of a table.
PAGE = 50
#: Rows whose details are shown at once.
MOST_OPEN = 10
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Query:
    """The decoded query of one request."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> Query:
        """Decode a query string; of a repeated name the last value counts."""
        try:
            pairs = parse_qs(text, max_num_fields=50)
        except ValueError:
            return cls({})
        return cls({name: values[-1][:_LONGEST].strip() for name, values in pairs.items()})

    def text(self, name: str) -> str:
        """Return a value, empty when absent."""
        return self.values.get(name, "")

    def whole(self, name: str, default: int = 0) -> int:
        """Return a whole number of 0 or more."""
        text = self.text(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else default

    def opened(self) -> tuple[str, ...]:
        """Return the keys of the rows whose details are asked for."""
        return tuple(part for part in self.text("open").split(",") if part)[:MOST_OPEN]


@dataclass(frozen=True, slots=True)
class Slice:
    """Which rows of how many: pages are counted from 1, one past the end shows the last."""

    total: int
    page: int
    pages: int

    @classmethod
    def of(cls, total: int, asked: int) -> Slice:
        """Cut `total` rows into pages and choose the one asked for."""
        pages = max(1, -(-total // PAGE))
        return cls(total, min(max(1, asked), pages), pages)

    @property
    def start(self) -> int:
        """Index of the first row shown."""
        return (self.page - 1) * PAGE

    def shown(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"total": self.total, "page": self.page, "pages": self.pages, "size": PAGE}
