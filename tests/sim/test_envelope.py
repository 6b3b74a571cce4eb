"""How events look when they arrive: golden envelopes for every kind, and every documented oddity on request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sim.receiver import Receiver, receiving
from tests.sim.simulator import RunningSimulator

NOW = "2026-03-02T03:00:26.922Z"
INSTANCE = "i-bp1c0ffee0000000001"
ARN = f"acs:ecs:cn-hangzhou:1000000000000001:instance/{INSTANCE}"
HEAD = {
    "ver": "1.0",
    "instanceName": "web-01",
    "groupId": "0",
    "userId": "1000000000000001",
    "eventTime": "20260302T110026.922+0800",
    "regionId": "cn-hangzhou",
}
DISK_ARN = "acs:ecs:cn-hangzhou:1000000000000001:disk/d-bp1d15c0000000001"
LIFE = {"eventId": "e-bp1feed0000000001", "publishTime": "2026-03-02T03:00:00Z", "instanceId": INSTANCE}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook that keeps what arrives."""
    with receiving() as one:
        yield one


def arrange(sim: RunningSimulator, receiver: Receiver, target: dict[str, Any] | None = None, **options: object) -> None:
    """Begin a world in which every event goes to the receiver."""
    targets = [{"webhook": {"url": f"{receiver.url}/hook", **(target or {})}}]
    sim.world({"now": NOW, "alibaba": {"event_rules": [{"name": "all", "targets": targets}], **options}})


def sent(sim: RunningSimulator, receiver: Receiver, event: dict[str, Any]) -> dict[str, Any]:
    """Publish an event and return the JSON body that arrives."""
    sim.control("POST", "events", {"region": "cn-hangzhou", "instance_name": "web-01", **event})
    sim.advance(1)
    body = receiver.wait(1)[-1].json()
    assert isinstance(body, dict)
    return body


GOLDEN = [
    pytest.param(
        {"name": "Instance:StateChange", "instance_id": INSTANCE, "content": {"state": "Stopped"}},
        ("Instance:StateChange", "INFO", "Normal", "StatusNotification", ARN),
        {"resourceId": INSTANCE, "resourceType": "ALIYUN::ECS::Instance", "state": "Stopped"},
        id="state change",
    ),
    pytest.param(
        {"name": "Instance:PreemptibleInstanceInterruption", "instance_id": INSTANCE},
        ("Instance:PreemptibleInstanceInterruption", "WARN", "Normal", "StatusNotification", ARN),
        {"instanceId": INSTANCE, "action": "delete"},
        id="spot interruption",
    ),
    pytest.param(
        {
            "name": "Instance:SystemMaintenance.Reboot",
            "instance_id": INSTANCE,
            "content": {**LIFE, "notBefore": "2026-03-04T03:00:00Z"},
        },
        ("Instance:SystemMaintenance.Reboot:Scheduled", "CRITICAL", "Scheduled", "Maintenance", ARN),
        {
            **LIFE,
            "notBefore": "2026-03-04T03:00:00Z",
            "eventType": "SystemMaintenance.Reboot",
            "eventStatus": "Scheduled",
        },
        id="maintenance scheduled",
    ),
    pytest.param(
        {
            "name": "Instance:SystemMaintenance.Reboot:Avoided",
            "instance_id": INSTANCE,
            "content": {**LIFE, "notBefore": "2026-03-04T03:00:00Z"},
        },
        ("Instance:SystemMaintenance.Reboot:Avoided", "CRITICAL", "Avoided", "Maintenance", ARN),
        {
            **LIFE,
            "notBefore": "2026-03-04T03:00:00Z",
            "eventType": "SystemMaintenance.Reboot",
            "eventStatus": "Avoided",
            "executeStartTime": "2026-03-02T03:00:26Z",
            "executeFinishTime": "2026-03-02T03:00:26Z",
        },
        id="maintenance avoided",
    ),
    pytest.param(
        {"name": "Instance:SystemFailure.Reboot", "instance_id": INSTANCE, "content": LIFE},
        ("Instance:SystemFailure.Reboot:Executing", "CRITICAL", "Executing", "Exception", ARN),
        {
            **LIFE,
            "eventType": "SystemFailure.Reboot",
            "eventStatus": "Executing",
            "executeStartTime": "2026-03-02T03:00:26Z",
        },
        id="system failure has no notBefore",
    ),
    pytest.param(
        {
            "name": "Disk:Stalled",
            "resource": "disk/d-bp1d15c0000000001",
            "status": "Executed",
            "content": {
                "eventId": "e-bp1feed0000000009",
                "device": "/dev/xvdb",
                "ecsInstanceId": INSTANCE,
                "ecsInstanceName": "web-01",
                "publishTime": None,
                "eventStatus": None,
            },
        },
        ("Disk:Stalled:Executed", "CRITICAL", "Executed", "Exception", DISK_ARN),
        {
            "eventId": "e-bp1feed0000000009",
            "diskId": "d-bp1d15c0000000001",
            "device": "/dev/xvdb",
            "eventType": "Stalled",
            "executeStartTime": "2026-03-02T03:00:26Z",
            "executeFinishTime": "2026-03-02T03:00:26Z",
            "ecsInstanceId": INSTANCE,
            "ecsInstanceName": "web-01",
        },
        id="disk stalled",
    ),
    pytest.param(
        {
            "name": "Disk:DiskOperationCompleted",
            "resource": "disk/d-bp1d15c0000000001",
            "content": {"diskId": "d-bp1d15c0000000001", "operation": "AttachDisk", "result": "failed"},
        },
        ("Disk:DiskOperationCompleted", "WARN", "Normal", "StatusNotification", DISK_ARN),
        {"diskId": "d-bp1d15c0000000001", "operation": "AttachDisk", "result": "failed"},
        id="disk operation failed",
    ),
    pytest.param(
        {
            "product": "CloudMonitor",
            "name": "Agent_Status_Stopped",
            "resource": f"acs:ecs:cn-hangzhou:1000000000000001:instance/{INSTANCE}",
            "content": {"ipGroup": "10.0.0.1", "tianjimonVersion": "1.2.11"},
        },
        ("Agent_Status_Stopped", "CRITICAL", "stopped", "Exception", ARN),
        {"ipGroup": "10.0.0.1", "tianjimonVersion": "1.2.11"},
        id="agent heartbeat lost",
    ),
]


