"""Wire in, second half: the JSON object of a call, or its flat parameters, become one typed request record.

An action's request model lists what it honours as fields and what it knowingly ignores in `IGNORED`; the coverage
page is made from both. A name that is neither is refused, as the real service does. Types are taken a little wider
than there: a number may come as text, because that is all that a query can carry.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import ConfigDict, ValidationError, model_validator

from cloudheal_sim.kernel import service
from cloudheal_sim.kernel.parameters import shown
from cloudheal_sim.tencent.api3 import refusal as refusals
from cloudheal_sim.tencent.api3.refusal import Refusal, Refused

#: Parameters of the older signature that every call takes and the gateway has dealt with.
COMMON = frozenset(
    {
        *("Action", "Version", "Region", "Timestamp", "Nonce", "SecretId", "Token", "Language"),
        *("Signature", "SignatureMethod", "RequestClient"),
    }
)
#: Which of several mistakes is told: a wrong type before a missing parameter before an unknown one.
_ORDER = {"missing": 1, "extra_forbidden": 2}


class Struct(service.Struct):
    """A nested parameter such as `Filters.0.{Name,Values}`; absent and null are the same."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _as_known(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        ignored = cls.IGNORED.split()
        return {name: value for name, value in given.items() if value is not None and name not in ignored}


class Api3Request(Struct):
    """The parameters of one action; the class is named as the action is."""

    #: False for the actions that do without a region.
    REGIONAL: ClassVar[bool] = True
    #: The action's own refusals for a bad parameter, by wire name.
    REFUSALS: ClassVar[dict[str, Refusal]] = {}

    @classmethod
    def read(cls, parameters: dict[str, Any]) -> Self:
        """Build the request. Raises Refused as the real service refuses."""
        try:
            return cls.model_validate(parameters)
        except ValidationError as problem:
            raise cls._refused(problem) from problem

    @classmethod
    def _refused(cls, problem: ValidationError) -> Refused:
        errors = problem.errors(include_url=False, include_context=False, include_input=False)
        first = min(errors, key=lambda one: _ORDER.get(one["type"], 0))
        name = shown(".".join(str(part) for part in first["loc"]), 200)
        stem = str(first["loc"][0]) if first["loc"] else ""
        match first["type"]:
            case "missing":
                return refusals.missing(name)
            case "extra_forbidden":
                return Refused(refusals.UNKNOWN_PARAMETER, name=name)
        if stem in cls.REFUSALS:
            return Refused(cls.REFUSALS[stem], name=name)
        return Refused(refusals.INVALID_PARAMETER, name=name)
