"""Both names that the vendor has for the state in which a server begins are its beginning (C1); on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cloudheal.model.inventory import Description
from cloudheal.record.database import Database
from cloudheal.record.inbox import add_events
from cloudheal.record.inventory import describe, release
from cloudheal.record.lifecycle import add_transitions, lives
from tests.contract.test_inbox import NOON, an_event


@pytest.mark.parametrize(("first", "known"), [("Pending", True), ("Created", True), ("Running", False)])
def test_a_servers_time_is_known_from_its_creation(database: Database, first: str, *, known: bool) -> None:
    """Until its release; nobody guesses when a server began of which the creation was not heard."""
    event = an_event()._replace(status=first)
    with database.transaction() as connection:
        add_transitions(connection, [event], add_events(connection, [event]))
        describe(connection, [Description(id=event.subject, at=NOON, state=first, name="web")])
        release(connection, [event.subject], event.time + timedelta(hours=3))
        (life,) = lives(connection, "web")
    assert life.lived == (timedelta(hours=3) if known else None)
