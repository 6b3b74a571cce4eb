"""Looks for secrets in anything that was printed, logged, stored or carried out, in whichever disguise.

It takes apart what it is given instead of guessing what a secret might be turned into: percent-encoding, JSON and its
escapes, Base64 anywhere in a text, archives, folded tables. A piece of a secret, as a text cut short leaves it, counts.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import sqlalchemy as sa

#: Characters at either end of a secret that are recognised by themselves.
PIECE = 12
#: Disguises in disguises that are taken off.
DEEPEST = 2
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))")
_FOLDS = re.compile(rb"[\s\xe2\x94\x82\x83|]+")  # with the bars of tables


@dataclass(frozen=True, slots=True)
class Leaks:
    """Collects where a secret was found."""

    secrets: Mapping[str, str]
    found: list[str]

    def look(self, where: str, content: bytes | str | None) -> int:
        """Look at one thing; returns how many secrets it shows."""
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content or b""
        seen = {name for text in unveiled(raw) for name, secret in self.secrets.items() if _shows(text, secret)}
        self.found.extend(f"{name} in {where}" for name in sorted(seen))
        return len(seen)

    def look_at_tables(self, url: str, raw: frozenset[tuple[str, str]] = frozenset()) -> int:
        """Look at every column of every table of a database, the engine's too; `raw` ones aside. Returns the values."""
        engine = sa.create_engine(url)
        values = 0
        with engine.connect() as connection:
            for table, place in _tables(connection):
                rows = connection.execute(sa.text(f"SELECT * FROM {place}"))
                values += self._look_at_columns(f"table {table}", table, list(rows.keys()), rows.all(), raw)
        engine.dispose()
        return values

    def look_at_backup(self, path: Path, raw: frozenset[tuple[str, str]] = frozenset()) -> int:
        """Look at every column of an archive of ours, `raw` ones aside; returns the values."""
        values = 0
        with zipfile.ZipFile(path) as archive:
            for part in json.loads(archive.read("manifest.json"))["parts"]:
                rows = [json.loads(line) for line in archive.read(f"tables/{part['table']}.jsonl").splitlines()]
                where = f"backup {part['table']}"
                values += self._look_at_columns(where, part["table"], part["columns"], rows, raw)
        return values

    def _look_at_columns(
        self,
        where: str,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        raw: frozenset[tuple[str, str]],
    ) -> int:
        for place, column in enumerate(columns):
            if (table, column) not in raw:
                self.look(f"{where}.{column}", b"\n".join(_as_bytes(row[place]) for row in rows))
        return len(columns) * len(rows)


def unveiled(raw: bytes) -> Iterator[bytes]:
    """Yield a content as it is, and what it turns into when a disguise is taken off, and one more below it."""
    layer = [raw]
    for _ in range(DEEPEST):
        yield from layer
        layer = [bare for text in layer for bare in _bared(text) if bare != text]
    yield from layer


def _bared(text: bytes) -> Iterator[bytes]:
    yield unquote_to_bytes(text)
    yield _ESCAPE.sub(_unescaped, text)
    yield _FOLDS.sub(b"", text)
    runs = _BASE64.findall(text)
    yield b"\n".join(_decoded(run[offset:]) for run in runs for offset in range(4))


def _shows(text: bytes, secret: str) -> bool:
    whole = secret.encode()
    return whole in text or whole[:PIECE] in text or whole[-PIECE:] in text


def _decoded(run: bytes) -> bytes:
    text = run.rstrip(b"=")
    text = text[: len(text) - (len(text) % 4 == 1)].translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""


def _unescaped(found: re.Match[bytes]) -> bytes:
    return chr(int(found[1], 16)).encode("utf-8", "surrogatepass") if found[1] else found[2]


def _as_bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode("utf-8", "surrogatepass")


def _tables(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    seen = sa.inspect(connection)
    for schema in ("main",) if connection.dialect.name == "sqlite" else ("public", "dbos"):
        for table in seen.get_table_names(schema):
            yield table, f'"{schema}"."{table}"'
