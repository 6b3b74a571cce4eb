"""ECS with the classic SDK (aliyun-python-sdk-core-v3 and -ecs, signature v1). Usage: URL endpoint|proxied.

With `proxied` no endpoint is configured: the SDK goes to its built-in host and reaches the simulator through
HTTP_PROXY, as code does that was never meant for a simulator.
"""

import json
import sys
import time
from typing import Any

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkecs.request.v20140526.CreateSnapshotRequest import CreateSnapshotRequest
from aliyunsdkecs.request.v20140526.DescribeDisksRequest import DescribeDisksRequest
from aliyunsdkecs.request.v20140526.DescribeInstancesRequest import DescribeInstancesRequest
from aliyunsdkecs.request.v20140526.DescribeInstanceStatusRequest import DescribeInstanceStatusRequest
from aliyunsdkecs.request.v20140526.DescribeRegionsRequest import DescribeRegionsRequest
from aliyunsdkecs.request.v20140526.RebootInstanceRequest import RebootInstanceRequest
from aliyunsdkecs.request.v20140526.RunInstancesRequest import RunInstancesRequest
from aliyunsdkecs.request.v20140526.StartInstanceRequest import StartInstanceRequest
from aliyunsdkecs.request.v20140526.StopInstanceRequest import StopInstanceRequest
from aliyunsdkecs.request.v20140526.TagResourcesRequest import TagResourcesRequest

URL, PROXIED = sys.argv[1], "proxied" in sys.argv
REGION = "cn-hangzhou"


def client_of(key: str, secret: str) -> AcsClient:
    """Return a client for a key pair, with an endpoint or without."""
    made = AcsClient(key, secret, REGION)
    if not PROXIED:
        made.add_endpoint(REGION, "Ecs", URL.removeprefix("http://"))
    return made


client = client_of("testid", "testsecret")


def call(request_type: type, by: AcsClient = client, **setters: object) -> Any:
    """Make one call; `Name=value` becomes `set_Name(value)`."""
    request = request_type()
    request.set_accept_format("json")
    for name, value in setters.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(by.do_action_with_exception(request))


def refused(request_type: type, by: AcsClient = client, **setters: object) -> tuple[int, str]:
    """Make a call that must be refused; return HTTP status and code."""
    try:
        call(request_type, by, **setters)
    except ServerException as problem:
        return problem.get_http_status() if problem.get_request_id() else 0, problem.get_error_code()
    raise AssertionError(f"{request_type.__name__} was not refused")


def status(id_: str) -> str:
    """Return an instance's status."""
    found = call(DescribeInstanceStatusRequest, InstanceIds=[id_])["InstanceStatuses"]["InstanceStatus"]
    return str(found[0]["Status"])


# What the fleet looks like, page by page.
regions = [one["RegionId"] for one in call(DescribeRegionsRequest)["Regions"]["Region"]]
assert REGION in regions, regions
first = call(DescribeInstancesRequest, PageNumber=1, PageSize=10)
assert (first["TotalCount"], len(first["Instances"]["Instance"])) == (13, 10), first["TotalCount"]
one = call(DescribeInstancesRequest, InstanceIds=json.dumps(["i-bp1web-000012"]))["Instances"]["Instance"][0]
assert one["VpcAttributes"]["PrivateIpAddress"]["IpAddress"], one
assert one["Tags"]["Tag"] == [{"TagKey": "role", "TagValue": "web"}], one
tagged = call(DescribeInstancesRequest, Tags=[{"Key": "role", "Value": "web"}], Status="Running", PageSize=100)
assert tagged["TotalCount"] == 12, tagged["TotalCount"]

# Start, as the first of the seed programs does it.
assert refused(StartInstanceRequest, InstanceId="i-nobody") == (404, "InvalidInstanceId.NotFound")
assert refused(StartInstanceRequest, InstanceId="i-bp1web-000012") == (403, "IncorrectInstanceStatus")
assert refused(StartInstanceRequest) == (400, "MissingParameter")
call(StartInstanceRequest, InstanceId="i-bp1off")
assert status("i-bp1off") == "Starting"
assert refused(StopInstanceRequest, InstanceId="i-bp1off") == (403, "IncorrectInstanceStatus")
assert refused(StopInstanceRequest, InstanceId="i-bp1web-000001", DryRun=True) == (400, "DryRunOperation")
call(StopInstanceRequest, InstanceId="i-bp1web-000001", ForceStop=True)
call(RebootInstanceRequest, InstanceId="i-bp1web-000002")
assert status("i-bp1web-000002") == "Stopping"

# Disks, snapshots, tags.
disk = call(DescribeDisksRequest, InstanceId="i-bp1web-000003")["Disks"]["Disk"][0]
assert (disk["Type"], disk["Status"]) == ("system", "In_use"), disk
assert call(CreateSnapshotRequest, DiskId=disk["DiskId"], SnapshotName="before")["SnapshotId"].startswith("s-bp1")
hold = [{"Key": "hold", "Value": "yes"}]
call(TagResourcesRequest, ResourceType="instance", ResourceIds=["i-bp1web-000004"], Tags=hold)
assert call(DescribeInstancesRequest, Tags=hold)["TotalCount"] == 1

# An order; the SDK adds a client token of its own.
order = {
    "ImageId": "ubuntu_22_04_x64_20G_alibase_20240530.vhd",
    "InstanceType": "ecs.g7.large",
    "SecurityGroupId": "sg-bp1default",
    "VSwitchId": "vsw-bp1defaulti",
    "SpotStrategy": "SpotAsPriceGo",
    "Amount": 2,
}
made = call(RunInstancesRequest, **order)["InstanceIdSets"]["InstanceIdSet"]
assert len(made) == 2, made
assert refused(RunInstancesRequest, **{**order, "ImageId": "no-such"}) == (404, "InvalidImageId.NotFound")
deadline = time.monotonic() + 30
while status(made[0]) != "Running":
    assert time.monotonic() < deadline, "never Running"
    time.sleep(0.1)

# A generic request, signed and routed by version and action alone.
common = CommonRequest(version="2014-05-26", action_name="DescribeRegions", product="Ecs")
if not PROXIED:
    common.set_domain(URL.removeprefix("http://"))
else:
    common.set_domain("ecs.aliyuncs.com")
answer = json.loads(client.do_action_with_exception(common))
assert REGION in {one["RegionId"] for one in answer["Regions"]["Region"]}, answer

# Who may not.
stranger, forger = client_of("nobody", "testsecret"), client_of("testid", "wrong")
assert refused(DescribeRegionsRequest, stranger) == (404, "InvalidAccessKeyId.NotFound")
assert refused(DescribeRegionsRequest, forger) == (400, "InvalidAccessKeySecret")
print("ok")
