"""Tencent Cloud's messages as they are documented: every shape becomes one Event, or is refused with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudheal.clouds.entrances import bodies_of, limit_of, parts_of
from cloudheal.clouds.reading import answer_to, document_for, event_of
from cloudheal.clouds.tencent.names import SITUATIONS
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import Trouble
from cloudheal.sense.triggers import recovery_of, trouble_of

RECEIVED = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
CLOUD_EVENT: dict[str, Any] = {
    "specversion": "1.0", "id": "13a3f42d-0000-4ada-da6d-023a333b0001", "source": "cvm.cloud.tencent",
    "type": "cvm:ErrorEvent:PingUnreachable", "subject": "ins-heal0001", "time": 1772333404146,
    "region": "ap-guangzhou", "resource": ["qcs::eb:ap-guangzhou:uid1250000000:eb-heal0001/rule-heal0001"],
    "datacontenttype": "application/json;charset=utf-8", "tags": {"app": "shop"}, "status": "1",
    "data": {"appId": "1250000000", "instanceId": "ins-heal0001", "projectId": "0",
             "dimensions": {"ip": "10.0.0.11"}, "additionalMsg": {"IP": "something unnormal"}},
}  # fmt: skip
EVENT_ALARM: dict[str, Any] = {
    "sessionId": "S9z8y7", "alarmStatus": "1", "alarmType": "event",
    "alarmObjInfo": {"region": "gz", "dimensions": {
        "unInstanceId": "ins-heal0001", "deviceName": "web-1",
        "objDetail": {"deviceLanIp": "10.0.0.11", "deviceWanIp": "203.0.113.11", "uniqVpcId": "vpc-heal0001"}}},
    "alarmPolicyInfo": {
        "policyId": "policy-heal0001", "policyType": "cvm_device", "policyName": "ping",
        "policyTypeCName": "云服务器-基础监控",
        "conditions": {"productName": "cvm", "productShowName": "云服务器", "eventName": "ping_unreachable",
                       "eventShowName": "ping不可达", "alarmNotifyType": "singleAlarm", "alarmNotifyPeriod": ""}},
    "additionalMsg": [{"key": "deviceLanIp", "value": "10.0.0.11"}],
    "firstOccurTime": "2026-03-01 10:23:24", "durationTime": 0, "recoverTime": "0",
}  # fmt: skip
METRIC_ALARM: dict[str, Any] = {
    "sessionId": "S1a2b3", "alertId": "S1a2b3", "alarmStatus": "1", "alarmType": "metric",
    "alarmObjInfo": {"region": "gz", "namespace": "qce/cvm", "appId": "1250000000", "uin": "100000000001",
                     "dimensions": {"unInstanceId": "ins-heal0001", "objName": "10.0.0.11#588789"}},
    "alarmPolicyInfo": {
        "policyId": "policy-heal0001", "policyType": "cvm_device", "policyName": "cpu",
        "conditions": {"metricName": "cpu_usage", "calcType": ">", "calcValue": "90", "currentValue": "97",
                       "alarmNotifyPeriod": 300}},
    "firstOccurTime": "2026-03-01 07:00:00", "durationTime": 500, "recoverTime": "0",
}  # fmt: skip


def read(document: dict[str, Any], **changed: Any) -> Event:
    """Read a document with some fields changed; None leaves one out."""
    told = {name: value for name, value in {**document, **changed}.items() if value is not None}
    return event_of(json.dumps(told), RECEIVED, Channel.WEBHOOK)


def test_a_cloud_event_is_read_by_subject_type_status_region_and_time() -> None:
    """What else it holds is kept as it came."""
    event = read(CLOUD_EVENT)
    assert (event.source, event.type, event.status) == ("tencent.cvm", "cvm:ErrorEvent:PingUnreachable", "1")
    assert str(event.subject) == "tencent/1250000000/ap-guangzhou/instance/ins-heal0001"
    assert event.time == datetime(2026, 3, 1, 2, 50, 4, 146000, UTC)
    assert event.data["dimensions"] == {"ip": "10.0.0.11"}
    assert (event.data["status"], event.data["situation"]) == ("1", "PingUnreachable")


@pytest.mark.parametrize(
    "spelling",
    [
        *("cvm:ErrorEvent:PingUnreachable", "cvm:ErrorEvent:ping_unreachable", "cvm:ErrorEvent:PING_UNREACHABLE"),
        "cvm:ErrorEvent:pingunreachable",
    ],
)
def test_spellings_of_a_type_meet_in_one(spelling: str) -> None:
    """A rule names it as EventBridge does, whatever the message says."""
    assert read(CLOUD_EVENT, type=spelling).type == "cvm:ErrorEvent:PingUnreachable"


@pytest.mark.parametrize(
    ("spelling", "situation"),
    [
        ("CvmPacketDropedByQosConnectionSession", "CvmPacketDropedByQosConnectionSession"),
        ("PacketDroppedByQosConnectionSession", "CvmPacketDropedByQosConnectionSession"),
        ("cvm_packet_droped_by_qos_wan_out_bandwidth", "CvmPacketDropedByQosWanOutBandwidth"),
        ("PacketDroppedByQosWanOutBandwidth", "CvmPacketDropedByQosWanOutBandwidth"),
        ("guest_oom", "GuestOom"),
        ("nfct_table_full", "NfctTableFull"),
        ("GuestRestarted_HostFailure", "InstanceRestarted"),
        ("GuestScheduledToRestart", "InstanceRestarting"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_older_spellings_and_misspellings_meet_too(spelling: str, situation: str) -> None:
    """The same situation from an event and from a callback is the same trouble; an unknown name stays as it is."""
    pushed = read(CLOUD_EVENT, type=f"cvm:ErrorEvent:{spelling}")
    policy = {**EVENT_ALARM["alarmPolicyInfo"], "conditions": {"productName": "cvm", "eventName": spelling}}
    called = read(EVENT_ALARM, alarmPolicyInfo=policy)
    assert pushed.type == called.type == f"cvm:ErrorEvent:{situation}"


@pytest.mark.parametrize(("told", "status"), [("1", "1"), (1, "1"), ("0", "0"), (0, "0"), ("-", "-"), (None, "-")])
def test_a_status_may_be_text_a_number_or_left_out(told: object, status: str) -> None:
    """What is left out is that of an event without recovery."""
    assert read(CLOUD_EVENT, status=told).status == status


@pytest.mark.parametrize(
    "told", [1772333404146, "1772333404146", "2026-03-01T02:50:04.146Z", "2026-03-01T10:50:04.146+08:00"]
)
def test_times_are_read_in_every_documented_way(told: object) -> None:
    """Milliseconds as a number or as text, and ISO times."""
    assert read(CLOUD_EVENT, time=told).time == datetime(2026, 3, 1, 2, 50, 4, 146000, UTC)


def test_a_subject_may_have_six_parts_or_be_misspelt_or_stand_in_the_data_only() -> None:
    """The id, the region and the account are found in each."""
    six = "qcs::cvm:ap-shanghai:uin/100000000001:instance/ins-heal0001"
    event = read(CLOUD_EVENT, subject=six, region=None, data={}, resource=None)
    assert str(event.subject) == "tencent/100000000001/ap-shanghai/instance/ins-heal0001"
    for changed in ({"subject": None, "subjuect": "ins-heal0001"}, {"subject": None}, {"subject": "web-1.example"}):
        assert read(CLOUD_EVENT, **changed).subject.id == "ins-heal0001"


def test_data_may_be_text_and_may_be_missing() -> None:
    """Only what stands around it is relied on; the account is that of the rule then."""
    assert read(CLOUD_EVENT, data=json.dumps(CLOUD_EVENT["data"])).subject.account == "1250000000"
    assert read(CLOUD_EVENT, data=None).subject.account == "1250000000"


def test_two_deliveries_are_one_event_and_a_recovery_is_another() -> None:
    """(id, status) says so, whatever else changes."""
    first = read(CLOUD_EVENT)
    assert read(CLOUD_EVENT, tags=None, specversion="1.0.2").key == first.key
    assert read(CLOUD_EVENT, status="0").key != first.key
    assert read(CLOUD_EVENT, id="another").key != first.key


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"type": None}, "has no type"),
        ({"subject": None, "data": {}}, "names no resource"),
        ({"time": "soon"}, "time is in no documented form"),
        ({"time": None}, "time is in no documented form"),
        ({"status": ["1"]}, "status is neither text nor a number"),
        ({"data": "{"}, "data is text that is not JSON"),
        ({"data": [1]}, "data is not an object"),
        ({"id": "a\u0000b"}, "zero byte"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    """The reason becomes the dead letter's."""
    with pytest.raises(NotAnEventError, match=reason):
        read(CLOUD_EVENT, **changed)


