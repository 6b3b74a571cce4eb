"""Event patterns as Tencent Cloud's EventBridge takes them: which events a rule wants.

All keys of a pattern must match, values in a list are alternatives, a bare value stands for a list of one. Comparison
is exact and minds the case; operators are prefix, suffix, contain, anything-but, cidr and array.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any

#: Operators inside operators.
_DEEPEST = 8


class PatternError(ValueError):
    """A pattern that cannot be; the message says why."""


def read_pattern(text: str) -> dict[str, Any]:
    """Read a pattern from its JSON. Raises PatternError."""
    try:
        pattern = json.loads(text)
    except (ValueError, RecursionError) as problem:
        msg = "expected JSON"
        raise PatternError(msg) from problem
    if not isinstance(pattern, dict):
        msg = "expected an object"
        raise PatternError(msg)
    return checked(pattern)


def checked(pattern: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return a pattern whose operators are all known. Raises PatternError."""
    if depth > _DEEPEST:
        msg = "nested too deeply"
        raise PatternError(msg)
    for key, wanted in pattern.items():
        if isinstance(wanted, dict):
            checked(wanted, depth + 1)
        elif isinstance(wanted, list):
            for one in wanted:
                _check_operator(one, key)
    return pattern


def _check_operator(wanted: object, key: str) -> None:
    if isinstance(wanted, list):
        msg = f"{key}: a list in a list"
        raise PatternError(msg)
    if isinstance(wanted, dict) and (len(wanted) != 1 or not wanted.keys() <= _OPERATORS.keys()):
        msg = f"{key}: expected one of {', '.join(_OPERATORS)}, got {', '.join(map(str, wanted))}"
        raise PatternError(msg)


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Say whether a pattern wants an event."""
    return all(_key(wanted, event, key) for key, wanted in pattern.items())


def _key(wanted: object, event: Mapping[str, Any], key: str) -> bool:
    if isinstance(wanted, dict) and not (len(wanted) == 1 and wanted.keys() <= _OPERATORS.keys()):
        inner = event.get(key)
        return isinstance(inner, dict) and matches(wanted, inner)
    if key not in event:
        return False
    return any(_one(one, event[key]) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _one(wanted: object, value: object) -> bool:
    if isinstance(wanted, dict):
        ((operator, operand),) = wanted.items()
        return _OPERATORS[operator](operand, value)
    return wanted == value and isinstance(wanted, bool) is isinstance(value, bool)


def _contains(operand: object, value: object) -> bool:
    wanted = operand if isinstance(operand, list) else [operand]
    return isinstance(value, str) and all(isinstance(one, str) and one in value for one in wanted)


def _differs(operand: object, value: object) -> bool:
    return not any(_one(one, value) for one in (operand if isinstance(operand, list) else [operand]))


def _within(operand: object, value: object) -> bool:
    try:
        return ipaddress.ip_address(str(value)) in ipaddress.ip_network(str(operand), strict=False)
    except (ValueError, TypeError):
        return False


def _has(operand: object, value: object) -> bool:
    """Say whether some object of a list holds all pairs of the operand, which is JSON text or an object."""
    try:
        pairs = json.loads(operand) if isinstance(operand, str) else operand
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(value, list)
        and isinstance(pairs, dict)
        and any(isinstance(one, dict) and pairs.items() <= one.items() for one in value)
    )


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "prefix": lambda operand, value: isinstance(value, str) and value.startswith(str(operand)),
    "suffix": lambda operand, value: isinstance(value, str) and value.endswith(str(operand)),
    "contain": _contains,
    "anything-but": _differs,
    "cidr": _within,
    "array": _has,
}
