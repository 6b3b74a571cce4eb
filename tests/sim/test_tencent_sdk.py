"""Tencent Cloud's own clients for Python and Node.js, unmodified, over TCP."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.common import credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.cvm.v20170312 import models as cvm
from tencentcloud.cvm.v20170312.cvm_client import CvmClient
from tencentcloud.sts.v20180813 import models as sts
from tencentcloud.sts.v20180813.sts_client import StsClient

from tests.sim.simulator import RunningSimulator
from tests.sim.tencent import KEY, asked, profile, sdk

FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node")
WEB, DOWN = "ins-heal0001", "ins-heal0002"


@pytest.fixture
def served(sim: RunningSimulator) -> RunningSimulator:
    """A simulator with a running and a stopped instance, on a real clock."""
    instances = [{"id": WEB, "name": "web-1"}, {"id": DOWN, "status": "STOPPED"}]
    sim.world({"tencent": {"instances": instances, "repair_tasks": [{"id": "rep-heal0001", "instance": WEB}]}})
    return sim


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("sign", ["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"])
@pytest.mark.parametrize("payload", ["signed", "unsigned"])
def test_every_way_of_signing_is_understood(served: RunningSimulator, method: str, sign: str, payload: str) -> None:
    """Both generations, GET and POST, with and without a signed payload, lists, structs and other alphabets."""
    client = sdk(CvmClient, served.address, method=method, sign=sign)
    client.profile.unsignedPayload = payload == "unsigned"
    filters = [{"Name": "instance-name", "Values": ["web-1", "中文 +&=%"]}]
    listed = client.DescribeInstances(asked(cvm.DescribeInstancesRequest(), Filters=filters, Limit=5))
    assert (listed.TotalCount, listed.InstanceSet[0].InstanceId) == (1, WEB)
    assert listed.InstanceSet[0].Placement.Zone == "ap-guangzhou-6"
    assert listed.RequestId


def test_the_general_client_calls_what_it_likes(served: RunningSimulator) -> None:
    """CommonClient takes any service, version and action; errors keep code and request id."""
    client = CommonClient("cvm", "2017-03-12", credential.Credential(*KEY), "ap-guangzhou", profile(served.address))
    answer = client.call_json("DescribeInstancesStatus", {"InstanceIds": [DOWN]})
    assert answer["Response"]["InstanceStatusSet"][0]["InstanceState"] == "STOPPED"
    with pytest.raises(TencentCloudSDKException) as refused:
        client.call_json("MakeTea", {})
    assert refused.value.get_code() == "InvalidAction"
    assert refused.value.get_request_id()


def test_a_server_is_stopped_and_started(served: RunningSimulator) -> None:
    """The calls are asynchronous; state and latest operation tell when they are through."""
    served.control("PUT", "clock", {"mode": "stepped", "skew_check": False})
    client = sdk(CvmClient, served.address)
    stopped = client.StopInstances(asked(cvm.StopInstancesRequest(), InstanceIds=[WEB], StopType="HARD"))
    served.advance(2)
    client.StartInstances(asked(cvm.StartInstancesRequest(), InstanceIds=[DOWN]))
    served.advance(8)
    client.RebootInstances(asked(cvm.RebootInstancesRequest(), InstanceIds=[DOWN]))
    rows = client.DescribeInstances(asked(cvm.DescribeInstancesRequest(), InstanceIds=[WEB, DOWN])).InstanceSet
    assert [one.InstanceState for one in rows] == ["STOPPED", "REBOOTING"]
    assert (rows[0].LatestOperationState, rows[0].LatestOperationRequestId) == ("SUCCESS", stopped.RequestId)
    client.TerminateInstances(asked(cvm.TerminateInstancesRequest(), InstanceIds=[WEB]))
    served.advance(3)
    assert client.DescribeInstances(cvm.DescribeInstancesRequest()).TotalCount == 1


def test_a_repair_task_is_found_and_authorised(served: RunningSimulator) -> None:
    """DescribeTaskInfo and RepairTaskControl of the SDK."""
    client = sdk(CvmClient, served.address)
    listed = client.DescribeTaskInfo(asked(cvm.DescribeTaskInfoRequest(), Limit=10, Offset=0, TaskStatus=[1]))
    (task,) = listed.RepairTaskInfoSet
    assert (task.TaskId, task.InstanceId, task.AuthType) == ("rep-heal0001", WEB, 2)
    order = {"Product": "CVM", "InstanceIds": [WEB], "TaskId": task.TaskId, "Operate": "AuthorizeRepair"}
    assert client.RepairTaskControl(asked(cvm.RepairTaskControlRequest(), **order)).TaskId == task.TaskId


def test_an_order_is_made(served: RunningSimulator) -> None:
    """RunInstances, DescribeZones, DescribeRegions and ModifyInstancesAttribute of the SDK."""
    client = sdk(CvmClient, served.address)
    zone = client.DescribeZones(cvm.DescribeZonesRequest()).ZoneSet[0].Zone
    assert client.DescribeRegions(cvm.DescribeRegionsRequest()).TotalCount > 5
    order: dict[str, Any] = {"Placement": {"Zone": zone}, "ImageId": "img-heal0001", "LoginSettings": {"KeyIds": ["k"]}}
    made = client.RunInstances(asked(cvm.RunInstancesRequest(), **order)).InstanceIdSet
    change = {"InstanceIds": made, "InstanceName": "更名"}
    client.ModifyInstancesAttribute(asked(cvm.ModifyInstancesAttributeRequest(), **change))
    listed = client.DescribeInstances(asked(cvm.DescribeInstancesRequest(), InstanceIds=made))
    assert (listed.InstanceSet[0].InstanceName, listed.InstanceSet[0].Placement.Zone) == ("更名", zone)


def test_identity_and_temporary_keys(served: RunningSimulator) -> None:
    """Who am I, as myself and with the keys of a role."""
    client = sdk(StsClient, served.address)
    assert client.GetCallerIdentity(sts.GetCallerIdentityRequest()).AccountId == "100000000001"
    role = {"RoleArn": "qcs::cam::uin/100000000001:roleName/healer", "RoleSessionName": "night"}
    issued = client.AssumeRole(asked(sts.AssumeRoleRequest(), **role)).Credentials
    keys = credential.Credential(issued.TmpSecretId, issued.TmpSecretKey, issued.Token)
    borrowed = StsClient(keys, "ap-guangzhou", profile(served.address))
    assert borrowed.GetCallerIdentity(sts.GetCallerIdentityRequest()).Type == "CAMRole"
    bare = StsClient(
        credential.Credential(issued.TmpSecretId, issued.TmpSecretKey), "ap-guangzhou", profile(served.address)
    )
    with pytest.raises(TencentCloudSDKException, match=r"AuthFailure\.TokenFailure"):
        bare.GetCallerIdentity(sts.GetCallerIdentityRequest())
    other = {**role, "RoleArn": "qcs::cam::uin/100000000002:roleName/healer"}
    elsewhere = client.AssumeRole(asked(sts.AssumeRoleRequest(), **other)).Credentials
    keys = credential.Credential(elsewhere.TmpSecretId, elsewhere.TmpSecretKey, elsewhere.Token)
    identity = StsClient(keys, "ap-guangzhou", profile(served.address)).GetCallerIdentity(
        sts.GetCallerIdentityRequest()
    )
    assert identity.AccountId == "100000000002", "the keys belong to the account of the role"


def test_refusals_arrive_with_their_codes(served: RunningSimulator) -> None:
    """A wrong secret, a wrong type, a throttled call: the code is what the SDK raises."""
    wrong = CvmClient(credential.Credential(KEY[0], "wrong"), "ap-guangzhou", profile(served.address))
    client = sdk(CvmClient, served.address, language="en-US")
    request = cvm.DescribeInstancesRequest()
    with pytest.raises(TencentCloudSDKException) as refused:
        wrong.DescribeInstances(request)
    assert refused.value.get_code() == "AuthFailure.SignatureFailure"
    with pytest.raises(TencentCloudSDKException) as refused:
        client.call("DescribeInstances", {"InstanceIds": "x"})
    assert refused.value.get_code() == "InvalidParameter"
    served.control("PUT", "faults", [{"service": "cvm", "fault": "throttle"}])
    with pytest.raises(TencentCloudSDKException, match="RequestLimitExceeded"):
        client.DescribeInstances(request)
    served.control("PUT", "faults", [{"service": "cvm", "fault": "reset"}])
    with pytest.raises(TencentCloudSDKException, match="ClientNetworkError"):
        client.DescribeInstances(request)


@pytest.mark.node
@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_node_client_is_served(served: RunningSimulator) -> None:
    """All signatures and methods, hosts without port, scopes without a product, errors, languages."""
    assert (FOLDER / "node_modules/tencentcloud-sdk-nodejs-cvm").is_dir(), "run `make test`, which installs it"
    done = subprocess.run(
        [str(NODE), FOLDER / "tencent.mjs", served.address], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr[-3000:]
