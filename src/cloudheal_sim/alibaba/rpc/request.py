"""Wire in, second half: flat parameters become one typed request record per action.

An action's request model lists what it honours as fields and what it knowingly ignores in `IGNORED`; the coverage
page is made from both. Names on the wire are the fields' names in PascalCase; `Name.1.Key` becomes a list of structs.
"""

from __future__ import annotations

import re
import warnings
from ast import literal_eval
from typing import Annotated, Any, ClassVar, Self

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal
from pydantic_core import from_json, to_json

from cloudheal_sim.alibaba.rpc.parameters import shown
from cloudheal_sim.alibaba.rpc.refusal import Refusal, Refused, invalid, missing

#: Parameters that every call takes and the gateway has dealt with.
COMMON = frozenset(
    {
        *("Action", "Version", "Format", "AccessKeyId", "SecurityToken", "Timestamp"),
        *("Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "SignatureType"),
        *("ResourceOwnerAccount", "ResourceOwnerId", "OwnerAccount", "OwnerId"),
    }
)


#: Levels in a name such as `A.1.B.2.C`; no call has more than five.
_DEEPEST = 10
_INDEX = re.compile("[0-9]{1,9}")
#: Twenty backend servers take 4 kB; reading a text costs a hundred times its size.
_LONGEST_PSEUDO_JSON = 64 * 1024


class Struct(BaseModel):
    """A nested parameter such as `Tag.1.{Key,Value}`."""

    #: Names the real service knows and this simulator takes without effect.
    IGNORED: ClassVar[str] = ""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(alias=to_pascal), frozen=True, extra="ignore", populate_by_name=True
    )


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


def unflattened(parameters: dict[str, str]) -> dict[str, Any]:
    """Turn `A.1.B=x` into `{"A": [{"B": "x"}]}`; numbers sort, gaps close. Raises Refused on contradictions."""
    tree: dict[str, Any] = {}
    for name, value in parameters.items():
        if name.count(".") > _DEEPEST:
            raise invalid(shown(name, 200))
        *parents, leaf = name.split(".")
        node: Any = tree
        for part in parents:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise invalid(shown(name, 200))
        if isinstance(node.get(leaf), dict):
            raise invalid(shown(name, 200))
        node[leaf] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(node: object) -> object:
    if not isinstance(node, dict):
        return node
    inner = {name: _listed(value) for name, value in node.items()}
    if inner and all(_INDEX.fullmatch(name) for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


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
