"""CloudMonitor's version 2018-03-08, which no installed SDK has a package for any more.

The classic SDK still sends it as a CommonRequest; what that would hide is signed by hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sim.signing import HandSigned
from tests.sim.simulator import RunningSimulator, run_client

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, NEW = "2018-03-08", "2019-01-01"
NOW = "2026-03-02T03:00:00Z"
NOW_MS = 1772420400000
MINUTE = 60_000
CPU = {"Project": "acs_ecs_dashboard", "Metric": "cpu_total"}


@pytest.fixture
def call(stepped: RunningSimulator) -> Iterator[HandSigned]:
    """A client that signs by hand, of a world with three instances and two groups."""
    fleet = [{"id": f"i-bp1l000{number}", "region": "cn-hangzhou", "name": f"web-{number}"} for number in range(3)]
    groups = [{"id": 1_109_654, "name": "web", "contact_groups": ["ops"]}, {"id": 1_109_655, "name": "db"}]
    stepped.world({"now": NOW, "alibaba": {"instances": fleet, "monitor_groups": groups}})
    with HandSigned(stepped.address) as client:
        yield client


def test_query_metric_last_gives_the_newest_points(call: HandSigned) -> None:
    """The old names of the parameters mean the same as the new ones; the points are the same."""
    old = call.rpc(OLD, "QueryMetricLast", Period="60", **CPU).json
    new = call.rpc(NEW, "DescribeMetricLast", Period="60", Namespace=CPU["Project"], MetricName=CPU["Metric"]).json
    assert (old["Code"], old["Success"], old["Period"]) == ("200", True, "60")
    assert old["Datapoints"] == new["Datapoints"]
    assert len(json.loads(old["Datapoints"])) == 3


def test_query_metric_list_pages_by_cursor(call: HandSigned) -> None:
    """Cursor is what NextToken became; the last page has none."""
    span = {"StartTime": NOW_MS - 20 * MINUTE, "EndTime": NOW_MS - 10 * MINUTE, "Length": 12}
    found, cursors = [], [""]
    while len(cursors) == 1 or cursors[-1]:
        answer = call.rpc(OLD, "QueryMetricList", Cursor=cursors[-1], **CPU, **span).json
        assert "NextToken" not in answer
        found += json.loads(answer["Datapoints"])
        cursors.append(answer.get("Cursor", ""))
    assert (len(found), len(cursors)) == (30, 4)


def test_dimensions_are_taken_in_the_single_quoted_form_of_old_programs(call: HandSigned) -> None:
    """`{'instanceId': 'i-...'}`, as Python prints it, names one instance."""
    answer = call.rpc(OLD, "QueryMetricLast", Dimensions=str({"instanceId": "i-bp1l0001"}), **CPU).json
    assert [point["instanceId"] for point in json.loads(answer["Datapoints"])] == ["i-bp1l0001"]


def test_query_metric_meta_lists_metrics(call: HandSigned) -> None:
    """The catalogue answers under the old names as well."""
    answer = call.rpc(OLD, "QueryMetricMeta", **CPU).json
    assert [row["MetricName"] for row in answer["Resources"]["Resource"]] == ["cpu_total"]


def test_update_my_groups_changes_one_group_and_answers_in_its_own_form(call: HandSigned) -> None:
    """Name, contact groups, service and URLs change; what is not given stays (requirement S4.29)."""
    answer = call.rpc(
        OLD, "UpdateMyGroups", GroupId="1109654", ContactGroups="night", ServiceId="7", BindUrls="a.cn"
    ).json
    assert answer == {"RequestId": answer["RequestId"], "ErrorCode": 200, "Success": True}
    rows = call.rpc(NEW, "DescribeMonitorGroups", SelectContactGroups="true").json["Resources"]["Resource"]
    first, second = rows
    assert (first["GroupName"], first["ContactGroups"]["ContactGroup"]) == ("web", [{"Name": "night"}])
    assert (first["ServiceId"], first["BindUrl"]) == ("7", "a.cn")
    assert (second["GroupName"], second["ContactGroups"]["ContactGroup"]) == ("db", [])


def test_update_my_groups_of_an_unknown_group_is_not_found(call: HandSigned) -> None:
    """A group that does not exist is an error."""
    answer = call.rpc(OLD, "UpdateMyGroups", GroupId="1", ContactGroups="night")
    assert (answer.status, answer.code) == (404, "ResourceNotFound")


@pytest.mark.parametrize(("version", "action"), [(OLD, "DescribeMetricList"), (NEW, "QueryMetricLast")])
def test_each_version_has_its_own_calls(call: HandSigned, version: str, action: str) -> None:
    """A call of the other version is unknown."""
    answer = call.rpc(version, action, **CPU)
    assert (answer.status, answer.code) == (404, "InvalidAction.NotFound")


def test_the_classic_sdk_sends_the_old_version_as_common_requests(sim: RunningSimulator) -> None:
    """QueryMetricLast and UpdateMyGroups by CommonRequest, as programs of that time do it today."""
    fleet = [{"id": "i-bp1l0000", "region": "cn-hangzhou", "name": "web-0"}]
    sim.world({"alibaba": {"instances": fleet, "monitor_groups": [{"id": 1_109_654, "name": "web"}]}})
    assert run_client("classic", "classic_cms_legacy.py", sim.address).strip() == "ok"


def test_changing_many_groups_can_be_taken_up_after_failures(stepped: RunningSimulator) -> None:
    """30 groups, 2 calls fail: 28 are changed, the others are as they were, and a second try does the 2 (S4.29)."""
    listed = [{"id": 2_000_000 + number, "name": f"k8s-{number}", "contact_groups": ["ops"]} for number in range(30)]
    stepped.world({"now": NOW, "alibaba": {"monitor_groups": listed}})
    fault = {"match": {"action": "UpdateMyGroups"}, "when": {"every": 11, "times": 2}, "fault": {"kind": "5xx"}}
    stepped.control("PUT", "faults", [fault])
    with HandSigned(stepped.address) as client:

        def told(group: int) -> int:
            return client.rpc(OLD, "UpdateMyGroups", GroupId=group, ContactGroups="night").status

        failed = [number for number in range(2_000_000, 2_000_030) if told(number) != 200]
        assert len(failed) == 2
        answer = client.rpc(NEW, "DescribeMonitorGroups", SelectContactGroups="true", PageSize=100).json
        rows = answer["Resources"]["Resource"]
        unchanged = [row["GroupId"] for row in rows if row["ContactGroups"]["ContactGroup"] == [{"Name": "ops"}]]
        assert unchanged == failed
        assert [told(number) for number in failed] == [200, 200]
