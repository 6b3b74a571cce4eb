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
            known = keys_of(cls)
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


def keys_of(part: type[BaseModel]) -> list[str]:
    """Return how the fields of a part, or of the parameters of a playbook, may be written."""
    return [key for name, info in part.model_fields.items() for key in _keys(name, info)]


def advice(error: ErrorDetails, known: Iterable[str]) -> str:
    """Return what an error says, with the known key next to an unknown one, or that a number was to be a text."""
    message = error["msg"].removeprefix("Value error, ")  # how pydantic says that the reason is ours
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        message += meant(str(error["loc"][0]), known)
    if error["type"] == "string_type" and isinstance(error["input"], int | float):
        message += "; write it in quotes"
    return message


def _advised(error: ErrorDetails, known: list[str]) -> InitErrorDetails:
    """Return a finding as it was, with what is advised."""
    told: dict[str, Any] = {"message": advice(error, known)}
    return {"type": PydanticCustomError("settings", "{message}", told), "loc": error["loc"], "input": error["input"]}
