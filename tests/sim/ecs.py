"""ECS in the tests: the vendor's current SDK pointed at a simulator, and what the journal says of an instance."""

from __future__ import annotations

from typing import Any

from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client

from tests.sim.simulator import RunningSimulator
from tests.sim.tea import config

REGION = "cn-hangzhou"
NOW = "2026-03-02T03:00:00Z"
#: What every order must name, from the default catalogue.
ORDER = {
    "region_id": REGION,
    "image_id": "ubuntu_22_04_x64_20G_alibase_20240530.vhd",
    "instance_type": "ecs.g7.large",
    "v_switch_id": "vsw-bp1defaulti",
    "security_group_id": "sg-bp1default",
}


def ecs_client(sim: RunningSimulator) -> Client:
    """Return the unmodified client of the current SDK."""
    return Client(config(sim))


def world_with(*instances: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Return a world of these instances at NOW; other keys of the Alibaba part may be added."""
    return {"now": NOW, "seed": 7, "alibaba": {"instances": list(instances), **keys}}


def described(ecs: Client, id_: str) -> Any:
    """Return one instance as DescribeInstances shows it, None when it is not there."""
    request = models.DescribeInstancesRequest(region_id=REGION, instance_ids=f'["{id_}"]')
    found = ecs.describe_instances(request).body.instances.instance
    return found[0] if found else None


def status(ecs: Client, id_: str) -> str | None:
    """Return the status that DescribeInstances shows, None when the instance is not there."""
    found = described(ecs, id_)
    return None if found is None else found.status


def steps(sim: RunningSimulator, id_: str, what: str = "instance.status") -> list[Any]:
    """Return what one fact of a resource became, in the journal's order."""
    entries = sim.journal()
    changes = [change for entry in entries for change in entry.get("changes", [])]
    return [change["after"] for change in changes if (change["what"], change["id"]) == (what, id_)]


def events(sim: RunningSimulator, id_: str) -> list[tuple[str, Any]]:
    """Return (name, content) of the published events about a resource, in order."""
    published = [entry for entry in sim.journal(kind="event") if id_ in entry["resources"]]
    return [(entry["action"], entry["details"]["content"]) for entry in published]
