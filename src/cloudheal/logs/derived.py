"""Arithmetic over the statistics of one window: `errors / requests * 100`.

An expression is evaluated after windows and hosts were added up, so that a ratio is one of sums and never a mean of
ratios. Names, figures, `+ - * /` and parentheses, nothing else: it is read with Python's own grammar and what is not
on that list is refused, nothing is ever run. Names may begin with a figure, as in CloudMonitor's `5XXNumber`. Where it
has no value (a division by zero, a statistic without one) there is no point.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: Longer ones are programs.
MOST_CHARACTERS = 500
#: What a name, or a figure, is written with.
_WORD = re.compile(r"[A-Za-z0-9_.]+")
_FIGURE = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_OPERATORS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ALLOWED = "names, figures, + - * / and parentheses"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was understood; in its tree the name of index 3 is `_3`."""

    text: str
    names: tuple[str, ...]
    tree: ast.expr

    def value(self, values: Mapping[str, float | None]) -> float | None:
        """Return its value, or None where it has none."""
        try:
            found = self._of(self.tree, values)
        except (ZeroDivisionError, OverflowError):
            return None
        return found if found is not None and math.isfinite(found) else None

    def _of(self, node: ast.expr, values: Mapping[str, float | None]) -> float | None:
        match node:
            case ast.BinOp(left, sign, right):
                first, second = self._of(left, values), self._of(right, values)
                return None if first is None or second is None else _OPERATORS[type(sign)](first, second)
            case ast.UnaryOp(ast.USub(), operand):
                found = self._of(operand, values)
                return None if found is None else -found
            case ast.UnaryOp(_, operand):
                return self._of(operand, values)
            case ast.Name(id):
                return values.get(self.name_of(id))
            case ast.Constant(int() | float() as figure):
                return float(figure)
        raise TypeError(f"{ast.dump(node)} was let in")  # pragma: no cover - `expression` lets nothing else in

    def name_of(self, id_: str) -> str:
        """Return the name that one in the tree stands for."""
        return self.names[int(id_.removeprefix("_"))]


def expression(text: str, names: Sequence[str]) -> Expression:
    """Read an expression over these names. Raises ValueError saying what was expected."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"expected at most {MOST_CHARACTERS} characters")
    used: list[str] = []
    plain = " ".join(_WORD.sub(lambda word: _plain(word.group(), names, used), text).split())
    try:
        tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise ValueError(f"not an expression: {text!r}; expected {_ALLOWED}") from problem
    for node in ast.walk(tree):
        if not _is_arithmetic(node):
            raise ValueError(f"not arithmetic: {text!r}; expected {_ALLOWED}")
    return Expression(text, tuple(used), tree)


def _plain(word: str, names: Sequence[str], used: list[str]) -> str:
    """Return a word as Python reads it: a figure as it is, a name by its place among those used."""
    if word in names:
        if word not in used:
            used.append(word)
        return f"_{used.index(word)}"
    if _FIGURE.fullmatch(word):
        return word
    raise ValueError(f"no measure is called {word}; known are {', '.join(names)}")


def _is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=sign):
            return type(sign) in _OPERATORS
        case ast.UnaryOp(op=sign):
            return isinstance(sign, ast.USub | ast.UAdd)
        case ast.Constant(value):
            return isinstance(value, int | float)
    return isinstance(node, ast.Name | ast.expr_context | ast.operator | ast.unaryop)
