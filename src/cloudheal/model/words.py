"""Numbers within sentences: a text says what one is called and what several are, `{count:row|rows}`."""

from __future__ import annotations

from collections.abc import Mapping


class Told(str):
    """A value as text; with two words behind a colon it is followed by the one that fits its number."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        """Return the text, and the first word after 1, the second after everything else."""
        one, several, many = spec.partition("|")
        return f"{self} {one if self == '1' else many}" if several else super().__format__(spec)


def told(facts: Mapping[str, str]) -> dict[str, Told]:
    """Return facts as a text takes them that counts."""
    return {name: Told(value) for name, value in facts.items()}
