"""From one HTTP request to one action and back: route, authenticate, read, conduct, render.

Routing is by version and action, never by host. Order of refusals: headers, Authorization, key, timestamp, signature,
token, version, action, rate, parameters, and then what the action itself refuses. Nothing is ever answered by a default
success, and every refusal is an HTTP 200 with a request id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.kernel.core import Exchange, completed, conduct
from cloudheal_sim.kernel.parameters import resources_in, shown
from cloudheal_sim.kernel.service import remembered
from cloudheal_sim.tencent.api3 import refusal as refusals
from cloudheal_sim.tencent.api3.authentication import Authenticator
from cloudheal_sim.tencent.api3.call import read_call
from cloudheal_sim.tencent.api3.refusal import Refusal, Refused
from cloudheal_sim.tencent.api3.reply import refused, rendered
from cloudheal_sim.tencent.api3.signature import MalformedAuthorizationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.faults import Fault
    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.keys import AccessKey
    from cloudheal_sim.kernel.service import Action, Service
    from cloudheal_sim.kernel.wire import HttpReply, HttpRequest
    from cloudheal_sim.tencent.api3.call import Call


class Gateway:
    """Serves every service of one simulated Tencent Cloud."""

    def __init__(self, kernel: Kernel, regions: Collection[str]) -> None:
        self._kernel = kernel
        self._regions = regions
        self._authenticator = Authenticator(kernel.clock, kernel.keyring)
        self._services: dict[str, tuple[Service[Any], object]] = {}

    def serve(self, service: Service[Any], state: object) -> Gateway:
        """Add a service with the state its handlers work on; its documented quotas are in force from now on."""
        self._services[service.version] = (service, state)
        self._kernel.quotas.document(service.rates)
        return self

    @property
    def services(self) -> tuple[Service[Any], ...]:
        """Every service that is served, in the order of joining."""
        return tuple(service for service, _ in self._services.values())

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request."""
        entry, request_id = self._kernel.journal.append("request"), self._new_id()
        call = read_call(request)
        service, state = self._services.get(call.version, (None, None))
        entry.service, entry.action = service.name if service else "", shown(call.action, 200)
        entry.region, entry.resources = shown(call.region, 200), resources_in(call.flat)
        entry.parameters = remembered(call.flat)
        dialect = _Dialect(call.language, self._kernel)
        try:
            key, action = self._admitted(request, service, call, entry)
            exchange = Exchange(
                entry,
                key,
                request_id,
                shown(request.header("host"), 300),
                headers=request.headers,
                bucket=f"{key.account}/{entry.region}",
            )
            return await conduct(
                self._kernel, exchange, dialect, lambda: self._performed(action, state, call, exchange, dialect)
            )
        except Refused as no:
            return completed(entry, dialect.refuse(no.refusal, request_id))

    def unreadable(self, request: HttpRequest, status: int) -> HttpReply:
        """Refuse a body that was too large (413) or broken (400), or own up to a mistake of ours (500)."""
        entry = self._kernel.journal.append("request")
        answers = {413: refusals.BODY_TOO_LARGE, 500: refusals.INTERNAL_ERROR}
        refusal = answers.get(status, refusals.UNREADABLE)
        return completed(entry, refused(refusal, request.header("x-tc-language"), self._new_id()))

    def _new_id(self) -> str:
        return self._kernel.chance.uuid().lower()

    def _admitted(
        self, request: HttpRequest, service: Service[Any] | None, call: Call, entry: Entry
    ) -> tuple[AccessKey, Action]:
        """Return who calls what. Raises Refused."""
        if request.method not in {"GET", "POST"}:
            raise Refused(refusals.UNSUPPORTED_METHOD, method=shown(request.method, 20))
        for name, value in (("Action", call.action), ("Version", call.version), ("Timestamp", call.timestamp)):
            if not value:
                raise refusals.missing(name)
        try:
            claim = call.claim()
        except MalformedAuthorizationError as problem:
            entry.verdict = refusals.INVALID_AUTHORIZATION.code
            raise Refused(refusals.INVALID_AUTHORIZATION, reason=str(problem)) from problem
        products = {one.name for one in self.services}
        key = self._authenticator.admit(claim, products, service.name if service else "", entry)
        return key, _action(service, call)

    def _performed(self, action: Action, state: object, call: Call, exchange: Exchange, dialect: _Dialect) -> HttpReply:
        try:
            reply = action.handler(state, self._read(action, call), exchange)
        except Refused as no:
            return dialect.refuse(no.refusal, exchange.request_id)
        return rendered(reply, exchange.request_id)

    def _read(self, action: Action, call: Call) -> object:
        """Return the typed request. Raises Refused."""
        if action.request.REGIONAL and not call.region:
            raise refusals.missing("Region")
        if action.request.REGIONAL and call.region not in self._regions:
            raise Refused(refusals.UNKNOWN_REGION, region=shown(call.region, 40))
        if call.problem:
            raise Refused(refusals.NOT_JSON, reason=call.problem)
        return action.request.read(call.parameters)


def _action(service: Service[Any] | None, call: Call) -> Action:
    if service is None:
        raise Refused(refusals.UNKNOWN_VERSION, version=shown(call.version, 40))
    action = service.actions.get(call.action)
    if action is None:
        raise Refused(refusals.UNKNOWN_ACTION, action=shown(call.action, 80), version=service.version)
    return action


class _Dialect:
    """Errors as API 3.0 writes them, in the language that the call asks for."""

    def __init__(self, language: str, kernel: Kernel) -> None:
        self._language = language
        self._kernel = kernel

    def refuse(self, refusal: Refusal, request_id: str, status: int = 200) -> HttpReply:
        return refused(refusal, self._language, request_id, status)

    def throttled(self, exchange: Exchange, fault: Fault | None) -> HttpReply:
        limit = self._kernel.quotas.limit(exchange.entry.service, exchange.entry.action)
        usual = refusals.TOO_MANY_REQUESTS.about(used=int(limit) + 1, limit=int(limit))
        return self.refuse(refusals.asked(usual, fault), exchange.request_id)

    def failed(self, exchange: Exchange, fault: Fault) -> HttpReply:
        """Say that the service broke; only a rule that names a status lets one that is not 200 out."""
        return self.refuse(refusals.broken(fault), exchange.request_id, fault.status or 200)
