"""Finds the patterns that match an event without trying all of them.

Each pattern is filed under the values of one clause only: the one whose most common value is the rarest among all
patterns. An event then tries the patterns filed under its own values, so that a thousand rules for a thousand servers
cost what one rule costs. Patterns without any exact clause are tried every time; they are few by nature.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cloudheal.decide.pattern import Clause, Pattern, value_at

K = TypeVar("K")
#: A field and one value of it, hashable; bool is kept apart from 1 and 0.
_Slot = tuple[tuple[str, ...], type, object]


@dataclass(frozen=True, slots=True)
class _Filed(Generic[K]):
    order: int
    name: K
    pattern: Pattern


class PatternIndex(Generic[K]):
    """Patterns by name, in order; immutable once built."""

    def __init__(self, patterns: Iterable[tuple[K, Pattern]]) -> None:
        self._slots: dict[_Slot, list[_Filed[K]]] = defaultdict(list)
        self._always: dict[int, _Filed[K]] = {}
        filed = [_Filed(order, name, pattern) for order, (name, pattern) in enumerate(patterns)]
        common = Counter(slot for one in filed for clause in one.pattern.clauses for slot in _slots(clause))
        for one in filed:
            self._file(one, common)
        self._paths = tuple({path for path, _, _ in self._slots})

    def matching(self, fields: Mapping[str, Any]) -> list[K]:
        """Return the names of the patterns that match, in the order given at the start."""
        found = {one.order: one for slot in self._of(fields) for one in self._slots.get(slot, ())}
        found.update(self._always)
        return [one.name for _, one in sorted(found.items()) if one.pattern.matches(fields)]

    def _file(self, one: _Filed[K], common: Counter[_Slot]) -> None:
        indexable = [clause for clause in one.pattern.clauses if clause.exact and not clause.tests]
        if not indexable:
            self._always[one.order] = one
            return
        anchor = min(indexable, key=lambda clause: max(common[slot] for slot in _slots(clause)))
        for slot in _slots(anchor):
            self._slots[slot].append(one)

    def _of(self, fields: Mapping[str, Any]) -> Iterable[_Slot]:
        for path in self._paths:
            value = value_at(fields, path)
            for single in value if isinstance(value, list | tuple) and value else (value,):
                yield _slot(path, single)


def _slots(clause: Clause) -> list[_Slot]:
    return [_slot(clause.path, value) for value in clause.exact] if not clause.tests else []


def _slot(path: tuple[str, ...], value: object) -> _Slot:
    if value is None or not isinstance(value, str | int | float | bool):
        return (path, type(None), None)
    return (path, bool if isinstance(value, bool) else str if isinstance(value, str) else float, value)
