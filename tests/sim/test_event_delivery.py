"""Events on their way: at least once, through the faults asked for, to queues and to webhooks that may fail."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as EcsClient
from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import Queue

from tests.sim.receiver import Receiver, receiving
from tests.sim.simulator import ControlRefusedError, RunningSimulator
from tests.sim.tea import config

INSTANCE = "i-bp1c0ffee0000000001"
CHANGE = {"name": "Instance:StateChange", "instance_id": INSTANCE}
ALL_TO_QUEUE = {"name": "all", "targets": [{"mns": {"queue": "events"}}]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook that keeps what arrives."""
    with receiving() as one:
        yield one


def world_with_queue(sim: RunningSimulator, **alibaba: Any) -> None:
    """Begin a world in which every event goes to the queue `events`."""
    sim.world(
        {
            "now": "2036-01-01T00:00:00Z",
            "alibaba": {"queues": [{"name": "events"}], "event_rules": [ALL_TO_QUEUE], **alibaba},
        }
    )


def queue(sim: RunningSimulator, name: str = "events") -> Queue:
    """Return the vendor's client of a queue; it shows bodies as they travel and keeps no connection open."""
    found = Account(sim.url, "testid", "testsecret").get_queue(name)
    found.set_encoding(False)
    found.mns_client.set_keep_alive(False)
    return found


def bodies(sim: RunningSimulator, name: str = "events") -> list[Any]:
    """Receive and delete everything that is in the queue now."""
    reader = queue(sim, name)
    found: list[Any] = []
    while True:
        try:
            messages = reader.batch_receive_message(16)
        except MNSServerException as refused:
            if refused.type != "MessageNotExist":
                raise
            return found
        reader.batch_delete_message([message.receipt_handle for message in messages])
        found += [json.loads(base64.b64decode(message.message_body, validate=True)) for message in messages]


def ecs(sim: RunningSimulator) -> EcsClient:
    """Return the vendor's client of ECS."""
    return EcsClient(config(sim))


def deliveries(sim: RunningSimulator) -> list[dict[str, Any]]:
    """Return the journal's deliveries."""
    return sim.journal(kind="delivery")


def fault(sim: RunningSimulator, **facts: Any) -> None:
    """Put one fault of deliveries in force."""
    sim.control("PUT", "faults", {"rules": [{"match": {"service": "cms"}, "fault": facts}]})


def test_stopping_and_starting_a_server_is_told_to_the_queue(stepped: RunningSimulator) -> None:
    """Each step of the way arrives once, in order, in Base64, at the queue that a rule names."""
    world_with_queue(stepped, instances=[{"id": INSTANCE, "name": "web-01", "status": "Running"}])
    ecs(stepped).stop_instance(ecs_models.StopInstanceRequest(instance_id=INSTANCE))
    stepped.advance(120)
    ecs(stepped).start_instance(ecs_models.StartInstanceRequest(instance_id=INSTANCE))
    stepped.advance(120)
    arrived = bodies(stepped)
    assert [body["content"]["state"] for body in arrived] == ["Stopping", "Stopped", "Starting", "Running"]
    assert {body["name"] for body in arrived} == {"Instance:StateChange"}
    assert {(body["instanceName"], body["content"]["resourceId"]) for body in arrived} == {("web-01", INSTANCE)}


def test_a_waiting_receiver_is_woken_by_an_event(sim: RunningSimulator) -> None:
    """On a real clock nothing has to be moved: a long poll that begins before the event arrives is answered by it."""
    sim.world({"alibaba": {"queues": [{"name": "events"}], "event_rules": [ALL_TO_QUEUE]}})
    answer = sim.control("POST", "events", CHANGE)
    message = queue(sim).receive_message(wait_seconds=20)
    assert json.loads(base64.b64decode(message.message_body))["id"] == answer["id"]


def test_an_event_takes_the_delay_that_the_world_says(stepped: RunningSimulator) -> None:
    """Nothing is in the queue before the delay is over; then it is."""
    world_with_queue(stepped, event_delay_seconds=30)
    stepped.control("POST", "events", CHANGE)
    stepped.advance(29)
    assert bodies(stepped) == []
    stepped.advance(1)
    assert len(bodies(stepped)) == 1


def test_a_lost_event_never_arrives_and_the_journal_says_so(stepped: RunningSimulator) -> None:
    """Only the journal knows of it, and the next event arrives."""
    world_with_queue(stepped)
    rule = {"match": {"action": "Instance:*"}, "when": {"times": 1}, "fault": "lost-event"}
    stepped.control("PUT", "faults", {"rules": [rule]})
    for _ in range(2):
        stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    assert len(bodies(stepped)) == 1
    assert [entry.get("code") for entry in deliveries(stepped)] == ["lost-event", None]


