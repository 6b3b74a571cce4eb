"""ECS with the vendor's current SDK (ACS3 signature): orders, lists, disks, snapshots, tags, catalogue."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client

from tests.sim.ecs import ORDER, REGION, described, ecs_client, status, steps, world_with
from tests.sim.simulator import RunningSimulator
from tests.sim.tea import refused

FLEET = {"count": 25, "prefix": "i-bp1web", "tags": {"role": "web"}}


@pytest.fixture
def ecs(stepped: RunningSimulator) -> Client:
    """The SDK's client on a stepped clock, over an empty world."""
    stepped.world(world_with())
    return ecs_client(stepped)


def listed(ecs: Client, **query: Any) -> Any:
    """Return the body of DescribeInstances."""
    return ecs.describe_instances(models.DescribeInstancesRequest(region_id=REGION, **query)).body


def ids(body: Any) -> list[str]:
    """Return the ids in a body of DescribeInstances."""
    return [one.instance_id for one in body.instances.instance]


def ordered(ecs: Client, **facts: Any) -> list[str]:
    """Order instances and return their ids."""
    found: list[str] = ecs.run_instances(
        models.RunInstancesRequest(**{**ORDER, **facts})
    ).body.instance_id_sets.instance_id_set
    return found


# --- orders ---------------------------------------------------------------------------------


def test_an_order_makes_running_instances_with_disks(stepped: RunningSimulator, ecs: Client) -> None:
    """RunInstances answers ids at once; the instances pass Pending and Starting, their disks Creating."""
    made = ordered(
        ecs,
        amount=3,
        instance_name="web_[8,3]",
        tag=[models.RunInstancesRequestTag(key="team", value="ops")],
        data_disk=[models.RunInstancesRequestDataDisk(size=100, category="cloud_essd")],
    )
    assert len(set(made)) == 3
    assert all(re.fullmatch("i-bp1[0-9a-z]{17}", id_) for id_ in made)
    disks = ecs.describe_disks(models.DescribeDisksRequest(region_id=REGION, instance_id=made[0])).body.disks.disk
    assert [(one.type, one.size, one.status) for one in disks] == [
        ("system", 40, "Creating"),
        ("data", 100, "Creating"),
    ]
    stepped.advance(2)
    found = described(ecs, made[1])
    assert (found.status, found.instance_name, found.cpu, found.memory) == ("Starting", "web_009", 2, 8192)
    assert [(tag.tag_key, tag.tag_value) for tag in found.tags.tag] == [("team", "ops")]
    stepped.advance(8)
    assert {one.status for one in listed(ecs).instances.instance} == {"Running"}
    assert {
        one.status for one in ecs.describe_disks(models.DescribeDisksRequest(region_id=REGION)).body.disks.disk
    } == {"In_use"}
    assert steps(stepped, made[2]) == ["Pending", "Starting", "Running"]
    addresses = [one.vpc_attributes.private_ip_address.ip_address[0] for one in listed(ecs).instances.instance]
    assert len(set(addresses)) == 3


def test_a_primary_interface_says_where_an_instance_is(ecs: Client) -> None:
    """The newer form of an order carries switch, group and address in NetworkInterface.1."""
    interface = models.RunInstancesRequestNetworkInterface(
        instance_type="Primary",
        v_switch_id="vsw-bp1defaultj",
        security_group_ids=["sg-bp1default"],
        primary_ip_address="10.2.0.50",
    )
    (id_,) = ordered(ecs, v_switch_id=None, security_group_id=None, network_interface=[interface])
    found = described(ecs, id_)
    assert (found.zone_id, found.vpc_attributes.private_ip_address.ip_address) == ("cn-hangzhou-j", ["10.2.0.50"])
    assert refused(lambda: ordered(ecs, v_switch_id="vsw-bp1defaultj", private_ip_address="10.2.0.50")) == (
        403,
        "InvalidPrivateIpAddress.Duplicated",
    )


