"""ClickHouse over its HTTP interface: a row for every group and field of a minute, with its cells.

The table replaces rows of the same host and number, so that what is sent twice counts once, under FINAL or after a
merge. Cells are a map that `sumMap` adds up; the page on outlets has the query of a percentile.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from cloudheal.logs.counting import Row
from cloudheal.logs.wire import unpacked
from cloudheal.outlets.sample import clean
from cloudheal.outlets.shipment import Shipment

HEADERS = {"Content-Type": "application/x-ndjson"}
STATEMENT = {"Content-Type": "text/plain; charset=utf-8"}
TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})?")
_COLUMNS = """
    log LowCardinality(String),
    metric LowCardinality(String),
    start DateTime('UTC'),
    host LowCardinality(String),
    sequence UInt64,
    key Array(String),
    field LowCardinality(String),
    count UInt64,
    total Int128,
    least Int64,
    most Int64,
    cells Map(Int32, UInt64),
    hashes Array(UInt64),
    buckets Array(UInt64)
"""


def creation(table: str) -> str:
    """Return the statement that makes the table where there is none."""
    order = "(log, metric, start, host, sequence, key, field)"
    return f"CREATE TABLE IF NOT EXISTS {_checked(table)} ({_COLUMNS}) ENGINE = ReplacingMergeTree ORDER BY {order}"


def statement(url: str, query: str) -> str:
    """Return the address at which a statement is carried out; its rows are the body."""
    return f"{url.rstrip('/')}/?{urlencode({'query': query})}"


def insertion(table: str) -> str:
    """Return the statement that takes rows."""
    return f"INSERT INTO {_checked(table)} FORMAT JSONEachRow"


def rows_of(shipment: Shipment) -> bytes:
    """Return the rows of a shipment, one JSON object a line."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in _rows(shipment))


def _rows(shipment: Shipment) -> Iterator[Mapping[str, Any]]:
    for minute in shipment.minutes:
        place = {
            "log": minute.log,
            "metric": minute.metric,
            "start": minute.start,
            "host": shipment.host,
            "sequence": minute.sequence,
        }
        for row in unpacked(minute.rows):
            yield from ({**place, "key": [clean(part) for part in row.key], **one} for one in _fields(row))


def _fields(row: Row) -> Iterable[Mapping[str, Any]]:
    """Return the lines of a group, and what they held; numbers as texts where JSON's are too small for them."""
    yield {"field": "", "count": row.count}
    for name, one in row.values.items():
        yield {
            "field": name,
            "count": one.count,
            "total": str(one.total),
            "least": str(one.least),
            "most": str(one.most),
            "cells": {str(cell): count for cell, count in one.cells.items()},
        }
    for name, distinct in row.distinct.items():
        yield {
            "field": f"{name}:distinct",
            "count": min(distinct.count, row.count),
            "hashes": [str(one) for one in distinct.hashes],
        }
    for alias, counts in row.buckets.items():
        yield {"field": f"{alias}:distribution", "count": sum(counts), "buckets": list(counts)}


def _checked(table: str) -> str:
    if not TABLE.fullmatch(table):
        raise ValueError("the name of a table has letters, digits and underscores")
    return table
