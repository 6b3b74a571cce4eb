"""One outage is one incident, whichever channels tell of it, in whatever order; only a fault opens one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.model.event import Channel, Fate
from cloudheal.model.incident import Healed, RunState, Verdict
from cloudheal.record.incidents import end_incident
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, RUN
from cloudheal.testing.clock import START, VirtualClock
from tests.flow.tencent import called, pushed, settings_of

WEB = "ins-heal0001"
FAULT, OVER = START - timedelta(minutes=5), START - timedelta(minutes=2)


class Desk:
    """The way in of a worker that does not act: what is opened stays as the test leaves it."""

    def __init__(self, app: App, clock: VirtualClock) -> None:
        self.app = app
        self.clock = clock

    def take(self, *bodies: bytes) -> list[Fate]:
        """Take messages in, each in a commit of its own."""
        return [self.app.take([one], "test", Channel.WEBHOOK).fared[0].fate for one in bodies]

    def together(self, *bodies: bytes) -> list[Fate]:
        """Take messages in as one batch."""
        return [one.fate for one in self.app.take(bodies, "test", Channel.WEBHOOK).fared]

    def rows(self, table: sa.Table) -> list[sa.Row[Any]]:
        """Read a table."""
        with self.app.database.snapshot() as connection:
            return list(connection.execute(sa.select(table)).all())

    def joined(self, server: str = WEB) -> set[tuple[str, str]]:
        """Return source and status of the events that belong to the one incident of a server."""
        (incident,) = (one for one in self.rows(INCIDENT) if one.resource == server)
        events = {one.id: one for one in self.rows(EVENT)}
        mine = (events[one.event] for one in self.rows(DECISION) if one.incident == incident.id)
        return {(one.source, one.status) for one in mine}

    def rests(self) -> int:
        """Let the run wait for its own deed to show, for a minute."""
        later = round((self.clock.now() + timedelta(minutes=1)).timestamp() * 1000)
        values = {"state": RunState.WAITING.value, "waits_for": "underway", "next_eligible": later}
        with self.app.database.transaction() as connection:
            return connection.execute(sa.update(RUN).values(values)).rowcount

    def ends(self) -> bool:
        """End the incident as healed, now."""
        (run,), (incident,) = self.rows(RUN), self.rows(INCIDENT)
        verdict = Verdict(incident.id, Healed.HEALED, self.clock.now(), {"code": "restored"})
        with self.app.database.transaction() as connection:
            connection.execute(sa.update(RUN).values(state=RunState.ENDED.value))
            return end_incident(connection, verdict, run.id)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk whose cloud does not answer: what it would say of servers is not asked for here."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDtest")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "testsecret")
    clock = VirtualClock()
    app = App(settings_of("http://127.0.0.1:9", tmp_path), clock)
    with app.entering():
        with app.database.transaction() as connection:
            promote(connection, app.rules.rules.values(), "test", clock.now())
        yield Desk(app, clock)


def told(server: str) -> dict[str, bytes]:
    """Return what both channels tell of one outage."""
    first = FAULT + timedelta(seconds=3)
    return {
        "event fault": pushed(server, "1", FAULT),
        "event recovery": pushed(server, "0", OVER),
        "callback fault": called(server, "1", first),
        "callback recovery": called(server, "0", first, OVER + timedelta(seconds=3)),
    }


MESSAGES = told(WEB)


def test_every_order_of_both_channels_is_one_incident(desk: Desk) -> None:
    """Opened by the first fault; everything else belongs to it, recoveries that came before it too."""
    orders = {f"ins-order{number:03}": order for number, order in enumerate(itertools.permutations(MESSAGES))}
    for server, order in orders.items():
        desk.take(*(told(server)[one] for one in order))
    every = {(source, status) for source in ("tencent.cvm", "tencent.monitor") for status in ("1", "0")}
    assert {order: desk.joined(server) for server, order in orders.items()} == dict.fromkeys(orders.values(), every)
    assert len(desk.rows(RUN)) == len(orders)


def test_a_batch_in_any_order_is_one_incident(desk: Desk) -> None:
    """Also when all of it is one commit, the recovery first."""
    fates = desk.together(MESSAGES["event recovery"], MESSAGES["callback recovery"], MESSAGES["event fault"])
    assert fates == [Fate.DONE, Fate.DONE, Fate.DONE]
    assert len(desk.joined()) == 3


@pytest.mark.parametrize("name", ["event recovery", "callback recovery"])
def test_a_recovery_alone_opens_nothing(desk: Desk, name: str) -> None:
    """It is recorded, and no server is touched for it."""
    assert desk.take(MESSAGES[name]) == [Fate.IGNORED]
    assert (desk.rows(INCIDENT), len(desk.rows(EVENT))) == ([], 1)


def test_the_same_message_again_changes_nothing(desk: Desk) -> None:
    """Deliveries are at least once, on both channels."""
    desk.take(*MESSAGES.values())
    assert desk.take(*MESSAGES.values()) == [Fate.DUPLICATE] * 4
    assert len(desk.rows(INCIDENT)) == 1


@pytest.mark.parametrize("name", ["event recovery", "callback recovery"])
def test_a_recovery_wakes_the_run_that_waits(desk: Desk, name: str) -> None:
    """It looks at once, and not when its minute is over."""
    desk.take(MESSAGES["event fault"])
    assert desk.rests() == 1
    desk.take(MESSAGES[name])
    (run,) = desk.rows(RUN)
    assert run.next_eligible == round(desk.clock.now().timestamp() * 1000)
    (incident,) = desk.rows(INCIDENT)
    assert incident.ended is None


def test_another_channel_that_tells_late_opens_no_second_incident(desk: Desk) -> None:
    """The outage was healed before the callback came: it is the same one."""
    desk.take(MESSAGES["event fault"], MESSAGES["event recovery"])
    assert desk.ends()
    desk.clock.advance(timedelta(minutes=3))
    desk.take(MESSAGES["callback fault"], MESSAGES["callback recovery"])
    assert len(desk.rows(INCIDENT)) == 1
    assert "stale" in {one.reason for one in desk.rows(DECISION)}


def test_a_recovery_that_comes_after_the_end_still_belongs_to_the_incident(desk: Desk) -> None:
    """Both events and both times stand with it."""
    desk.take(MESSAGES["event fault"])
    assert desk.ends()
    desk.take(MESSAGES["event recovery"])
    assert desk.joined() == {("tencent.cvm", "1"), ("tencent.cvm", "0")}


def test_the_next_outage_is_the_next_incident(desk: Desk) -> None:
    """Also when it began while the last one was being verified: the same channel tells an outage once."""
    desk.take(MESSAGES["event fault"], MESSAGES["event recovery"])
    desk.clock.advance(timedelta(minutes=1))
    assert desk.ends()
    desk.take(pushed(WEB, "1", desk.clock.now() - timedelta(seconds=2)))
    assert len(desk.rows(INCIDENT)) == 2


def test_a_recovery_of_long_ago_belongs_to_nobody(desk: Desk) -> None:
    """The incident of yesterday is not that of a recovery whose own fault was lost."""
    desk.take(MESSAGES["event fault"])
    assert desk.ends()
    desk.clock.advance(timedelta(days=1))
    desk.take(pushed(WEB, "0", desk.clock.now()))
    assert desk.joined() == {("tencent.cvm", "1")}


def test_situations_are_incidents_of_their_own(desk: Desk) -> None:
    """A server that lost its pings and ran out of memory has two troubles, and no rule here is for the second."""
    oom = pushed(WEB, "-", START, "cvm:ErrorEvent:guest_oom")
    assert desk.take(MESSAGES["event fault"], oom) == [Fate.DONE, Fate.IGNORED]
    assert len(desk.rows(INCIDENT)) == 1


def test_an_account_is_known_by_its_number_and_by_its_app_id(desk: Desk) -> None:
    """Both are the account of the settings; a stranger's event becomes a dead letter."""
    number = pushed(WEB, "1", FAULT, data={"appId": "100000000001"})
    stranger = pushed(WEB, "1", FAULT, data={"appId": "1259999999"})
    assert desk.take(MESSAGES["event fault"], number, stranger) == [Fate.DONE, Fate.DONE, Fate.DEAD_LETTER]
    assert {one.account for one in desk.rows(EVENT)} == {"100000000001"}
