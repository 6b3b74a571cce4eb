"""Which lines of a log a metric counts: comparisons of fields, joined by `and` and `or`.

A comparison is a text such as `status >= 400` or the same in three keys; a list is an `and`. CloudMonitor's `Key`,
`Operator`, `Value` and `contain` / `notContain` are understood. What a field may be compared with is checked where the
log's format is known.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import AliasChoices, ConfigDict, Field, field_validator, model_validator

from cloudheal.settings.part import Part

Operator = Literal["=", "!=", ">", ">=", "<", "<=", "contains", "notContains"]

_COMPARISON = re.compile(
    r"\s*(?P<field>[^\s=!<>]+)\s*(?P<operator>>=|<=|!=|==|=|>|<|\b(?:contains?|notContains?)\b)\s*(?P<value>.*?)\s*",
    re.DOTALL,
)
_JOINED = re.compile(r"\s+(?:and|or|&&|\|\|)\s+[^\s=!<>]+\s*(?:[=!<>]|contains?\b|notContains?\b)", re.IGNORECASE)
#: How others write the same.
_SYNONYMS = {"==": "=", "contain": "contains", "notContain": "notContains"}


def as_text(value: object) -> object:
    """Return a value that YAML read as a number or a truth as the text that a line would hold."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class LogFilter(Part):
    """One comparison, or several of them joined. A text is a comparison, and a list means `and`."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    field: str = Field("", validation_alias=AliasChoices("field", "Key"), description="The field that is compared.")
    operator: Operator = Field(
        "=",
        validation_alias=AliasChoices("operator", "Operator"),
        description="How; more and less only for numbers, `contains` only for texts.",
    )
    value: str | None = Field(None, validation_alias=AliasChoices("value", "Value"), description="With what.")
    every: list[LogFilter] | None = Field(None, alias="and", min_length=1, description="All of these hold.")
    some: list[LogFilter] | None = Field(None, alias="or", min_length=1, description="One of these holds.")

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"and": value}
        return _comparison(value) if isinstance(value, str) else value

    @field_validator("operator", mode="before")
    @classmethod
    def _as_we_write(cls, value: Any) -> Any:
        return _SYNONYMS.get(value, value) if isinstance(value, str) else value

    @field_validator("value", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return as_text(value)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        compares = bool(self.field) and self.value is not None
        if (self.field != "" or self.value is not None) and not compares:
            raise ValueError("a comparison has a field and a value, such as `status >= 400`")
        if compares + (self.every is not None) + (self.some is not None) != 1:
            raise ValueError("expected one of a comparison, `and` and `or`; put one inside the other to have both")
        return self


def _comparison(text: str) -> dict[str, str]:
    """Read `status >= 400`; quotes around the value keep spaces. Raises ValueError saying what was expected."""
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a comparison such as `status >= 400` or `url contains /api`, got {text!r}")
    value = found["value"]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    elif _JOINED.search(value):
        raise ValueError(f"one comparison in each text: write `and: [..., ...]` or `or: [..., ...]` for {text!r}")
    return {"field": found["field"], "operator": found["operator"], "value": value}
