"""Every documented envelope of Alibaba Cloud becomes the same Event, and garbage becomes a reason."""

from __future__ import annotations

import base64
import json
import math
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.moments import moment
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.sense.triggers import trouble_of

NOW = datetime(2026, 3, 2, 3, 1, tzinfo=UTC)
INSTANCE = "i-bp1c0ffee0000000001"
ARN = f"acs:ecs:cn-hangzhou:1000000000000001:instance/{INSTANCE}"


def envelope(name: str, content: dict[str, Any], **more: object) -> dict[str, Any]:
    """Build the ECS pages' envelope."""
    return {
        "ver": "1.0",
        "id": "0F4D6A1C-3C1B-4C53-8F1E-0D2B7A6E9C01",
        "product": "ECS",
        "resourceId": ARN,
        "level": "INFO",
        "name": name,
        "userId": "1000000000000001",
        "eventTime": "20260302T110026.922+0800",
        "regionId": "cn-hangzhou",
        "content": content,
        **more,
    }


STOPPED = {"resourceId": INSTANCE, "resourceType": "ALIYUN::ECS::Instance", "state": "Stopped"}
STATE = envelope("Instance:StateChange", STOPPED)
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "45ef4d1e",
    "source": "acs.ecs",
    "type": "ecs:Instance:StateChange",
    "subject": ARN,
    "time": "2026-03-02T03:00:26.922Z",
    "aliyunaccountid": "1000000000000001",
    "aliyunregionid": "cn-hangzhou",
    "data": STOPPED,
}
SUBSCRIPTION = {
    "userId": "1000000000000001",
    "time": 1772420426922,
    "alert": {
        "alertStatus": "TRIGGERED",
        "product": "ECS",
        "eventName": "Instance:StateChange",
        "arn": ARN,
        "timestamp": 1772420426922,
        "traceId": "t",
        "userId": "1000000000000001",
        "eventRawContent": json.dumps(STOPPED),
        "meta": {"sysEventMeta": {"regionId": "cn-hangzhou", "resourceId": ARN, "status": "Normal"}},
    },
}
NESTED = {
    "specversion": "1.0",
    "id": "n",
    "type": "mns:Queue:SendMessage",
    "data": {"messageBody": base64.b64encode(json.dumps(STATE).encode()).decode()},
}


def read(document: object) -> Event:
    """Normalise one document."""
    return event_of(json.dumps(document).encode(), NOW, Channel.QUEUE)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(STATE).encode(),
        json.dumps(STATE),
        b"\xef\xbb\xbf" + json.dumps(STATE).encode(),
        base64.b64encode(json.dumps(STATE).encode()),
        base64.encodebytes(json.dumps(STATE).encode()),
        json.dumps(CLOUD_EVENT),
        json.dumps(SUBSCRIPTION),
        json.dumps({**SUBSCRIPTION, "alert": json.dumps(SUBSCRIPTION["alert"])}),
        json.dumps(NESTED),
        json.dumps({**STATE, "status": "Normal", "groupId": "0", "instanceName": "web-01", "surprise": [1]}),
        json.dumps({k: v for k, v in STATE.items() if k not in {"regionId", "userId", "level", "ver", "id"}}),
        json.dumps({**STATE, "content": json.dumps(STOPPED)}),
    ],
)
def test_every_documented_form_of_one_fact_has_the_same_key(body: bytes | str) -> None:
    """Base64 or raw, both envelopes, EventBridge, webhook, nested: one event."""
    event = event_of(body, NOW, Channel.QUEUE)
    assert event.key == read(STATE).key
    assert (event.type, event.status, event.source) == ("Instance:StateChange", "Stopped", "alibaba.ecs")
    assert str(event.subject) == f"alibaba/1000000000000001/cn-hangzhou/instance/{INSTANCE}"
    assert event.time == datetime(2026, 3, 2, 3, 0, 26, 922000, tzinfo=UTC)


def maintenance(status: str, suffix: str) -> dict[str, Any]:
    """Build a system event whose name and content may disagree on the status."""
    content = {"eventId": "e-bp1feed", "instanceId": INSTANCE, "eventStatus": status}
    return envelope(f"Instance:SystemMaintenance.Reboot:{suffix}", content)


def test_the_status_comes_from_the_content_before_the_name() -> None:
    """The documentation's Avoided sample is still named Scheduled; it is an Avoided event."""
    event = read(maintenance("Avoided", "Scheduled"))
    assert (event.status, event.type) == ("Avoided", "Instance:SystemMaintenance.Reboot")


def test_a_system_event_is_the_same_only_in_the_same_status() -> None:
    """The envelope's id repeats over the states; the key does not."""
    scheduled, avoided = read(maintenance("Scheduled", "Scheduled")), read(maintenance("Avoided", "Avoided"))
    assert scheduled.id == avoided.id
    assert scheduled.key != avoided.key


