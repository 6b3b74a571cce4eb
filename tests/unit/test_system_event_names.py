"""Every documented name of a system event, by every envelope and by the list of events, is read into the same facts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.announcements import named_event
from cloudheal.model.event import Channel, Event
from cloudheal.sense.triggers import of_server, trouble_of

NOW = datetime(2026, 3, 2, 3, 1, tzinfo=UTC)
ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"
SERVER, DISK, ID = "i-bp1c0ffee0000000001", "d-bp1d15c0000000001", "e-bp1feed0000000001"
LETTERS = {
    "S": "Scheduled",
    "Q": "Inquiring",
    "X": "Executing",
    "D": "Executed",
    "A": "Avoided",
    "C": "Canceled",
    "F": "Failed",
}
#: The catalogue of the reference: the type, its statuses, and the trouble that they open.
PLANNED = {
    "SystemMaintenance.Reboot": "SQXDACF",
    "SystemMaintenance.Stop": "SXDACF",
    "SystemMaintenance.Redeploy": "SQXDAC",
    "SystemMaintenance.RebootAndIsolateErrorDisk": "QXDAC",
    "SystemMaintenance.RebootAndReInitErrorDisk": "QXDAC",
    "SystemMaintenance.IsolateErrorDisk": "QXDACF",
    "SystemMaintenance.ReInitErrorDisk": "QXDACF",
    "SystemMaintenance.CleanInactiveDisks": "QSXDAC",
    "SystemMaintenance.CleanReleasedDisks": "QSXDAC",
}
BEFALLEN = {
    "SystemFailure.Reboot": "XDF",
    "SystemFailure.Stop": "XD",
    "SystemFailure.Redeploy": "SXDAC",
    "SystemFailure.Delete": "XDA",
    "InstanceFailure.Reboot": "XD",
}
OTHERS = {
    "SystemMaintenance.PerformanceImpact": "XD",
    "Security.TpmAlert": "XD",
    "InstanceExpiration.Stop": "SXDACF",
    "InstanceExpiration.Delete": "SXDACF",
    "AccountUnbalanced.Stop": "SXDACF",
    "AccountUnbalanced.Delete": "SXDACF",
    "AccountUnbalanced.PerformanceAffect": "SXDACF",
    "SystemMaintenance.OfNextYear": "SX",
}
DISKS = {"Stalled": "XD", "ErrorDetected": "XD", "Degraded": "XD", "SeverelyDegraded": "XD"}


def names(catalogue: dict[str, str]) -> list[tuple[str, str]]:
    """Return every pair of a type and a status."""
    return [(type_, LETTERS[letter]) for type_, letters in catalogue.items() for letter in letters]


def content_of(type_: str, status: str, **more: object) -> dict[str, Any]:
    """Return the content of a message about a server, as the pages have it."""
    content = {
        "eventId": ID,
        "publishTime": "2026-03-02T03:00:00Z",
        "notBefore": "2026-03-04T03:00:00Z",
        "instanceId": SERVER,
        "eventType": type_,
        "eventStatus": status,
    }
    return {**content, **more}


def disk_content(type_: str, **more: object) -> dict[str, Any]:
    """Return the content of a message about a disk: it names no status."""
    content = {"eventId": ID, "diskId": DISK, "device": "/dev/xvdb", "eventType": type_, "ecsInstanceId": SERVER}
    return {**content, "executeStartTime": "2026-03-02T03:10:00Z", **more}


def classic(name: str, content: dict[str, Any], resource: str, **more: object) -> dict[str, Any]:
    """Return CloudMonitor's envelope."""
    envelope = {
        "ver": "1.0",
        "id": "0F4D6A1C",
        "product": "ECS",
        "name": name,
        "resourceId": f"acs:ecs:{REGION}:{ACCOUNT}:{resource}",
        "level": "CRITICAL",
        "userId": ACCOUNT,
        "eventTime": "20260302T110000.000+0800",
        "regionId": REGION,
        "content": content,
    }
    return {**envelope, **more}