@pytest.mark.parametrize(("event", "head", "content"), GOLDEN)
def test_each_kind_of_event_has_its_documented_envelope(
    stepped: RunningSimulator,
    receiver: Receiver,
    event: dict[str, Any],
    head: tuple[str, ...],
    content: dict[str, Any],
) -> None:
    """Everything but the id is exactly as documented; the id is a UUID in capitals."""
    arrange(stepped, receiver)
    body = sent(stepped, receiver, event)
    id_ = body.pop("id")
    assert len(id_) == 36
    assert id_ == id_.upper()
    name, level, status, type_, resource = head
    facts = {"name": name, "level": level, "status": status, "eventType": type_, "resourceId": resource}
    assert body == {**HEAD, "product": event.get("product", "ECS"), **facts, "content": content}


@pytest.mark.parametrize(("form", "absent"), [("ecs", {"status", "eventType", "groupId"}), ("cloudmonitor", set())])
def test_either_documented_envelope_can_be_asked_for(
    stepped: RunningSimulator, receiver: Receiver, form: str, absent: set[str]
) -> None:
    """The ECS pages know fewer fields than the CloudMonitor samples."""
    arrange(stepped, receiver, envelope=form)
    body = sent(stepped, receiver, {"name": "Instance:StateChange", "instance_id": INSTANCE})
    assert {
        *HEAD,
        "id",
        "product",
        "resourceId",
        "name",
        "level",
        "status",
        "eventType",
        "content",
    } - body.keys() == absent


@pytest.mark.parametrize("state", ["Pending", "Created"])
def test_a_new_instance_is_pending_or_created_as_the_world_says(
    stepped: RunningSimulator, receiver: Receiver, state: str
) -> None:
    """The two documentations disagree on the first state; each can be had."""
    arrange(stepped, receiver, created_state=state)
    event = {"name": "Instance:StateChange", "instance_id": INSTANCE, "content": {"state": "Pending"}}
    assert sent(stepped, receiver, event)["content"]["state"] == state