def test_a_duplicated_event_arrives_as_often_as_asked(stepped: RunningSimulator) -> None:
    """All copies are the same event with the same id."""
    world_with_queue(stepped)
    fault(stepped, kind="duplicated-event", copies=3)
    answer = stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    arrived = bodies(stepped)
    assert answer["deliveries"] == 3
    assert [body["id"] for body in arrived] == [answer["id"]] * 3


def test_a_fault_that_names_no_service_happens_to_an_event_once(stepped: RunningSimulator) -> None:
    """CloudMonitor has doubled the event; MNS does not double it again, unless a rule names MNS."""
    world_with_queue(stepped)
    stepped.control("PUT", "faults", {"rules": [{"fault": "duplicated-event"}]})
    stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    assert len(bodies(stepped)) == 2
    stepped.control("PUT", "faults", {"rules": [{"match": {"service": "mns"}, "fault": "duplicated-event"}]})
    stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    assert len(bodies(stepped)) == 2


def test_a_delayed_event_arrives_late_and_a_reordered_one_out_of_order(stepped: RunningSimulator) -> None:
    """Delay adds its seconds; reordering lets later events overtake earlier ones, and loses none."""
    world_with_queue(stepped, event_delay_seconds=0)
    fault(stepped, kind="delayed-event", delay_seconds=60)
    stepped.control("POST", "events", CHANGE)
    stepped.advance(59)
    assert bodies(stepped) == []
    stepped.advance(1)
    assert len(bodies(stepped)) == 1
    fault(stepped, kind="reordered-event", delay_seconds=60)
    for number in range(20):
        stepped.control("POST", "events", {**CHANGE, "content": {"number": number}})
    stepped.advance(60)
    numbers = [body["content"]["number"] for body in bodies(stepped)]
    assert numbers != sorted(numbers)
    assert sorted(numbers) == list(range(20))


def test_what_is_under_way_survives_reading_and_putting_back_the_world(stepped: RunningSimulator) -> None:
    """The document holds the delivery with its due time, is the same after a round trip, and the event arrives."""
    world_with_queue(stepped, event_delay_seconds=30)
    stepped.control("POST", "events", CHANGE)
    stepped.advance(10)
    document = stepped.control("GET", "world")
    assert len(document["alibaba"]["event_deliveries"]) == 1
    stepped.world(document)
    assert stepped.control("GET", "world") == document
    stepped.advance(19)
    assert bodies(stepped) == []
    stepped.advance(1)
    assert len(bodies(stepped)) == 1


def test_a_queue_that_is_gone_loses_the_event_and_the_journal_says_so(stepped: RunningSimulator) -> None:
    """The rule stays; its delivery is noted as QueueNotExist."""
    world_with_queue(stepped)
    queue(stepped).delete()
    stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    assert [(entry["status"], entry["code"]) for entry in deliveries(stepped)] == [(404, "QueueNotExist")]


def test_a_rule_reaches_every_target_once(stepped: RunningSimulator, receiver: Receiver) -> None:
    """Two queues and a webhook of one rule hear of an event once each; functions and contacts are recorded."""
    targets = [
        {"queue": "a"},
        {"queue": "b"},
        {"webhook": receiver.url},
        {"fc": {"service_name": "s", "function_name": "f"}},
        {"contact": "ops"},
    ]
    stepped.world(
        {
            "alibaba": {
                "queues": [{"name": "a"}, {"name": "b"}],
                "event_rules": [{"name": "r", "targets": targets}],
            }
        }
    )
    answer = stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    ids = {body["id"] for name in ("a", "b") for body in bodies(stepped, name)}
    assert (ids, answer["rules"], answer["deliveries"]) == ({answer["id"]}, ["r"], 5)
    assert [request.json()["id"] for request in receiver.wait(1)] == [answer["id"]]
    recorded = [
        entry["details"]["target"] for entry in deliveries(stepped) if entry.get("code") == "recorded, not sent"
    ]
    assert recorded == ["fc:cn-hangzhou:s/f", "contact:ops"]


def test_a_group_rule_hears_only_of_its_groups_resources(stepped: RunningSimulator) -> None:
    """A rule with a group wants events of the group's members only, and they name the group."""
    world_with_queue(
        stepped,
        event_rules=[{**ALL_TO_QUEUE, "group": "7301"}],
        monitor_groups=[
            {
                "id": 7301,
                "name": "web",
                "instances": [INSTANCE],
            }
        ],
    )
    assert stepped.control("POST", "events", {**CHANGE, "instance_id": "i-bp1stranger"})["rules"] == []
    assert stepped.control("POST", "events", CHANGE)["rules"] == ["all"]
    stepped.advance(1)
    assert [body["groupId"] for body in bodies(stepped)] == ["7301"]


