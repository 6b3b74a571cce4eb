"""From one HTTP request to one action and back: route, authenticate, read, conduct, render.

Routing is by version and action, never by host. Order of refusals: unreadable, key, timestamp, signature, nonce,
version, action, parameters. Nothing is ever answered by a default success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.rpc import refusal as refusals
from cloudheal_sim.alibaba.rpc.authentication import Authenticator
from cloudheal_sim.alibaba.rpc.refusal import Refusal, Refused
from cloudheal_sim.alibaba.rpc.reply import rendered
from cloudheal_sim.alibaba.rpc.signature import ACS3, Claim, claim_acs3, claim_v1
from cloudheal_sim.kernel.core import Exchange, completed, conduct
from cloudheal_sim.kernel.faults import Fault
from cloudheal_sim.kernel.parameters import (
    UnreadableParametersError,
    of_json,
    of_query,
    raw,
    resources_in,
    shown,
    well_formed,
)
from cloudheal_sim.kernel.service import remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.keys import AccessKey
    from cloudheal_sim.kernel.service import Action, Service
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
        self.witnesses: list[Callable[[Entry, AccessKey], object]] = []
        """Told of every call that a known key signed, once it was served or refused."""

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
        entry.service, entry.action = service.name if service else "", shown(call.action, 200)
        entry.region, entry.resources = shown(call.region, 200), resources_in(call.parameters)
        entry.parameters = remembered(call.parameters)
        try:
            key, action = self._admitted(request.method, service, call, entry)
            exchange = Exchange(entry, key, request_id, shown(request.header("host"), 300), headers=request.headers)
            reply = await conduct(
                self._kernel, exchange, dialect, lambda: _performed(action, state, call, exchange, dialect)
            )
            for told in self.witnesses:
                told(entry, key)
            return reply  # noqa: TRY300 - a refusal here is an answer like any other
        except Refused as refused:
            return completed(entry, dialect.refuse(refused.refusal, request_id))

    def _admitted(
        self, method: str, service: Service[Any] | None, call: Call, entry: Entry
    ) -> tuple[AccessKey, Action]:
        """Return who calls what. Raises Refused."""
        if method not in {"GET", "POST"}:
            raise Refused(refusals.UNSUPPORTED_METHOD)
        key = self._authenticator.admit(call.claim, entry)
        return key, _action(service, call)

    def unreadable(self, target: str, status: int) -> HttpReply:
        """Refuse a body that was too large (413) or broken (400), or own up to a mistake of ours (500)."""
        entry = self._kernel.journal.append("request")
        dialect = _Dialect("", "", xml="format=json" not in target.lower())
        answers = (refusals.BODY_TOO_LARGE, refusals.INTERNAL_ERROR)
        refusal = next((one for one in answers if one.status == status), refusals.UNREADABLE)
        return completed(entry, dialect.refuse(refusal, self._kernel.chance.uuid()))


def read_call(request: HttpRequest) -> Call:
    """Take a request apart. Raises UnreadableParametersError."""
    query, body = of_query(raw(request.query)), of_body(request)
    parameters = {**query, **body}
    authorization = request.header("authorization")
    signed_v3 = authorization.startswith("ACS3-")
    action = parameters.get("Action") or request.header("x-acs-action")
    version = parameters.get("Version") or request.header("x-acs-version")
    claim: Claim | None
    if signed_v3:
        claim = claim_acs3(request, query) if authorization.startswith(ACS3) else None
    else:
        claim = claim_v1(request.method, query if is_json(request) else parameters)
    asked = parameters.get("Format", "" if not signed_v3 else "JSON").upper()
    return Call(action, version, parameters, claim, xml=asked != "JSON")


def of_body(request: HttpRequest) -> dict[str, str]:
    """Decode the body's parameters: a form, or a JSON object where the content type says so."""
    if not request.body:
        return {}
    return of_json(request.body) if is_json(request) else of_query(request.body)


def is_json(request: HttpRequest) -> bool:
    """Say whether the body is declared to be JSON; version 1 does not sign such a body."""
    return "json" in request.header("content-type").lower()


def _action(service: Service[Any] | None, call: Call) -> Action:
    if not call.action:
        raise refusals.missing("Action")
    if not call.version:
        raise refusals.missing("Version")
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
        return self.refuse(refusals.asked(refusals.THROTTLED_USER, fault), exchange.request_id)

    def failed(self, exchange: Exchange, fault: Fault) -> HttpReply:
        refusal = refusals.broken(fault, refusals.INTERNAL_ERROR, refusals.UNAVAILABLE)
        return self.refuse(refusal, exchange.request_id)
