"""Where handlers are found by the name of their call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from cloudheal_sim.alibaba.mns.model.account import Account
from cloudheal_sim.alibaba.mns.requests import Call
from cloudheal_sim.kernel.core import Exchange
from cloudheal_sim.kernel.wire import HttpReply

#: Does one call for one account; waits only where the call is a long poll. Raises Refused.
Handler: TypeAlias = Callable[[Account, Call, Exchange], HttpReply | Awaitable[HttpReply]]

ACTIONS: dict[str, Handler] = {}

if TYPE_CHECKING:
    Registrar: TypeAlias = Callable[[Handler], Handler]


def action(name: str) -> Registrar:
    """Register the handler of a call."""

    def register(handler: Handler) -> Handler:
        ACTIONS[name] = handler
        return handler

    return register
