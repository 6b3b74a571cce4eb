"""Finds the patterns that match an event without trying all of them.

Each pattern is filed under the values of one clause only: the one whose most common value is the rarest among all
patterns. An event then tries the patterns filed under its own values, so that a thousand rules for a thousand servers
cost what one rule costs. Patterns without any exact clause are tried every time; they are few by nature.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from cloudheal.decide.pattern import Clause, Pattern, value_at

K = TypeVar("K")
#: A value as it is looked up: a text as it is, anything else with its type, so that true is kept apart from 1.
_Value: TypeAlias = str | tuple[type, object]
#: A field and one value of it.
_Slot: TypeAlias = tuple[tuple[str, ...], _Value]


@dataclass(frozen=True, slots=True)
class _Filed(Generic[K]):
    order: int
    name: K
    pattern: Pattern


class PatternIndex(Generic[K]):
    """Patterns by name, in order; immutable once built."""

    def __init__(self, patterns: Iterable[tuple[K, Pattern]]) -> None:
        self._filed: dict[tuple[str, ...], dict[_Value, list[_Filed[K]]]] = defaultdict(lambda: defaultdict(list))
        self._always: dict[int, _Filed[K]] = {}
        filed = [_Filed(order, name, pattern) for order, (name, pattern) in enumerate(patterns)]
        common = Counter(slot for one in filed for clause in one.pattern.clauses for slot in _slots(clause))
        for one in filed:
            self._file(one, common)

    def matching(self, fields: Mapping[str, Any]) -> list[K]:
        """Return the names of the patterns that match, in the order given at the start."""
        found = dict(self._always)
        for path, filed in self._filed.items():
            for one in _under(filed, value_at(fields, path)):
                found[one.order] = one
        return [found[order].name for order in sorted(found) if found[order].pattern.matches(fields)]

    def _file(self, one: _Filed[K], common: Counter[_Slot]) -> None:
        indexable = [clause for clause in one.pattern.clauses if clause.exact and not clause.tests]
        if not indexable:
            self._always[one.order] = one
            return
        anchor = min(indexable, key=lambda clause: max(common[slot] for slot in _slots(clause)))
        for path, value in _slots(anchor):
            self._filed[path][value].append(one)


def _under(filed: Mapping[_Value, Sequence[_Filed[K]]], value: object) -> Sequence[_Filed[K]]:
    """Return what is filed under a value, or under any element of a list."""
    if type(value) is str:  # nearly always
        return filed.get(value, ())
    values = value if isinstance(value, list | tuple) and value else (value,)
    return [one for single in values for one in filed.get(_looked_up(single), ())]


def _slots(clause: Clause) -> list[_Slot]:
    return [(clause.path, _looked_up(value)) for value in clause.exact] if not clause.tests else []


def _looked_up(value: object) -> _Value:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return (bool, value)
    return (float, value) if isinstance(value, int | float) else (type(None), None)