def test_a_created_instance_is_left_stopped(stepped: RunningSimulator, ecs: Client) -> None:
    """CreateInstance goes from Pending to Stopped."""
    id_ = ecs.create_instance(models.CreateInstanceRequest(**ORDER, instance_name="one")).body.instance_id
    assert status(ecs, id_) == "Pending"
    stepped.advance(2)
    assert status(ecs, id_) == "Stopped"


def test_a_client_token_orders_once(stepped: RunningSimulator, ecs: Client) -> None:
    """The same token with the same parameters gives the same ids, with others IdempotentParameterMismatch."""
    first = ordered(ecs, client_token="token-1", amount=2)
    stepped.advance(3600)
    assert ordered(ecs, client_token="token-1", amount=2) == first
    assert listed(ecs).total_count == 2
    assert refused(lambda: ordered(ecs, client_token="token-1", amount=3)) == (403, "IdempotentParameterMismatch")
    assert ordered(ecs, client_token="token-2", amount=2) != first
    assert listed(ecs).total_count == 4


def test_a_dry_order_makes_nothing(ecs: Client) -> None:
    """A dry run that would succeed answers DryRunOperation, one that would not answers its refusal."""
    assert refused(lambda: ordered(ecs, dry_run=True)) == (400, "DryRunOperation")
    assert refused(lambda: ordered(ecs, dry_run=True, image_id="no-such")) == (404, "InvalidImageId.NotFound")
    assert listed(ecs).total_count == 0


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"image_id": None}, (400, "MissingParameter")),
        ({"image_id": "no-such"}, (404, "InvalidImageId.NotFound")),
        ({"instance_type": "ecs.nope.large"}, (400, "InvalidInstanceType.ValueNotSupported")),
        ({"v_switch_id": None}, (400, "MissingParameter")),
        ({"v_switch_id": "vsw-2zedefaultg"}, (404, "InvalidVSwitchId.NotFound")),
        ({"security_group_id": None}, (400, "MissingParameter")),
        ({"security_group_id": "sg-nope"}, (404, "InvalidSecurityGroupId.NotFound")),
        ({"zone_id": "cn-hangzhou-h"}, (400, "InvalidParameter.Mismatch")),
        ({"zone_id": "cn-hangzhou-z"}, (404, "InvalidZoneId.NotFound")),
        ({"amount": 101}, (403, "InvalidParam.Amount")),
        ({"amount": 0}, (403, "InvalidParam.Amount")),
        ({"amount": 2, "min_amount": 3}, (403, "InvalidParam.Amount")),
        ({"spot_strategy": "Cheap"}, (400, "InvalidSpotStrategy")),
        ({"spot_strategy": "SpotWithPriceLimit"}, (400, "InvalidSpotPriceLimit")),
        ({"spot_strategy": "SpotWithPriceLimit", "spot_price_limit": 0.12345}, (400, "InvalidSpotPriceLimit")),
        (
            {"spot_strategy": "SpotWithPriceLimit", "spot_price_limit": 0.001},
            (400, "InvalidSpotPriceLimit.LowerThanPublicPrice"),
        ),
        ({"spot_strategy": "SpotAsPriceGo", "spot_duration": 9}, (400, "InvalidSpotDuration")),
        (
            {"spot_strategy": "SpotAsPriceGo", "instance_charge_type": "PrePaid", "period": 1},
            (400, "InvalidSpotPrepaid"),
        ),
        ({"instance_charge_type": "PrePaid"}, (400, "InvalidPeriod")),
        ({"instance_charge_type": "PrePaid", "period": 61}, (400, "InvalidPeriod")),
        ({"description": "x" * 257}, (400, "InvalidDescription.Malformed")),
        ({"instance_name": "x"}, (400, "InvalidInstanceName.Malformed")),
        ({"host_name": "-web"}, (400, "InvalidHostName.Malformed")),
        ({"data_disk": [models.RunInstancesRequestDataDisk(size=20)] * 17}, (400, "InvalidParameter")),
        (
            {"data_disk": [models.RunInstancesRequestDataDisk(category="cloud_essd")]},
            (400, "InvalidDataDiskSize.ValueNotSupported"),
        ),
        ({"data_disk": [models.RunInstancesRequestDataDisk(snapshot_id="s-no")]}, (404, "InvalidSnapshotId.NotFound")),
        ({"spot_strategy": "SpotWithPriceLimit", "spot_price_limit": float("inf")}, (400, "InvalidSpotPriceLimit")),
        ({"user_data": "!!"}, (400, "InvalidUserData.Base64FormatInvalid")),
        ({"user_data": base64.b64encode(b"x" * 32769).decode()}, (400, "InvalidUserData.SizeExceeded")),
        ({"auto_release_time": "2026-03-02T03:10:00Z"}, (400, "InvalidAutoReleaseTime.Malformed")),
        ({"auto_release_time": "2036-03-02T03:10:00Z"}, (400, "InvalidAutoReleaseTime.Malformed")),
        ({"client_token": "x" * 65}, (400, "InvalidClientToken.ValueNotSupported")),
        ({"launch_template_id": "lt-1"}, (404, "InvalidLaunchTemplate.NotFound")),
        ({"region_id": "cn-nowhere"}, (404, "InvalidRegionId.NotFound")),
        ({"tag": [models.RunInstancesRequestTag(key="acs:x", value="")]}, (400, "InvalidTagKey.Malformed")),
    ],
)
def test_a_bad_order_is_refused_by_its_code(ecs: Client, facts: dict[str, Any], expected: tuple[int, str]) -> None:
    """Every check has its documented status and code, and nothing is made."""
    assert refused(lambda: ordered(ecs, **facts)) == expected
    assert listed(ecs).total_count == 0


