"""Event patterns as EventBridge users know them: every named field must match, any of a field's alternatives will do.

    {"type": ["Instance:StateChange"], "data": {"state": ["Stopped", {"prefix": "Stop"}]}}

Alternatives are plain values (exact, case-sensitive, `null` for an absent field), `{"prefix": s}`, `{"suffix": s}`,
`{"anything-but": v or [v...]}`, `{"exists": bool}`, `{"numeric": [">", 5, "<=", 9]}` and `{"equals-ignore-case": s}`.
A list in the event matches when one of its elements does. A pattern that cannot be understood is an error when it is
read, never a pattern that matches nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cloudheal.errors import SettingsError

#: A plain value that an event may hold in a field.
Scalar: TypeAlias = str | int | float | bool | None
Test: TypeAlias = Callable[[object], bool]

_MISSING = object()
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """What one field must hold: one of the exact values, or something that one of the tests accepts."""

    path: tuple[str, ...]
    exact: tuple[Scalar, ...]
    tests: tuple[tuple[str, Test], ...]
    texts: frozenset[str]
    """The exact values that are texts, which most are: one look tells whether a text is among them."""

    @property
    def field(self) -> str:
        """The field's dotted name, as rule files and explanations write it."""
        return ".".join(self.path)

    def accepts(self, value: object) -> bool:
        """Say whether the field's value (or one element of it) matches."""
        if type(value) is str and (value in self.texts or not self.tests):
            return value in self.texts
        values = value if isinstance(value, list | tuple) and value else [value]
        return any(self._accepts_one(one) for one in values)

    def _accepts_one(self, value: object) -> bool:
        known = None if value is _MISSING else value
        if any(_same(known, one) for one in self.exact):
            return True
        return any(test(value) for _, test in self.tests)

    def wanted(self) -> str:
        """Say in a few words what would match."""
        return " or ".join([*(repr(one) for one in self.exact), *(name for name, _ in self.tests)])


@dataclass(frozen=True, slots=True)
class Failure:
    """The clause that kept a pattern from matching, and what stood in the event instead."""

    clause: Clause
    found: str

    def __str__(self) -> str:
        return f"{self.clause.field} is {self.found}, wanted {self.clause.wanted()}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern; clauses stand in the order of the file."""

    clauses: tuple[Clause, ...]

    def matches(self, fields: Mapping[str, Any]) -> bool:
        """Say whether the event's fields match every clause."""
        for clause in self.clauses:  # noqa: SIM110 - asked of every event: half the time of `all` over a generator
            if not clause.accepts(value_at(fields, clause.path)):
                return False
        return True

    def failures(self, fields: Mapping[str, Any]) -> Iterator[Failure]:
        """Yield every clause that does not match; none means that the pattern matches."""
        for clause in self.clauses:
            value = value_at(fields, clause.path)
            if not clause.accepts(value):
                yield Failure(clause, "absent" if value is _MISSING else repr(value))


def compiled(document: Mapping[str, Any], where: str = "when") -> Pattern:
    """Compile a pattern from a rule file. Raises SettingsError naming the field."""
    return Pattern(tuple(_clauses(document, (), where)))


def value_at(fields: Mapping[str, Any], path: Sequence[str]) -> object:
    """Return the value at a path of names, or a marker that equals nothing when it is absent."""
    value: object = fields
    for name in path:
        # The type of nearly every value is asked first, because to ask for a Mapping takes longer than all the rest.
        if not (type(value) is dict or isinstance(value, Mapping)) or name not in value:
            return _MISSING
        value = value[name]
    return value


def is_there(value: object) -> bool:
    """Say whether `value_at` found something."""
    return value is not _MISSING


def _clauses(document: Mapping[str, Any], path: tuple[str, ...], where: str) -> Iterator[Clause]:
    if not document:
        raise _bad(path, where, "an empty pattern selects nothing; name at least one field")
    for name, wanted in document.items():
        here = (*path, str(name))
        if isinstance(wanted, Mapping):
            yield from _clauses(wanted, here, where)
        elif isinstance(wanted, list) and wanted:
            yield _clause(here, wanted, where)
        else:
            raise _bad(here, where, "expected a list with at least one alternative, or nested fields")


def _clause(path: tuple[str, ...], wanted: list[Any], where: str) -> Clause:
    exact = tuple(one for one in wanted if not isinstance(one, Mapping | list))
    if any(isinstance(one, list) for one in wanted):
        raise _bad(path, where, "alternatives are values or one-key objects, not lists")
    tests = tuple(_test(path, one, where) for one in wanted if isinstance(one, Mapping))
    return Clause(path, exact, tests, frozenset(one for one in exact if isinstance(one, str)))


def _test(path: tuple[str, ...], document: Mapping[str, Any], where: str) -> tuple[str, Test]:
    if len(document) != 1:
        raise _bad(path, where, "an alternative in braces holds exactly one operator")
    name, operand = next(iter(document.items()))
    match name, operand:
        case "prefix", str():
            return f"prefix {operand!r}", lambda value: isinstance(value, str) and value.startswith(operand)
        case "suffix", str():
            return f"suffix {operand!r}", lambda value: isinstance(value, str) and value.endswith(operand)
        case "equals-ignore-case", str():
            low = operand.casefold()
            return f"{operand!r} in any case", lambda value: isinstance(value, str) and value.casefold() == low
        case "exists", bool():
            return f"exists {operand}", lambda value: (value is not _MISSING) is operand
        case "anything-but", str() | int() | float() | list():
            return _anything_but(operand if isinstance(operand, list) else [operand])
        case "numeric", list():
            return f"numeric {operand}", _numeric(path, operand, where)
    raise _bad(path, where, f"unknown alternative {dict(document)!r}")


def _anything_but(refused: list[Scalar]) -> tuple[str, Test]:
    def test(value: object) -> bool:
        return value is not _MISSING and not any(_same(value, one) for one in refused)

    return f"anything but {refused}", test


def _numeric(path: tuple[str, ...], operand: list[Any], where: str) -> Test:
    pairs = list(zip(operand[::2], operand[1::2], strict=False))
    known = all(sign in _COMPARISONS and _is_number(bound) for sign, bound in pairs)
    if not pairs or len(operand) % 2 or not known:
        raise _bad(path, where, 'numeric takes pairs such as [">", 5, "<=", 9]')

    def test(value: object) -> bool:
        return _is_number(value) and all(_COMPARISONS[sign](value, bound) for sign, bound in pairs)

    return test


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(value: object, wanted: Scalar) -> bool:
    """Compare as JSON does: true is not 1."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _bad(path: tuple[str, ...], where: str, problem: str) -> SettingsError:
    return SettingsError(f"{'.'.join((where, *path))}: {problem}")
