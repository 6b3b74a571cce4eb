"""From one HTTP request to one action and back: route, authenticate, read, conduct, render.

Routing is by version and action, never by host. Order of refusals: unreadable, key, timestamp, signature, nonce,
version, action, parameters. Nothing is ever answered by a default success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.rpc import refusal as refusals
from cloudheal_sim.alibaba.rpc.authentication import Authenticator
from cloudheal_sim.alibaba.rpc.parameters import (
    UnreadableParametersError,
    of_body,
    of_query,
    resources_in,
    well_formed,
)
from cloudheal_sim.alibaba.rpc.refusal import Refusal, Refused
from cloudheal_sim.alibaba.rpc.reply import rendered
from cloudheal_sim.alibaba.rpc.signature import ACS3, Claim, claim_acs3, claim_v1
from cloudheal_sim.kernel.core import Exchange, completed, conduct
from cloudheal_sim.kernel.faults import Fault, Kind
from cloudheal_sim.kernel.journal import redacted

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.rpc.service import Action, Service
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.wire import HttpReply, HttpRequest


@dataclass(frozen=True, slots=True)
class Call:
    """One readable call, before anyone asked whether it may."""

    action: str
    version: str
    parameters: dict[str, str]
    claim: Claim | None
    xml: bool

    @property
    def region(self) -> str:
        """The region that the call names; empty when it names none."""
        return self.parameters.get("RegionId", "")


class Gateway:
    """Serves every RPC service of one simulated Alibaba Cloud."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._authenticator = Authenticator(kernel.clock, kernel.keyring)
        self._services: dict[str, tuple[Service[Any], object]] = {}

    def serve(self, service: Service[Any], state: object) -> Gateway:
        """Add a service with the state its handlers work on."""
        self._services[service.version] = (service, state)
        return self

    @property
    def services(self) -> tuple[Service[Any], ...]:
        """Every service that is served, in the order of joining."""
        return tuple(service for service, _ in self._services.values())

    def restart(self) -> None:
        """Forget used nonces: a new world begins."""
        self._authenticator.restart()

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request."""
        entry = self._kernel.journal.append("request")
        request_id = self._kernel.chance.uuid()
        try:
            call = read_call(request)
        except UnreadableParametersError as problem:
            dialect = _Dialect("", "", xml=False)
            return completed(entry, dialect.refuse(refusals.UNREADABLE._replace(message=str(problem)), request_id))
        service, state = self._services.get(call.version, (None, None))
        dialect = _Dialect(call.action, service.product if service else "", xml=call.xml)
        entry.service, entry.action = service.name if service else "", call.action
        entry.region, entry.resources = call.region, resources_in(call.parameters)
        entry.parameters = redacted(call.parameters)
        try:
            key = self._authenticator.admit(call.claim, entry)
            action = _action(service, call)
            exchange = Exchange(entry, key, request_id, request.header("host"), headers=request.headers)
            return await conduct(
                self._kernel, exchange, dialect, lambda: _performed(action, state, call, exchange, dialect)
            )
        except Refused as refused:
            return completed(entry, dialect.refuse(refused.refusal, request_id))

    def unreadable(self, target: str, status: int) -> HttpReply:
        """Refuse a request whose body was too large (413) or broken (400)."""
        entry = self._kernel.journal.append("request")
        dialect = _Dialect("", "", xml="format=json" not in target.lower())
        too_large = status == refusals.BODY_TOO_LARGE.status
        refusal = refusals.BODY_TOO_LARGE if too_large else refusals.UNREADABLE
        return completed(entry, dialect.refuse(refusal, self._kernel.chance.uuid()))


def read_call(request: HttpRequest) -> Call:
    """Take a request apart. Raises UnreadableParametersError."""
    query, body = of_query(request.query), of_body(request)
    parameters = {**query, **body}
    signed_v3 = request.header("authorization").startswith(ACS3)
    action = parameters.get("Action") or request.header("x-acs-action")
    version = parameters.get("Version") or request.header("x-acs-version")
    claim = claim_acs3(request, query) if signed_v3 else claim_v1(request.method, parameters)
    asked = parameters.get("Format", "" if not signed_v3 else "JSON").upper()
    return Call(action, version, parameters, claim, xml=asked != "JSON")


def _action(service: Service[Any] | None, call: Call) -> Action:
    if service is None:
        raise Refused(refusals.UNKNOWN_VERSION)
    action = service.actions.get(call.action)
    if action is None:
        raise Refused(refusals.UNKNOWN_ACTION)
    return action


def _performed(action: Action, state: object, call: Call, exchange: Exchange, dialect: _Dialect) -> HttpReply:
    try:
        if (bad := well_formed(call.parameters)) is not None:
            raise refusals.invalid(bad)
        reply = action.handler(state, action.request.read(call.parameters), exchange)
    except Refused as refused:
        return dialect.refuse(refused.refusal, exchange.request_id)
    document = {"RequestId": exchange.request_id, **reply}
    return rendered(f"{action.name}Response", document, xml=dialect.xml, request_id=exchange.request_id)


class _Dialect:
    """Errors as the RPC gateways write them."""

    def __init__(self, action: str, product: str, *, xml: bool) -> None:
        self._action = action
        self._host = f"{(product or 'openapi').lower()}.aliyuncs.com"
        self.xml = xml

    def refuse(self, refusal: Refusal, request_id: str) -> HttpReply:
        document = {
            "RequestId": request_id,
            "HostId": self._host,
            "Code": refusal.code,
            "Message": refusal.message,
            "Recommend": f"https://api.aliyun.com/troubleshoot?q={refusal.code}",
        }
        return rendered(
            "Error", document, xml=self.xml, status=refusal.status, code=refusal.code, request_id=request_id
        )

    def throttled(self, exchange: Exchange, fault: Fault | None) -> HttpReply:
        return self.refuse(_asked(refusals.THROTTLED_USER, fault), exchange.request_id)

    def failed(self, exchange: Exchange, fault: Fault) -> HttpReply:
        usual = refusals.UNAVAILABLE if fault.status == refusals.UNAVAILABLE.status else refusals.INTERNAL_ERROR
        if fault.kind is Kind.ERROR and fault.status is None:
            usual = usual._replace(status=400)
        return self.refuse(_asked(usual, fault), exchange.request_id)


def _asked(usual: Refusal, fault: Fault | None) -> Refusal:
    if fault is None:
        return usual
    return Refusal(fault.status or usual.status, fault.code or usual.code, fault.message or usual.message)