def test_spot_terms_are_kept(ecs: Client) -> None:
    """The terms of a spot order come back in DescribeInstances."""
    (id_,) = ordered(
        ecs,
        spot_strategy="SpotWithPriceLimit",
        spot_price_limit=0.5,
        spot_duration=0,
        spot_interruption_behavior="Stop",
    )
    found = described(ecs, id_)
    terms = (found.spot_strategy, found.spot_price_limit, found.spot_duration, found.spot_interruption_behavior)
    assert terms == ("SpotWithPriceLimit", 0.5, 0, "Stop")


def test_stock_limits_what_can_be_ordered(stepped: RunningSimulator, ecs: Client) -> None:
    """NoStock when the zone is short of the type, fewer instances when MinAmount allows it; other types are there."""
    room = {"zone": "cn-hangzhou-i", "type": "ecs.g7.large", "available": 3}
    stepped.world(world_with(stock=[room]))
    assert refused(lambda: ordered(ecs, amount=4)) == (403, "OperationDenied.NoStock")
    assert len(ordered(ecs, amount=4, min_amount=2)) == 3
    assert steps(stepped, "cn-hangzhou-i/ecs.g7.large", "stock") == [0]
    assert refused(lambda: ordered(ecs)) == (403, "OperationDenied.NoStock")
    assert len(ordered(ecs, instance_type="ecs.c7.large")) == 1
    asked = models.DescribeAvailableResourceRequest(
        region_id=REGION, destination_resource="InstanceType", zone_id="cn-hangzhou-i", instance_type="ecs.g7.large"
    )
    (zone,) = ecs.describe_available_resource(asked).body.available_zones.available_zone
    (resource,) = zone.available_resources.available_resource
    assert [one.status for one in resource.supported_resources.supported_resource] == ["SoldOut"]


def test_an_account_in_arrears_orders_nothing(stepped: RunningSimulator, ecs: Client) -> None:
    """With `overdue` set, orders are refused for InsufficientBalance."""
    stepped.world(world_with(overdue=True))
    assert refused(lambda: ordered(ecs)) == (403, "InsufficientBalance")


