"""CloudMonitor's version 2018-03-08 with the classic SDK's CommonRequest. Usage: HOST:PORT."""

import json
import sys
from typing import Any

from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

client = AcsClient("testid", "testsecret", "cn-hangzhou")


def call(action: str, **parameters: str) -> Any:
    """Make one call of the old version."""
    request = CommonRequest()
    request.set_domain(sys.argv[1])
    request.set_version("2018-03-08")
    request.set_action_name(action)
    request.set_method("POST")
    request.set_accept_format("json")
    for name, value in parameters.items():
        request.add_query_param(name, value)
    return json.loads(client.do_action_with_exception(request))


last = call("QueryMetricLast", Project="acs_ecs_dashboard", Metric="CPUUtilization", Period="60")
assert [point["instanceId"] for point in json.loads(last["Datapoints"])] == ["i-bp1l0000"], last
update = call("UpdateMyGroups", GroupId="1109654", GroupName="front", ContactGroups="ops")
assert (update["ErrorCode"], update["Success"]) == (200, True), update
print("ok")
