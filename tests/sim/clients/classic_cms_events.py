"""CloudMonitor's event calls with the classic SDK (aliyun-python-sdk-cms, signature v1). Usage: URL [proxied].

With `proxied` no endpoint is configured: the SDK goes to its built-in host and reaches the simulator through
HTTP_PROXY.
"""

import json
import sys
import time
from typing import Any

from aliyunsdkcms.request.v20190101.DeleteEventRulesRequest import DeleteEventRulesRequest
from aliyunsdkcms.request.v20190101.DeleteEventRuleTargetsRequest import DeleteEventRuleTargetsRequest
from aliyunsdkcms.request.v20190101.DescribeEventRuleAttributeRequest import DescribeEventRuleAttributeRequest
from aliyunsdkcms.request.v20190101.DescribeEventRuleListRequest import DescribeEventRuleListRequest
from aliyunsdkcms.request.v20190101.DescribeEventRuleTargetListRequest import DescribeEventRuleTargetListRequest
from aliyunsdkcms.request.v20190101.DescribeSystemEventAttributeRequest import DescribeSystemEventAttributeRequest
from aliyunsdkcms.request.v20190101.DescribeSystemEventCountRequest import DescribeSystemEventCountRequest
from aliyunsdkcms.request.v20190101.DescribeSystemEventMetaListRequest import DescribeSystemEventMetaListRequest
from aliyunsdkcms.request.v20190101.DisableEventRulesRequest import DisableEventRulesRequest
from aliyunsdkcms.request.v20190101.PutCustomEventRequest import PutCustomEventRequest
from aliyunsdkcms.request.v20190101.PutEventRuleRequest import PutEventRuleRequest
from aliyunsdkcms.request.v20190101.PutEventRuleTargetsRequest import PutEventRuleTargetsRequest
from aliyunsdkcms.request.v20190101.SendDryRunSystemEventRequest import SendDryRunSystemEventRequest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient

URL, PROXIED = sys.argv[1], "proxied" in sys.argv
client = AcsClient("testid", "testsecret", "cn-hangzhou")
if not PROXIED:
    client.add_endpoint("cn-hangzhou", "Cms", URL.removeprefix("http://"))


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


pattern = {
    "Product": "ECS",
    "NameList": ["Instance:SystemMaintenance.Reboot", "Instance:StateChange"],
    "LevelList": ["CRITICAL", "INFO"],
    "EventTypeList": ["*"],
    "StatusList": ["Scheduled", "Normal"],
    "KeywordFilter": {"Keywords": ["i-bp1a"], "Relation": "OR"},
}
put = call(PutEventRuleRequest, RuleName="heal", EventType="SYSTEM", State="ENABLED", EventPatterns=[pattern])
assert (put["Code"], put["Success"], put["Data"]) == ("200", True, "1"), put

targets = call(
    PutEventRuleTargetsRequest,
    RuleName="heal",
    FcParameterss=[{"Id": "1", "Region": "cn-hangzhou", "ServiceName": "s", "FunctionName": "f"}],
    MnsParameterss=[{"Id": "1", "Region": "cn-hangzhou", "Queue": "nobody-made-me"}],
)
assert targets["FailedParameterCount"] == "1", targets
assert targets["FailedMnsParameters"]["MnsParameter"][0]["Queue"] == "nobody-made-me", targets

listed = call(DescribeEventRuleListRequest, NamePrefix="he")["EventRules"]["EventRule"]
assert [rule["Name"] for rule in listed] == ["heal"], listed
inner = listed[0]["EventPattern"]["EventPattern"][0]
assert inner["NameList"]["NameList"] == pattern["NameList"], inner
assert inner["KeywordFilter"] == {"Relation": "OR", "Keywords": {"Keywords": ["i-bp1a"]}}, inner

attribute = call(DescribeEventRuleAttributeRequest, RuleName="heal")["Result"]
assert attribute["EventPattern"]["KeywordFilterObj"]["Keywords"]["keyword"] == ["i-bp1a"], attribute

found = call(DescribeEventRuleTargetListRequest, RuleName="heal")
assert found["FcParameters"]["FCParameter"][0]["FunctionName"] == "f", found
assert found["MnsParameters"] == {"MnsParameter": []}, found

meta = call(DescribeSystemEventMetaListRequest)
assert meta["Code"] == 200
assert len(meta["Data"]["Resource"]) > 100

content = json.dumps({"product": "ECS", "resourceId": "i-bp1a", "regionId": "cn-hangzhou"})
dry = call(SendDryRunSystemEventRequest, Product="ECS", EventName="Instance:StateChange", EventContent=content)
assert (dry["Code"], dry["Success"]) == ("200", "true"), dry

call(PutCustomEventRequest, EventInfos=[{"EventName": "deploy", "Content": "7", "GroupId": "0"}])
now = int(time.time())
events = call(
    DescribeSystemEventAttributeRequest, Product="ECS", StartTime=str(now - 600), EndTime=str(now + 600), PageSize=100
)
assert [event["Name"] for event in events["SystemEvents"]["SystemEvent"]] == ["Instance:StateChange"], events
assert json.loads(events["Data"]) == events["SystemEvents"]["SystemEvent"], "the older form carries the same rows"
counts = call(DescribeSystemEventCountRequest, Product="ECS")["SystemEventCounts"]["SystemEventCount"]
assert [count["Num"] for count in counts] == [1], counts

call(DisableEventRulesRequest, RuleNamess=["heal"])
assert call(DescribeEventRuleListRequest, IsEnable=True)["Total"] == 0
call(DeleteEventRuleTargetsRequest, RuleName="heal", Idss=["1"])
assert refused(DeleteEventRuleTargetsRequest, RuleName="heal", Idss=["1"]) == (404, "ResourceNotFound")
call(DeleteEventRulesRequest, RuleNamess=["heal"])
assert refused(DescribeEventRuleTargetListRequest, RuleName="heal") == (404, "ResourceNotFound")
assert refused(PutEventRuleRequest, EventPatterns=[pattern]) == (400, "MissingParameter")
print("ok")