def test_an_alarm_about_an_event_is_the_same_trouble_as_the_event() -> None:
    """Its own source, the same type; the region in full, the account as far as it is told."""
    event = read(EVENT_ALARM)
    assert (event.source, event.type, event.status) == ("tencent.monitor", "cvm:ErrorEvent:PingUnreachable", "1")
    assert str(event.subject) == "tencent//ap-guangzhou/instance/ins-heal0001"
    assert event.time == datetime(2026, 3, 1, 2, 23, 24, tzinfo=UTC)
    assert trouble_of(event) == trouble_of(read(CLOUD_EVENT)) == Trouble("unreachable")


def test_an_alarm_about_a_metric_has_a_type_of_its_own() -> None:
    """It is recorded, and opens what a playbook's own trigger says."""
    event = read(METRIC_ALARM)
    assert (event.type, event.subject.account) == ("cvm:MetricAlarm:cpu_usage", "100000000001")
    assert (event.data["policy_name"], event.data["currentValue"], event.data["alarm"]) == ("cpu", "97", "metric")
    assert trouble_of(event) is None


def test_an_alarm_is_the_same_by_session_status_and_first_time() -> None:
    """It is sent again while it lasts; its end and the next occurrence are others."""
    first = read(METRIC_ALARM)
    assert read(METRIC_ALARM, durationTime="800", alarmStatus=1).key == first.key
    assert read(METRIC_ALARM, alarmStatus="0").key != first.key
    assert read(METRIC_ALARM, firstOccurTime="2026-03-01 08:00:00").key != first.key


