"""What engines hand on to each other: open minutes under the seal of their definition, and rows with keys to show.

A dump is the same whichever engine wrote it, so that a machine may lose its compiler, or gain one, within a minute.

    dump  = version closed number-of-minutes minute*
    minute = start (error number-of-rows row*) for each metric
    row   = as in `wire`, but with keys as bytes, numbers in keys as eight bytes, and no key for what was dropped
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from cloudheal.logs.asked import text_of
from cloudheal.logs.counting import Row, merged
from cloudheal.logs.definition import Definition
from cloudheal.logs.names import OTHER, shown

DUMP_VERSION = 1
#: A number that is missing, in a key of a dump.
MISSING = -(2**63)
_SEAL = 16


def sealed(definition: Definition, dump: bytes) -> bytes:
    """Return a dump that only the same definition opens."""
    return _seal(definition) + dump


def opened(definition: Definition, state: bytes) -> bytes:
    """Return what was sealed. Raises ValueError when it belongs to a definition that counts something else."""
    if state[:_SEAL] != _seal(definition):
        raise ValueError("the open minutes are of another definition")
    return state[_SEAL:]


def _seal(definition: Definition) -> bytes:
    said = repr((DUMP_VERSION, definition.format, definition.urls, definition.metrics))
    return hashlib.sha256(said.encode(errors="surrogatepass")).digest()[:_SEAL]


def named(rows: Iterable[Row], parts: int) -> tuple[Row, ...]:
    """Return rows with keys as people see them: what was dropped under its own name, nothing else under that."""
    return merged(_renamed(row, _name(row.key, parts)) for row in rows)


def _renamed(row: Row, name: tuple[str, ...]) -> Row:
    return row if row.key == name else Row(name, row.count, row.values, row.distinct, row.buckets)


def _name(key: tuple[str, ...], parts: int) -> tuple[str, ...]:
    if parts and not key:
        return (OTHER,) * parts
    return tuple(shown(one if one.isascii() else text_of(one.encode(errors="surrogateescape"))) for one in key)
