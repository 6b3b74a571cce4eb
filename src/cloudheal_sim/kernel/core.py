"""The parts every service is handed, in one record, and the way one signed call is conducted through them.

`conduct` is where quotas, faults and the journal meet a call. Services decide only what the call does; the wire
dialects decide only how a refusal looks.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, Clock, Mode
from cloudheal_sim.kernel.faults import Chosen, Fault, Faults, Kind
from cloudheal_sim.kernel.journal import Entry, Journal
from cloudheal_sim.kernel.keys import AccessKey
from cloudheal_sim.kernel.quota import Quotas
from cloudheal_sim.kernel.wire import Delivery, HttpReply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cloudheal_sim.kernel.chance import Chance
    from cloudheal_sim.kernel.keys import Keyring, Vendor
    from cloudheal_sim.kernel.outbound import Outbound


@dataclass(frozen=True, slots=True)
class Kernel:
    """Clock, chance, faults, journal, quotas, keys and the way out: shared by all services of one simulator."""

    clock: Clock
    chance: Chance
    faults: Faults
    journal: Journal
    quotas: Quotas
    keyring: Keyring
    outbound: Outbound

    def issue(self, vendor: Vendor, *, prefix: str, account: str, role: str, expires: int) -> AccessKey:
        """Draw a temporary key pair with a token, valid until `expires` (epoch milliseconds)."""
        drawn = [self.chance.token(length, "sts") for length in (24, 44, 64)]
        return self.keyring.issue(
            AccessKey(f"{prefix}{drawn[0]}", drawn[1], vendor, account, token=drawn[2], expires=expires, role=role)
        )


def _none(_items: int) -> frozenset[int]:
    return frozenset()


@dataclass(slots=True)
class Exchange:
    """One authenticated call while it is being served.

    `as_of` is the instant that reads answer for (None is now); `spoilt` tells of a batch of so many items the places of
    those that must fail. Both are set by injected faults and honoured by the services. `bucket` is whom the call counts
    for in quotas; empty is its access key.
    """

    entry: Entry
    key: AccessKey
    request_id: str
    host: str
    as_of: int | None = None
    spoilt: Callable[[int], frozenset[int]] = _none
    headers: Mapping[str, str] = field(default_factory=dict)
    bucket: str = ""


class Dialect(Protocol):
    """How one wire protocol says that it will not, or could not."""

    def throttled(self, exchange: Exchange, fault: Fault | None) -> HttpReply:
        """Say that the call was over its quota; `fault` is the rule that asked for it, None for a real quota."""

    def failed(self, exchange: Exchange, fault: Fault) -> HttpReply:
        """Say that the service broke (`5xx`), or whatever error the fault names."""


async def conduct(
    kernel: Kernel, exchange: Exchange, dialect: Dialect, effect: Callable[[], HttpReply | Awaitable[HttpReply]]
) -> HttpReply:
    """Run one call under quota and faults, and complete its journal entry."""
    entry = exchange.entry
    chosen = kernel.faults.for_call(entry.service, entry.action, entry.region, entry.resources)
    entry.fault = _named(chosen)
    if chosen.latency and not await _waited(kernel, chosen.latency):
        return completed(entry, _reset("a new world began", exchange))
    reply = _refusal(kernel, exchange, dialect, chosen.fault)
    if reply is None:
        reply = await _effect(kernel, exchange, chosen.fault, effect)
        reply = _spoiled(exchange, dialect, chosen.fault, reply)
    return completed(entry, reply)


def completed(entry: Entry, reply: HttpReply) -> HttpReply:
    """Write the outcome into the journal entry."""
    entry.status, entry.code, entry.request_id = reply.status, reply.code, reply.request_id
    return reply


async def _waited(kernel: Kernel, seconds: float) -> bool:
    """Let so many seconds pass; False when the world that was called is gone by then: its call has no effect."""
    return await kernel.clock.sleep_until(kernel.clock.now() + round(seconds * MILLIS_PER_SECOND))


def _reset(code: str, exchange: Exchange) -> HttpReply:
    return HttpReply(0, code=code, request_id=exchange.request_id, delivery=Delivery.RESET)


def _named(chosen: Chosen) -> str:
    names = [f"latency {chosen.latency:.3f}s"] if chosen.latency else []
    return ", ".join([*names, chosen.fault.kind.value] if chosen.fault else names)


def _refusal(kernel: Kernel, exchange: Exchange, dialect: Dialect, fault: Fault | None) -> HttpReply | None:
    entry = exchange.entry
    if not kernel.quotas.admits(entry.service, entry.action, exchange.bucket or exchange.key.id):
        return dialect.throttled(exchange, None)
    match fault.kind if fault else None:
        case Kind.THROTTLE:
            return dialect.throttled(exchange, fault)
        case Kind.SERVER_ERROR | Kind.ERROR if fault:
            return dialect.failed(exchange, fault)
        case Kind.RESET:
            return _reset("reset", exchange)
    return None


async def _effect(
    kernel: Kernel, exchange: Exchange, fault: Fault | None, effect: Callable[[], HttpReply | Awaitable[HttpReply]]
) -> HttpReply:
    if fault and fault.kind is Kind.STALE_READ:
        exchange.as_of = kernel.clock.now() - round(fault.age_seconds * MILLIS_PER_SECOND)
    if fault and fault.kind is Kind.PARTIAL_BATCH:
        exchange.spoilt = lambda items: kernel.faults.struck(items, fault.share)
    with kernel.journal.within(exchange.entry):
        outcome = effect()
    return await outcome if inspect.isawaitable(outcome) else outcome


def _spoiled(exchange: Exchange, dialect: Dialect, fault: Fault | None, reply: HttpReply) -> HttpReply:
    match fault.kind if fault else None:
        case Kind.EFFECT_THEN_5XX if fault:
            return dialect.failed(exchange, fault)
        case Kind.EFFECT_THEN_TIMEOUT if fault:
            return reply.delivered(Delivery.HANG, fault.hold_seconds)
        case Kind.TRUNCATED_BODY:
            return reply.delivered(Delivery.TRUNCATED)
    return reply


__all__ = ["Clock", "Dialect", "Exchange", "Kernel", "Mode", "completed", "conduct"]
