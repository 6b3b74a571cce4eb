"""Everything that one simulated EventBridge keeps, and how what happens to instances becomes its events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.tencent.eb.model.bridge import Bridge
from cloudheal_sim.tencent.eb.model.records import Event

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.happenings import Happening

SOURCE = "cvm.cloud.tencent"


class Eb:
    """One account's EventBridge."""

    def __init__(self, kernel: Kernel, account: str) -> None:
        self.kernel = kernel
        self.account = account
        self.bridge = Bridge(kernel, account)

    def hear(self, happening: Happening) -> Event:
        """Publish what happened to an instance on the service bus."""
        instance, kind = happening.instance, happening.kind
        said = {"TaskId": happening.detail} if happening.detail else {"IP": next(iter(instance.network.public_ips), "")}
        return self.bridge.publish(
            Event(
                id=self.kernel.chance.uuid("eb").lower(),
                source=SOURCE,
                type=self.spelling(kind.type),
                subject=instance.id,
                time=self.kernel.clock.now(),
                region=instance.region,
                status=happening.status,
                data=data_of(instance, self.account, said),
                tags=dict(instance.tags),
            )
        )

    def spelling(self, type_: str) -> str:
        """Write a type the way that the world asks for."""
        if self.bridge.options.spelling == "camel":
            return type_
        head, _, name = type_.rpartition(":")
        return f"{head}:{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower()}"


def data_of(instance: Instance, account: str, said: dict[str, str]) -> dict[str, object]:
    """Write the data of an event about an instance; its shape is that of the published sample, whatever the type."""
    return {
        "appId": account,
        "instanceId": instance.id,
        "projectId": str(instance.project),
        "dimensions": {"ip": instance.network.private_ip},
        "additionalMsg": dict(said),
    }
