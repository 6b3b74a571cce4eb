"""Wire out: the head that most monitoring replies begin with, and how lists are wrapped and paged.

`Code` is text in some replies and a number in others, as the SDK's models have it.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")


def done(**more: object) -> dict[str, object]:
    """Say that it worked, `Code` as text."""
    return {"Code": "200", "Message": "successful", "Success": True, **more}


def done_number(**more: object) -> dict[str, object]:
    """Say that it worked, `Code` as a number."""
    return {"Code": 200, "Message": "successful", "Success": True, **more}


def page(rows: Sequence[T] | Iterable[T], number: int | None, size: int | None, usual_size: int = 10) -> list[T]:
    """Return one page of rows; pages count from 1."""
    size = size or usual_size
    first = ((number or 1) - 1) * size
    return list(islice(rows, first, first + size))


def present(**fields: object) -> dict[str, object]:
    """Return the fields that say something: what is empty is absent from the real replies."""
    return {name: value for name, value in fields.items() if value not in (None, "", (), [], {})}
