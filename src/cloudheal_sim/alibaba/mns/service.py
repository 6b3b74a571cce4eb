"""MNS as a whole: from one HTTP request to one call and back, and what other services may ask of it.

Order of refusals: authorization and date headers, key, time, signature, token, content digest, URL, names, the call
itself. Nothing is ever answered by a default success.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns import errors, replies, signing
from cloudheal_sim.alibaba.mns.actions import ACTIONS
from cloudheal_sim.alibaba.mns.authentication import admit
from cloudheal_sim.alibaba.mns.model.account import Account
from cloudheal_sim.alibaba.mns.model.attributes import is_name
from cloudheal_sim.alibaba.mns.model.message import Draft
from cloudheal_sim.alibaba.mns.model.topic import Outcome, queue_endpoint
from cloudheal_sim.alibaba.mns.notification import Notice, push
from cloudheal_sim.alibaba.mns.requests import is_meant, printable, read_call
from cloudheal_sim.alibaba.rpc import Refusal, Refused
from cloudheal_sim.alibaba.rpc.refusal import asked, broken
from cloudheal_sim.kernel.core import Exchange, completed, conduct
from cloudheal_sim.kernel.faults import Fault
from cloudheal_sim.kernel.journal import redacted
from cloudheal_sim.kernel.wire import HttpReply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloudheal_sim.alibaba.mns.model.topic import Publication, Subscription, Topic
    from cloudheal_sim.alibaba.mns.requests import Call
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.wire import HttpRequest

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_NAME_RULES = {
    "queues": (120, errors.INVALID_QUEUE_NAME, errors.QUEUE_NAME_LENGTH),
    "topics": (255, errors.INVALID_TOPIC_NAME, errors.TOPIC_NAME_LENGTH),
    "subscriptions": (255, errors.INVALID_SUBSCRIPTION_NAME, errors.SUBSCRIPTION_NAME_LENGTH),
}


class Mns:
    """The message service of one simulated cloud.

    `account` is the one that other services write to, `first_region` where a queue is when nothing says where.
    """

    def __init__(self, kernel: Kernel, account: str, first_region: Callable[[], str] = lambda: "cn-hangzhou") -> None:
        self.kernel = kernel
        self.account = account
        self._first_region = first_region
        self.accounts: dict[str, Account] = {}
        self._host = ""

    # --- for other services ---

    @property
    def own(self) -> Account:
        """The account that other services write to."""
        return self.of(self.account)

    def has_queue(self, _region: str, name: str) -> bool:
        """Say whether the account has a queue of that name, in whatever region."""
        return name in self.own.queues

    def has_topic(self, _region: str, name: str) -> bool:
        """Say whether the account has a topic of that name, in whatever region."""
        return name in self.own.topics

    def enqueue(self, _region: str, queue_name: str, body: bytes) -> bool:
        """Put bytes, in Base64, into a queue; False when there is none of that name."""
        queue = self.own.queues.get(queue_name)
        if queue is None:
            return False
        queue.accept((self.own.new_id(), Draft(b64encode(body).decode())), relayed=True)
        return True

    def put(self, _region: str, queue_name: str, body: str) -> bool:
        """Put a body into a queue as it is to travel, Base64 or not; False when there is none of that name."""
        queue = self.own.queues.get(queue_name)
        if queue is None:
            return False
        queue.accept((self.own.new_id(), Draft(body)))
        return True

    def publish(self, _region: str, topic_name: str, body: bytes) -> bool:
        """Publish bytes, in Base64, to a topic; False when there is none of that name."""
        topic = self.own.topics.get(topic_name)
        if topic is None:
            return False
        self.own.publish(topic, Draft(b64encode(body).decode()), "", self.own.new_id())
        return True

    def of(self, id_: str) -> Account:
        """Return an account; every account that has a key has one."""
        if id_ not in self.accounts:
            self.accounts[id_] = Account(
                self.kernel, id_, self._first_region(), lambda *facts: self._deliver(id_, *facts)
            )
        return self.accounts[id_]

    # --- HTTP ---

    @staticmethod
    def serves(request: HttpRequest) -> bool:
        """Say whether a request is for this service."""
        return is_meant(request) or request.path == signing.CERTIFICATE_PATH

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request."""
        if request.path == signing.CERTIFICATE_PATH:
            return HttpReply(200, signing.CERTIFICATE.encode(), {"Content-Type": "application/x-pem-file"})
        request_id = self._request_id()
        answer = await self._answered(request, request_id)
        return replies.completed(answer, request_id, self.kernel.clock.now())

    def unreadable(self, status: int) -> HttpReply:
        """Refuse a body that was too large (413) or broken (400), or own up to a mistake of ours (500)."""
        request_id = self._request_id()
        entry = self.kernel.journal.append("request", service="mns")
        refusal = errors.MALFORMED_XML
        if status == 413:
            refusal = errors.INVALID_ARGUMENT._replace(message="The request body is too large.")
        if status == errors.INTERNAL_ERROR.status:
            refusal = errors.INTERNAL_ERROR
        answer = completed(entry, replies.error(refusal, request_id, self._host))
        return replies.completed(answer, request_id, self.kernel.clock.now())

    async def _answered(self, request: HttpRequest, request_id: str) -> HttpReply:
        entry = self.kernel.journal.append("request", service="mns")
        host = request.header("host")
        self._host = host if _HOST.fullmatch(host) else self._host
        try:
            key = admit(self.kernel, request, entry)
            call = read_call(request)
            _check_names(call)
            account = self.of(key.account)
            self._describe(entry, call, account, host)
        except Refused as refused:
            return completed(entry, replies.error(refused.refusal, request_id, host))
        exchange = Exchange(entry, key, request_id, host, headers=request.headers)
        try:
            return await conduct(self.kernel, exchange, _DIALECT, lambda: _performed(account, call, exchange))
        except asyncio.CancelledError:
            entry.code = "the client went away"
            raise

    def _describe(self, entry: Entry, call: Call, account: Account, host: str) -> Entry:
        place = account.queues.get(call.names[0]) or account.topics.get(call.names[0]) if call.names else None
        entry.action, entry.resources = call.action, call.names
        entry.region = place.region if place is not None else account.region_at(host)
        entry.parameters = redacted({name: printable(value) for name, value in call.query.items()})
        return entry

    def _request_id(self) -> str:
        return f"{self.kernel.chance.stream('requests').getrandbits(96):024X}"

    # --- pushes ---

    def _deliver(
        self,
        owner: str,
        topic: Topic,
        subscription: Subscription,
        publication: Publication,
        done: Callable[[Outcome], None],
    ) -> None:
        """Attempt one push: into a queue, or over HTTP. Mail and text messages are noted, not sent."""
        notice = Notice(owner, topic, subscription, publication)
        target = queue_endpoint(subscription.endpoint)
        if target is not None:
            done(self._into_queue(target.owner(owner), target.queue, notice))
        elif subscription.endpoint.startswith("http"):
            request = push(notice, self._request_id(), self.kernel.clock.now(), self._host)
            if not self.kernel.outbound.send(request, lambda ok: done(Outcome.DELIVERED if ok else Outcome.FAILED)):
                done(Outcome.HOPELESS)
        else:
            place = (topic.name, subscription.name, publication.id)
            self.kernel.journal.append(
                "delivery", service="mns", action="Notification", resources=place, code="noted, not sent"
            )
            done(Outcome.HOPELESS)

    def _into_queue(self, account: str, name: str, notice: Notice) -> Outcome:
        owner = self.accounts.get(account)
        queue = owner.queues.get(name) if owner is not None else None
        if owner is None or queue is None:
            return Outcome.FAILED
        draft = notice.publication.draft
        queue.accept((owner.new_id(), Draft(notice.body(), properties=draft.properties)))
        return Outcome.DELIVERED


