"""Wire in, second half: flat parameters become one typed request record per action.

An action's request model lists what it honours as fields and what it knowingly ignores in `IGNORED`; the coverage
page is made from both. Names on the wire are the fields' names in PascalCase; `Name.1.Key` becomes a list of structs.
"""

from __future__ import annotations

import warnings
from ast import literal_eval
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, ValidationError
from pydantic_core import from_json, to_json

from cloudheal_sim.alibaba.rpc.refusal import Refusal, Refused, invalid, missing
from cloudheal_sim.kernel.parameters import ContradictionError, unflattened
from cloudheal_sim.kernel.service import Struct

__all__ = ["COMMON", "Blank", "Flag", "Ids", "JsonText", "Numbered", "RpcRequest", "Struct", "Text", "Whole"]

#: Parameters that every call takes and the gateway has dealt with.
COMMON = frozenset(
    {
        *("Action", "Version", "Format", "AccessKeyId", "SecurityToken", "Timestamp"),
        *("Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "SignatureType"),
        *("ResourceOwnerAccount", "ResourceOwnerId", "OwnerAccount", "OwnerId"),
    }
)
#: Twenty backend servers take 4 kB; reading a text costs a hundred times its size.
_LONGEST_PSEUDO_JSON = 64 * 1024


class RpcRequest(Struct):
    """The parameters of one action; the class is named as the action is."""

    #: HTTP statuses of the two general refusals; some ECS calls answer 404 and 403.
    MISSING_STATUS: ClassVar[int] = 400
    INVALID_STATUS: ClassVar[int] = 400
    #: The action's own refusals for a bad parameter, by wire name.
    REFUSALS: ClassVar[dict[str, Refusal]] = {}

    region_id: str = ""

    @classmethod
    def read(cls, parameters: dict[str, str]) -> Self:
        """Build the request from flat parameters. Raises Refused as the real service refuses."""
        try:
            return cls.model_validate(unflattened(parameters))
        except ContradictionError as problem:
            raise invalid(str(problem)) from problem
        except ValidationError as problem:
            raise cls._refused(problem) from problem

    @classmethod
    def _refused(cls, problem: ValidationError) -> Refused:
        first = problem.errors(include_url=False, include_context=False)[0]
        path = [str(part + 1) if isinstance(part, int) else part for part in first["loc"]]
        name, stem = ".".join(path), path[0] if path else ""
        if stem in cls.REFUSALS and first["type"] != "missing":
            return Refused(cls.REFUSALS[stem])
        if first["type"] == "missing":
            return missing(name, cls.MISSING_STATUS)
        return invalid(name, cls.INVALID_STATUS)


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return []
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        return _pseudo_json(text)


def _pseudo_json(text: str) -> object:
    """Read `[{'ServerId':'i-a'}]`, which the vendor's own documentation shows (requirement B0-15)."""
    msg = "neither JSON nor its single-quoted form"
    if len(text) > _LONGEST_PSEUDO_JSON:
        raise ValueError(msg)
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            # Through JSON once more: a literal may hold what no reply can carry (half surrogates, bytes, NaN).
            return from_json(to_json(literal_eval(text)), allow_inf_nan=False)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as problem:
        raise ValueError(msg) from problem


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


def _single_is_list(value: object) -> object:
    """Take a lone `RuleNames=x` or a JSON array for `RuleNames.1=x`, as the gateways do."""
    if isinstance(value, str):
        return _parsed(value) if value.lstrip().startswith("[") else [value]
    return value


#: A JSON array or object carried in one string parameter; single quotes are tolerated.
JsonText = BeforeValidator(_parsed)
#: An optional parameter for which an empty string means absent.
Blank = BeforeValidator(_blank_is_none)
Ids = Annotated[tuple[str, ...], JsonText]
Numbered = Annotated[tuple[str, ...], BeforeValidator(_single_is_list)]
Flag = Annotated[bool | None, Blank]
Text = Annotated[str | None, Blank]
Whole = Annotated[int | None, Blank]
