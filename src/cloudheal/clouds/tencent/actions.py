"""The verbs that playbooks use, in Tencent Cloud's calls, and the permission that each needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloudheal.clouds.tencent import balancers, guests, system_events
from cloudheal.clouds.tencent.client import CVM, Client
from cloudheal.clouds.tencent.servers import PAGE, pages, server_of
from cloudheal.ports.account import not_offered
from cloudheal.ports.cloud import Made, Order, Ordered, Server, Snapshot

#: CAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "servers": ("cvm:DescribeInstances",),
    "start": ("cvm:StartInstances",),
    "reboot": ("cvm:RebootInstances",),
    **balancers.PERMISSIONS,
    **guests.PERMISSIONS,
    **system_events.PERMISSIONS,
}
CLOUD = "Tencent Cloud"


class TencentCompute:
    """The servers of one Tencent Cloud account."""

    def __init__(self, client: Client, account: str) -> None:
        self._client = client
        self._account = account

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Server]:
        """Read servers afresh, by the hundred; one that does not exist is absent."""
        found: dict[str, Server] = {}
        for start in range(0, len(ids), PAGE):
            asked = {"InstanceIds": list(ids[start : start + PAGE])}
            for page in pages(self._client, region, asked):
                servers = (server_of(one, self._account, region) for one in page)
                found.update((one.id.id, one) for one in servers)
        return found

    def start(self, region: str, id_: str, seconds: float) -> str:
        """Ask for a stopped server to be started; returns the vendor's request id."""
        reply = self._client.call(CVM, "StartInstances", region, {"InstanceIds": [id_]}, seconds)
        return str(reply["RequestId"])

    def reboot(self, region: str, id_: str, seconds: float, *, force: bool = False) -> str:
        """Ask for a running server to be restarted; by force its power is cut. Returns the vendor's request id."""
        asked = {"InstanceIds": [id_], "StopType": "HARD" if force else "SOFT"}
        return str(self._client.call(CVM, "RebootInstances", region, asked, seconds)["RequestId"])


class NoOrders:
    """Ordering servers is not done on this cloud: it announces no reclaim, so that nothing has to be replaced."""

    def like(self, region: str, server: str) -> Order | None:
        """Refuse."""
        raise not_offered(f"orders (asked for one like {server} in {region})", CLOUD)

    def order(self, region: str, order: Order, token: str, seconds: float) -> Ordered:  # noqa: ARG002 - the port's
        """Refuse."""
        raise not_offered(f"orders (asked for {order.type} in {region})", CLOUD)


class NoBackups:
    """Copies of disks are not made on this cloud yet."""

    def disks(self, region: str, server: str) -> tuple[str, ...]:
        """Refuse."""
        raise not_offered(f"backups (asked for the disks of {server} in {region})", CLOUD)

    def snapshots(self, region: str, server: str) -> tuple[Snapshot, ...]:
        """Refuse."""
        raise not_offered(f"backups (asked for those of {server} in {region})", CLOUD)

    def snapshot(self, region: str, disk: str, name: str, token: str, seconds: float) -> Made:  # noqa: ARG002
        """Refuse."""
        raise not_offered(f"backups (asked for one of {disk} in {region})", CLOUD)