def test_a_topic_passes_an_event_on_to_its_queue(stepped: RunningSimulator) -> None:
    """A rule may name a topic; whoever subscribed gets the same Base64 body."""
    stepped.world(
        {
            "alibaba": {
                "queues": [{"name": "events"}],
                "topics": [{"name": "news"}],
                "subscriptions": [
                    {
                        "topic": "news",
                        "name": "all",
                        "endpoint": "acs:mns:cn-hangzhou:1000000000000001:queues/events",
                        "notify_content_format": "SIMPLIFIED",
                    }
                ],
                "event_rules": [{"name": "r", "targets": [{"topic": "news"}]}],
            }
        }
    )
    answer = stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    assert [body["id"] for body in bodies(stepped)] == [answer["id"]]


def test_a_simulated_maintenance_is_told_state_by_state(stepped: RunningSimulator) -> None:
    """Scheduled when it is ordered, Executing and Executed when its time has come; one EventId through all of them."""
    world_with_queue(
        stepped,
        instances=[{"id": INSTANCE, "status": "Running"}],
        event_rules=[{**ALL_TO_QUEUE, "pattern": {"product": "ECS", "names": ["Instance:SystemMaintenance.Reboot"]}}],
    )
    order = ecs_models.CreateSimulatedSystemEventsRequest(
        region_id="cn-hangzhou",
        event_type="SystemMaintenance.Reboot",
        instance_id=[INSTANCE],
        not_before="2036-01-03T00:00:00Z",
    )
    (event_id,) = ecs(stepped).create_simulated_system_events(order).body.event_id_set.event_id
    stepped.advance(3 * 86400)
    arrived = bodies(stepped)
    assert [body["name"].rpartition(":")[2] for body in arrived] == ["Scheduled", "Executing", "Executed"]
    assert [body["content"]["eventStatus"] for body in arrived] == ["Scheduled", "Executing", "Executed"]
    assert {body["content"]["eventId"] for body in arrived} == {event_id}


@pytest.mark.parametrize(("answers", "tries"), [([500], 2), ([500, 404, 302], 4), ([500] * 9, 4)])
def test_a_webhook_that_fails_is_tried_again_three_times(
    stepped: RunningSimulator, receiver: Receiver, answers: list[int], tries: int
) -> None:
    """Tries are five seconds of the virtual clock apart and end with the first answer of 2xx, or after the third."""
    receiver.answers += answers
    stepped.world({"alibaba": {"event_rules": [{"name": "r", "targets": [{"webhook": receiver.url}]}]}})
    stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    for made in range(1, tries):
        receiver.wait(made)
        wait_for_deliveries(stepped, made)
        under_way = stepped.control("GET", "world")["alibaba"]["event_deliveries"]
        assert [one["attempt"] for one in under_way] == [made + 1]
        stepped.advance(4)
        assert len(receiver.wait(made)) == made, "five seconds are not over"
        stepped.advance(1)
    assert len(receiver.wait(tries)) == tries
    wait_for_deliveries(stepped, tries)
    assert stepped.control("GET", "world")["alibaba"]["event_deliveries"] == []


def test_a_webhook_that_had_not_answered_is_called_again_in_the_next_world(
    stepped: RunningSimulator, receiver: Receiver
) -> None:
    """What is unanswered is still under way: a world put back calls again, and nobody hears the late answer."""
    receiver.may_answer.clear()
    stepped.world({"alibaba": {"event_rules": [{"name": "r", "targets": [{"webhook": receiver.url}]}]}})
    stepped.control("POST", "events", CHANGE)
    stepped.advance(1)
    receiver.wait(1)
    document = stepped.control("GET", "world")
    assert [one["attempt"] for one in document["alibaba"]["event_deliveries"]] == [1]
    stepped.world(document)
    stepped.advance(0)
    first, second = receiver.wait(2)
    assert first.json() == second.json()
    receiver.may_answer.set()
    wait_for_deliveries(stepped, 2)
    assert [one.get("code", "") for one in deliveries(stepped)] == ["abandoned: a new world began", ""]
    assert stepped.control("GET", "world")["alibaba"]["event_deliveries"] == []


def wait_for_deliveries(sim: RunningSimulator, count: int) -> None:
    """Ask until the journal knows of so many deliveries: the answer of a webhook reaches the simulator by itself."""
    for _ in range(2000):
        if len(deliveries(sim)) >= count:
            return
    pytest.fail(f"no {count} deliveries in the journal")


