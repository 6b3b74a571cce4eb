"""What the trail keeps, and how it learns: from every call that changes servers, and from what chaos does by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from cloudheal_sim.alibaba.actiontrail.model import Deed, Trail
from cloudheal_sim.kernel.chaos import Chaos, options_of
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.keys import AccessKey

#: Calls that change nothing are not in the trail.
_READING = ("Describe", "List", "Get", "Query")


class ConsoleStop(Part):
    """Who stops it: a login name, or `system` for the cloud itself."""

    user: str = Field("root", min_length=1)


class Servers(Protocol):
    """What the trail needs of ECS: to stop a server as its console does."""

    def region_of(self, id_: str) -> str | None:
        """Return the region of a server; None when there is none of that id."""

    def stop(self, id_: str) -> object:
        """Stop a server as StopInstance does."""


class ActionTrail:
    """One account's ActionTrail."""

    def __init__(self, kernel: Kernel, account: str, servers: Servers) -> None:
        self.kernel = kernel
        self.trail = Trail()
        self._account = account
        self._servers = servers

    def saw(self, entry: Entry, key: AccessKey) -> Deed | None:
        """Write down a call to ECS that was served or refused, unless it only reads."""
        if entry.service != "ecs" or entry.action.startswith(_READING):
            return None
        # A call that could not be read names no server that one could look up.
        servers = tuple(one for one in entry.resources if self._servers.region_of(one) is not None)
        region = entry.region or next((self._servers.region_of(one) or "" for one in servers), "")
        return self.trail.add(
            Deed(
                id=self._new_id(),
                at=self.kernel.clock.now(),
                action=entry.action,
                region=region,
                servers=servers,
                access_key=key.id,
                account=key.account,
                request_id=entry.request_id,
                error=entry.code if entry.status >= 400 else "",
            )
        )

    def register(self, chaos: Chaos) -> Chaos:
        """Offer the deed of somebody at the console."""
        deed: Callable[[str, Mapping[str, Any]], None] = self._stop_by_console
        chaos.register("console_stop", lambda id_: self._servers.region_of(id_) is not None, deed)
        return chaos

    def _stop_by_console(self, id_: str, options: Mapping[str, Any]) -> None:
        user = options_of(ConsoleStop, options).user
        self._servers.stop(id_)
        self.trail.add(
            Deed(
                id=self._new_id(),
                at=self.kernel.clock.now(),
                action="StopInstance",
                region=self._servers.region_of(id_) or "",
                servers=(id_,),
                user=user,
                account=self._account,
                request_id=self._new_id(),
            )
        )

    def _new_id(self) -> str:
        return self.kernel.chance.uuid("actiontrail")
