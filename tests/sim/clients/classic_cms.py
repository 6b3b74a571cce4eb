"""CloudMonitor's monitoring calls with the classic SDK (aliyun-python-sdk-cms, signature v1). Usage: URL [proxied].

With `proxied` no endpoint is configured: the SDK goes to its built-in host and reaches the simulator through
HTTP_PROXY. The world holds the instances i-bp1c0000 and i-bp1c0001, named web-0 and web-1.
"""

import json
import sys
import time
from typing import Any

from aliyunsdkcms.request.v20190101.ApplyMetricRuleTemplateRequest import ApplyMetricRuleTemplateRequest
from aliyunsdkcms.request.v20190101.CreateHostAvailabilityRequest import CreateHostAvailabilityRequest
from aliyunsdkcms.request.v20190101.CreateMetricRuleTemplateRequest import CreateMetricRuleTemplateRequest
from aliyunsdkcms.request.v20190101.CreateMonitorGroupInstancesRequest import CreateMonitorGroupInstancesRequest
from aliyunsdkcms.request.v20190101.CreateMonitorGroupRequest import CreateMonitorGroupRequest
from aliyunsdkcms.request.v20190101.DeleteMetricRulesRequest import DeleteMetricRulesRequest
from aliyunsdkcms.request.v20190101.DescribeContactGroupListRequest import DescribeContactGroupListRequest
from aliyunsdkcms.request.v20190101.DescribeHostAvailabilityListRequest import DescribeHostAvailabilityListRequest
from aliyunsdkcms.request.v20190101.DescribeLogMonitorListRequest import DescribeLogMonitorListRequest
from aliyunsdkcms.request.v20190101.DescribeMetricLastRequest import DescribeMetricLastRequest
from aliyunsdkcms.request.v20190101.DescribeMetricListRequest import DescribeMetricListRequest
from aliyunsdkcms.request.v20190101.DescribeMetricMetaListRequest import DescribeMetricMetaListRequest
from aliyunsdkcms.request.v20190101.DescribeMetricRuleListRequest import DescribeMetricRuleListRequest
from aliyunsdkcms.request.v20190101.DescribeMonitorGroupInstancesRequest import DescribeMonitorGroupInstancesRequest
from aliyunsdkcms.request.v20190101.DescribeMonitorGroupsRequest import DescribeMonitorGroupsRequest
from aliyunsdkcms.request.v20190101.DescribeProjectMetaRequest import DescribeProjectMetaRequest
from aliyunsdkcms.request.v20190101.DisableMetricRulesRequest import DisableMetricRulesRequest
from aliyunsdkcms.request.v20190101.ModifyMonitorGroupRequest import ModifyMonitorGroupRequest
from aliyunsdkcms.request.v20190101.PutContactGroupRequest import PutContactGroupRequest
from aliyunsdkcms.request.v20190101.PutContactRequest import PutContactRequest
from aliyunsdkcms.request.v20190101.PutCustomMetricRequest import PutCustomMetricRequest
from aliyunsdkcms.request.v20190101.PutLogMonitorRequest import PutLogMonitorRequest
from aliyunsdkcms.request.v20190101.PutMonitorGroupDynamicRuleRequest import PutMonitorGroupDynamicRuleRequest
from aliyunsdkcms.request.v20190101.PutResourceMetricRuleRequest import PutResourceMetricRuleRequest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient

URL, PROXIED = sys.argv[1], "proxied" in sys.argv
client = AcsClient("testid", "testsecret", "cn-hangzhou")
if not PROXIED:
    client.add_endpoint("cn-hangzhou", "Cms", URL.removeprefix("http://"))
CPU = {"Namespace": "acs_ecs_dashboard", "MetricName": "cpu_total"}


def call(request_type: type, **setters: object) -> Any:
    """Make one call; `Name=value` becomes `set_Name(value)`."""
    request = request_type()
    for name, value in setters.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(client.do_action_with_exception(request))


def refused(request_type: type, **setters: object) -> tuple[int, str]:
    """Make a call that must be refused; return HTTP status and code."""
    try:
        call(request_type, **setters)
    except ServerException as problem:
        return problem.get_http_status(), problem.get_error_code()
    raise AssertionError(f"{request_type.__name__} was not refused")


# Metrics.
names = {row["Namespace"] for row in call(DescribeProjectMetaRequest)["Resources"]["Resource"]}
assert "acs_ecs_dashboard" in names, names
metas = call(DescribeMetricMetaListRequest, **CPU)["Resources"]["Resource"]
assert metas[0]["Periods"] == "15,60,300,900,3600", metas
now = int(time.time()) // 60 * 60_000
span = {"StartTime": now - 1_200_000, "EndTime": now - 600_000, "Period": "60"}
points: list[Any] = []
more: dict[str, object] = {}
while True:
    answer = call(DescribeMetricListRequest, Length="7", **CPU, **span, **more)
    points += json.loads(answer["Datapoints"])
    if not answer.get("NextToken"):
        break
    more = {"NextToken": answer["NextToken"]}