@pytest.mark.parametrize(
    "url", ["http://198.51.100.7/x", "http://metadata.internal/", "file:///etc/passwd", "http://["]
)
def test_a_webhook_of_another_machine_is_never_called(stepped: RunningSimulator, url: str) -> None:
    """A rule cannot make the simulator call out; the journal says why, and nothing is tried again."""
    stepped.world({"alibaba": {"event_rules": [{"name": "r", "targets": [{"webhook": url}]}]}})
    stepped.control("POST", "events", CHANGE)
    stepped.advance(60)
    (entry,) = deliveries(stepped)
    assert entry["code"].startswith("refused: only loopback")
    assert stepped.control("GET", "world")["alibaba"]["event_deliveries"] == []


def test_a_poison_message_reaches_the_queue_as_it_is(stepped: RunningSimulator) -> None:
    """`raw` bypasses rules and envelopes: text as it is, or Base64 of anything."""
    stepped.world({"alibaba": {"queues": [{"name": "events"}]}})
    stepped.control("POST", "events", {"raw": "{not json", "queue": "events"})
    stepped.control("POST", "events", {"raw": "//79", "base64": True, "encode": True, "queue": "events"})
    first, second = (queue(stepped).receive_message().message_body for _ in range(2))
    assert (first, base64.b64decode(second)) == ("{not json", b"\xff\xfe\xfd")


def nested(levels: int) -> dict[str, Any]:
    """Return objects inside objects."""
    content: dict[str, Any] = {}
    for _ in range(levels):
        content = {"inner": content}
    return content


def test_an_event_larger_than_a_message_is_discarded(stepped: RunningSimulator) -> None:
    """64 KB in Base64 is what a message can hold; what is larger never arrives, and the journal says so."""
    world_with_queue(stepped)
    for size in (48_000, 50_000):
        stepped.control("POST", "events", {"name": "x", "content": {"filling": "x" * size}})
    stepped.advance(1)
    assert [len(body["content"]["filling"]) for body in bodies(stepped)] == [48_000]
    assert deliveries(stepped)[1]["code"] == "larger than 64 KB, discarded"


def test_a_deeply_nested_event_arrives_and_can_be_read_everywhere(stepped: RunningSimulator) -> None:
    """Queue, journal and world all hold it; depth that they could not hold is refused before."""
    world_with_queue(stepped)
    stepped.control("POST", "events", {"name": "x", "content": nested(190)})
    stepped.advance(1)
    assert bodies(stepped)[0]["content"] == nested(190)
    assert stepped.journal(kind="event")[0]["details"]["content"] == nested(190)
    assert stepped.control("GET", "world")["alibaba"]["event_log"][0]["content"] == nested(190)


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({"raw": "x", "queue": "nowhere"}, "queue"),
        ({"raw": "%", "base64": True, "queue": "events"}, "raw"),
        ({"raw": "//79", "base64": True, "queue": "events"}, "raw"),
        ({"raw": "\u0007", "queue": "events"}, "raw"),
        ({"nmae": "Instance:StateChange"}, "event"),
        ({"source": "acs.ecs"}, "event.type"),
        ({}, "event.name"),
        ({"name": "Instance:StateChange", "instance_id": "\ud800"}, "body"),
        ({"name": "x", "content": {"load": float("nan")}}, "body"),
        ({"name": "x", "content": nested(300)}, "body"),
    ],
)
def test_an_event_that_cannot_be_published_is_refused_by_name(
    stepped: RunningSimulator, event: dict[str, Any], place: str
) -> None:
    """The answer names what was wrong, and nothing is published."""
    with pytest.raises(ControlRefusedError, match=place) as caught:
        stepped.control("POST", "events", event)
    assert caught.value.status == 400
    assert stepped.journal(kind="event") == []


@pytest.mark.parametrize(
    "alibaba",
    [
        {"event_rules": [{"name": "r"}, {"name": "r"}]},
        {"event_rules": [{"name": "r", "targets": [{"mns": {"queue": "q", "topic": "t"}}]}]},
        {"event_rules": [{"name": "r", "targets": [{"mns": {"queue": "q"}, "fc": {"function_name": "f"}}]}]},
        {"event_rules": [{"name": "r", "targets": [{"queue": f"q{n}"} for n in range(6)]}]},
        {"event_rules": [{"name": "r", "pattern": {"sql_filter": "a = 1"}}]},
        {"event_rules": [{"name": "r", "patern": {}}]},
        {"event_delay_seconds": -1},
        {"envelope": "both"},
    ],
)
def test_a_world_with_impossible_event_settings_changes_nothing(
    stepped: RunningSimulator, alibaba: dict[str, Any]
) -> None:
    """The document is refused as a whole."""
    stepped.world({"alibaba": {"event_rules": [{"name": "kept"}]}})
    with pytest.raises(ControlRefusedError, match=r"event_|envelope"):
        stepped.world({"alibaba": alibaba})
    assert [rule["name"] for rule in stepped.control("GET", "world")["alibaba"]["event_rules"]] == ["kept"]