def _performed(account: Account, call: Call, exchange: Exchange) -> HttpReply | Awaitable[HttpReply]:
    try:
        outcome = ACTIONS[call.action](account, call, exchange)
    except Refused as refused:
        return replies.error(refused.refusal, exchange.request_id, exchange.host)
    if inspect.isawaitable(outcome):
        return _awaited(outcome, exchange)
    return replace(outcome, request_id=exchange.request_id)


async def _awaited(outcome: Awaitable[HttpReply], exchange: Exchange) -> HttpReply:
    try:
        return replace(await outcome, request_id=exchange.request_id)
    except Refused as refused:
        return replies.error(refused.refusal, exchange.request_id, exchange.host)


def _check_names(call: Call) -> tuple[str, ...]:
    """Return the names of queue, topic and subscription if they may be names. Raises Refused."""
    kinds = call.request.path.strip("/").split("/")[::2]
    for kind, name in zip(kinds, call.names, strict=False):
        if kind in _NAME_RULES:
            longest, invalid, wrong_length = _NAME_RULES[kind]
            if len(name) > longest:
                raise Refused(wrong_length)
            if not is_name(name):
                raise Refused(invalid)
    return call.names


class _Dialect:
    """Errors as MNS writes them."""

    def throttled(self, exchange: Exchange, fault: Fault | None) -> HttpReply:
        return self._refused(exchange, asked(errors.QPS_EXCEEDED, fault))

    def failed(self, exchange: Exchange, fault: Fault) -> HttpReply:
        return self._refused(exchange, broken(fault, errors.INTERNAL_ERROR, errors.UNAVAILABLE))

    @staticmethod
    def _refused(exchange: Exchange, refusal: Refusal) -> HttpReply:
        return replies.error(refusal, exchange.request_id, exchange.host)


_DIALECT = _Dialect()