# --- lists ----------------------------------------------------------------------------------


def test_pages_by_number_show_every_instance_once(stepped: RunningSimulator, ecs: Client) -> None:
    """PageNumber and PageSize walk through the region in creation order; ten is the default size."""
    stepped.world(world_with(FLEET))
    pages = [listed(ecs, page_number=number) for number in (1, 2, 3, 4)]
    assert [len(page.instances.instance) for page in pages] == [10, 10, 5, 0]
    seen = [id_ for page in pages for id_ in ids(page)]
    assert seen == [f"i-bp1web-{number:06d}" for number in range(1, 26)]
    assert {(page.total_count, page.page_size) for page in pages} == {(25, 10)}


def test_pages_by_token_survive_a_release_in_between(stepped: RunningSimulator, ecs: Client) -> None:
    """NextToken neither repeats nor skips an instance when one before it goes away; it is empty at the end."""
    stepped.world(world_with(FLEET))
    first = listed(ecs, max_results=10)
    stepped.chaos("release", "i-bp1web-000003")
    second = listed(ecs, max_results=10, next_token=first.next_token)
    third = listed(ecs, max_results=10, next_token=second.next_token)
    assert ids(second)[0] == "i-bp1web-000011"
    assert ids(third)[-1] == "i-bp1web-000025"
    assert third.next_token == ""
    endless = base64.urlsafe_b64encode(b"ecs:" + b"9" * 5000).decode()
    for token in ("made-up", "ZWNzOi01", endless):
        assert refused(lambda token=token: listed(ecs, next_token=token)) == (400, "InvalidParameter")


def test_unknown_ids_are_absent(stepped: RunningSimulator, ecs: Client) -> None:
    """InstanceIds is a JSON array, single quotes tolerated; ids of other regions and of nobody are left out."""
    stepped.world(world_with(FLEET, {"id": "i-2zeother", "region": "cn-beijing"}))
    asked = "['i-bp1web-000002', \"i-bp1web-000001\", 'i-2zeother', 'i-nobody']"
    assert ids(listed(ecs, instance_ids=asked)) == ["i-bp1web-000001", "i-bp1web-000002"]
    too_many = str([f"i-{number}" for number in range(101)])
    assert refused(lambda: listed(ecs, instance_ids=too_many)) == (400, "InvalidInstanceIds.Malformed")
    assert refused(lambda: listed(ecs, instance_ids="i-bp1web-000001")) == (400, "InvalidInstanceIds.Malformed")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "Stopped"}, ["i-b"]),
        ({"lock_reason": "security"}, ["i-b"]),
        ({"zone_id": "cn-hangzhou-h"}, ["i-c"]),
        ({"instance_name": "web-*"}, ["i-a", "i-c"]),
        ({"instance_type_family": "ecs.c7"}, ["i-c"]),
        ({"instance_charge_type": "PrePaid"}, ["i-b"]),
        ({"v_switch_id": "vsw-bp1defaulth"}, ["i-c"]),
        ({"private_ip_addresses": '["10.1.0.77"]'}, ["i-a"]),
        ({"tag": [models.DescribeInstancesRequestTag(key="role", value="web")]}, ["i-a", "i-c"]),
        ({"tag": [models.DescribeInstancesRequestTag(key="team")]}, ["i-c"]),
        (
            {
                "tag": [
                    models.DescribeInstancesRequestTag(key="role", value="web"),
                    models.DescribeInstancesRequestTag(key="team", value="ops"),
                ]
            },
            ["i-c"],
        ),
        (
            {"filter": [models.DescribeInstancesRequestFilter(key="CreationStartTime", value="2026-03-01T12:00Z")]},
            ["i-b"],
        ),
        ({"filter": [models.DescribeInstancesRequestFilter(key="ExpiredEndTime", value="2026-04-01T00:00Z")]}, ["i-b"]),
        ({"io_optimized": False}, []),
    ],
)
def test_a_filter_keeps_what_it_names(
    stepped: RunningSimulator, ecs: Client, query: dict[str, Any], expected: list[str]
) -> None:
    """Filters narrow the list, and several of them narrow it together."""
    stepped.world(
        world_with(
            {"id": "i-a", "zone": "cn-hangzhou-i", "name": "web-1", "tags": {"role": "web"}}
            | {"network": {"private_ip": "10.1.0.77"}},
            {
                "id": "i-b",
                "zone": "cn-hangzhou-i",
                "name": "db-1",
                "status": "Stopped",
                "locks": ["security"],
                "created": "2026-03-01T20:00:00Z",
                "expires": "2026-03-30T00:00:00Z",
            },
            {"id": "i-c", "zone": "cn-hangzhou-h", "name": "web-2", "type": "ecs.c7.large"}
            | {"tags": {"role": "web", "team": "ops"}},
        )
    )
    assert ids(listed(ecs, **query)) == expected


