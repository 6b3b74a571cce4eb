"""Numbers as logs write them, as whole units of their field: exactly, never by way of binary fractions.

`-` and nothing are missing numbers. What is finer than the field's digits is cut off. Several numbers of one request
(`0.010, 0.022 : 0.001`, one for each try upstream) become one as the field says.
"""

from __future__ import annotations

import re

from cloudheal.logs.counting import MOST_VALUE
from cloudheal.logs.definition import Field, Several

_NUMBER = re.compile(rb"(-?)(\d{1,40})(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,3}))?")
_BETWEEN = re.compile(rb", | : ")
_MISSING = (b"", b"-")


class NotANumberError(ValueError):
    """There is text where a number should be, or one that is too large."""


def units(text: bytes, field: Field) -> int | None:
    """Return the value in units of the field, None when it is missing. Raises NotANumberError."""
    if field.several is None:
        return None if text in _MISSING else one(text, field.digits - field.written)
    values = [one(part, field.digits - field.written) for part in _BETWEEN.split(text) if part not in _MISSING]
    if not values:
        return None
    value = sum(values) if field.several is Several.SUM else values[-1]
    if abs(value) >= MOST_VALUE:
        raise NotANumberError
    return value


def one(text: bytes, digits: int) -> int:
    """Return a number times 10**digits, cut to whole. Raises NotANumberError."""
    found = _NUMBER.fullmatch(text)
    if not found:
        raise NotANumberError
    sign, whole, fraction, exponent = found.groups()
    fraction = fraction or b""
    shift = digits + int(exponent or 0) - len(fraction)
    mantissa = int(whole + fraction)
    power: int = 10 ** min(abs(shift), 81)  # further up it is too large anyhow, further down nothing
    value = mantissa * power if shift > 0 else mantissa // power
    if value >= MOST_VALUE:
        raise NotANumberError
    return -value if sign else value
