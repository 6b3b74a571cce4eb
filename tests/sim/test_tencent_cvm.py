"""CVM: instances as they are listed, their states and latest operations over time, and what chaos does to them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from cloudheal_sim.kernel.faults import Rule
from cloudheal_sim.kernel.wire import HttpRequest
from cloudheal_sim.tencent.cvm.model.instance import Status
from tests.sim.tencent import FORM, MOMENT, Inside, Tc3, v1, v1_form

WEB, DB, DOWN, PAID = "ins-web00001", "ins-db000001", "ins-down0001", "ins-paid0001"
WORLD: dict[str, Any] = {
    "instances": [
        {"id": WEB, "name": "web-1", "tags": {"app": "shop"}, "network": {"public_ips": ["203.0.113.11"]}},
        {"id": DB, "zone": "ap-guangzhou-3", "created": "2026-01-01T00:00:00Z"},
        {"id": DOWN, "status": "STOPPED", "agent": "Offline"},
        {"id": PAID, "charge_type": "PREPAID", "expires": "2027-01-01T00:00:00Z"},
        {"id": "ins-far00001", "region": "ap-shanghai"},
    ]
}


@pytest.fixture
def inside() -> Inside:
    """A simulator with five instances in two regions."""
    return Inside(WORLD)


async def row(inside: Inside, id_: str) -> dict[str, Any]:
    """Return one instance as it is listed."""
    found = (await inside.done("DescribeInstances", InstanceIds=[id_]))["InstanceSet"]
    assert len(found) == 1
    one: dict[str, Any] = found[0]
    return one


async def shown(inside: Inside, id_: str) -> tuple[str, str | None, str | None]:
    """Return state, latest operation and its outcome."""
    one = await row(inside, id_)
    return one["InstanceState"], one["LatestOperation"], one["LatestOperationState"]


async def ids(inside: Inside, **parameters: object) -> list[str]:
    """Return the ids that a listing shows."""
    found = (await inside.done("DescribeInstances", **parameters))["InstanceSet"]
    return [one["InstanceId"] for one in found]


def filters(**values: object) -> list[dict[str, object]]:
    """Write filters; an underscore stands for a hyphen."""
    return [
        {"Name": name.replace("_", "-"), "Values": value if isinstance(value, list) else [value]}
        for name, value in values.items()
    ]


async def test_an_instance_is_shown_with_all_that_the_service_shows(inside: Inside) -> None:
    """State, network, tags; nobody has operated it, so that all four fields of the latest operation are null."""
    one = await row(inside, WEB)
    assert (one["InstanceState"], one["InstanceName"], one["Placement"]["Zone"]) == (
        "RUNNING",
        "web-1",
        "ap-guangzhou-6",
    )
    assert one["PublicIpAddresses"] == ["203.0.113.11"]
    assert one["Tags"] == [{"Key": "app", "Value": "shop"}]
    assert [one[name] for name in one if name.startswith("LatestOperation")] == [None] * 4
    assert (await row(inside, DB))["CreatedTime"] == "2026-01-01T00:00:00Z"
    assert (await row(inside, PAID))["ExpiredTime"] == "2027-01-01T00:00:00Z"


async def test_listings_are_of_one_region_paged_and_tell_the_total(inside: Inside) -> None:
    """Ids that are elsewhere or nowhere are absent; an offset past the end shows nothing."""
    assert await ids(inside) == [WEB, DB, DOWN, PAID]
    page = await inside.done("DescribeInstances", Offset=1, Limit=2)
    assert ([one["InstanceId"] for one in page["InstanceSet"]], page["TotalCount"]) == ([DB, DOWN], 4)
    gone = await inside.done("DescribeInstances", InstanceIds=["ins-far00001", "ins-nothere1"])
    assert (gone["TotalCount"], gone["InstanceSet"]) == (0, [])
    assert await ids(inside, Offset=100) == []
    states = (await inside.done("DescribeInstancesStatus", InstanceIds=[DOWN]))["InstanceStatusSet"]
    assert states == [{"InstanceId": DOWN, "InstanceState": "STOPPED"}]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (filters(zone="ap-guangzhou-3"), [DB]),
        (filters(instance_state="STOPPED"), [DOWN]),
        (filters(instance_state=["STOPPED", "RUNNING"], instance_charge_type="PREPAID"), [PAID]),
        (filters(instance_id=[WEB, DOWN]), [WEB, DOWN]),
        (filters(instance_name="web"), [WEB, DB, DOWN, PAID][:1]),
        (filters(tag_key="app"), [WEB]),
        (filters(tag_value="shop"), [WEB]),
        ([{"Name": "tag:app", "Values": ["shop", "x"]}], [WEB]),
        ([{"Name": "tag:app", "Values": ["x"]}], []),
        (filters(public_ip_address="203.0.113.11"), [WEB]),
        (filters(project_id="0", creation_end_time="2026-02-01T00:00:00Z"), [DB]),
        (filters(creation_start_time="2026-02-01T00:00:00Z"), [WEB, DOWN, PAID]),
        (filters(host_id="h"), []),
    ],
)
async def test_filters_are_anded_and_their_values_ored(inside: Inside, asked: object, found: list[str]) -> None:
    """Every documented filter narrows the listing."""
    assert await ids(inside, Filters=asked) == found


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"InstanceIds": ["i-web"]}, "InvalidInstanceId.Malformed"),
        ({"InstanceIds": [f"ins-{n:08d}" for n in range(101)]}, "InvalidParameterValue.LimitExceeded"),
        ({"InstanceIds": [WEB], "Filters": filters(zone="z")}, "InvalidParameter"),
        ({"Filters": filters(colour="red")}, "InvalidFilter"),
        ({"Filters": filters(zone=["z"] * 6)}, "InvalidFilterValue.LimitExceeded"),
        ({"Filters": filters(zone="z") * 11}, "InvalidFilterValue.LimitExceeded"),
        ({"Filters": filters(creation_end_time="soon")}, "InvalidParameterValue.InvalidTimeFormat"),
        ({"Offset": -1}, "InvalidParameterValue"),
        ({"Limit": 0}, "InvalidParameterValue"),
        ({"Limit": 101}, "InvalidParameterValue.LimitExceeded"),
        ({"Filters": [{"Values": ["x"]}]}, "MissingParameter"),
    ],
)
async def test_an_impossible_listing_is_refused(inside: Inside, parameters: dict[str, object], code: str) -> None:
    """Each with the code that the service has for it."""
    assert await inside.refused("DescribeInstances", **parameters) == code


async def test_regions_and_zones_are_listed(inside: Inside) -> None:
    """Zones of the region asked for; regions without one."""
    zones = (await inside.done("DescribeZones"))["ZoneSet"]
    assert {"Zone": "ap-guangzhou-6", "ZoneName": "广州六区", "ZoneId": "100006", "ZoneState": "AVAILABLE"} in zones
    regions = await inside.send(replace(Tc3.of("DescribeRegions"), region=None))
    assert "ap-shanghai" in [one["Region"] for one in regions.response["RegionSet"]]


async def test_a_start_passes_starting_and_tells_whose_request_it_was(inside: Inside) -> None:
    """STOPPED, STARTING with OPERATING, RUNNING with SUCCESS, under the request id of the call."""
    answer = await inside.done("StartInstances", InstanceIds=[DOWN])
    assert await shown(inside, DOWN) == ("STARTING", "StartInstances", "OPERATING")
    assert (await row(inside, DOWN))["LatestOperationRequestId"] == answer["RequestId"]
    inside.advance(7.9)
    assert (await shown(inside, DOWN))[0] == "STARTING"
    inside.advance(0.1)
    assert await shown(inside, DOWN) == ("RUNNING", "StartInstances", "SUCCESS")


async def test_a_soft_stop_is_a_success_before_it_is_stopped(inside: Inside) -> None:
    """The operation runs ahead of the state: STOPPING with SUCCESS was seen on the real service."""
    await inside.done("StopInstances", InstanceIds=[WEB, DB])
    assert await shown(inside, WEB) == ("STOPPING", "StopInstances", "OPERATING")
    inside.advance(6)
    assert await shown(inside, WEB) == ("STOPPING", "StopInstances", "SUCCESS")
    inside.advance(2)
    assert await shown(inside, DB) == ("STOPPED", "StopInstances", "SUCCESS")


async def test_a_stop_that_saves_money_gives_the_address_up(inside: Inside) -> None:
    """STOP_CHARGING: no public address while stopped, a new one after the start."""
    await inside.done("StopInstances", InstanceIds=[WEB], StopType="HARD", StoppedMode="STOP_CHARGING")
    one = await row(inside.advance(2), WEB)
    assert (one["InstanceState"], one["StopChargingMode"], one["PublicIpAddresses"]) == (
        "STOPPED",
        "STOP_CHARGING",
        None,
    )
    await inside.done("StartInstances", InstanceIds=[WEB])
    one = await row(inside.advance(8), WEB)
    assert (one["StopChargingMode"], one["PublicIpAddresses"]) == ("NOT_APPLICABLE", ["203.0.113.12"])
    refused = {"InstanceIds": [PAID], "StoppedMode": "STOP_CHARGING"}
    assert await inside.refused("StopInstances", **refused) == "UnsupportedOperation.StoppedModeStopCharging"


async def test_a_reboot_is_one_state(inside: Inside) -> None:
    """REBOOTING, then RUNNING, with the guest booted anew."""
    before = inside.simulator.tencent.cvm.fleet.find(WEB)
    assert before is not None
    await inside.done("RebootInstances", InstanceIds=[WEB])
    assert await shown(inside, WEB) == ("REBOOTING", "RebootInstances", "OPERATING")
    assert await shown(inside.advance(15), WEB) == ("RUNNING", "RebootInstances", "SUCCESS")
    assert before.started == (MOMENT + 15) * 1000


@pytest.mark.parametrize("action", ["StopInstances", "RebootInstances"])
async def test_a_hung_system_takes_no_notice_of_being_asked_softly(inside: Inside, action: str) -> None:
    """SOFT gives up after a minute with FAILED; SOFT_FIRST turns hard then; HARD does not ask."""
    inside.chaos("hang", WEB)
    await inside.done(action, InstanceIds=[WEB])
    assert await shown(inside.advance(60), WEB) == ("RUNNING", action, "FAILED")
    assert (await row(inside, WEB))["LatestOperationErrorMsg"] == "The guest did not shut down in time."
    await inside.done(action, InstanceIds=[WEB], StopType="SOFT_FIRST")
    end = "STOPPED" if action == "StopInstances" else "RUNNING"
    assert (await shown(inside.advance(61), WEB))[0] != end
    assert await shown(inside.advance(9), WEB) == (end, action, "SUCCESS")


async def test_a_hard_reboot_mends_a_hang(inside: Inside) -> None:
    """It takes seconds, and the server serves again."""
    inside.chaos("hang", WEB)
    await inside.done("RebootInstances", InstanceIds=[WEB], StopType="HARD")
    inside.advance(10)
    one = inside.simulator.tencent.cvm.fleet.find(WEB)
    assert one is not None
    assert one.serving


BOTH_FLAGS = {"StopType": "HARD", "ForceReboot": False}


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("StartInstances", {"InstanceIds": [WEB]}, "UnsupportedOperation.InstanceStateRunning"),
        ("StopInstances", {"InstanceIds": [DOWN]}, "UnsupportedOperation.InstanceStateStopped"),
        ("RebootInstances", {"InstanceIds": [WEB, DOWN]}, "UnsupportedOperation.InstanceStateStopped"),
        ("StartInstances", {"InstanceIds": [DOWN, "ins-nothere1"]}, "InvalidInstanceId.NotFound"),
        ("StartInstances", {"InstanceIds": ["ins-far00001"]}, "InvalidInstanceId.NotFound"),
        ("StartInstances", {"InstanceIds": ["web"]}, "InvalidInstanceId.Malformed"),
        ("StartInstances", {"InstanceIds": []}, "InvalidParameterValue"),
        ("StartInstances", {}, "MissingParameter"),
        ("StopInstances", {"InstanceIds": [WEB], "StopType": "SOFT", "ForceStop": True}, "InvalidParameterCombination"),
        (
            "RebootInstances",
            {"InstanceIds": [WEB], "StopType": "HARD", "ForceReboot": False},
            "InvalidParameterCombination",
        ),
        ("StopInstances", {"InstanceIds": [WEB], "StopType": "GENTLE"}, "InvalidParameter"),
    ],
)
async def test_a_move_that_cannot_be_is_refused_for_all(
    inside: Inside, action: str, parameters: dict[str, object], code: str
) -> None:
    """One bad instance refuses the whole call, and nothing has moved."""
    assert await inside.refused(action, **parameters) == code
    assert [(await shown(inside, id_))[0] for id_ in (WEB, DOWN)] == ["RUNNING", "STOPPED"]


async def test_whoever_comes_second_is_told_the_state(inside: Inside) -> None:
    """While an instance starts, stops or reboots, every other move is refused with its state."""
    await inside.done("StartInstances", InstanceIds=[DOWN])
    await inside.done("RebootInstances", InstanceIds=[WEB])
    await inside.done("StopInstances", InstanceIds=[DB])
    for id_, state in ((DOWN, "Starting"), (WEB, "Rebooting"), (DB, "Stopping")):
        for action in ("StartInstances", "StopInstances", "RebootInstances", "TerminateInstances"):
            assert await inside.refused(action, InstanceIds=[id_]) == f"UnsupportedOperation.InstanceState{state}"


@pytest.mark.parametrize("status", [one for one in Status if "_" in one.value])
async def test_every_other_state_has_its_own_refusal(status: Status) -> None:
    """Rescue, live migration, failed launches: nothing can be started in them."""
    inside = Inside({"instances": [{"id": WEB, "status": status.value}]})
    code = await inside.refused("StartInstances", InstanceIds=[WEB])
    assert code == f"UnsupportedOperation.InstanceState{status.value.title().replace('_', '')}"


async def test_a_terminated_instance_is_gone_and_a_subscription_goes_to_the_bin_first(inside: Inside) -> None:
    """TERMINATING and then nothing; SHUTDOWN for a subscription, which a second call ends."""
    await inside.done("TerminateInstances", InstanceIds=[WEB, PAID])
    assert (await shown(inside, WEB))[0] == "TERMINATING"
    assert await ids(inside.advance(3)) == [DB, DOWN, PAID]
    assert await shown(inside, PAID) == ("SHUTDOWN", "TerminateInstances", "SUCCESS")
    await inside.done("TerminateInstances", InstanceIds=[PAID])
    assert await ids(inside.advance(3)) == [DB, DOWN]
    await inside.done("ModifyInstancesAttribute", InstanceIds=[DB], DisableApiTermination=True)
    assert (await inside.refused("TerminateInstances", InstanceIds=[DB])).startswith("UnsupportedOperation.")


ORDER: dict[str, Any] = {
    "Placement": {"Zone": "ap-guangzhou-6"},
    "ImageId": "img-heal0001",
    "InstanceType": "S5.MEDIUM4",
}


async def test_an_order_runs_after_a_while(inside: Inside) -> None:
    """PENDING, then RUNNING; names are numbered, tags and terms are as ordered."""
    made = await inside.done(
        "RunInstances",
        InstanceCount=2,
        InstanceName="w-{R:3}",
        TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}],
        InternetAccessible={"InternetMaxBandwidthOut": 10, "PublicIpAssigned": True},
        **ORDER,
    )
    first, second = made["InstanceIdSet"]
    assert await shown(inside, first) == ("PENDING", "RunInstances", "OPERATING")
    assert await shown(inside.advance(3), second) == ("RUNNING", "RunInstances", "SUCCESS")
    one = await row(inside, second)
    assert (one["InstanceName"], one["CPU"], one["Memory"]) == ("w-4", 2, 4)
    assert one["InternetAccessible"]["InternetMaxBandwidthOut"] == 10
    assert len(one["PublicIpAddresses"]) == 1


async def test_a_launch_that_fails_is_shown_for_a_while(inside: Inside) -> None:
    """PENDING, LAUNCH_FAILED with the operation FAILED, and then nothing; a world document can begin one."""
    operation = {"since": "2026-03-02T03:00:00Z", "status": {"name": "RunInstances", "outcome": "OPERATING"}}
    task = {"goal": "fail", "due": "2026-03-02T03:00:05Z"}
    inside.simulator.world.load(
        {"tencent": {"instances": [{"id": WEB, "status": "PENDING", "task": task, "operation": operation}]}}
    )
    assert (await shown(inside, WEB))[0] == "PENDING"
    assert await shown(inside.advance(5), WEB) == ("LAUNCH_FAILED", "RunInstances", "FAILED")
    assert await ids(inside.advance(300)) == []


async def test_a_password_is_nowhere_in_the_journal(inside: Inside) -> None:
    """Neither among the parameters of an order nor in the texts of a refused signature."""
    secret = "Hush-Hush-123"
    await inside.done("RunInstances", LoginSettings={"Password": secret}, **ORDER)
    form = v1_form(v1("RunInstances", **{"LoginSettings.Password": secret, "Token": secret}), host="h", secret="wrong")
    answer = await inside.send(HttpRequest("POST", "/", {"host": "h", "content-type": FORM}, form.encode()))
    assert answer.code == "AuthFailure.SignatureFailure"
    query = f"LoginSettings.Password={secret}"
    wrong = Tc3("RunInstances", method="GET", query=query, content_type=FORM, key=("AKIDtest", "wrong"))
    assert (await inside.send(wrong)).code == "AuthFailure.SignatureFailure"
    entries = inside.simulator.kernel.journal.entries()
    told = json.dumps([asdict(entry) for entry in entries], default=str)
    assert told.count("***") >= 4
    assert secret not in told


async def test_an_order_with_a_token_is_made_once(inside: Inside) -> None:
    """The same token gives the same ids; with other parameters it is refused."""
    first = await inside.done("RunInstances", ClientToken="t1", **ORDER)
    again = await inside.done("RunInstances", ClientToken="t1", **ORDER)
    assert first["InstanceIdSet"] == again["InstanceIdSet"]
    other = {**ORDER, "InstanceType": "S5.SMALL2"}
    assert await inside.refused("RunInstances", ClientToken="t1", **other) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Placement": None}, "MissingParameter"),
        ({"ImageId": None}, "MissingParameter"),
        ({"ImageId": "centos"}, "InvalidParameterValue.InvalidImageId"),
        ({"InstanceType": "S9.HUGE"}, "InvalidParameterValue.InstanceTypeNotFound"),
        ({"Placement": {"Zone": "ap-shanghai-2"}}, "InvalidZone.MismatchRegion"),
        ({"InstanceCount": 501}, "InvalidParameter"),
        ({"InstanceChargeType": "PREPAID"}, "InvalidParameterCombination"),
        ({"InstanceChargeType": "PREPAID", "InstanceChargePrepaid": {"Period": 13}}, "InvalidPeriod"),
        ({"UserData": "no base64!"}, "InvalidParameterValue.InvalidUserDataFormat"),
        ({"InstanceName": "n" * 129}, "InvalidInstanceName.TooLong"),
        ({"ClientToken": "t" * 65}, "InvalidClientToken.TooLong"),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-1"}}, "InvalidParameterValue.LaunchTemplateIdNotExisted"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
async def test_an_order_that_cannot_be_makes_nothing(inside: Inside, change: dict[str, object], code: str) -> None:
    """Everything is checked first."""
    assert await inside.refused("RunInstances", **{**ORDER, **change}) == code
    assert len(await ids(inside)) == 4


async def test_an_order_meets_the_stock(inside: Inside) -> None:
    """Sold out is refused; MinCount takes what there is."""
    inside.chaos("no_stock", WEB)
    assert await inside.refused("RunInstances", **ORDER) == "ResourceInsufficient.SpecifiedInstanceType"
    inside.simulator.tencent.cvm.stock.entries[0].available = 2
    made = await inside.done("RunInstances", InstanceCount=5, MinCount=1, **ORDER)
    assert len(made["InstanceIdSet"]) == 2


async def test_attributes_can_be_changed(inside: Inside) -> None:
    """Names, host names and security groups of all instances named, or of none."""
    change = {"InstanceName": "new", "HostName": "h", "SecurityGroups": ["sg-x"], "UserData": "eA=="}
    await inside.done("ModifyInstancesAttribute", InstanceIds=[WEB, DB], **change)
    one = await row(inside, DB)
    assert (one["InstanceName"], one["HostName"], one["SecurityGroupIds"]) == ("new", "h", ["sg-x"])
    assert (
        await inside.refused("ModifyInstancesAttribute", InstanceIds=["ins-nothere1"]) == "InvalidInstanceId.NotFound"
    )


async def test_a_power_failure_is_nobodys_operation(inside: Inside) -> None:
    """The instance is STOPPED at once, and the latest operation stays what it was."""
    inside.chaos("power_off", WEB)
    assert await shown(inside, WEB) == ("STOPPED", None, None)
    await inside.done("StartInstances", InstanceIds=[WEB])
    inside.chaos("power_off", WEB)
    assert await shown(inside, WEB) == ("STOPPED", "StartInstances", "FAILED")


async def test_starts_can_fail_or_take_long(inside: Inside) -> None:
    """A failed start ends STOPPED with FAILED and a reason; a slow boot takes its time."""
    inside.chaos("fail_start", DOWN, times=1)
    await inside.done("StartInstances", InstanceIds=[DOWN])
    assert await shown(inside.advance(8), DOWN) == ("STOPPED", "StartInstances", "FAILED")
    inside.chaos("slow_boot", DOWN, seconds=100)
    await inside.done("StartInstances", InstanceIds=[DOWN])
    assert (await shown(inside.advance(107), DOWN))[0] == "STARTING"
    assert await shown(inside.advance(1), DOWN) == ("RUNNING", "StartInstances", "SUCCESS")


async def test_lost_pings_are_told_once_and_end_with_the_recovery(inside: Inside) -> None:
    """Power failures and hangs lose them, stops that somebody asked for do not; running again regains them."""
    told: list[tuple[str, str]] = []
    reachability = inside.simulator.tencent.cvm.reachability
    reachability.lost.append(lambda one: told.append(("lost", one.id)))
    reachability.regained.append(lambda one: told.append(("regained", one.id)))
    inside.chaos("hang", WEB).chaos("hang", WEB).chaos("power_off", DB)
    await inside.done("StopInstances", InstanceIds=[PAID])
    inside.advance(60)
    assert told == [("lost", WEB), ("lost", DB)]
    inside.chaos("unhang", WEB)
    await inside.done("StartInstances", InstanceIds=[DB, PAID])
    inside.advance(60)
    assert told[2:] == [("regained", WEB), ("regained", DB)]


async def test_a_hang_that_is_rebooted_away_is_one_loss(inside: Inside) -> None:
    """Lost when it hangs, regained when the reboot has ended."""
    told: list[str] = []
    reachability = inside.simulator.tencent.cvm.reachability
    reachability.lost.append(lambda _: told.append("lost"))
    reachability.regained.append(lambda _: told.append("regained"))
    inside.chaos("hang", WEB)
    await inside.done("RebootInstances", InstanceIds=[WEB], StopType="HARD")
    assert told == ["lost"]
    inside.advance(10)
    assert told == ["lost", "regained"]


async def test_a_crash_loop_falls_after_every_start(inside: Inside) -> None:
    """So many seconds after RUNNING it is down again, until chaos takes it back."""
    inside.chaos("crash_loop", DOWN, seconds=30)
    for _ in range(2):
        await inside.done("StartInstances", InstanceIds=[DOWN])
        assert (await shown(inside.advance(37), DOWN))[0] == "RUNNING"
        assert (await shown(inside.advance(1), DOWN))[0] == "STOPPED"
    inside.chaos("crash_loop", DOWN, seconds=None)
    await inside.done("StartInstances", InstanceIds=[DOWN])
    assert (await shown(inside.advance(3600), DOWN))[0] == "RUNNING"


def arm(inside: Inside, **rule: Any) -> None:
    """Put one fault rule in force."""
    inside.simulator.kernel.faults.replace([Rule.model_validate(rule)])


async def test_a_stale_read_shows_state_and_operation_as_they_were(inside: Inside) -> None:
    """What answers is ten seconds old, for listings and filters alike."""
    inside.advance(20)
    await inside.done("StartInstances", InstanceIds=[DOWN])
    arm(inside, action="DescribeInstances*", fault={"stale-read": {"age_seconds": 10}})
    inside.advance(9)
    assert await shown(inside, DOWN) == ("STOPPED", None, None)
    assert await ids(inside, Filters=filters(instance_state="STOPPED")) == [DOWN]
    assert (await shown(inside.advance(2), DOWN))[0] == "STARTING"


async def test_a_partial_fault_leaves_some_behind_without_a_word(inside: Inside) -> None:
    """Half of a batch moves, the answer is a success; only a read tells."""
    arm(inside, action="StopInstances", fault={"partial-batch": {"share": 0.5}})
    await inside.done("StopInstances", InstanceIds=[WEB, DB])
    states = {(await shown(inside, id_))[0] for id_ in (WEB, DB)}
    assert states == {"RUNNING", "STOPPING"}


async def test_faults_speak_the_clouds_words(inside: Inside) -> None:
    """Throttling, 5xx and errors are answers with HTTP 200; only a rule that names a status sends another."""
    for fault, status, code in (
        ("throttle", 200, "RequestLimitExceeded"),
        ("5xx", 200, "InternalError"),
        ({"5xx": {"status": 502}}, 502, "InternalError"),
        ("error", 200, "FailedOperation"),
        ({"error": {"code": "UnauthorizedOperation.MFAExpired"}}, 200, "UnauthorizedOperation.MFAExpired"),
    ):
        arm(inside, service="cvm", fault=fault)
        answer = await inside.call("DescribeInstances")
        assert (answer.status, answer.code) == (status, code)


async def test_a_rule_meets_the_calls_about_a_resource(inside: Inside) -> None:
    """The ids in a JSON body are what a rule's `resource` matches."""
    arm(inside, resource=WEB, fault="throttle")
    assert (await inside.call("DescribeInstances", InstanceIds=[WEB])).code == "RequestLimitExceeded"
    assert not (await inside.call("DescribeInstances", InstanceIds=[DB])).code


