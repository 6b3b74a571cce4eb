"""SLB with the classic SDK (aliyun-python-sdk-slb) and with CommonRequest. Usage: URL [proxied].

With `proxied` no endpoint is configured: the SDK goes to its built-in hosts and reaches the simulator through
HTTP_PROXY, as a program does that was written for the real cloud. The world holds i-a and i-b, both running, in
group rsp-1 of lb-1 on ports 80 and 8080.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.endpoint.location.DescribeEndpointsRequest import DescribeEndpointsRequest
from aliyunsdkcore.request import CommonRequest
from aliyunsdkslb.request.v20140515.AddTagsRequest import AddTagsRequest
from aliyunsdkslb.request.v20140515.AddVServerGroupBackendServersRequest import AddVServerGroupBackendServersRequest
from aliyunsdkslb.request.v20140515.CreateLoadBalancerRequest import CreateLoadBalancerRequest
from aliyunsdkslb.request.v20140515.CreateLoadBalancerTCPListenerRequest import CreateLoadBalancerTCPListenerRequest
from aliyunsdkslb.request.v20140515.CreateVServerGroupRequest import CreateVServerGroupRequest
from aliyunsdkslb.request.v20140515.DeleteLoadBalancerRequest import DeleteLoadBalancerRequest
from aliyunsdkslb.request.v20140515.DescribeHealthStatusRequest import DescribeHealthStatusRequest
from aliyunsdkslb.request.v20140515.DescribeLoadBalancerAttributeRequest import DescribeLoadBalancerAttributeRequest
from aliyunsdkslb.request.v20140515.DescribeLoadBalancersRequest import DescribeLoadBalancersRequest
from aliyunsdkslb.request.v20140515.DescribeTagsRequest import DescribeTagsRequest
from aliyunsdkslb.request.v20140515.DescribeVServerGroupAttributeRequest import DescribeVServerGroupAttributeRequest
from aliyunsdkslb.request.v20140515.SetBackendServersRequest import SetBackendServersRequest
from aliyunsdkslb.request.v20140515.SetVServerGroupAttributeRequest import SetVServerGroupAttributeRequest
from aliyunsdkslb.request.v20140515.StartLoadBalancerListenerRequest import StartLoadBalancerListenerRequest

URL, PROXIED = sys.argv[1], "proxied" in sys.argv
ADDRESS = URL.removeprefix("http://")
client = AcsClient("testid", "testsecret", "cn-hangzhou")
if not PROXIED:
    client.add_endpoint("cn-hangzhou", "Slb", ADDRESS)


def call(request_type: type, **setters: object) -> Any:
    """Make one call; `Name=value` becomes `set_Name(value)`."""
    request = request_type()
    for name, value in setters.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(client.do_action_with_exception(request))


def common(action: str, parameters: dict[str, str], by: AcsClient = client) -> Any:
    """Make one call without a class for it, as the sample programs do."""
    request = CommonRequest()
    request.set_accept_format("json")
    request.set_domain("slb.aliyuncs.com" if PROXIED else ADDRESS)
    request.set_method("POST")
    request.set_version("2014-05-15")
    request.set_action_name(action)
    for name, value in parameters.items():
        request.add_query_param(name, value)
    return json.loads(by.do_action_with_exception(request))


def refused(what: Callable[[], object]) -> tuple[int, str]:
    """Make a call that must be refused; return HTTP status and code."""
    try:
        what()
    except ServerException as problem:
        return problem.get_http_status(), problem.get_error_code()
    raise AssertionError("the call was not refused")


def members(reply: Any) -> list[tuple[str, int, int]]:
    """Return (server, port, weight) of each member in a reply."""
    return [(one["ServerId"], one["Port"], one["Weight"]) for one in reply["BackendServers"]["BackendServer"]]


# The sample program: a member put together by hand with single quotes, then looked at again.
quoted = "[{'ServerId':'i-a','Port':'80','Weight':'100'}]"
group = {"RegionId": "cn-hangzhou", "VServerGroupId": "rsp-1"}
left = common("RemoveVServerGroupBackendServers", {**group, "BackendServers": quoted})
assert members(left) == [("i-b", 8080, 100)], left
again = common("RemoveVServerGroupBackendServers", {**group, "BackendServers": quoted})
assert members(again) == [("i-b", 8080, 100)], again
assert members(common("DescribeVServerGroupAttribute", group)) == [("i-b", 8080, 100)]

# The same with classes; JSON in a string, numbers as strings.
entry = json.dumps([{"ServerId": "i-a", "Port": "80", "Weight": "30"}])
added = call(AddVServerGroupBackendServersRequest, VServerGroupId="rsp-1", BackendServers=entry)
assert members(added) == [("i-b", 8080, 100), ("i-a", 80, 30)], added
drained = json.dumps([{"ServerId": "i-a", "Port": 80, "Weight": 0}])
weights = call(SetVServerGroupAttributeRequest, VServerGroupId="rsp-1", BackendServers=drained)
assert members(weights) == [("i-b", 8080, 100), ("i-a", 80, 0)], weights
shown = call(DescribeVServerGroupAttributeRequest, VServerGroupId="rsp-1")
assert shown["LoadBalancerId"] == "lb-1", shown
assert shown["BackendServers"]["BackendServer"][0]["ServerIp"], shown

# A balancer from nothing to health.
made = call(CreateLoadBalancerRequest, LoadBalancerName="front", AddressType="internet")
id_ = made["LoadBalancerId"]
assert (bool(made["Address"]), made["NetworkType"]) == (True, "classic"), made
new = call(CreateVServerGroupRequest, LoadBalancerId=id_, VServerGroupName="web", BackendServers=entry)
call(
    CreateLoadBalancerTCPListenerRequest,
    LoadBalancerId=id_, ListenerPort=443, Bandwidth=-1, VServerGroupId=new["VServerGroupId"], healthCheckInterval=5,
)  # fmt: skip
call(StartLoadBalancerListenerRequest, LoadBalancerId=id_, ListenerPort=443)
health = call(DescribeHealthStatusRequest, LoadBalancerId=id_)["BackendServers"]["BackendServer"]
assert [(one["ServerId"], one["ListenerPort"], one["Port"]) for one in health] == [("i-a", 443, 80)], health
call(AddTagsRequest, LoadBalancerId=id_, Tags='[{"TagKey":"team","TagValue":"web"}]')
assert call(DescribeTagsRequest, LoadBalancerId=id_)["TagSets"]["TagSet"][0]["InstanceCount"] == 1
found = call(DescribeLoadBalancersRequest, Tags='[{"TagKey":"team","TagValue":"web"}]')
assert [one["LoadBalancerId"] for one in found["LoadBalancers"]["LoadBalancer"]] == [id_], found
assert call(DescribeLoadBalancerAttributeRequest, LoadBalancerId=id_)["ListenerPorts"]["ListenerPort"] == [443]
call(DeleteLoadBalancerRequest, LoadBalancerId=id_)

# Refusals, as this SDK tells them: it compares the string to sign of a request of its own with the server's.
assert refused(lambda: call(SetBackendServersRequest, LoadBalancerId=id_, BackendServers="[]")) == (
    404,
    "InvalidLoadBalancerId.NotFound",
)
stranger = AcsClient("testid", "wrong", "cn-hangzhou")
stranger.add_endpoint("cn-hangzhou", "Slb", "slb.aliyuncs.com" if PROXIED else ADDRESS)
asked = DescribeLoadBalancersRequest()
assert refused(lambda: stranger.do_action_with_exception(asked)) == (400, "InvalidAccessKeySecret")
assert refused(lambda: common("DescribeRegions", {}, stranger)) == (400, "SignatureDoesNotMatch")

# What the SDK asks when it does not know where a product is.
where = DescribeEndpointsRequest()
where.set_Id("cn-hangzhou")
where.set_ServiceCode("slb")
where.set_Type("openAPI")
where.set_accept_format("json")
where.set_endpoint("location-readonly.aliyuncs.com" if PROXIED else ADDRESS)
endpoint = json.loads(client.do_action_with_exception(where))["Endpoints"]["Endpoint"][0]
assert (endpoint["Type"], endpoint["ServiceCode"]) == ("openAPI", "slb"), endpoint
assert endpoint["Endpoint"] == ("location-readonly.aliyuncs.com" if PROXIED else ADDRESS), endpoint
client.add_endpoint("cn-hangzhou", "Slb", endpoint["Endpoint"])
assert call(DescribeLoadBalancersRequest)["TotalCount"] == 1
print("ok")