def test_impossible_filters_are_refused(ecs: Client) -> None:
    """An unknown status, lock reason, filter key or tag without key has its own code."""
    assert refused(lambda: listed(ecs, status="Sleeping")) == (404, "InvalidStatus.NotFound")
    assert refused(lambda: listed(ecs, lock_reason="mood")) == (404, "InvalidLockReason.NotFound")
    tag = models.DescribeInstancesRequestTag(value="web")
    assert refused(lambda: listed(ecs, tag=[tag])) == (400, "InvalidTag.Mismatch")
    odd = models.DescribeInstancesRequestFilter(key="Colour", value="2026-03-01T12:00Z")
    assert refused(lambda: listed(ecs, filter=[odd])) == (400, "InvalidParameter")
    assert refused(lambda: listed(ecs, page_size=101)) == (400, "InvalidParameter")


def test_an_instance_elsewhere_does_not_exist_here(stepped: RunningSimulator, ecs: Client) -> None:
    """A call that names a region finds only that region's instances."""
    stepped.world(world_with({"id": "i-2zeother", "region": "cn-beijing", "status": "Stopped"}))
    request = models.StartInstancesRequest(region_id=REGION, instance_id=["i-2zeother"])
    assert refused(lambda: ecs.start_instances(request)) == (404, "InvalidInstanceId.NotFound")
    assert refused(lambda: ecs.start_instance(models.StartInstanceRequest(instance_id="i-nobody"))) == (
        404,
        "InvalidInstanceId.NotFound",
    )


def test_attributes_change_as_asked(stepped: RunningSimulator, ecs: Client) -> None:
    """ModifyInstanceAttribute changes what it names; deletion protection then keeps the instance."""
    stepped.world(world_with({"id": "i-a", "status": "Stopped"}))
    ecs.modify_instance_attribute(
        models.ModifyInstanceAttributeRequest(
            instance_id="i-a", instance_name="new name", description="why", host_name="host-1", deletion_protection=True
        )
    )
    found = ecs.describe_instance_attribute(models.DescribeInstanceAttributeRequest(instance_id="i-a")).body
    assert (found.instance_name, found.description, found.host_name) == ("new name", "why", "host-1")
    assert refused(lambda: ecs.delete_instance(models.DeleteInstanceRequest(instance_id="i-a", force=True))) == (
        403,
        "InvalidOperation.DeletionProtection",
    )
    bad = models.ModifyInstanceAttributeRequest(instance_id="i-a", instance_name="http://x", description="changed")
    assert refused(lambda: ecs.modify_instance_attribute(bad)) == (400, "InvalidInstanceName.Malformed")
    assert described(ecs, "i-a").description == "why"


