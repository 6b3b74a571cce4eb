"""The filter of an event pattern: a small part of the log service's query language, over an event's content.

`word`, `"several words"`, `key: value`, `and`, `or`, `not`, parentheses; words are found anywhere in the text, values
are compared with the named field of the content, both regardless of case, `*` and `?` as in shell patterns. What
follows a `|` in the real language (analysis) is refused, as is everything else that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TypeAlias

#: Says whether (lower-case text of the whole content, the content) fits.
Test: TypeAlias = Callable[[str, Mapping[str, object]], bool]

_TOKEN = re.compile(r'\s*(?:(?P<mark>[():])|"(?P<quoted>[^"]*)"|(?P<word>[^\s():"|=<>]+))')
_DEEPEST = 20


class QueryError(ValueError):
    """The query cannot be read."""


@lru_cache(maxsize=1024)
def compiled(query: str) -> Test:
    """Turn a query into a test. Raises QueryError."""
    reader = _Reader(_tokens(query))
    test = reader.alternatives(0)
    if reader.tokens:
        msg = f"unexpected {reader.tokens[0][1]!r}"
        raise QueryError(msg)
    return test


def _tokens(query: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(query.rstrip())
    while at < end:
        found = _TOKEN.match(query, at)
        if found is None:
            msg = f"cannot read from {query[at : at + 20]!r} on"
            raise QueryError(msg)
        kind = found.lastgroup or ""
        tokens.append((kind, found[kind]))
        at = found.end()
    return tokens


class _Reader:
    """Recursive descent; `or` binds loosest, then `and` (also unwritten), then `not`."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens

    def alternatives(self, depth: int) -> Test:
        if depth > _DEEPEST:
            msg = "nested too deeply"
            raise QueryError(msg)
        tests = [self._conjunction(depth)]
        while self._takes("or"):
            tests.append(self._conjunction(depth))
        return tests[0] if len(tests) == 1 else lambda text, content: any(test(text, content) for test in tests)

    def _conjunction(self, depth: int) -> Test:
        tests = [self._negation(depth)]
        while self.tokens and not self._is("or") and self.tokens[0] != ("mark", ")"):
            self._takes("and")
            tests.append(self._negation(depth))
        return tests[0] if len(tests) == 1 else lambda text, content: all(test(text, content) for test in tests)

    def _negation(self, depth: int) -> Test:
        wanted = True
        while self._takes("not"):
            wanted = not wanted
        test = self._term(depth)
        return test if wanted else lambda text, content: not test(text, content)

    def _term(self, depth: int) -> Test:
        kind, text = self._next()
        if (kind, text) == ("mark", "("):
            inner = self.alternatives(depth + 1)
            if self._next() != ("mark", ")"):
                msg = "a parenthesis is not closed"
                raise QueryError(msg)
            return inner
        if kind == "mark":
            msg = f"unexpected {text!r}"
            raise QueryError(msg)
        if self.tokens and self.tokens[0] == ("mark", ":"):
            self._next()
            return _field(text, self._value())
        return _word(text)

    def _value(self) -> str:
        kind, text = self._next()
        if kind == "mark":
            msg = f"a value was expected, not {text!r}"
            raise QueryError(msg)
        return text

    def _next(self) -> tuple[str, str]:
        if not self.tokens:
            msg = "it ends too early"
            raise QueryError(msg)
        return self.tokens.pop(0)

    def _is(self, keyword: str) -> bool:
        return bool(self.tokens) and self.tokens[0][0] == "word" and self.tokens[0][1].lower() == keyword

    def _takes(self, keyword: str) -> bool:
        found = self._is(keyword)
        if found:
            self.tokens.pop(0)
        return found


def _word(word: str) -> Test:
    pattern = f"*{word.lower()}*"
    return lambda text, _content: fnmatchcase(text, pattern)


def _field(name: str, value: str) -> Test:
    pattern, path = value.lower(), name.removeprefix("content.").split(".")

    def test(_text: str, content: Mapping[str, object]) -> bool:
        found: object = content
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        return found is not None and fnmatchcase(str(found).lower(), pattern)

    return test
