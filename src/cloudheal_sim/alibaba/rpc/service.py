"""How a service declares its actions, so that gateway and coverage page read the same list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cloudheal_sim.alibaba.rpc.request import RpcRequest
from cloudheal_sim.kernel.core import Exchange

Reply = Mapping[str, object]
S = TypeVar("S")
R = TypeVar("R", bound=RpcRequest)


@dataclass(frozen=True, slots=True)
class Action:
    """One action: how its parameters are read and what it does."""

    name: str
    request: type[RpcRequest]
    handler: Callable[[Any, Any, Exchange], Reply]

    @property
    def honoured(self) -> tuple[str, ...]:
        """The parameter names that have an effect, as on the wire."""
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

    def action(
        self, request: type[R]
    ) -> Callable[[Callable[[S, R, Exchange], Reply]], Callable[[S, R, Exchange], Reply]]:
        """Declare the decorated handler as the action named by `request`'s class.

        A handler is synchronous (so that its effects are one step), returns the reply without RequestId, and raises
        Refused to answer with an error.
        """

        def register(handler: Callable[[S, R, Exchange], Reply]) -> Callable[[S, R, Exchange], Reply]:
            name = request.__name__
            if name in self.actions:
                msg = f"{self.name} already has an action {name}"
                raise ValueError(msg)
            self.actions[name] = Action(name, request, handler)
            return handler

        return register
