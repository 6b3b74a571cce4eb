"""Ordering servers: RunInstances, made from what a present server shows of itself.

The root password, user data and data disks of the present server are not copied: what a replacement must have on its
disk belongs into its image. A client token makes repeated sending the same order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.ports.cloud import Order, Ordered, Reclaim

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "like": ("ecs:DescribeInstances",),
    "order": ("ecs:RunInstances", "ecs:TagResources"),
}
READ_SECONDS = 10.0
#: Tags that the vendor keeps for itself cannot be given.
_RESERVED = ("acs:", "aliyun")
_BEHAVIOURS = {Reclaim.DELETE: "Terminate", Reclaim.STOP: "Stop"}


class AlibabaOrders:
    """Orders in one Alibaba Cloud account."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def like(self, region: str, server: str) -> Order | None:
        """Return the order that would bring a server like this one; None when it does not exist."""
        query = {"InstanceIds": json.dumps([server])}
        reply = self._client.call(ECS, "DescribeInstances", region, query, READ_SECONDS)
        return next((_order(one) for one in reply.get("Instances", {}).get("Instance", ())), None)

    def order(self, region: str, order: Order, token: str, seconds: float) -> Ordered:
        """Order one server. The same order with the same token brings the same server, however often it is sent."""
        query = dict(_parameters(order)) | {"Amount": "1", "ClientToken": token}
        reply = self._client.call(ECS, "RunInstances", region, query, seconds)
        (server,) = reply["InstanceIdSets"]["InstanceIdSet"]
        return Ordered(str(server), str(reply.get("RequestId", "")))


def _order(shown: Mapping[str, Any]) -> Order:
    tags = shown.get("Tags", {}).get("Tag", ())
    strategy = str(shown.get("SpotStrategy") or "NoSpot")
    return Order(
        type=str(shown["InstanceType"]),
        zone=str(shown.get("ZoneId", "")),
        image=str(shown.get("ImageId", "")),
        switch=str(shown.get("VpcAttributes", {}).get("VSwitchId", "")),
        security_groups=tuple(str(one) for one in shown.get("SecurityGroupIds", {}).get("SecurityGroupId", ())),
        name=str(shown.get("InstanceName", "")),
        spot=strategy != "NoSpot",
        price_limit=float(shown.get("SpotPriceLimit") or 0) if strategy == "SpotWithPriceLimit" else 0.0,
        reclaim=Reclaim.STOP if shown.get("SpotInterruptionBehavior") == "Stop" else Reclaim.DELETE,
        key_pair=str(shown.get("KeyPairName") or ""),
        resource_group=str(shown.get("ResourceGroupId") or ""),
        tags={
            str(tag["TagKey"]): str(tag.get("TagValue", ""))
            for tag in tags
            if not str(tag["TagKey"]).startswith(_RESERVED)
        },
    )


def _parameters(order: Order) -> Iterator[tuple[str, str]]:
    plain = {
        "InstanceType": order.type,
        "ZoneId": order.zone,
        "ImageId": order.image,
        "VSwitchId": order.switch,
        "InstanceName": order.name,
        "KeyPairName": order.key_pair,
        "ResourceGroupId": order.resource_group,
    }
    yield from ((name, value) for name, value in plain.items() if value)
    yield "InstanceChargeType", "PostPaid"
    for number, group in enumerate(order.security_groups, 1):
        yield f"SecurityGroupIds.{number}", group
    for number, (key, value) in enumerate(order.tags.items(), 1):
        yield f"Tag.{number}.Key", key
        yield f"Tag.{number}.Value", value
    if order.spot:
        yield "SpotStrategy", "SpotWithPriceLimit" if order.price_limit else "SpotAsPriceGo"
        yield "SpotInterruptionBehavior", _BEHAVIOURS[order.reclaim]
        if order.price_limit:
            yield "SpotPriceLimit", str(order.price_limit)