assert len(points) == 20, points
named = call(DescribeMetricListRequest, Dimensions=str([{"instanceId": "i-bp1c0001"}]), **CPU, **span)
assert {point["instanceId"] for point in json.loads(named["Datapoints"])} == {"i-bp1c0001"}, named
newest = json.loads(call(DescribeMetricLastRequest, Period="60", **CPU)["Datapoints"])
assert [point["instanceId"] for point in newest] == ["i-bp1c0000", "i-bp1c0001"], newest
wrong = refused(DescribeMetricListRequest, Namespace="acs_ecs_dashboard", MetricName="cpu_totl")
assert wrong == (404, "ResourceNotFound"), wrong
report = {
    "GroupId": "101",
    "MetricName": "orders",
    "Dimensions": '{"shop":"north"}',
    "Type": 1,
    "Values": '{"Average":7.5}',
    "Time": str(now),
    "Period": 60,
}
assert call(PutCustomMetricRequest, MetricLists=[report])["Code"] == "200"
read = call(DescribeMetricLastRequest, Namespace="acs_customMetric_1000000000000001", MetricName="orders")
assert json.loads(read["Datapoints"])[0]["Average"] == 7.5, read

# Contacts and groups.
call(PutContactRequest, ContactName="ada", Describe="a person", ChannelsMail="ada@example.com")
call(PutContactGroupRequest, ContactGroupName="ops", ContactNamess=["ada"], EnableSubscribed=True)
held = call(DescribeContactGroupListRequest)["ContactGroupList"]["ContactGroup"]
assert held[0]["Contacts"]["Contact"] == ["ada"], held
assert refused(PutContactRequest, ContactName="bob", Describe="nobody") == (400, "ParameterInvalid")
group = call(CreateMonitorGroupRequest, GroupName="web", ContactGroups="ops")["GroupId"]
call(ModifyMonitorGroupRequest, GroupId=group, GroupName="front")
listed = call(DescribeMonitorGroupsRequest, SelectContactGroups=True, GroupId=str(group))["Resources"]["Resource"]
assert (listed[0]["GroupName"], listed[0]["ContactGroups"]["ContactGroup"]) == ("front", [{"Name": "ops"}]), listed
pod = {"Category": "k8s_pod", "InstanceId": "pod-1", "InstanceName": "pod-1", "RegionId": "cn-hangzhou"}
call(CreateMonitorGroupInstancesRequest, GroupId=str(group), Instancess=[pod])
condition = {"Name": "hostName", "Function": "endWith", "Value": "1"}
rule = {"Category": "ecs", "FilterRelation": "and", "Filters": [condition]}
call(PutMonitorGroupDynamicRuleRequest, GroupId=group, GroupRuless=[rule])
members = call(DescribeMonitorGroupInstancesRequest, GroupId=group)["Resources"]["Resource"]
assert [member["InstanceId"] for member in members] == ["pod-1", "i-bp1c0001"], members

# Rules and templates.
warn = {"Statistics": "Average", "ComparisonOperator": "GreaterThanThreshold", "Threshold": "80", "Times": 3}
call(
    PutResourceMetricRuleRequest,
    RuleId="r-1",
    RuleName="cpu high",
    ContactGroups="ops",
    Resources='[{"resource":"_ALL"}]',
    **CPU,
    **{f"EscalationsWarn{name}": value for name, value in warn.items()},
)
level = {f"Escalations.Warn.{name}": value for name, value in warn.items()}
row = {"Category": "k8s_pod", "Namespace": "acs_k8s", "MetricName": "pod.cpu.usage_rate", "RuleName": "pod", **level}
template = call(CreateMetricRuleTemplateRequest, Name="pods", AlertTemplatess=[row])["Id"]
for _ in range(2):
    applied = call(ApplyMetricRuleTemplateRequest, GroupId=group, TemplateIds=str(template))
    assert [one["Success"] for one in applied["Resource"]["AlertResults"]] == [True], applied
call(DisableMetricRulesRequest, RuleIds=["r-1"])
rules = call(DescribeMetricRuleListRequest)["Alarms"]["Alarm"]
assert [(one["RuleName"], one["EnableState"]) for one in rules] == [("cpu high", False), ("pod", True)], rules
assert rules[0]["Escalations"]["Warn"] == warn, rules
call(DeleteMetricRulesRequest, Ids=["r-1"])

# Probes and log metrics.
task = call(
    CreateHostAvailabilityRequest,
    GroupId=group,
    TaskName="check_health",
    TaskType="HTTP",
    TaskOptionHttpURI="http://localhost/check_health",
    AlertConfigNotifyType=1,
    AlertConfigEscalationLists=[{"MetricName": "HttpStatus", "Operator": ">=", "Value": "400", "Times": 3}],
)["TaskId"]
tasks = call(DescribeHostAvailabilityListRequest, GroupId=group)["TaskList"]["NodeTaskConfig"]
assert tasks[0]["Id"] == task, tasks
assert tasks[0]["AlertConfig"]["EscalationList"]["escalationList"][0]["MetricName"] == "HttpStatus", tasks
log = call(
    PutLogMonitorRequest,
    SlsRegionId="cn-hangzhou",
    SlsProject="shop",
    SlsLogstore="access",
    MetricName="errors",
    Aggregatess=[{"FieldName": "status", "Function": "count", "Alias": "all"}],
    ValueFilters=[{"Key": "status", "Operator": ">=", "Value": "500"}],
    ValueFilterRelation="and",
)["LogId"]
logs = call(DescribeLogMonitorListRequest)["LogMonitorList"]
assert [str(one["LogId"]) for one in logs] == [log], logs
print("ok")
