"""From a matched rule to a target: what is on its way, when it arrives, and what became of it.

Everything under way is data (who, where, when, which attempt), so that a world that is read and put back continues
the same. A delivery to a webhook stays under way until it is answered: at least once, also across a new world.
Functions, log stores, API calls and contacts are recorded, not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydantic_core import to_json

from cloudheal_sim.alibaba.cms.model.envelope import (
    EnvelopeOptions,
    cloud_event,
    envelope,
    form_fields,
    subscription_push,
)
from cloudheal_sim.alibaba.cms.model.event_target import MnsTarget, WebhookTarget
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.outbound import Push

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.model.event_log import Published
    from cloudheal_sim.alibaba.cms.model.event_target import Target
    from cloudheal_sim.kernel.core import Kernel

#: A webhook that does not answer 2xx is tried again so often, after so many seconds.
RETRIES = 3
RETRY_SECONDS = 5
_RECORDED = "recorded, not sent"
#: Bytes of a message body as it travels; MNS takes no more, and CloudMonitor discards what is larger.
MOST_BODY = 64 * 1024


def _absent(_region: str, _name: str, _body: bytes | str = b"") -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The queues and topics of MNS, as far as CloudMonitor needs them; all take region and name.

    `enqueue` and `publish` are given bytes, which travel in Base64; `put` is given a body as it travels. They return
    False when there is no queue or topic of that name.
    """

    has_queue: Callable[[str, str], bool]
    has_topic: Callable[[str, str], bool]
    enqueue: Callable[[str, str, bytes], bool]
    publish: Callable[[str, str, bytes], bool]
    put: Callable[[str, str, str], bool] = _absent


#: An account without MNS: no queue and no topic exists.
NO_MAILBOXES = Mailboxes(_absent, _absent, _absent, _absent)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one target of one rule; `due` is epoch milliseconds, `attempt` counts from 1."""

    due: int
    rule: str
    target: Target
    published: Published
    attempt: int = 1


@dataclass(slots=True)
class Deliveries:
    """All that is under way, and the way it is handed over."""

    kernel: Kernel
    account: str
    mailboxes: Mailboxes
    options: EnvelopeOptions = field(default_factory=EnvelopeOptions)
    _under_way: dict[int, Delivery] = field(default_factory=dict)
    _seq: int = 0

    def under_way(self) -> list[Delivery]:
        """Return what has not arrived yet, in the order of arrival."""
        return sorted(self._under_way.values(), key=lambda one: one.due)

    def replace(self, deliveries: Iterable[Delivery]) -> int:
        """Forget what was under way (its timers are gone or find nothing) and plan these anew."""
        self._under_way.clear()
        for delivery in deliveries:
            self.plan(delivery)
        return len(self._under_way)

    def plan(self, delivery: Delivery) -> int:
        """Let a delivery arrive when it is due; returns its number."""
        self._seq += 1
        number = self._seq
        self._under_way[number] = delivery
        self.kernel.clock.call_at(delivery.due, lambda: self._arrive(number))
        return number

    def note(self, delivery: Delivery, status: int, outcome: str) -> None:
        """Write into the journal what became of a delivery."""
        event = delivery.published.event
        self.kernel.journal.append(
            "delivery",
            service="cms",
            action=delivery.published.name,
            region=event.region,
            resources=(event.resource_id,) if event.resource_id else (),
            status=status,
            code=outcome,
            details={"event": delivery.published.id, "rule": delivery.rule, "target": delivery.target.place},
        )

    def _arrive(self, number: int) -> None:
        delivery = self._under_way.get(number)
        if delivery is None:
            return
        match delivery.target:
            case MnsTarget() as target:
                del self._under_way[number]
                self._to_mns(delivery, target)
            case WebhookTarget() as target:
                self._to_webhook(number, delivery, target)
            case _:
                del self._under_way[number]
                self.note(delivery, 0, _RECORDED)

    def _to_mns(self, delivery: Delivery, target: MnsTarget) -> None:
        body = to_json(self._document(delivery, eventbridge=target.eventbridge))
        if 4 * ((len(body) + 2) // 3) > MOST_BODY:
            self.note(delivery, 0, "larger than 64 KB, discarded")
            return
        if target.queue:
            arrived, missing = self.mailboxes.enqueue(target.region, target.queue, body), "QueueNotExist"
        else:
            arrived, missing = self.mailboxes.publish(target.region, target.topic, body), "TopicNotExist"
        self.note(delivery, 201 if arrived else 404, "" if arrived else missing)

    def _to_webhook(self, number: int, delivery: Delivery, target: WebhookTarget) -> None:
        published = delivery.published
        document = self._document(delivery, eventbridge=target.eventbridge)
        if not (target.eventbridge or published.eventbridge) and self.options.webhook_format == "subscription":
            document = subscription_push(published, self.account, delivery.rule)
        push = Push(
            url=target.url,
            body=to_json(document),
            headers={"Content-Type": "application/json;charset=utf-8"},
            service="cms",
            name=published.name,
            resources=(published.event.resource_id,) if published.event.resource_id else (),
        )
        if target.method == "GET":
            push = replace(push, method="GET", body=b"", headers={}, url=_with_query(target.url, form_fields(document)))
        if not self.kernel.outbound.send(push, lambda answered: self._answered(number, delivery, answered=answered)):
            del self._under_way[number]

    def _answered(self, number: int, delivery: Delivery, *, answered: bool) -> None:
        if self._under_way.get(number) is not delivery:
            return
        del self._under_way[number]
        if answered or delivery.attempt > RETRIES:
            return
        due = self.kernel.clock.now() + RETRY_SECONDS * MILLIS_PER_SECOND
        self.plan(replace(delivery, due=due, attempt=delivery.attempt + 1))

    def _document(self, delivery: Delivery, *, eventbridge: bool) -> Mapping[str, object]:
        if eventbridge or delivery.published.eventbridge:
            return cloud_event(delivery.published, self.account, self.kernel.clock.now())
        return envelope(delivery.published, self.account, self.options)


def _with_query(url: str, fields: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"
