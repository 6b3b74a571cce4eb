"""What clients that are not in this environment send, byte by byte as recorded from them: the simulator takes it.

Recorded from the vendor's Java client of MNS 2.0.0 and its samples, from apache-libcloud 3.9.1, and from the samples of
the vendor's Python client of MNS. The recorded requests bear the times at which they were made, so the clock is stepped
and takes any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sim.raw_mns import RawMns, document
from tests.sim.signing import ECS, SLB, common, timestamp
from tests.sim.wire import Wire

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator

#: The Java client, set to version 4 of the signature, creates a queue; the body came after `100 Continue`.
JAVA_BODY = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="no"?><Queue xmlns="http://mns.aliyuncs.com/doc/v1">'
    b"<PollingWaitSeconds>30</PollingWaitSeconds><LoggingEnabled>false</LoggingEnabled></Queue>"
)
JAVA_CREATES = (
    b"PUT /queues/TestQueue HTTP/1.1\r\n"
    b"date: Sat, 21 Nov 2026 00:28:29 GMT\r\n"
    b"authorization: MNS4-HMAC-SHA256 Credential=testid/20261121/cn-hangzhou/mns/aliyun_v4_request,"
    b"Signature=8de0001dc917ceaac82e2b69e061aae5c1842e25168f52f2920474052049cf9b\r\n"
    b"x-mns-version: 2015-06-06\r\n"
    b"content-type: text/xml;charset=UTF-8\r\n"
    b"Content-Length: 189\r\n"
    b"Host: 127.0.0.1:18801\r\n"
    b"Connection: Keep-Alive\r\n"
    b"User-Agent: aliyun-sdk-java/2.0.0(Linux/6.1/amd64;17.0.15)\r\n\r\n"
)
#: The same client deletes a message: the handle stands in the query as it is, and is signed percent-encoded.
JAVA_DELETES = (
    b"DELETE /queues/consumer001/messages?ReceiptHandle=8-MDJFMUY2OTUxMUU4REM1NkMwQzdGODBENTY3NTUxODkt"
    b"MTc5NTIyMDk0MDc1OS0xLTA2NDdjZQ== HTTP/1.1\r\n"
    b"date: Sat, 21 Nov 2026 00:28:30 GMT\r\n"
    b"authorization: MNS4-HMAC-SHA256 Credential=testid/20261121/cn-hangzhou/mns/aliyun_v4_request,"
    b"Signature=61f109cf8fc82ae5e6d8f0915aa0edae36bf1920e959042c95c55b836c4a7e73\r\n"
    b"x-mns-version: 2015-06-06\r\n"
    b"content-type: text/xml;charset=UTF-8\r\n"
    b"Content-Length: 0\r\n"
    b"Host: 127.0.0.1:18801\r\n"
    b"Connection: Keep-Alive\r\n\r\n"
)
OWNER = "1000000000000001"


def sent(sim: RunningSimulator, data: bytes) -> tuple[int, str]:
    """Return status and error code of one recorded request."""
    with Wire(sim.address) as wire:
        reply = wire.send(data).read()
    return reply.status, reply.code


def test_the_java_client_of_mns_signs_with_version_4(stepped: RunningSimulator) -> None:
    """Recorded requests are served; with one header changed the same request is refused."""
    assert sent(stepped, JAVA_CREATES + JAVA_BODY) == (201, "")
    assert sent(stepped, JAVA_DELETES) == (404, "QueueNotExist")
    for was, becomes in (
        (b"x-mns-version: 2015-06-06", b"x-mns-version: 2015-06-06\r\nx-mns-more: 1"),
        (b":29 G", b":28 G"),
    ):
        spoilt = JAVA_CREATES.replace(was, becomes) + JAVA_BODY
        assert sent(stepped, spoilt) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("was", "becomes", "answer"),
    [
        (b"Credential=testid/", b"Credential=nobody/", (403, "InvalidAccessKeyId")),
        (b"/cn-hangzhou/", b"/cn-beijing/", (403, "SignatureDoesNotMatch")),
        (b",Signature=", b",Seal=", (400, "InvalidAuthorizationHeader")),
    ],
)
def test_a_version_4_signature_that_is_wrong_is_refused(
    stepped: RunningSimulator, was: bytes, becomes: bytes, answer: tuple[int, str]
) -> None:
    """An unknown key, another scope and a header that cannot be read are told apart as in the older version."""
    assert sent(stepped, JAVA_CREATES.replace(was, becomes) + JAVA_BODY) == answer


@pytest.mark.parametrize(
    ("account", "arrives"), [("127", True), ("localhost:8800", True), (OWNER, True), ("1000000000000009", False)]
)
def test_the_samples_take_the_first_label_of_the_host_for_the_account(
    stepped: RunningSimulator, account: str, *, arrives: bool
) -> None:
    """What cannot be an account means the topic's owner; another account's queue stays another's."""
    mns = RawMns(stepped.address)
    mns.queue("inbox")
    assert mns.ask("PUT", "/topics/t", document("Topic", {})).status == 201
    endpoint = f"acs:mns:cn-hangzhou:{account}:queues/inbox"
    facts = {"Endpoint": endpoint, "NotifyContentFormat": "SIMPLIFIED"}
    assert mns.ask("PUT", "/topics/t/subscriptions/s", document("Subscription", facts)).status == 201
    assert mns.ask("POST", "/topics/t/messages", document("Message", {"MessageBody": "hello"})).status == 201
    assert mns.counts("inbox") == (int(arrives), 0, 0)
    assert mns.ask("GET", "/topics/t/subscriptions/s").text("Endpoint") == endpoint


