"""What DescribeInstances says of a server, in the words that cloudheal uses for every cloud.

States are named as elsewhere (`Running`, `Stopped`), because playbooks and tables compare them. An operation's state
may be ahead of the server's, so the last start or reboot counts only when both agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudheal.clouds.moments import moment
from cloudheal.clouds.tencent.client import CVM, Client
from cloudheal.model.inventory import RUNNING
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Server

READ_SECONDS = 10.0
#: The API's own limits: servers on a page, ids in a call.
PAGE = 100
#: Operations that (re)start a server.
_STARTS = frozenset({"StartInstances", "RebootInstances", "RunInstances", "ResetInstance"})
#: States that have another word everywhere.
_WORDS = {"REBOOTING": "Starting"}
#: Why a server is isolated, in the words of locks.
_ISOLATED = {"ARREAR": "financial", "EXPIRE": "expired", "MANMADE": "released"}


def pages(
    client: Client, region: str, asked: Mapping[str, Any], seconds: float = READ_SECONDS
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield what DescribeInstances lists, page by page. Raises Cloud*Error, also in the middle.

    Pages are told by number only, so one that others' releases moved is missed; the sweep asks for those by id.
    """
    seen = 0
    while True:
        reply = client.call(CVM, "DescribeInstances", region, {**asked, "Offset": seen, "Limit": PAGE}, seconds)
        page = [one for one in reply.get("InstanceSet") or () if isinstance(one, Mapping)]
        yield page
        seen += len(page)
        if not page or seen >= int(reply.get("TotalCount") or 0):
            return


def server_of(shown: Mapping[str, Any], account: str, region: str) -> Server:
    """Return a server as playbooks see it."""
    return Server(
        id=ResourceId(Cloud.TENCENT, account, region, "instance", str(shown["InstanceId"])),
        state=state_of(shown),
        name=str(shown.get("InstanceName") or ""),
        zone=str((shown.get("Placement") or {}).get("Zone") or ""),
        locks=locks_of(shown),
        expires=moment(shown.get("ExpiredTime")),
        started=started_of(shown),
        spot=shown.get("InstanceChargeType") == "SPOTPAID",
        tags=tags_of(shown),
        address=str(next(iter(shown.get("PrivateIpAddresses") or ()), "")),
    )


def state_of(shown: Mapping[str, Any]) -> str:
    """Return the state: `RUNNING` is Running, `REBOOTING` is Starting, `LAUNCH_FAILED` is LaunchFailed."""
    told = str(shown.get("InstanceState") or "")
    return _WORDS.get(told) or "".join(part.capitalize() for part in told.split("_"))


def locks_of(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what keeps a server from being used, in the words of locks."""
    restricted = str(shown.get("RestrictState") or "NORMAL")
    if restricted == "EXPIRED":
        return ("expired",)
    isolated = str(shown.get("IsolatedSource") or "NOTISOLATED")
    if isolated != "NOTISOLATED":
        return (_ISOLATED.get(isolated, isolated.lower()),)
    return () if restricted == "NORMAL" else ("security",)


def started_of(shown: Mapping[str, Any]) -> str:
    """Return what changes with each start: the request of the last one that is over; empty where that is not shown.

    Only the latest operation is shown, so any other one hides the start before it. That must not look like a start.
    """
    operation, request = shown.get("LatestOperation"), shown.get("LatestOperationRequestId")
    over = shown.get("LatestOperationState") == "SUCCESS" and state_of(shown) == RUNNING
    return str(request or "") if over and operation in _STARTS else ""


def tags_of(shown: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags; each is written under two spellings by the service."""
    rows = [one for one in shown.get("Tags") or () if isinstance(one, Mapping)]
    pairs = ((one.get("Key", one.get("tagKey")), one.get("Value", one.get("tagValue"))) for one in rows)
    return {str(key): str(value or "") for key, value in pairs if key}