async def test_a_world_goes_on_where_it_was(inside: Inside) -> None:
    """Everything under way is in the document: put into another simulator it ends the same."""
    inside.chaos("hang", WEB).chaos("crash_loop", DB, seconds=50).chaos("repair_task", PAID, in_seconds=100)
    await inside.done("RebootInstances", InstanceIds=[WEB])
    await inside.done("StartInstances", InstanceIds=[DOWN])
    await inside.done("RunInstances", ClientToken="t", **ORDER)
    inside.advance(2)
    document = json.loads(json.dumps(inside.simulator.world.dump()))
    other = Inside()
    other.simulator.world.load(document)
    assert json.loads(json.dumps(other.simulator.world.dump())) == document
    ends = [one.advance(600).simulator.world.dump() for one in (inside, other)]
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"instances": [{"id": WEB, "region": "cn-hangzhou"}]}, "tencent.instances.0.zone: no such zone or region"),
        ({"instances": [{"id": WEB, "zone": "ap-guangzhou-6", "region": "ap-shanghai"}]}, "is not in region"),
        ({"instances": [{"id": WEB}, {"id": WEB}]}, "'ins-web00001' is there twice"),
        ({"instances": [{"id": WEB, "status": "Running"}]}, "tencent.instances.0.status"),
        ({"instances": [{"id": WEB, "task": {"goal": "run", "due": "2026-01-01T00:00:00Z"}}]}, "not on its way"),
        ({"repair_tasks": [{"id": "rep-1", "instance": WEB}]}, "tencent.repair_tasks.0.instance"),
        ({"instances": [{"count": 3}]}, "count and prefix belong together"),
    ],
)
def test_a_world_that_cannot_be_is_refused_by_place(part: dict[str, Any], said: str) -> None:
    """The message names the place and what was expected."""
    with pytest.raises(ValueError, match=said):
        Inside(part)
