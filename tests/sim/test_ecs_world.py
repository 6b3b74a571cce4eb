"""ECS in the world document: short forms, full forms, and that what is put back continues where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client

from tests.sim.ecs import NOW, ORDER, REGION, described, ecs_client, status, world_with
from tests.sim.simulator import ControlRefusedError, RunningSimulator, started

#: The keys of the Alibaba part that ECS's instances, disks and choices live under.
KEYS = (
    "regions",
    "durations",
    "stock",
    "overdue",
    "instance_types",
    "images",
    "vswitches",
    "security_groups",
    "client_tokens",
    "instances",
    "disks",
    "snapshots",
)


@pytest.fixture
def ecs(stepped: RunningSimulator) -> Client:
    """The SDK's client on a stepped clock."""
    return ecs_client(stepped)


def share(sim: RunningSimulator) -> dict[str, Any]:
    """Return ECS's share of the world as it is now."""
    part = sim.control("GET", "world")["alibaba"]
    return {key: part[key] for key in KEYS}


def changes(sim: RunningSimulator, since: int) -> list[tuple[str, Any, Any, Any]]:
    """Return (what, id, before, after) of every change after an entry, in order."""
    entries = [entry for entry in sim.journal() if entry["seq"] > since]
    found = [(entry["at"], change) for entry in entries for change in entry.get("changes", [])]
    return [(at, change["what"], change["id"], change["after"]) for at, change in found]


def busy(sim: RunningSimulator, ecs: Client) -> None:
    """Bring a world about in which something of everything is under way."""
    sim.world(
        world_with(
            {"id": "i-boot", "status": "Stopped"},
            {"id": "i-spot", "spot": True, "reclaim_at": "2026-03-02T03:05:00Z"},
            {"id": "i-lost", "spot": {"behavior": "Stop"}},
            {"id": "i-crash"},
            {"id": "i-fail", "status": "Stopped"},
            {"id": "i-paid", "expires": "2026-03-02T03:08:00Z"},
            {"id": "i-term", "auto_release": "2026-03-02T04:00:00Z"},
            {"id": "i-gone"},
            stock=[{"type": "ecs.g7.large", "available": 5}],
            durations={"starting": 40, "pending": 30},
        )
    )
    for deed, id_, options in (
        ("reclaim", "i-lost", {}),
        ("crash_loop", "i-crash", {"seconds": 90}),
        ("fail_start", "i-fail", {"times": 3}),
        ("slow_boot", "i-boot", {"seconds": 7}),
        ("hang", "i-term", {}),
        ("release", "i-gone", {}),
    ):
        sim.chaos(deed, id_, **options)
    ecs.start_instance(models.StartInstanceRequest(instance_id="i-boot"))
    ecs.start_instance(models.StartInstanceRequest(instance_id="i-fail"))
    ecs.stop_instance(models.StopInstanceRequest(instance_id="i-paid"))
    ecs.create_snapshot(models.CreateSnapshotRequest(disk_id="d-crash", retention_days=1, client_token="once"))
    ecs.run_instances(models.RunInstancesRequest(**ORDER, client_token="order", amount=2))
    sim.advance(3)


def test_a_world_put_back_is_the_same_world(stepped: RunningSimulator, ecs: Client) -> None:
    """Reading a busy world, putting it back and reading it again gives the same document."""
    busy(stepped, ecs)
    before = share(stepped)
    stepped.control("PUT", "world", stepped.control("GET", "world"))
    assert share(stepped) == before


def test_a_world_put_back_continues_identically(stepped: RunningSimulator, ecs: Client) -> None:
    """Every transition under way, in the original and in the copy, ends at the same instants in the same order."""
    busy(stepped, ecs)
    document = stepped.control("GET", "world")
    since = stepped.journal()[-1]["seq"]
    stepped.advance(2 * 86400)
    original, ended = changes(stepped, since), share(stepped)
    assert {what for _, what, _, _ in original} >= {
        "instance.status",
        "instance.locks",
        "snapshot.status",
        "disk.status",
    }
    stepped.world(document)
    since = stepped.journal()[-1]["seq"]
    stepped.advance(2 * 86400)
    assert sorted(changes(stepped, since)) == sorted(original)
    assert share(stepped) == ended


def test_the_order_of_a_client_token_is_remembered(stepped: RunningSimulator, ecs: Client) -> None:
    """A token used before the world was put back still orders nothing new after it."""
    busy(stepped, ecs)
    stepped.world(stepped.control("GET", "world"))
    count = len(share(stepped)["instances"])
    made = ecs.run_instances(models.RunInstancesRequest(**ORDER, client_token="order", amount=2)).body
    assert len(made.instance_id_sets.instance_id_set) == 2
    assert len(share(stepped)["instances"]) == count


