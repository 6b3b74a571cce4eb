"""How a service declares its actions, so that gateway, coverage page and quotas read the same list.

What an action's parameters look like on the wire, and how a refusal looks, is the matter of each cloud's gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import AliasGenerator, BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from cloudheal_sim.kernel.core import Exchange
from cloudheal_sim.kernel.journal import redacted
from cloudheal_sim.kernel.parameters import shown

Reply = Mapping[str, object]
S = TypeVar("S")
R = TypeVar("R", bound="Struct")

#: Characters of a call's parameters that the journal keeps; a call with a hundred ids has some 4,000.
MOST_REMEMBERED = 8000


class Struct(BaseModel):
    """Parameters that belong together: those of one action, or a nested one such as `Tag.1.{Key,Value}`.

    Names on the wire are the fields' names in PascalCase.
    """

    #: Names the real service knows and this simulator takes without effect.
    IGNORED: ClassVar[str] = ""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(alias=to_pascal),
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        defer_build=True,  # of hundreds of actions a run uses a few; building all would double the start
    )


@dataclass(frozen=True, slots=True)
class Action:
    """One action: how its parameters are read and what it does."""

    name: str
    request: type[Any]
    handler: Callable[[Any, Any, Exchange], Reply]
    rate: float = 0.0
    """Calls a second that the service admits by its documentation; 0 for a rate that nobody published."""

    @property
    def honoured(self) -> tuple[str, ...]:
        """The parameter names that have an effect, as on the wire."""
        self.request.model_rebuild()  # what was not used yet has no wire names
        return tuple(field.alias or name for name, field in self.request.model_fields.items())

    @property
    def ignored(self) -> tuple[str, ...]:
        """The parameter names that are taken without effect."""
        return tuple(self.request.IGNORED.split())


class Service(Generic[S]):
    """The actions of one API version; `S` is the state that its handlers work on."""

    def __init__(self, name: str, product: str, version: str) -> None:
        self.name = name
        self.product = product
        self.version = version
        self.actions: dict[str, Action] = {}

    @property
    def rates(self) -> dict[str, float]:
        """The documented quotas, calls a second by `service:action`."""
        return {f"{self.name}:{name}": one.rate for name, one in self.actions.items() if one.rate}

    def action(
        self, request: type[R], *, rate: float = 0.0
    ) -> Callable[[Callable[[S, R, Exchange], Reply]], Callable[[S, R, Exchange], Reply]]:
        """Declare the decorated handler as the action named by `request`'s class.

        A handler is synchronous (so that its effects are one step), returns the reply without RequestId, and raises
        its cloud's Refused to answer with an error.
        """

        def register(handler: Callable[[S, R, Exchange], Reply]) -> Callable[[S, R, Exchange], Reply]:
            name = request.__name__
            if name in self.actions:
                msg = f"{self.name} already has an action {name}"
                raise ValueError(msg)
            self.actions[name] = Action(name, request, handler, rate)
            return handler

        return register


def remembered(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what the journal keeps of a call's parameters: text, without secrets, and no more than fits."""
    kept: dict[str, str] = {}
    room = MOST_REMEMBERED
    for name, value in redacted({shown(name, 200): shown(value, 2001) for name, value in parameters.items()}).items():
        room -= len(name) + len(value)
        if room < 0:
            break
        kept[name] = value
    return kept
