"""The engine in C: access logs in one pass over their bytes, without Python's lock.

For formats that are templates (nginx, Apache, the presets). Other formats are read by Python whichever engine there is,
and are handed to the fallback from here, as are definitions of enormous size. Importing this without the compiled
module is an ImportError; `engines.pick` knows what to do then.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from cloudheal.logs import _native
from cloudheal.logs.asked import Asked, asked, field_of, fields_of, normalised, operand
from cloudheal.logs.counting import EVER, Counter, Engine, Fed, Limits, Minute, Reason
from cloudheal.logs.definition import (
    LINE,
    AllOf,
    Compare,
    Definition,
    Ends,
    Field,
    Filter,
    Kind,
    LineFormat,
    Operator,
    Part,
    Several,
    Style,
)
from cloudheal.logs.state import named, opened, sealed
from cloudheal.logs.wire import Parser, Writer, unpacked

NAME = "native"
_REQUEST = "request"
#: In the order of native/core.h.
_OPERATORS = tuple(Operator)
_REASONS = (Reason.SHAPE, Reason.TIME, Reason.NUMBER, Reason.LONG, Reason.MINUTES, Reason.AHEAD)
_PARTS = {"method": 1, "url": 2, "protocol": 3}
_SEVERAL = {None: 0, Several.SUM: 1, Several.LAST: 2}
_ALWAYS, _COMPARE, _ALL_OF, _ANY_OF = range(4)
_LITERAL, _PLAIN, _QUOTED, _SPACED, _LISTED, _REST = range(6)


class NativeCounter:
    """Counts one log of a template format."""

    def __init__(self, definition: Definition, limits: Limits) -> None:
        self._definition = definition
        self._counter = _native.Counter(plan_of(definition, limits, secrets.randbits(64)), normalised(definition))

    def feed(self, block: bytes, until: int = EVER) -> Fed:
        """Count the lines of a block that are before an instant; other threads run meanwhile."""
        lines, counted, late, newest, rejected = self._counter.feed(block, until)
        reasons = {reason: count for reason, count in zip(_REASONS, rejected, strict=True) if count}
        return Fed(lines, counted, sum(rejected), late, newest, reasons)

    def close(self, before: int) -> tuple[Minute, ...]:
        """Hand out what ends by then."""
        data = self._counter.close(before)
        parser = Parser(data)
        minutes = []
        while not parser.ended:
            metric = self._definition.metrics[parser.number()]
            start, error, rows = parser.signed(), parser.number(), unpacked(parser.block())
            minutes.append(Minute(metric.name, start, named(rows, len(metric.by)), error))
        return tuple(minutes)

    def dump(self) -> bytes:
        """Return what is open."""
        return sealed(self._definition, self._counter.dump())

    def load(self, state: bytes) -> None:
        """Take over what was open."""
        self._counter.load(opened(self._definition, state))


class NativeEngine:
    """Makes counters; those of other formats than templates are the fallback's."""

    name = NAME

    def counter(self, definition: Definition, limits: Limits | None = None) -> Counter:
        """Return a counter that has seen nothing."""
        if definition.format.style is not Style.TEMPLATE:
            return _fallback().counter(definition, limits)
        return _made(definition, limits) or _fallback().counter(definition, limits)

    def load(self, definition: Definition, state: bytes, limits: Limits | None = None) -> Counter:
        """Return a counter as it was when it was dumped."""
        if definition.format.style is not Style.TEMPLATE:
            return _fallback().load(definition, state, limits)
        counter = _made(definition, limits)
        if counter is None:
            return _fallback().load(definition, state, limits)
        counter.load(state)
        return counter


def _made(definition: Definition, limits: Limits | None) -> NativeCounter | None:
    """Return a counter; None for a definition that is larger than native/core.h has room for."""
    try:
        return NativeCounter(definition, limits or Limits())
    except ValueError:
        return None