def test_short_forms_expand(stepped: RunningSimulator, ecs: Client) -> None:
    """A count makes ids from 000001 on; spot, expired, group and desired stand for what they mean."""
    stepped.world(
        world_with(
            {"count": 3, "prefix": "i-bp1web", "name": "web", "group": "front", "desired": "on"},
            {"id": "i-spot", "spot": True},
            {"id": "i-old", "expired": True},
        )
    )
    web = described(ecs, "i-bp1web-000003")
    assert (web.instance_name, web.zone_id, web.status) == ("web-000003", "cn-hangzhou-h", "Running")
    assert {tag.tag_key: tag.tag_value for tag in web.tags.tag} == {"group": "front", "desired": "on"}
    assert described(ecs, "i-spot").spot_strategy == "SpotAsPriceGo"
    old = described(ecs, "i-old")
    assert (old.status, old.expired_time, old.instance_charge_type) == ("Stopped", "2026-03-02T02:00Z", "PrePaid")
    full = {one["id"]: one for one in share(stepped)["instances"]}
    assert full["i-old"]["locks"] == ["financial"]
    assert len(share(stepped)["disks"]) == 5


def test_a_transitional_state_in_a_world_goes_on(stepped: RunningSimulator, ecs: Client) -> None:
    """An instance that is written down as Starting reaches Running after the usual time."""
    stepped.world(world_with({"id": "i-a", "status": "Starting"}))
    stepped.advance(8)
    assert status(ecs, "i-a") == "Running"


def test_regions_of_a_world_are_all_there_are(stepped: RunningSimulator, ecs: Client) -> None:
    """A world may name its regions; zones, switches and groups follow from them."""
    document = {"now": NOW, "regions": [{"id": "cn-test", "zones": ["cn-test-x"]}, REGION], "alibaba": {}}
    stepped.world(document)
    found = ecs.describe_regions(models.DescribeRegionsRequest()).body.regions.region
    assert [one.region_id for one in found] == ["cn-test", REGION]
    switches = ecs.describe_vswitches(models.DescribeVSwitchesRequest(region_id="cn-test")).body.v_switches.v_switch
    assert [one.zone_id for one in switches] == ["cn-test-x"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"instances": [{"id": "i-a", "colour": "red"}]}, "alibaba.instances.0.colour"),
        ({"instances": [{"id": "i-a", "status": "Asleep"}]}, "alibaba.instances.0.status"),
        ({"instances": [{"id": "i-a"}, {"id": "i-a"}]}, "is there twice"),
        ({"instances": [{"id": "i-a", "region": "mars-1"}]}, "no region 'mars-1'"),
        ({"instances": [{"id": "i-a", "zone": "cn-beijing-g"}]}, "alibaba.instances.0.zone"),
        ({"instances": [{"count": 3}]}, "count and prefix"),
        ({"instances": [{"id": "i-a", "task": {"goal": "stop", "due": NOW}}]}, "not on its way to stop"),
        ({"disks": [{"id": "d-a", "instance": "i-nobody"}]}, "no instance 'i-nobody'"),
        ({"durations": {"starting": -1}}, "alibaba.durations.starting"),
        ({"vswitches": [{"id": "vsw-1", "vpc": "v", "region": "mars-1", "zone": "z", "cidr": "10.0.0.0/8"}]}, "mars-1"),
        ({"images": [{"id": "m-1", "name": "n", "os_name": "o", "taste": "sweet"}]}, "alibaba.images.0.taste"),
    ],
)
def test_a_bad_world_changes_nothing(
    stepped: RunningSimulator, ecs: Client, part: dict[str, Any], message: str
) -> None:
    """A document that cannot be is refused with the place named, and the world stays as it was."""
    stepped.world(world_with({"id": "i-kept"}))
    with pytest.raises(ControlRefusedError, match=message):
        stepped.world({"now": NOW, "alibaba": part})
    assert status(ecs, "i-kept") == "Running"


def test_a_hundred_thousand_instances_fit() -> None:
    """A world of 100,000 instances with their disks stays under 1 GiB, and its last page shows the last of them."""
    big = started("--seed", "7")
    try:
        big.world({"alibaba": {"instances": [{"count": 100_000, "prefix": "i-bp1big"}]}})
        request = models.DescribeInstancesRequest(region_id=REGION, page_number=1000, page_size=100)
        page = ecs_client(big).describe_instances(request).body
        assert (page.total_count, page.instances.instance[-1].instance_id) == (100_000, "i-bp1big-100000")
        memory = Path(f"/proc/{big.process.pid}/status").read_text(encoding="ascii").splitlines()
        peak = next(int(line.split()[1]) for line in memory if line.startswith("VmHWM"))
        assert peak < 1024 * 1024
    finally:
        big.stop()
