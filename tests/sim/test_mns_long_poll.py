"""Long polls: answered by the virtual clock, by a message that arrives or becomes visible, and by nothing else."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING

import pytest

from tests.sim.raw_mns import Background, RawMns, document, polls, until

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator


@pytest.fixture
def mns(stepped: RunningSimulator) -> RawMns:
    """A raw client of a simulator with a queue `q`, whose time moves only when told."""
    client = RawMns(stepped.address)
    client.queue("q", VisibilityTimeout=30)
    return client


def waiting(sim: RunningSimulator, mns: RawMns, query: str = "?waitseconds=30", queue: str = "q") -> Background:
    """Start a poll and return when the simulator has it."""
    before = polls(sim)
    poll = Background(lambda: mns.receive(queue, query))
    until(lambda: polls(sim) > before or not poll.waiting, "the poll")
    return poll


def test_an_empty_poll_ends_when_its_time_is_up(stepped: RunningSimulator, mns: RawMns) -> None:
    """Virtual time decides: 9.999 s are not 10 s; then the answer is MessageNotExist."""
    poll = waiting(stepped, mns, "?waitseconds=10")
    stepped.advance(9.999)
    assert mns.counts() == (0, 0, 0)
    assert poll.waiting
    stepped.advance(0.001)
    assert (poll.answer().status, poll.answer().code) == (404, "MessageNotExist")


def test_a_message_that_is_sent_ends_the_poll_at_once(stepped: RunningSimulator, mns: RawMns) -> None:
    """No time passes between sending and receiving."""
    poll = waiting(stepped, mns)
    sent = mns.send("x")
    answer = poll.answer()
    assert answer.text("MessageId") == sent.text("MessageId")
    assert answer.text("EnqueueTime") == answer.text("FirstDequeueTime")


@pytest.mark.parametrize("kind", ["delayed", "inactive"])
def test_a_message_that_becomes_visible_ends_the_poll(stepped: RunningSimulator, mns: RawMns, kind: str) -> None:
    """Delayed and invisible messages are given out in the instant in which they are due."""
    mns.send("x", DelaySeconds=20 if kind == "delayed" else 0)
    if kind == "inactive":
        handle = mns.receive().text("ReceiptHandle")
        mns.ask("PUT", f"/queues/q/messages?ReceiptHandle={handle}&VisibilityTimeout=20")
    began = stepped.control("GET", "clock")["now_ms"]
    poll = waiting(stepped, mns)
    stepped.advance(25)
    answer = poll.answer()
    assert int(answer.text("NextVisibleTime")) == began + 50_000
    assert answer.text("DequeueCount") == ("1" if kind == "delayed" else "2")


def test_a_message_given_back_ends_the_poll(stepped: RunningSimulator, mns: RawMns) -> None:
    """A visibility of 0 offers the message to whoever waits."""
    mns.send("x")
    handle = mns.receive().text("ReceiptHandle")
    poll = waiting(stepped, mns)
    mns.ask("PUT", f"/queues/q/messages?ReceiptHandle={handle}&VisibilityTimeout=0")
    assert poll.answer().text("DequeueCount") == "2"


def test_a_message_due_in_the_last_instant_is_still_given_out(stepped: RunningSimulator, mns: RawMns) -> None:
    """When message and deadline fall together the message wins."""
    mns.send("x", DelaySeconds=10)
    poll = waiting(stepped, mns, "?waitseconds=10")
    stepped.advance(10)
    assert poll.answer().status == 200


def test_who_came_first_is_served_first(stepped: RunningSimulator, mns: RawMns) -> None:
    """Messages go to the pollers in the order of their arrival."""
    waiters = [waiting(stepped, mns) for _ in range(4)]
    for at in range(4):
        mns.send(f"m{at}")
    assert [poll.answer().text("MessageBody") for poll in waiters] == ["m0", "m1", "m2", "m3"]


def test_a_batch_poll_gets_what_arrived_together(stepped: RunningSimulator, mns: RawMns) -> None:
    """A batch that is sent in one call is received in one call, as far as it was asked for."""
    poll = waiting(stepped, mns, "?numOfMessages=3&waitseconds=30")
    mns.ask(
        "POST", "/queues/q/messages", document("Messages", [("Message", {"MessageBody": f"m{at}"}) for at in range(5)])
    )
    assert poll.answer().texts("MessageBody") == ["m0", "m1", "m2"]
    assert mns.counts() == (2, 3, 0)


def test_the_queue_says_how_long_to_wait_unless_the_call_does(stepped: RunningSimulator, mns: RawMns) -> None:
    """PollingWaitSeconds holds without waitseconds; waitseconds=0 does not wait."""
    mns.queue("patient", PollingWaitSeconds=5)
    assert mns.receive("patient", "?waitseconds=0").code == "MessageNotExist"
    poll = waiting(stepped, mns, "", "patient")
    stepped.advance(4.999)
    assert poll.waiting
    stepped.advance(0.001)
    assert poll.answer().code == "MessageNotExist"


def test_a_client_that_went_away_takes_no_message_with_it(stepped: RunningSimulator, mns: RawMns) -> None:
    """A poll whose connection closed is withdrawn; the next message is there for others."""
    connection = http.client.HTTPConnection(mns.address, timeout=30)
    connection.connect()
    target = "/queues/q/messages?waitseconds=30"
    connection.request("GET", target, headers=mns.signed("GET", target, b"", {}))
    until(lambda: polls(stepped) == 1, "the poll")
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    until(lambda: polls(stepped) == 0, "the withdrawal")
    mns.send("x")
    assert mns.counts() == (1, 0, 0)
    assert mns.receive().text("DequeueCount") == "1"


def test_deleting_the_queue_ends_its_polls(stepped: RunningSimulator, mns: RawMns) -> None:
    """Who waits is told that the queue is gone."""
    poll = waiting(stepped, mns)
    mns.ask("DELETE", "/queues/q")
    assert poll.answer().code == "QueueNotExist"


def test_a_new_world_ends_every_poll(stepped: RunningSimulator, mns: RawMns) -> None:
    """Receivers are not state: they go away empty when the world is replaced."""
    poll = waiting(stepped, mns)
    stepped.world({"alibaba": {"queues": [{"name": "q", "messages": ["x"]}]}})
    assert poll.answer().code == "MessageNotExist"
    assert mns.counts() == (1, 0, 0)


def test_a_poll_does_not_hold_up_other_calls(stepped: RunningSimulator, mns: RawMns) -> None:
    """While many wait, everything else is answered; a kept connection works after its poll."""
    waiters = [waiting(stepped, mns) for _ in range(20)]
    assert mns.ask("GET", "/queues").status == 200
    connection = http.client.HTTPConnection(mns.address, timeout=30)
    poll = Background(lambda: mns.ask_on(connection, "GET", "/queues/q/messages?waitseconds=1"))
    until(lambda: polls(stepped) == 21, "the last poll")
    stepped.advance(30)
    assert {one.answer().status for one in (*waiters, poll)} == {404}
    assert mns.ask_on(connection, "GET", "/queues/q").status == 200
    connection.close()


def test_a_receive_is_journalled_under_the_poll_that_got_it(stepped: RunningSimulator, mns: RawMns) -> None:
    """The change of state stands with the receiver's request, not with the sender's."""
    poll = waiting(stepped, mns)
    sent = mns.send("x").text("MessageId")
    poll.answer()
    by_action = {
        entry["action"]: [(change["before"], change["after"]) for change in entry["changes"]]
        for entry in stepped.journal(service="mns", resource=sent)
    }
    assert by_action == {"ReceiveMessage": [("Active", "Inactive")], "SendMessage": [(None, "Active")]}