@pytest.mark.parametrize(
    ("name", "arrives_as"),
    [
        ("Instance:SystemMaintenance.Reboot:Avoided", "Instance:SystemMaintenance.Reboot:Scheduled"),
        ("Disk:ErrorDetected:Executed", "Disk:ErrorDetected:Executing"),
        ("Instance:SystemMaintenance.Reboot:Executing", "Instance:SystemMaintenance.Reboot:Executing"),
    ],
)
def test_the_documented_mismatch_of_name_and_status_can_be_asked_for(
    stepped: RunningSimulator, receiver: Receiver, name: str, arrives_as: str
) -> None:
    """With the option the name keeps its first state, while the content says the true one."""
    arrange(stepped, receiver, status_suffix_mismatch=True)
    body = sent(stepped, receiver, {"name": name, "instance_id": INSTANCE})
    assert body["name"] == arrives_as
    assert body["content"]["eventStatus"] == name.rpartition(":")[2]


@pytest.mark.parametrize(("option", "ids"), [("off", 3), ("on", 1)])
def test_the_states_of_one_event_share_their_id_only_when_asked(
    stepped: RunningSimulator,
    receiver: Receiver,
    option: str,
    ids: int,
) -> None:
    """The envelope id repeats over states in the documentation's samples, so consumers must cope with both."""
    arrange(stepped, receiver, same_event_id=option == "on")
    for status in ("Scheduled", "Executing", "Executed"):
        stepped.control(
            "POST", "events", {"name": "Instance:SystemMaintenance.Reboot", "status": status, "content": LIFE}
        )
    stepped.advance(1)
    assert len({request.json()["id"] for request in receiver.wait(3)}) == ids


def test_a_subscription_webhook_gets_the_newer_body(stepped: RunningSimulator, receiver: Receiver) -> None:
    """`webhook_format: subscription` sends strategy, alert and the event's facts in the places of the newer form."""
    arrange(stepped, receiver, webhook_format="subscription")
    event = {"name": "Instance:StateChange", "instance_id": INSTANCE, "content": {"state": "Stopped"}}
    body = sent(stepped, receiver, event)
    alert, meta = body["alert"], body["alert"]["meta"]["sysEventMeta"]
    assert (body["strategyName"], body["severity"], body["time"]) == ("all", "INFO", 1772420426922)
    assert (alert["alertStatus"], alert["source"], alert["arn"]) == ("TRIGGERED", "SYS_EVENT", ARN)
    assert alert["eventContentMap"]["state"] == "Stopped"
    assert json.loads(alert["eventRawContent"]) == alert["eventContentMap"]
    assert (meta["eventNameZh"], meta["eventTime"]) == ("实例状态改变通知", "20260302T110026.922+0800")


def test_a_get_webhook_carries_the_fields_in_its_query(stepped: RunningSimulator, receiver: Receiver) -> None:
    """GET has no body: the same names are query parameters, nested values are JSON text."""
    arrange(stepped, receiver, {"method": "GET"})
    stepped.control("POST", "events", {"name": "Instance:StateChange", "instance_id": INSTANCE})
    stepped.advance(1)
    request = receiver.wait(1)[0]
    fields = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
    assert (request.method, request.body) == ("GET", b"")
    assert (fields["name"], fields["regionId"]) == ("Instance:StateChange", "cn-hangzhou")
    assert json.loads(fields["content"])["resourceId"] == INSTANCE


@pytest.mark.parametrize("through", ["target", "source"])
def test_an_eventbridge_event_is_a_cloud_event(stepped: RunningSimulator, receiver: Receiver, through: str) -> None:
    """A target that asks for it, or an event posted with `source`, gives the CloudEvent with the content as data."""
    arrange(stepped, receiver, {"eventbridge": through == "target"})
    data = {"resourceId": INSTANCE, "resourceType": "ALIYUN::ECS::Instance", "state": "Stopped"}
    posted = {
        "target": {"name": "Instance:StateChange", "instance_id": INSTANCE, "content": data},
        "source": {"source": "acs.ecs", "type": "ecs:Instance:StateChange", "subject": ARN, "data": data},
    }
    stepped.control("POST", "events", posted[through])
    stepped.advance(1)
    body = receiver.wait(1)[0].json()
    assert len(body.pop("id")) == 36
    assert body == {
        "specversion": "1.0",
        "source": "acs.ecs",
        "type": "ecs:Instance:StateChange",
        "datacontenttype": "application/json;charset=utf-8",
        "subject": ARN,
        "time": NOW,
        "aliyunaccountid": "1000000000000001",
        "aliyunoriginalaccountid": "1000000000000001",
        "aliyunpublishtime": "2026-03-02T03:00:27.122Z",
        "aliyuneventbusname": "default",
        "aliyunregionid": "cn-hangzhou",
        "aliyunpublishaddr": "127.0.0.1",
        "data": data,
    }
