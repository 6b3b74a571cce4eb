"""The recorder: what events say of instances becomes inventory and lifecycle rows, in the sensing commit, no workflow.

Every state that an instance enters, `Pending` and `Deleted` included, is kept for good; what the console forgets when
an instance is released stays here (S0.16). The attributes are filled by the next batch of descriptions.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from cloudheal.model.event import Event
from cloudheal.record.inventory import sight
from cloudheal.record.lifecycle import add_transitions
from cloudheal.sense.inventory import STATE_CHANGE, sightings


def record(connection: sa.Connection, new: Mapping[str, Event], rows: Mapping[str, int]) -> int:
    """Record what new events tell of instances, in the caller's transaction; returns how many transitions."""
    sight(connection, sightings(new.values()))
    entered = (event for event in new.values() if event.type == STATE_CHANGE and event.status)
    return add_transitions(connection, entered, rows)