def test_the_content_names_the_resource_before_the_arn() -> None:
    """An ARN about something else does not win over the content's own id."""
    event = read(envelope("Instance:PreemptibleInstanceInterruption", {"instanceId": "i-other", "action": "delete"}))
    assert (event.subject.id, event.status) == ("i-other", "delete")


@pytest.mark.parametrize(("product", "opens"), [("ECS", True), ("ecs", True), ("RDS", False), ("Redis", False)])
def test_an_instance_of_another_product_is_no_server_of_ours(product: str, *, opens: bool) -> None:
    """Its stop is recorded and opens nothing, although its type is that of a server's."""
    stopped = {**STATE, "product": product, "content": {**STATE["content"], "state": "Stopped"}}
    event = event_of(json.dumps(stopped), NOW, Channel.QUEUE)
    assert (trouble_of(event) is not None) is opens


def test_a_disk_event_is_about_the_disk() -> None:
    """Disk events carry an instance id too; the disk is the subject."""
    arn = ARN.replace(f"instance/{INSTANCE}", "disk/d-bp1d15c")
    content = {"diskId": "d-bp1d15c", "ecsInstanceId": INSTANCE, "eventId": "e-1"}
    event = read(envelope("Disk:Stalled:Executing", content, resourceId=arn))
    assert (event.subject.kind, event.subject.id, event.status) == ("disk", "d-bp1d15c", "Executing")


def test_what_a_stranger_names_is_not_kept_however_much_it_is() -> None:
    """Names are remembered because a fleet repeats them; a hundred of a region of 60,000 letters leave nothing."""
    tracemalloc.start()
    try:
        for number in range(100):
            read(STATE | {"regionId": f"{number}{'r' * 60_000}"})
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20190409T121826.922+0800", datetime(2019, 4, 9, 4, 18, 26, 922000, tzinfo=UTC)),
        ("2019-04-12T01:01:01Z", datetime(2019, 4, 12, 1, 1, 1, tzinfo=UTC)),
        ("2017-12-10T04:04Z", datetime(2017, 12, 10, 4, 4, tzinfo=UTC)),
        ("2019-07-22 11:00:00", datetime(2019, 7, 22, 3, 0, tzinfo=UTC)),
        (1772420426922, datetime(2026, 3, 2, 3, 0, 26, 922000, tzinfo=UTC)),
        ("1772420426", datetime(2026, 3, 2, 3, 0, 26, tzinfo=UTC)),
        ("yesterday", None),
        ("99999999999999999999", None),
        (True, None),
        ("2019-02-30T00:00Z", None),
        # No table could show these in every zone.
        ("0001-01-01T00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("99991231T235959.000+0800", None),
        (-62135596800, None),
        ("999999999999999", None),
    ],
)
def test_times_of_all_styles_are_aware_utc(text: object, expected: datetime | None) -> None:
    """The documented styles are read; anything else is none, never a guess."""
    assert moment(text) == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[1]", "list, not an object"),
        (b"{", "not JSON"),
        (b"{}", "no product"),
        (b"[" * 100_000, "nested"),
        (b" " * 300_000, "more than"),
        (json.dumps({**STATE, "content": None}), "content is not an object"),
        (json.dumps({**STATE, "content": {}, "resourceId": ""}), "names no resource"),
        (
            json.dumps({**STATE, "content": {"resourceId": "../../etc/passwd"}, "resourceId": "x y"}),
            "names no resource",
        ),
        (json.dumps({**STATE, "eventTime": "soon"}), "no documented form"),
        (json.dumps({**STATE, "content": '{"state": "\ud800"}'}), "not Unicode"),
        (json.dumps({**STATE, "content": "\ud800"}), "text that is not JSON"),
        (json.dumps({**STATE, "content": {**STATE["content"], "load": math.nan}}), "a number that is none"),
        (json.dumps({**STATE, "content": json.dumps({"a": [{"b": -math.inf}]})}), "a number that is none"),
        (json.dumps({**STATE, "content": {**STATE["content"], "load": 7}}).replace("7", "1e999"), "a number that is"),
    ],
)
def test_garbage_is_refused_with_its_reason(body: bytes | str, reason: str) -> None:
    """The dead letter says what was wrong."""
    with pytest.raises(NotAnEventError, match=reason):
        event_of(body, NOW, Channel.QUEUE)


@settings(max_examples=1000)
@given(st.data())
def test_mutated_bodies_end_as_an_event_or_a_reason(data: st.DataObject) -> None:
    """Whatever happens to a body on its way, the reader answers with an Event or NotAnEventError."""
    source = data.draw(
        st.sampled_from([STATE, CLOUD_EVENT, SUBSCRIPTION, NESTED, maintenance("Scheduled", "Scheduled")])
    )
    body = bytearray(json.dumps(source).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=6))
        if not body:
            body = bytearray(b"x")
    assert outcome(bytes(body))


def outcome(body: bytes) -> str:
    """Return the event's key or the reason of its refusal."""
    try:
        return event_of(body, NOW, Channel.QUEUE).key
    except NotAnEventError as refused:
        return str(refused)