def test_a_batch_is_all_or_each(stepped: RunningSimulator, ecs: Client) -> None:
    """AllTogether fails as a whole for one bad item; SuccessFirst answers item by item."""
    stepped.world(world_with({"id": "i-a", "status": "Stopped"}, {"id": "i-b", "status": "Running"}))
    asked = {"region_id": REGION, "instance_id": ["i-a", "i-b"]}
    assert refused(lambda: ecs.start_instances(models.StartInstancesRequest(**asked))) == (
        403,
        "IncorrectInstanceStatus",
    )
    assert status(ecs, "i-a") == "Stopped"
    each = models.StartInstancesRequest(**asked, batch_optimization="SuccessFirst")
    answers = ecs.start_instances(each).body.instance_responses.instance_response
    assert [(one.instance_id, one.code, one.previous_status, one.current_status) for one in answers] == [
        ("i-a", "200", "Stopped", "Starting"),
        ("i-b", "IncorrectInstanceStatus", "Running", "Running"),
    ]


# --- disks and snapshots --------------------------------------------------------------------


def snapshot(ecs: Client, **facts: Any) -> str:
    """Ask for a snapshot and return its id."""
    request = models.CreateSnapshotRequest(**{"disk_id": "d-a", **facts})
    made: str = ecs.create_snapshot(request).body.snapshot_id
    return made


def test_a_snapshot_takes_its_time_and_is_announced(stepped: RunningSimulator, ecs: Client) -> None:
    """One at a time of a disk; progressing, then accomplished with an event; then it can be deleted."""
    stepped.world(world_with({"id": "i-a"}))
    id_ = snapshot(ecs, snapshot_name="before reboot", retention_days=1)
    assert refused(lambda: snapshot(ecs)) == (403, "IncorrectDiskStatus.CreatingSnapshot")
    stepped.advance(10)
    (found,) = ecs.describe_snapshots(models.DescribeSnapshotsRequest(region_id=REGION)).body.snapshots.snapshot
    assert (found.status, found.progress, found.source_disk_id) == ("progressing", "50%", "d-a")
    assert refused(lambda: ecs.delete_snapshot(models.DeleteSnapshotRequest(snapshot_id=id_))) == (
        403,
        "IncorrectSnapshotStatus",
    )
    stepped.advance(10)
    asked = models.DescribeSnapshotsRequest(region_id=REGION, instance_id="i-a", status="accomplished")
    assert [one.snapshot_id for one in ecs.describe_snapshots(asked).body.snapshots.snapshot] == [id_]
    (event,) = stepped.journal(kind="event")
    assert (event["action"], event["details"]["content"]["snapshotId"]) == ("Snapshot:CreateSnapshotCompleted", id_)
    stepped.advance(86400)
    assert ecs.describe_snapshots(models.DescribeSnapshotsRequest(region_id=REGION)).body.total_count == 0


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"disk_id": "d-nobody"}, (404, "InvalidDiskId.NotFound")),
        ({"snapshot_name": "auto-1"}, (400, "InvalidSnapshotName.Malformed")),
        ({"snapshot_name": "x"}, (400, "InvalidSnapshotName.Malformed")),
        ({"retention_days": 65537}, (400, "InvalidRetentionDays.Malformed")),
        ({"disk_id": "d-busy"}, (403, "IncorrectInstanceStatus")),
        ({"disk_id": "d-new"}, (403, "IncorrectDiskStatus.NeverAttached")),
    ],
)
def test_a_bad_snapshot_is_refused(
    stepped: RunningSimulator, ecs: Client, facts: dict[str, Any], expected: tuple[int, str]
) -> None:
    """Every check of CreateSnapshot has its code."""
    busy = {"id": "i-busy", "status": "Starting"}
    stepped.world(world_with({"id": "i-a"}, busy, disks=[{"id": "d-new", "region": REGION}]))
    assert refused(lambda: snapshot(ecs, **facts)) == expected


