"""Short forms of a world document: one thing by its id, or so many of a kind under numbered ids."""

from __future__ import annotations


def one_or_many(id_: str | None, count: int | None, prefix: str | None) -> None:
    """Check that an entry is about one thing or about many. Raises ValueError."""
    if (id_ is None) == (count is None):
        msg = "give either id, or count with prefix"
        raise ValueError(msg)
    if (count is None) != (prefix is None):
        msg = "count and prefix belong together"
        raise ValueError(msg)


def ids_of(id_: str | None, count: int | None, prefix: str | None) -> list[str]:
    """Return the ids of the things meant: `<prefix>-000001` and so on."""
    if count is None:
        return [id_ or ""]
    return [f"{prefix}-{number:06d}" for number in range(1, count + 1)]


def numbered_name(name: str, id_: str) -> str:
    """Return the name of one of many: theirs with the number in the id."""
    return f"{name}-{id_.rpartition('-')[2]}"