def envelopes(name: str, status: str, content: dict[str, Any], resource: str) -> list[dict[str, Any]]:
    """Return every documented envelope of one fact."""
    arn = f"acs:ecs:{REGION}:{ACCOUNT}:{resource}"
    meta = {"name": f"{name}:{status}", "regionId": REGION, "resourceId": arn, "status": status}
    return [
        classic(f"{name}:{status}", content, resource),
        classic(f"{name}:{status}", content, resource, status=status, eventType="Maintenance"),
        classic(name, content, resource, status=status),
        {
            "specversion": "1.0",
            "id": "45ef",
            "source": "acs.ecs",
            "type": f"ecs:{name}",
            "subject": arn,
            "time": "2026-03-02T03:00:00Z",
            "aliyunaccountid": ACCOUNT,
            "aliyunregionid": REGION,
            "data": content,
        },
        {
            "userId": ACCOUNT,
            "time": 1772420400000,
            "alert": {
                "product": "ECS",
                "eventName": name,
                "arn": arn,
                "timestamp": 1772420400000,
                "userId": ACCOUNT,
                "eventRawContent": json.dumps(content),
                "meta": {"sysEventMeta": meta},
            },
        },
    ]


def read(document: object, received: datetime = NOW) -> Event:
    """Normalise one document."""
    return event_of(json.dumps(document), received, Channel.QUEUE)


def opened(event: Event) -> str:
    """Return the trouble that an event opens, as text."""
    trouble = trouble_of(event)
    return str(trouble) if trouble else ""


@pytest.mark.parametrize(("type_", "status"), names({**PLANNED, **BEFALLEN, **OTHERS}))
def test_every_name_about_a_server_is_one_event_in_every_envelope(type_: str, status: str) -> None:
    """The type is without the status, the key is of EventId and status, and the facts have one name each."""
    name = f"Instance:{type_}"
    for document in envelopes(name, status, content_of(type_, status), f"instance/{SERVER}"):
        event = read(document)
        assert (event.type, event.status, event.simulated) == (name, status, False)
        assert event.key == f"system|alibaba|{ACCOUNT}|{ID}|{status}"
        assert (event.subject.kind, event.subject.id) == ("instance", SERVER)
        facts = ("event_id", "event_type", "status", "not_before", "published", "disk_id", "instance_id")
        told = (ID, type_, status, "2026-03-04T03:00:00Z", "2026-03-02T03:00:00Z", "", SERVER)
        assert tuple(event.data[one] for one in facts) == told


@pytest.mark.parametrize(("type_", "status"), names(DISKS))
def test_every_name_about_a_disk_is_one_event(type_: str, status: str) -> None:
    """The subject is the disk, the server it is on is a fact, and only its beginning opens a trouble, the server's."""
    ended = {"executeFinishTime": "2026-03-02T03:12:00Z"} if status == "Executed" else {}
    event = read(classic(f"Disk:{type_}:{status}", disk_content(type_, **ended), f"disk/{DISK}"))
    assert (event.type, event.status) == (f"Disk:{type_}", status)
    assert (event.subject.kind, event.subject.id) == ("disk", DISK)
    assert (event.data["disk_id"], event.data["instance_id"]) == (DISK, SERVER)
    assert event.key == f"system|alibaba|{ACCOUNT}|{ID}|{status}"
    is_trouble = type_ != "Degraded"  # slow, and no more than that
    assert opened(event) == (f"disk:{ID}" if is_trouble and status == "Executing" else "")
    decided_on = of_server(event)
    assert (decided_on.subject.kind, decided_on.subject.id) == (("instance", SERVER) if is_trouble else ("disk", DISK))
    assert decided_on._replace(subject=event.subject) == event


@pytest.mark.parametrize("server", ["", "../etc", "i-\n1", 7, None])
def test_a_disk_whose_server_is_no_name_stays_what_the_event_is_about(server: object) -> None:
    """A stranger's message puts no text of its own where names stand."""
    content = {**disk_content("Stalled"), "ecsInstanceId": server}
    event = read(classic("Disk:Stalled:Executing", content, f"disk/{DISK}"))
    assert of_server(event) is event