def test_snapshots_are_idempotent_and_limited(stepped: RunningSimulator, ecs: Client) -> None:
    """A client token makes one snapshot; a disk has at most 256."""
    existing = [{"id": f"s-{number}", "disk": "d-a"} for number in range(255)]
    stepped.world(world_with({"id": "i-a"}, snapshots=existing))
    first = snapshot(ecs, client_token="t-1", description="a")
    assert snapshot(ecs, client_token="t-1", description="a") == first
    assert refused(lambda: snapshot(ecs, client_token="t-1", description="b")) == (403, "IdempotentParameterMismatch")
    stepped.advance(20)
    assert refused(lambda: snapshot(ecs)) == (403, "QuotaExceed.Snapshot")


def test_disks_are_found_by_holder_and_id(stepped: RunningSimulator, ecs: Client) -> None:
    """DescribeDisks narrows by instance, ids, type and status; a malformed list has its own code."""
    data = {"id": "d-data", "instance": "i-a", "size": 200, "delete_with_instance": False}
    stepped.world(world_with({"id": "i-a"}, {"id": "i-b"}, disks=[data]))

    def disks(**query: Any) -> list[str]:
        body = ecs.describe_disks(models.DescribeDisksRequest(region_id=REGION, **query)).body
        return [one.disk_id for one in body.disks.disk]

    assert disks(instance_id="i-a") == ["d-a", "d-data"]
    assert disks(disk_ids='["d-b","d-nobody"]') == ["d-b"]
    assert disks(disk_type="data") == ["d-data"]
    assert refused(lambda: disks(disk_ids="d-b")) == (400, "InvalidParameter.DiskIds")
    many = str([f"d-{number}" for number in range(101)])
    assert refused(lambda: disks(disk_ids=many)) == (403, "InvalidDiskIds.Malformed")
    stepped.chaos("release", "i-a")
    assert disks(status="Available") == ["d-data"]


# --- tags -----------------------------------------------------------------------------------


def test_tags_come_and_go(stepped: RunningSimulator, ecs: Client) -> None:
    """TagResources, ListTagResources and UntagResources agree, for instances and disks."""
    stepped.world(world_with({"id": "i-a"}, {"id": "i-b"}))
    tags = [models.TagResourcesRequestTag(key="env", value="prod"), models.TagResourcesRequestTag(key="hold", value="")]
    request = models.TagResourcesRequest(
        region_id=REGION, resource_type="instance", resource_id=["i-a", "i-b"], tag=tags
    )
    ecs.tag_resources(request)

    def lines(**query: Any) -> list[tuple[str, str, str]]:
        asked = models.ListTagResourcesRequest(region_id=REGION, resource_type="instance", **query)
        found = ecs.list_tag_resources(asked).body.tag_resources.tag_resource
        return [(one.resource_id, one.tag_key, one.tag_value) for one in found]

    assert lines(resource_id=["i-a"]) == [("i-a", "env", "prod"), ("i-a", "hold", "")]
    ecs.untag_resources(
        models.UntagResourcesRequest(region_id=REGION, resource_type="instance", resource_id=["i-a"], tag_key=["env"])
    )
    assert lines(tag=[models.ListTagResourcesRequestTag(key="env")]) == [("i-b", "env", "prod"), ("i-b", "hold", "")]
    counted = ecs.describe_tags(models.DescribeTagsRequest(region_id=REGION)).body.tags.tag
    assert {(one.tag_key, one.resource_type_count.instance) for one in counted} == {("env", 1), ("hold", 2)}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"resource_id": ["i-nobody"]}, (404, "InvalidResourceId.NotFound")),
        ({"resource_type": "planet"}, (404, "InvalidResourceType.NotFound")),
        ({"resource_id": [f"i-{number}" for number in range(51)]}, (400, "NumberExceed.ResourceIds")),
        ({"tag": [("a", "1"), ("a", "2")]}, (400, "Duplicate.TagKey")),
        ({"tag": [("aliyun-x", "1")]}, (400, "InvalidTagKey.Malformed")),
        ({"tag": [(f"k{number}", "") for number in range(21)]}, (400, "NumberExceed.Tags")),
        ({"tag": [(f"k{number}", "") for number in range(20)]}, (400, "NumberExceed.Tags")),
    ],
)
def test_bad_tags_are_refused(
    stepped: RunningSimulator, ecs: Client, facts: dict[str, Any], expected: tuple[int, str]
) -> None:
    """Limits and spelling of tags have their codes; the instance keeps what it had."""
    stepped.world(world_with({"id": "i-a", "tags": {"kept": "yes"}}))
    pairs = facts.get("tag", [("a", "1")])
    asked = {
        "region_id": REGION,
        "resource_type": "instance",
        "resource_id": ["i-a"],
        **facts,
        "tag": [models.TagResourcesRequestTag(key=key, value=value) for key, value in pairs],
    }
    assert refused(lambda: ecs.tag_resources(models.TagResourcesRequest(**asked))) == expected
    assert [tag.tag_key for tag in described(ecs, "i-a").tags.tag] == ["kept"]