def test_libcloud_names_the_servers_of_a_default_group_by_id_alone(stepped: RunningSimulator) -> None:
    """`["i-a"]` is what the first documentation shows; entries with more in them keep working beside it."""
    instances = [{"id": "i-a"}, {"id": "i-b"}, {"id": "i-c"}]
    stepped.world({"alibaba": {"instances": instances, "load_balancers": [{"id": "lb-1"}]}})
    with Wire(stepped.address) as wire:

        def servers(action: str, entries: str) -> list[str]:
            reply = wire.post(common(SLB, action, LoadBalancerId="lb-1", BackendServers=entries)).json
            return [one["ServerId"] for one in reply["BackendServers"]["BackendServer"]]

        assert servers("AddBackendServers", '["i-a", {"ServerId": "i-b", "Weight": "20"}, "i-c"]') == [
            "i-a",
            "i-b",
            "i-c",
        ]
        assert servers("RemoveBackendServers", '["i-a", "i-b"]') == ["i-c"]


def test_clients_for_javascript_write_milliseconds(sim: RunningSimulator) -> None:
    """The npm packages aliyun-sdk 1.12 and waliyun 3.2 stamp calls so; a stamp too old is still refused as such."""
    with Wire(sim.address) as wire:
        for stamp, code in (
            (timestamp().replace("Z", ".020Z"), ""),
            (timestamp(-3600).replace("Z", ".020Z"), "InvalidTimeStamp.Expired"),
            (timestamp().replace("Z", ".Z"), "InvalidTimeStamp.Format"),
        ):
            assert wire.post(common(ECS, "DescribeRegions", Timestamp=stamp)).code == code


def test_footmark_finds_the_elastic_address_before_the_public_ones(sim: RunningSimulator) -> None:
    """That client reads an item in the order of its keys and falls into a loop when the elastic address comes late."""
    sim.world({"alibaba": {"instances": [{"id": "i-a"}]}})
    with Wire(sim.address) as wire:
        (item,) = wire.post(common(ECS, "DescribeInstances")).json["Instances"]["Instance"]
    names = list(item)
    assert names.index("EipAddress") < names.index("PublicIpAddress")
