"""ActionTrail as the port asks for it: who did what to a server, by its id and a time.

UNVERIFIED: written from the vendor's documentation and samples, never run against a real account. What cannot be read
of an event is left out, so that a surprise there is no evidence rather than a wrong one. The service allows two calls
a second and asks not to be called often; it is asked once a look, and pages are few because the time is short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cloudheal.clouds.alibaba.client import ACTIONTRAIL, Client
from cloudheal.clouds.moments import moment
from cloudheal.model.resource import ResourceId
from cloudheal.ports.trail import TrailEntry

#: What reading the trail needs; it cannot be narrowed to a resource.
PERMISSION = "actiontrail:LookupEvents"
READ_SECONDS = 5.0
PAGE, MOST_PAGES = 50, 4
#: What the cloud does by itself is written under this kind of event, or by this kind of user.
_OWN_EVENT, _OWN_USER = "AliyunServiceEvent", "system"


class AlibabaTrail:
    """The audit trail of one Alibaba Cloud account."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def deeds(self, resource: ResourceId, since: datetime, until: datetime) -> Sequence[TrailEntry]:
        """Return the changing calls about a server in a time. Raises Cloud*Error."""
        query = {
            "StartTime": _stamp(since),
            "EndTime": _stamp(until),
            "LookupAttribute.1.Key": "ResourceName",
            "LookupAttribute.1.Value": resource.id,
            "MaxResults": str(PAGE),
        }
        events = self._events(resource.region, query)
        return tuple(one for one in map(_entry, events) if one is not None)

    def _events(self, region: str, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        token = ""
        for _ in range(MOST_PAGES):
            asked = {**query, **({"NextToken": token} if token else {})}
            reply = self._client.call(ACTIONTRAIL, "LookupEvents", region, asked, READ_SECONDS)
            yield from (one for one in reply.get("Events", ()) if isinstance(one, Mapping))
            token = str(reply.get("NextToken") or "")
            if not token:
                return


def _entry(event: Mapping[str, Any]) -> TrailEntry | None:
    at, action = moment(event.get("eventTime")), event.get("eventName")
    if at is None or not isinstance(action, str) or event.get("eventRW") == "Read":
        return None
    user = event.get("userIdentity")
    who: Mapping[str, Any] = user if isinstance(user, Mapping) else {}
    own = event.get("eventType") == _OWN_EVENT or who.get("type") == _OWN_USER
    return TrailEntry(
        at=at,
        action=action,
        who=_named(who),
        somebody=bool(who) and not own,
        request_id=str(event.get("requestId", "")),
        error=str(event.get("errorCode") or ""),
    )


def _named(who: Mapping[str, Any]) -> str:
    """Name who it was as an operator knows them; of a key only the last characters, as the console shows it."""
    name = str(who.get("userName") or who.get("principalId") or who.get("type") or "unknown")
    key = str(who.get("accessKeyId") or "")
    return f"{name}, key ...{key[-4:]}" if key else name


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