def plan_of(definition: Definition, limits: Limits, seed: int) -> bytes:
    """Return what native/plan.c reads: a definition as numbers, with names turned into places.

    `seed` decides where keys are kept; nobody who writes into logs may know it.
    """
    format_ = definition.format
    wanted = fields_of(definition)
    fields = [one for one in format_.fields if one.name in wanted] + [Field(LINE)] * (LINE in wanted)
    variables = [one.variable for one in format_.parts if one.variable]
    needed = {format_.time} | {one.name if one.name in variables else _REQUEST for one in fields if one.name != LINE}
    slots = {name: number for number, name in enumerate(one for one in variables if one in needed)}
    out = Writer()
    for limit in (limits.line, limits.value, limits.groups, limits.minutes, limits.memory, limits.samples, limits.urls):
        out.number(limit)
    out.number(seed)
    out.number(format_.zone is not None).signed(format_.zone or 0)
    out.number(0 if definition.urls is None else 2 if definition.urls.rules else 1)
    out.number(len(slots)).number(slots[format_.time] + 1).number(slots.get(_REQUEST, -1) + 1)
    _write_parts(out, format_, slots)
    out.number(len(fields))
    for field in fields:
        _write_field(out, field, slots, definition)
    places = {field.name: number for number, field in enumerate(fields)}
    out.number(len(definition.metrics))
    for metric in definition.metrics:
        _write_metric(out, asked(metric, format_), places, format_)
    return bytes(out.data)


def _write_parts(out: Writer, format_: LineFormat, slots: Mapping[str, int]) -> None:
    """Write each variable together with the literal behind it."""
    steps: list[tuple[Part | None, bytes]] = []
    for part in format_.parts:
        if part.variable:
            steps.append((part, b""))
        elif steps and not steps[-1][1]:
            steps[-1] = (steps[-1][0], part.literal)
        else:
            steps.append((None, part.literal))
    out.number(len(steps))
    for variable, literal in steps:
        slot = slots.get(variable.variable, -1) if variable else -1
        out.number(_part_kind(variable, literal)).number(slot + 1).block(literal)


def _part_kind(variable: Part | None, literal: bytes) -> int:
    if variable is None:
        return _LITERAL
    if not literal:
        return _REST
    if variable.ends is Ends.SPACED and literal.strip(b" "):
        return _SPACED
    if variable.ends is Ends.LISTED and literal.startswith(b" "):
        return _LISTED
    return _QUOTED if literal.startswith(b'"') else _PLAIN


def _write_field(out: Writer, field: Field, slots: Mapping[str, int], definition: Definition) -> None:
    variables = {one.variable for one in definition.format.parts}
    if field.name == LINE:
        source, slot = 4, -1
    elif field.name in variables:
        source, slot = 0, slots[field.name]
    else:
        source, slot = _PARTS[field.name], -1
    is_url = definition.urls is not None and definition.urls.field == field.name and field.kind is Kind.TEXT
    out.number(source).number(slot + 1).number(field.kind is Kind.NUMBER).number(_SEVERAL[field.several])
    out.number(field.digits).number(field.digits - field.written).number(is_url)


def _write_metric(out: Writer, one: Asked, places: Mapping[str, int], format_: LineFormat) -> None:
    nodes = Writer()
    out.number(_write_filter(nodes, one.metric.where, places, format_)).data.extend(nodes.data)
    out.number(len(one.by))
    for field in one.by:
        out.number(places[field.name])
    out.number(len(one.numbers))
    for field in one.numbers:
        percents = one.percents.get(field.name, ())
        out.number(places[field.name]).text(field.name).number(field.name in one.cells).number(len(percents))
        for percent in percents:
            out.number(round(percent * 1000))
    out.number(len(one.distinct))
    for field in one.distinct:
        out.number(places[field.name]).text(field.name)
    out.number(len(one.buckets))
    for alias, field, bounds in one.buckets:
        out.number(places[field.name]).text(alias).number(len(bounds))
        for bound in bounds:
            out.signed(bound)


def _write_filter(out: Writer, where: Filter | None, places: Mapping[str, int], format_: LineFormat) -> int:
    """Write a filter; returns how many nodes it has."""
    if where is None:
        out.number(_ALWAYS)
        return 1
    if isinstance(where, Compare):
        other = operand(where, field_of(format_, where.field))
        out.number(_COMPARE).number(places[where.field]).number(_OPERATORS.index(where.operator))
        out.signed(other if isinstance(other, int) else 0).block(other if isinstance(other, bytes) else b"")
        return 1
    out.number(_ALL_OF if isinstance(where, AllOf) else _ANY_OF).number(len(where.parts))
    return 1 + sum(_write_filter(out, part, places, format_) for part in where.parts)


def _fallback() -> Engine:
    from cloudheal.logs.fallback import FallbackEngine  # noqa: PLC0415 - polars is imported where it is used

    return FallbackEngine()