@pytest.mark.parametrize(
    ("changed", "over"),
    [
        ({"recoverTime": "2026-03-01 07:10:00"}, datetime(2026, 2, 28, 23, 10, tzinfo=UTC)),
        ({"recoverTime": 0}, datetime(2026, 2, 28, 23, 8, 20, tzinfo=UTC)),
        ({"recoverTime": "0", "durationTime": ""}, RECEIVED),
        ({"recoverTime": None, "firstOccurTime": None}, RECEIVED),
    ],
)
def test_the_end_of_an_alarm_is_told_or_counted_or_now(changed: dict[str, Any], over: datetime) -> None:
    """Whichever of the fields is there."""
    assert read(METRIC_ALARM, alarmStatus="0", **changed).time == over


def test_details_of_an_alarm_may_be_text() -> None:
    """Consumers have seen objects and texts that hold one."""
    about = {"region": "ap-guangzhou", "dimensions": {"objDetail": json.dumps({"unInstanceId": "ins-heal0001"})}}
    assert read(EVENT_ALARM, alarmObjInfo=about).subject.id == "ins-heal0001"
    assert read(EVENT_ALARM, alarmObjInfo=json.dumps(about)).subject.id == "ins-heal0001"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"alarmStatus": None}, "alarmStatus is neither 1 nor 0"),
        ({"alarmStatus": "2"}, "alarmStatus is neither 1 nor 0"),
        ({"alarmObjInfo": {"dimensions": {"unInstanceId": "cdb-1"}}}, "names no server"),
        ({"alarmPolicyInfo": {}}, "neither an event nor a metric"),
        ({"firstOccurTime": "just now"}, "firstOccurTime is in no documented form"),
    ],
)
def test_a_callback_that_cannot_be_read_is_refused_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    """The reason becomes the dead letter's."""
    with pytest.raises(NotAnEventError, match=reason):
        read(EVENT_ALARM, **changed)


def test_a_callback_is_answered_with_its_session() -> None:
    """Older receivers of the vendor look for it; a CloudEvent's sender looks at the status only."""
    assert answer_to(json.dumps(EVENT_ALARM).encode()) == {"sessionId": "S9z8y7", "retCode": 0}
    assert answer_to(json.dumps(CLOUD_EVENT).encode()) == {}
    assert answer_to(b"\xff") == {}


