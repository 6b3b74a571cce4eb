"""`POST /_sim/events`: publish an event as CloudMonitor or EventBridge would, or put garbage into a queue.

Three forms, told apart by their keys: `name` (an event by its CloudMonitor name), `source` and `type` (a CloudEvent),
`raw` (a message body as it is, poisonous or not). What is left out is filled in from the catalogue and the instance.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, ConfigDict, Field

from cloudheal_sim.alibaba.cms.model.publication import HOME, Asked, filled, named_resource, resource_id
from cloudheal_sim.alibaba.events import InstanceFacts
from cloudheal_sim.kernel.clock import to_millis
from cloudheal_sim.kernel.world import Part, WorldError, parsed

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.model.delivery import Mailboxes
    from cloudheal_sim.alibaba.cms.state import Cms

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Facts about an instance by its id, None when there is none.
FactsOf = Callable[[str], InstanceFacts | None]


class PostedEvent(Part):
    """An event by its CloudMonitor name, with or without its state."""

    product: str = "ECS"
    name: str = Field(min_length=1)
    resource: str = ""
    instance_id: str = ""
    region: str = ""
    level: str = ""
    event_type: str = ""
    status: str = ""
    instance_name: str = ""
    content: dict[str, Any] | None = None
    id: str = ""
    time: AwareDatetime | None = None


class PostedCloudEvent(Part):
    """A CloudEvent; extension attributes (`aliyun...`) are written by the bus, not taken."""

    model_config = ConfigDict(extra="ignore")

    source: str = Field(pattern=r"^acs\.[a-z0-9_-]+$")
    type: str = Field(min_length=1)
    subject: str = ""
    region: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    id: str = ""
    time: AwareDatetime | None = None


class PostedBody(Part):
    """A message body for a queue.

    `raw` is the body as it travels, Base64 or not. With `encode` true it is text that travels in Base64, as the body
    of an event does; with `base64` true `raw` is the Base64 of bytes, so that they need not be text.
    """

    raw: str = Field(min_length=1)
    queue: str = Field(min_length=1)
    region: str = HOME
    base64: bool = False
    encode: bool = False

    def put(self, mailboxes: Mailboxes) -> bool:
        """Put the body into its queue; False when there is none. Raises WorldError."""
        content = self._bytes()
        if self.encode:
            return mailboxes.enqueue(self.region, self.queue, content)
        try:
            text = content.decode()
        except UnicodeDecodeError as problem:
            msg = "raw: bytes that are not UTF-8 travel in Base64 only: set encode"
            raise WorldError(msg) from problem
        if _NOT_XML.search(text):
            msg = "raw: expected characters that XML can carry; with encode any will do"
            raise WorldError(msg)
        return mailboxes.put(self.region, self.queue, text)

    def _bytes(self) -> bytes:
        try:
            return base64.b64decode(self.raw, validate=True) if self.base64 else self.raw.encode()
        except ValueError as problem:
            msg = f"raw: expected Base64 ({problem})" if self.base64 else "raw: expected text"
            raise WorldError(msg) from problem


@dataclass(frozen=True, slots=True)
class EventsControl:
    """Publishes what the control API is given."""

    cms: Cms
    facts_of: FactsOf

    def publish(self, document: Mapping[str, Any]) -> dict[str, object]:
        """Publish one event and say what became of it. Raises WorldError."""
        if "raw" in document:
            return self._put(parsed(PostedBody, document, "event"))
        if "source" in document:
            return self._cloud_event(parsed(PostedCloudEvent, document, "event"))
        return self._event(parsed(PostedEvent, document, "event"))

    def _put(self, posted: PostedBody) -> dict[str, object]:
        if not posted.put(self.cms.mailboxes):
            msg = f"queue: there is no queue {posted.queue!r} in {posted.region}"
            raise WorldError(msg)
        return {"queue": posted.queue, "region": posted.region, "deliveries": 1}

    def _event(self, posted: PostedEvent) -> dict[str, object]:
        content = posted.content or {}
        resource = posted.resource or (f"instance/{posted.instance_id}" if posted.instance_id else "")
        asked = Asked(
            product=posted.product,
            name=posted.name,
            at=self._at(posted.time),
            resource=resource or named_resource(posted.name, content),
            region=posted.region,
            level=posted.level,
            event_type=posted.event_type,
            status=posted.status,
            instance_name=posted.instance_name,
            content=content,
        )
        return self._send(asked, posted.id, eventbridge=False)

    def _cloud_event(self, posted: PostedCloudEvent) -> dict[str, object]:
        service = posted.source.removeprefix("acs.")
        name = posted.type.removeprefix(f"{service}:")
        asked = Asked(
            product=service.upper(),
            name=name,
            at=self._at(posted.time),
            resource=_resource(posted.subject) or named_resource(name, posted.data),
            region=posted.region,
            content=posted.data,
        )
        return self._send(asked, posted.id, eventbridge=True)

    def _send(self, asked: Asked, id_: str, *, eventbridge: bool) -> dict[str, object]:
        facts = self.facts_of(resource_id(asked.resource)) if asked.resource else None
        event = filled(asked, facts, f"e-{self.cms.kernel.chance.token(20, 'events')}")
        receipt = self.cms.events.send(replace(self.cms.events.stamped(event, id_), eventbridge=eventbridge))
        return {"id": receipt.id, "name": event.name, "rules": list(receipt.rules), "deliveries": receipt.deliveries}

    def _at(self, time: Any) -> int:
        return self.cms.kernel.clock.now() if time is None else to_millis(time)


def _resource(subject: str) -> str:
    """Read a subject: a resource name in full, its short form, or a bare instance id."""
    return subject if not subject or "/" in subject else named_resource("", {"resourceId": subject})
