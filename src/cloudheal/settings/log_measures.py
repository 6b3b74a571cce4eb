"""What a metric takes of the lines that it counts: `avg(rt) as rt_avg`, or the same in keys.

CloudMonitor's words are understood: `FieldName`, `Function`, `Alias`, functions in any case.
"""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import AliasChoices, ConfigDict, Field, field_validator, model_validator

from cloudheal.settings.part import Part, meant

#: Without percentiles, which are `p` and a number.
FUNCTIONS = ("count", "countps", "sum", "sumps", "avg", "min", "max", "distinct", "distribution")
#: A name as CloudMonitor allows it, and as every outlet can write it.
NAME = r"^[A-Za-z0-9_]{1,64}$"
MOST_BOUNDS = 100

_PERCENTILE = re.compile(r"p(?P<percent>\d{1,2}(?:\.\d{1,3})?)")
_SHORT = re.compile(
    r"\s*(?P<function>[\w.]+)\s*\(\s*(?P<field>[^\s,()]*)\s*(?P<bounds>(?:,[^,()]*)*)\)"
    r"\s*(?:as\s+(?P<alias>\S+)\s*)?",
    re.IGNORECASE,
)


class LogMeasure(Part):
    """A statistic of a field over each minute. A text such as `p99(rt) as rt_p99` is the same."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    field: str = Field(
        "",
        validation_alias=AliasChoices("field", "FieldName"),
        description="The field; `count` and `countps` need none and count lines.",
    )
    function: str = Field(
        "count",
        validation_alias=AliasChoices("function", "Function"),
        description="`count`, `countps` (a second), `sum`, `sumps`, `avg`, `min`, `max`, `distinct` (different "
        "values), `p50` to `p99.9`, or `distribution`.",
    )
    alias: str = Field(
        "",
        validation_alias=AliasChoices("alias", "Alias"),
        description="What it is called; absent: field and function, such as `rt_p99`.",
        pattern=f"{NAME}|^$",
    )
    bounds: list[float] = Field(
        [],
        max_length=MOST_BOUNDS,
        description="Of `distribution`, rising: `[0.1, 0.5]` counts (-∞, 0.1], (0.1, 0.5] and (0.5, +∞).",
    )

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, value: Any) -> Any:
        return _keys(value) if isinstance(value, str) else value

    @field_validator("function")
    @classmethod
    def _known(cls, value: str) -> str:
        function = value.casefold()
        if function in FUNCTIONS:
            return function
        percentile = _PERCENTILE.fullmatch(function)
        if percentile and float(percentile["percent"]) > 0:
            return function
        expected = f"{', '.join(FUNCTIONS)} or a percentile such as p99"
        raise ValueError(f"expected {expected}, got {value!r}{meant(value, FUNCTIONS)}")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.field and self.function not in {"count", "countps"}:
            raise ValueError(f"{self.function} needs a field, such as {self.function}(rt)")
        if (self.function == "distribution") != bool(self.bounds):
            raise ValueError("distribution needs bounds and nothing else has them, such as distribution(rt, 0.1, 0.5)")
        if self.bounds != sorted(set(self.bounds)):
            raise ValueError(f"bounds rise, got {self.bounds}")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return self.alias or "_".join(part for part in (_word(self.field), _word(self.function)) if part)

    @property
    def percent(self) -> float:
        """Which percentile it is: 99.9 of `p99.9`, 0 of what is none."""
        found = _PERCENTILE.fullmatch(self.function)
        return float(found["percent"]) if found else 0.0


def _word(text: str) -> str:
    """Return a text as part of a name."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def _keys(text: str) -> dict[str, Any]:
    """Read `distribution(rt, 0.1, 0.5) as spread`. Raises ValueError saying what was expected."""
    found = _SHORT.fullmatch(text)
    if found is None:
        cut = "; a comma ends it inside of [...]: put it in quotes" if text.count("(") != text.count(")") else ""
        raise ValueError(f"expected a statistic such as `count()` or `avg(rt) as rt_avg`, got {text!r}{cut}")
    field = "" if found["field"] == "*" else found["field"]
    keys: dict[str, Any] = {"field": field, "function": found["function"], "alias": found["alias"] or ""}
    if found["bounds"]:
        keys["bounds"] = [bound.strip() for bound in found["bounds"].split(",")[1:]]
    return keys
