"""Reads the text format 0.0.4 as its documentation has it, sharing nothing with what writes it."""

from __future__ import annotations


def lines_of(page: str) -> list[tuple[str, dict[str, str], float]]:
    """Return the samples of a page: name, labels, value. Raises ValueError for what is not of the format."""
    if page and not page.endswith("\n"):
        raise ValueError("the last line does not end")
    return [_sample(line) for line in page.split("\n")[:-1] if not line.startswith("#")]


def _sample(line: str) -> tuple[str, dict[str, str], float]:
    name, brace, rest = line.partition("{")
    if not brace:
        name, _, value = line.partition(" ")
        return name, {}, float(value)
    labels: dict[str, str] = {}
    at = 0
    while rest[at] != "}":
        equals = rest.index('="', at)
        label, at, text = rest[at:equals], equals + 2, ""
        while rest[at] != '"':
            if rest[at] == "\\":
                text += {"\\": "\\", '"': '"', "n": "\n"}[rest[at + 1]]
                at += 2
            else:
                text += rest[at]
                at += 1
        labels[label] = text
        at += 1
        if rest[at] == ",":
            at += 1
    return name, labels, float(rest[at + 1 :])
