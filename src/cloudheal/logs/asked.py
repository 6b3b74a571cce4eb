"""What a definition asks of a counter, worked out once: which fields are read, and what each metric keeps of them.

All engines start from here, so that they keep the same and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from cloudheal.errors import SettingsError
from cloudheal.logs.definition import (
    LINE,
    AllOf,
    Compare,
    Definition,
    Field,
    Filter,
    Function,
    Kind,
    LineFormat,
    Measure,
    Metric,
    Operator,
)
from cloudheal.logs.names import shown
from cloudheal.logs.numbers import NotANumberError, one
from cloudheal.logs.reading import Value
from cloudheal.logs.urls import normaliser

_ORDER = (Operator.ABOVE, Operator.FROM, Operator.BELOW, Operator.UP_TO)
_CONTENT = (Operator.CONTAINS, Operator.LACKS)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one metric keeps: numbers by field with the percentiles wanted, cells or not, distinct values, classes."""

    metric: Metric
    by: tuple[Field, ...]
    numbers: tuple[Field, ...]
    cells: frozenset[str]
    percents: dict[str, tuple[float, ...]]
    distinct: tuple[Field, ...]
    buckets: tuple[tuple[str, Field, tuple[int, ...]], ...]


def asked(metric: Metric, format_: LineFormat) -> Asked:
    """Return what a metric keeps. Raises SettingsError for a field that the format has not, or that is no number."""
    by = tuple(field_of(format_, name) for name in metric.by)
    numbers: dict[str, Field] = {}
    percents: dict[str, tuple[float, ...]] = {}
    cells: set[str] = set()
    distinct: dict[str, Field] = {}
    buckets: list[tuple[str, Field, tuple[int, ...]]] = []
    for measure in metric.measures:
        field = field_of(format_, measure.field)
        if measure.function in (Function.COUNT, Function.COUNT_PER_SECOND):
            continue
        if measure.function is Function.DISTINCT:
            distinct[field.name] = field
            continue
        if field.kind is not Kind.NUMBER:
            raise SettingsError(
                f"{measure.alias}: {measure.function} is for numbers, and {field.name} is text",
                what_to_do="Count it with count, countps or distinct, or group by it.",
            )
        numbers[field.name] = field
        if measure.function is Function.PERCENTILE:
            cells.add(field.name)
            percents[field.name] = (*percents.get(field.name, ()), *measure.argument)
        if measure.function is Function.DISTRIBUTION:
            buckets.append((measure.alias, field, _bounds(measure, field)))
    ordered = {name: tuple(sorted({*values})) for name, values in percents.items()}
    numeric, different = tuple(numbers.values()), tuple(distinct.values())
    return Asked(metric, by, numeric, frozenset(cells), ordered, different, tuple(buckets))


def field_of(format_: LineFormat, name: str) -> Field:
    """Return a field of the format. Raises SettingsError when there is none of this name."""
    if found := format_.field(name):
        return found
    names = ", ".join(sorted(one.name for one in format_.fields))
    raise SettingsError(f"the format has no field {name!r}", what_to_do=f"It has {names}, and {LINE}.")


def fields_of(definition: Definition) -> frozenset[str]:
    """Return the names of the fields that are needed at all."""
    return frozenset(
        name
        for metric in definition.metrics
        for name in (*metric.by, *(one.field for one in metric.measures if _reads(one)), *_compared(metric.where))
    )


def _reads(measure: Measure) -> bool:
    return measure.function not in (Function.COUNT, Function.COUNT_PER_SECOND)


def _compared(where: Filter | None) -> Iterator[str]:
    if isinstance(where, Compare):
        yield where.field
    elif where:
        for part in where.parts:
            yield from _compared(part)


def _bounds(measure: Measure, field: Field) -> tuple[int, ...]:
    scaled = [Decimal(repr(bound)) * 10**field.digits for bound in measure.argument]
    return tuple(int(bound.to_integral_value(ROUND_FLOOR)) for bound in scaled)


def operand(compare: Compare, field: Field) -> bytes | int:
    """Return what a field is compared with. Raises SettingsError when the two do not go together."""
    number = field.kind is Kind.NUMBER
    if (number and compare.operator in _CONTENT) or (not number and compare.operator in _ORDER):
        kind = "a number" if number else "text"
        raise SettingsError(
            f"{compare.operator} does not go with {field.name}, which is {kind}",
            what_to_do="Numbers are compared with = != > >= < <=, texts with = != contains notContains.",
        )
    if not number:
        return compare.value.encode()
    try:
        return one(compare.value.strip().encode(), field.digits)
    except NotANumberError:
        raise SettingsError(
            f"{field.name} is a number, and {compare.value!r} is none", what_to_do="Write it as the log does."
        ) from None


def predicate(where: Filter | None, format_: LineFormat) -> Callable[[dict[str, Value]], bool]:
    """Return what says of the values of a line whether a filter is met."""
    if where is None:
        return lambda _: True
    if isinstance(where, Compare):
        return _comparison(where, format_)
    parts = [predicate(part, format_) for part in where.parts]
    if isinstance(where, AllOf):
        return lambda values: all(part(values) for part in parts)
    return lambda values: any(part(values) for part in parts)


def compared(operator: Operator, value: Value, other: bytes | int) -> bool:
    """Return whether a value meets a comparison."""
    if isinstance(value, int) and isinstance(other, int):
        return {
            Operator.EQUAL: value == other,
            Operator.UNEQUAL: value != other,
            Operator.ABOVE: value > other,
            Operator.FROM: value >= other,
            Operator.BELOW: value < other,
            Operator.UP_TO: value <= other,
        }[operator]
    if isinstance(value, bytes) and isinstance(other, bytes):
        return {
            Operator.EQUAL: value == other,
            Operator.UNEQUAL: value != other,
            Operator.CONTAINS: other in value,
            Operator.LACKS: other not in value,
        }[operator]
    return False


def _comparison(where: Compare, format_: LineFormat) -> Callable[[dict[str, Value]], bool]:
    other = operand(where, field_of(format_, where.field))
    return lambda values: compared(where.operator, values.get(where.field), other)


def normalised(definition: Definition) -> Callable[[bytes], bytes]:
    """Return what makes names of the definition's URLs."""
    urls = definition.urls
    if urls is None:
        return lambda value: value
    name = normaliser((rule.pattern, rule.replacement) for rule in urls.rules)
    return lambda value: name(text_of(value)).encode(errors="backslashreplace")


def text_of(value: bytes) -> str:
    r"""Return the text of a value; bytes that are not UTF-8 show as `\xff`."""
    return value.decode(errors="backslashreplace")


def key_text(value: Value, field: Field, most: int) -> str:
    """Return a value as it stands in a key: so much of a text, a number in its own unit."""
    if isinstance(value, bytes):
        return shown(text_of(value[:most]))
    if value is None:
        return "-"
    return format(Decimal(value).scaleb(-field.digits), "f")
