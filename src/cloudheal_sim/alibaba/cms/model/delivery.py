"""From a matched rule to a target: what is on its way, when it arrives, and what became of it.

A delivery to a webhook stays under way until it is answered: at least once, also across a new world.
Functions, log stores, API calls and contacts are recorded, not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from cloudheal_sim.kernel.courier import Courier
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


class Deliveries:
    """All that is under way, and the way it is handed over."""

    def __init__(self, kernel: Kernel, account: str, mailboxes: Mailboxes) -> None:
        self.kernel = kernel
        self.account = account
        self.mailboxes = mailboxes
        self.options = EnvelopeOptions()
        self._courier = Courier(kernel, self._hand_over, _again, (RETRY_SECONDS,) * RETRIES)
        self.under_way, self.replace, self.plan = self._courier.under_way, self._courier.replace, self._courier.plan

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

    def _hand_over(self, delivery: Delivery) -> Push | None:
        match delivery.target:
            case MnsTarget() as target:
                self._to_mns(delivery, target)
            case WebhookTarget() as target:
                return self._to_webhook(delivery, target)
            case _:
                self.note(delivery, 0, _RECORDED)
        return None

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

    def _to_webhook(self, delivery: Delivery, target: WebhookTarget) -> Push:
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
        return push

    def _document(self, delivery: Delivery, *, eventbridge: bool) -> Mapping[str, object]:
        if eventbridge or delivery.published.eventbridge:
            return cloud_event(delivery.published, self.account, self.kernel.clock.now())
        return envelope(delivery.published, self.account, self.options)


def _again(delivery: Delivery, due: int) -> Delivery:
    return replace(delivery, due=due, attempt=delivery.attempt + 1)


def _with_query(url: str, fields: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"
