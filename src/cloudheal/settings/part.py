"""What every part of a settings file has in common: it cannot be changed, and a key that it does not know is a mistake.

Such a key is told with the one that was probably meant.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


class Part(BaseModel):
    """A part of a settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="wrap")
    @classmethod
    def _tell_what_was_meant(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as problem:
            known = [key for name, info in cls.model_fields.items() for key in _keys(name, info)]
            found = [_advised(one, known) for one in problem.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, found) from None


def meant(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` when a word is nearly one of those known, else nothing."""
    by_folded = {one.casefold(): one for one in known}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]}?" if close else ""


def finding(place: tuple[int | str, ...], message: str) -> InitErrorDetails:
    """Return what is wrong at a place within the part that is checked, so that it is told with that place's line."""
    return {"type": PydanticCustomError("settings", "{message}", {"message": message}), "loc": place, "input": None}


def _keys(name: str, info: FieldInfo) -> list[str]:
    """Return how a field may be written."""
    others = info.validation_alias.choices if isinstance(info.validation_alias, AliasChoices) else []
    return [info.alias or name, *(one for one in others if isinstance(one, str) and one != name)]


def _advised(error: ErrorDetails, known: list[str]) -> InitErrorDetails:
    """Return a finding as it was, an unknown key with the known one that is next to it."""
    message = error["msg"].removeprefix("Value error, ")  # how pydantic says that the reason is ours
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        message += meant(str(error["loc"][0]), known)
    told: dict[str, Any] = {"message": message}
    return {"type": PydanticCustomError("settings", "{message}", told), "loc": error["loc"], "input": error["input"]}