@pytest.mark.parametrize("situation", SITUATIONS[1:11])
def test_each_situation_is_a_trouble_of_its_own_and_its_recovery_opens_nothing(situation: str) -> None:
    """Told as a fault, or as what has no recovery."""
    for status in ("1", "-"):
        event = read(CLOUD_EVENT, type=f"cvm:ErrorEvent:{situation}", status=status)
        assert trouble_of(event) == Trouble("alarm", situation)
    over = read(CLOUD_EVENT, type=f"cvm:ErrorEvent:{situation}", status="0")
    assert (trouble_of(over), recovery_of(over)) == (None, Trouble("alarm", situation))


def test_a_repair_task_is_joined_by_its_id_where_the_message_tells_it() -> None:
    """One that tells none is recorded under its own name; the list of tasks tells the rest."""
    inquiring = read(CLOUD_EVENT, type="cvm:ErrorEvent:InstanceRunningRisksInquiring", status="-")
    assert trouble_of(inquiring) is None
    told = {**CLOUD_EVENT["data"], "additionalMsg": {"taskId": "rep-heal0001", "authTime": "2026-03-09 12:00:00"}}
    event = read(CLOUD_EVENT, type="cvm:ErrorEvent:instance_running_risks_inquiring", status="-", data=told)
    assert (event.type, event.status) == ("cvm:ErrorEvent:InstanceRunningRisks", "Scheduled")
    assert trouble_of(event) == Trouble("maintenance", "rep-heal0001")
    assert event.data["not_before"] == "2026-03-09T04:00:00Z"


def test_a_stranger_cannot_pass_an_event_off_as_a_repair_task() -> None:
    """The names under which facts of tasks are kept are not taken from a message."""
    event = read(CLOUD_EVENT, data={**CLOUD_EVENT["data"], "event_id": "rep-1", "event_type": "x"})
    assert "event_id" not in event.data
    policy = {**EVENT_ALARM["alarmPolicyInfo"]["conditions"], "event_id": "rep-1", "event_type": "x"}
    assert "event_id" not in read(EVENT_ALARM, alarmPolicyInfo={"conditions": policy}).data


def test_lists_are_taken_apart_at_every_entrance() -> None:
    """A batch of EventBridge, a plain list, a single event; what is none stays whole and is refused further on."""
    one = json.dumps(CLOUD_EVENT).encode()
    for batch in ({"EventList": [CLOUD_EVENT, EVENT_ALARM]}, [CLOUD_EVENT, EVENT_ALARM]):
        raw = json.dumps(batch).encode()
        assert [json.loads(body) for body in parts_of(raw)] == [CLOUD_EVENT, EVENT_ALARM]
        assert len(bodies_of(batch)) == len(bodies_of(raw)) == 2
    for whole in (one, b"[1", b'{"EventList": 7}', b"\xff"):
        assert parts_of(whole) == [whole]
    assert bodies_of({"EventList": []}) == []


def test_a_list_of_more_parts_than_there_can_be_events_is_not_taken_apart() -> None:
    """A quarter of a megabyte of nothing would be a hundred thousand dead letters; of events no list is refused."""
    for nothing in (b"7", b"{}"):
        raw = b"[" + b",".join([nothing] * 40_000) + b"]"
        assert parts_of(raw) == bodies_of(raw) == [raw]
    batch = json.dumps({"EventList": [{}] * 40_000}).encode()
    assert parts_of(batch) == [batch]
    assert len(parts_of(json.dumps([CLOUD_EVENT] * 500).encode())) == 500
    assert len(parts_of(b"[1,2,3]")) == 3


def test_a_timer_holds_no_event_and_the_context_tells_the_limit() -> None:
    """SCF hands over dictionaries; its limit is told in milliseconds."""
    timer = {"Type": "Timer", "TriggerName": "minute", "Time": "2026-03-01T03:00:00Z", "Message": ""}
    assert bodies_of(timer) == []
    assert limit_of({"time_limit_in_ms": 130_000, "memory_limit_in_mb": 512}) == 130
    assert limit_of({}) == limit_of(None) == 60


def test_listeners_read_the_message_as_it_came() -> None:
    """Nothing of it is turned into another cloud's form."""
    assert document_for(read(CLOUD_EVENT)) == CLOUD_EVENT
