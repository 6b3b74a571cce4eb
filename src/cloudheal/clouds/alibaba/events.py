"""Vendor event to Event: the one normal form, whatever the channel and the envelope.

Ids come from the content before the ARN, the status from the content before the name (the vendor's own samples
disagree, C4). The key that makes two messages the same event never uses the envelope's id, which repeats over states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cloudheal.clouds.alibaba.envelopes import Notice, notice_of
from cloudheal.clouds.alibaba.facts import SIMULATED_REASON, event_id_of, facts_of, status_of, texts_of
from cloudheal.clouds.alibaba.levels import usual_level
from cloudheal.clouds.encoding import check_text, document_of
from cloudheal.clouds.moments import moment
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event, is_test
from cloudheal.model.resource import MOST_REMEMBERED, Cloud, ResourceId, named
from cloudheal.model.system_event import STATUSES
from cloudheal.settings.discretion import discreet

INTERRUPTION = "Instance:PreemptibleInstanceInterruption"
STATE_CHANGE = "Instance:StateChange"
_ARN = re.compile(r"acs:(?P<product>[a-z]+):(?P<region>[^:]*):(?P<account>\d*):(?P<kind>[a-z-]+)/(?P<id>[\w.-]{1,128})")
_ID = re.compile(r"[A-Za-z][\w.-]{1,127}")
_OWN_IDS = {"Instance": ("instanceId", "resourceId"), "Disk": ("diskId",), "Snapshot": ("snapshotId",)}
#: Servers whose names are put together once for many events.
_MOST_SUBJECTS = 20_000


def event_of(body: bytes | str, received: datetime, channel: Channel) -> Event:
    """Read one message into an Event. Raises NotAnEventError with the reason for the dead letter."""
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return event_in(document_of(raw), raw, received, channel)


def event_in(document: Mapping[str, Any], raw: bytes, received: datetime, channel: Channel) -> Event:
    """Read the document of a message into an Event. Raises NotAnEventError with the reason for the dead letter."""
    notice = notice_of(document)
    content, status = notice.content, _status(notice)
    (resource, text), name = _subject(notice), _bare_name(notice.name, status)
    happened = moment(notice.time)
    if happened is None:
        message = f"the envelope's time is in no documented form: {discreet(str(notice.time))[:40]!r}"
        raise NotAnEventError(message)
    is_dry, event_id = is_test(content), event_id_of(content)
    data = facts_of(content, name, status) if event_id else content
    if "level" not in data and (level := notice.level or usual_level(name)):
        data = {**data, "level": level}
    check_text(f"{text}{name}{status}{notice.id}{notice.product}{texts_of(data)}", data)
    return Event(
        key=_dry_key(text, name, status, happened, notice) if is_dry else _key(text, name, status, happened, event_id),
        id=notice.id,
        source=f"alibaba.{notice.product.lower()}",
        type=name,
        subject=resource,
        time=happened,
        received=received.astimezone(UTC),
        status=status,
        data=data,
        channel=channel,
        simulated=is_dry or content.get("reason") == SIMULATED_REASON,
        raw=raw,
    )


def _subject(notice: Notice) -> tuple[ResourceId, str]:
    """Return what an event is about, and its whole name as text."""
    kind, arn, region, account = notice.name.partition(":")[0], notice.arn, notice.region, notice.account
    own = _own_id(kind, notice.content)
    is_short = len(kind) + len(own) + len(arn) + len(region) + len(account) <= MOST_REMEMBERED
    found = (_remembered if is_short else _named)(kind, own, arn, region, account)
    if found is None:
        message = f"{notice.name} names no resource, neither in its content nor in resourceId"
        raise NotAnEventError(message)
    return found


def _named(kind: str, own: str, arn: str, region: str, account: str) -> tuple[ResourceId, str] | None:
    """Put a name together out of what an envelope and its content say; None when neither names anything."""
    told = _ARN.fullmatch(arn)
    id_ = own or (told["id"] if told else arn if _ID.fullmatch(arn) else "")
    if not id_:
        return None
    region, account = region or (told["region"] if told else ""), account or (told["account"] if told else "")
    resource = named(Cloud.ALIBABA, account, region, told["kind"] if told else kind.lower(), id_)
    return resource, str(resource)


#: The same; a fleet says the same names again and again.
_remembered = lru_cache(_MOST_SUBJECTS)(_named)


def _own_id(kind: str, content: Mapping[str, Any]) -> str:
    for name in _OWN_IDS.get(kind, ()):
        value = content.get(name)
        if isinstance(value, str) and _ID.fullmatch(value):
            return value
    return ""


def _bare_name(name: str, status: str) -> str:
    """Drop a status from the end of a name: `Instance:SystemMaintenance.Reboot:Scheduled`."""
    stem, _, last = name.rpartition(":")
    return stem if ":" in stem and (last in STATUSES or last == status) else name


def _status(notice: Notice) -> str:
    content = notice.content
    if notice.name.startswith(STATE_CHANGE):
        return str(content.get("state") or "")
    if notice.name.startswith(INTERRUPTION):
        return str(content.get("action") or "")
    return status_of(content, notice.name.rpartition(":")[2], notice.status)


def _dry_key(resource: str, name: str, status: str, happened: datetime, notice: Notice) -> str:
    """Say what makes two test messages the same: each is one of its own, unless it comes again."""
    return f"dry_run|{resource}|{name}|{status}|{notice.id or happened.isoformat()}"


def _key(resource: str, name: str, status: str, happened: datetime, event_id: str) -> str:
    """Say what makes two messages the same event (DESIGN section 3)."""
    if event_id:
        cloud, account, _ = resource.split("/", 2)
        return f"system|{cloud}|{account}|{event_id}|{status}"
    millis = int(happened.timestamp() * 1000 + 0.5)
    if name == INTERRUPTION:
        return f"interruption|{resource}|{millis}"
    return f"state|{resource}|{name}|{status}|{millis}"