def test_the_documented_mismatch_of_a_disks_end_is_an_end() -> None:
    """The sample's name still says Executing; the time of the end says what it is."""
    content = disk_content("Stalled", executeFinishTime="2026-03-02T03:12:00Z")
    event = read(classic("Disk:Stalled:Executing", content, f"disk/{DISK}"))
    assert (event.type, event.status) == ("Disk:Stalled", "Executed")


def test_the_documented_mismatch_of_an_avoided_event_is_avoided() -> None:
    """The name says Scheduled, the content Avoided: the content is right (C4)."""
    content = content_of("SystemMaintenance.Reboot", "Avoided", executeFinishTime="2026-03-03T18:00:05Z")
    event = read(classic("Instance:SystemMaintenance.Reboot:Scheduled", content, f"instance/{SERVER}"))
    assert (event.type, event.status) == ("Instance:SystemMaintenance.Reboot", "Avoided")


@pytest.mark.parametrize(("type_", "status"), names(PLANNED))
def test_what_is_planned_is_maintenance_by_its_event(type_: str, status: str) -> None:
    """Scheduled and Inquiring open it; the statuses that follow open nothing, because they join."""
    event = read(classic(f"Instance:{type_}:{status}", content_of(type_, status), f"instance/{SERVER}"))
    assert opened(event) == (f"maintenance:{ID}" if status in {"Scheduled", "Inquiring"} else "")


@pytest.mark.parametrize(("type_", "status"), names(BEFALLEN))
def test_what_befell_a_server_is_a_failure_by_its_event(type_: str, status: str) -> None:
    """A failure that is going on or over is looked into; one that is announced is maintenance."""
    event = read(classic(f"Instance:{type_}:{status}", content_of(type_, status), f"instance/{SERVER}"))
    expected = {"Scheduled": f"maintenance:{ID}", "Canceled": "", "Avoided": ""}
    assert opened(event) == expected.get(status, f"failure:{ID}")


@pytest.mark.parametrize(("type_", "status"), names(OTHERS))
def test_other_types_are_recorded_and_start_nothing(type_: str, status: str) -> None:
    """Money matters, alerts, and what the vendor invents next year: an event like any other, without a trouble."""
    event = read(classic(f"Instance:{type_}:{status}", content_of(type_, status), f"instance/{SERVER}"))
    assert opened(event) == ""


def test_a_failure_that_was_over_a_day_ago_is_history() -> None:
    """The first reading of a month's history does not have a server looked after that failed three weeks ago."""
    document = classic(
        "Instance:SystemFailure.Reboot:Executed", content_of("SystemFailure.Reboot", "Executed"), f"instance/{SERVER}"
    )
    assert opened(read(document, datetime(2026, 3, 3, 2, 0, tzinfo=UTC))) == f"failure:{ID}"
    assert opened(read(document, datetime(2026, 3, 23, 3, 0, tzinfo=UTC))) == ""


def test_a_status_that_nobody_documented_is_kept() -> None:
    """It is the status, not part of the type."""
    content = content_of("SystemMaintenance.Reboot", "Postponed")
    event = read(classic("Instance:SystemMaintenance.Reboot:Postponed", content, f"instance/{SERVER}"))
    assert (event.type, event.status) == ("Instance:SystemMaintenance.Reboot", "Postponed")


def test_a_drill_is_known_by_its_reason() -> None:
    """Reason, impact and the disk of an extended attribute are facts; absent facts are empty texts."""
    more = {"reason": "A simulated event.", "impactLevel": "100", "extendedAttribute": {"DiskId": DISK}}
    event = read(
        classic(
            "Instance:SystemMaintenance.IsolateErrorDisk:Inquiring",
            content_of("SystemMaintenance.IsolateErrorDisk", "Inquiring", notBefore=None, **more),
            f"instance/{SERVER}",
        )
    )
    assert event.simulated
    known = named_event(event)
    assert (known.reason, known.impact, known.disk, known.not_before) == ("A simulated event.", "100", DISK, None)
    assert known.published == datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    assert not known.is_over
