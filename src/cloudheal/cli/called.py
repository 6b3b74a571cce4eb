"""Finds what an operator means: a server by its name, an incident by how its id or that of a run of it begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cloudheal.cli.desk import Desk


def server_called(at: Desk, connection: sa.Connection, called: str) -> str:
    """Return the id of the server of that name, the word itself when none is called so; ends with 1 if several are."""
    from cloudheal.record.inventory import instances_called

    ids = list(dict.fromkeys(one.resource.id.id for one in instances_called(connection, called) if called))
    if called in ids or not ids:
        return called
    return _only(at, called, ids, "called.servers")


def incident_called(at: Desk, connection: sa.Connection, called: str) -> str | None:
    """Return the id of an incident that begins so, or has a run that does; ends with 1 when there are several."""
    from cloudheal.record.called import incidents_called

    ids = incidents_called(connection, called)
    return _only(at, called, ids, "called.incidents") if ids else None


def meant(at: Desk, connection: sa.Connection, called: str) -> str:
    """Return the id of the server or incident that is meant, the word itself when neither is known."""
    server = server_called(at, connection, called)
    return server if server != called else incident_called(at, connection, called) or called


def entries_meant(at: Desk, connection: sa.Connection, called: str) -> str:
    """Return the id of the server, incident or run whose rows are meant, the word itself when none is known."""
    from cloudheal.record.called import entries_called

    server = server_called(at, connection, called)
    ids = [] if server != called else entries_called(connection, called)
    return _only(at, called, ids, "called.incidents") if ids else server


def events_meant(at: Desk, connection: sa.Connection, called: str) -> Iterator[str]:
    """Yield references to the event that may be meant, the likeliest first: later ones are looked for when asked."""
    from cloudheal.record.called import event_of
    from cloudheal.record.stories import newest_about

    yield newest_about(connection, called) or called
    about = newest_about(connection, server_called(at, connection, called))
    if about:
        yield about
    incident = incident_called(at, connection, called)
    began = event_of(connection, incident) if incident else None
    if began:
        yield began


def _only(at: Desk, called: str, ids: list[str], several: str) -> str:
    if len(ids) > 1:
        at.show.fault(several, called=called, ids=", ".join(ids))
        raise typer.Exit(1)
    return ids[0]