# --- catalogue ------------------------------------------------------------------------------


def test_the_catalogue_answers_what_an_order_needs(ecs: Client) -> None:
    """From regions to security groups: what is listed can be ordered."""
    regions = ecs.describe_regions(models.DescribeRegionsRequest()).body.regions.region
    assert REGION in {one.region_id for one in regions}
    zones = ecs.describe_zones(models.DescribeZonesRequest(region_id=REGION)).body.zones.zone
    switches = ecs.describe_vswitches(models.DescribeVSwitchesRequest(region_id=REGION)).body.v_switches.v_switch
    assert {one.zone_id for one in switches} == {one.zone_id for one in zones}
    images = ecs.describe_images(models.DescribeImagesRequest(region_id=REGION, ostype="linux")).body.images.image
    types = ecs.describe_instance_types(
        models.DescribeInstanceTypesRequest(minimum_cpu_core_count=4, maximum_cpu_core_count=4)
    ).body.instance_types.instance_type
    assert {one.cpu_core_count for one in types} == {4}
    (vpc,) = ecs.describe_vpcs(models.DescribeVpcsRequest(region_id=REGION)).body.vpcs.vpc
    groups = ecs.describe_security_groups(
        models.DescribeSecurityGroupsRequest(region_id=REGION, vpc_id=vpc.vpc_id)
    ).body.security_groups.security_group
    made = ordered(
        ecs,
        image_id=images[0].image_id,
        instance_type=types[0].instance_type_id,
        v_switch_id=switches[0].v_switch_id,
        security_group_id=groups[0].security_group_id,
    )
    assert len(made) == 1


def test_spot_prices_are_below_the_list_price(ecs: Client) -> None:
    """DescribeSpotPriceHistory lists hourly prices, and a limit at that price is accepted."""
    asked = models.DescribeSpotPriceHistoryRequest(
        region_id=REGION, instance_type="ecs.g7.large", network_type="vpc", zone_id="cn-hangzhou-i"
    )
    prices = ecs.describe_spot_price_history(asked).body.spot_prices.spot_price_type
    assert len(prices) == 25
    assert all(0 < one.spot_price < one.origin_price for one in prices)
    ordered(ecs, spot_strategy="SpotWithPriceLimit", spot_price_limit=prices[0].spot_price)


def test_the_console_shows_a_login(stepped: RunningSimulator, ecs: Client) -> None:
    """GetInstanceConsoleOutput is Base64 of what the system printed."""
    stepped.world(world_with({"id": "i-a", "name": "web-1"}))
    asked = models.GetInstanceConsoleOutputRequest(instance_id="i-a", region_id=REGION)
    text = base64.b64decode(ecs.get_instance_console_output(asked).body.console_output).decode()
    assert text.endswith("web-1 login: ")
