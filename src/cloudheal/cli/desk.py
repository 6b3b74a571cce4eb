"""An operator's desk: the settings, the open database, the clock and the way to print, for the length of a command."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloudheal.cli.show import Show
from cloudheal.errors import PermanentError, RefusedError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cloudheal.ports.clock import Clock
    from cloudheal.record.database import Database
    from cloudheal.settings.schema import Settings


class MessagesUnreadableError(PermanentError):
    """A file of messages is not there or cannot be read."""

    code = "messages.unreadable"

    def __init__(self, file: str, problem: OSError) -> None:
        advice = "Name a file that holds messages, or - for standard input."
        super().__init__(f"the messages cannot be read: {file}: {problem.strerror}", what_to_do=advice)


class NotAnApproverError(RefusedError):
    """Whoever answered is not one of those who may."""

    code = "approval.refused"


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with."""

    settings: Settings
    database: Database
    clock: Clock
    zone: ZoneInfo
    show: Show


def settings_of(config: Path) -> Settings:
    """Read a settings file. Raises SettingsError by line and field."""
    from cloudheal.settings.loader import load_settings

    return load_settings(config)


def show_of(settings: Settings, *, as_json: bool = False) -> Show:
    """Return the way to print for the operator whom the settings describe."""
    from zoneinfo import ZoneInfo

    return Show(settings.language, ZoneInfo(settings.timezone), as_json=as_json)


@contextmanager
def desk(config: Path, *, as_json: bool = False) -> Iterator[Desk]:
    """Open everything that a command needs; small reads and control rows, beside any number of workers."""
    from zoneinfo import ZoneInfo

    from cloudheal.record.database import open_database
    from cloudheal.record.schema import migrate
    from cloudheal.sources.followed_clock import clock_of

    settings = settings_of(config)
    database = open_database(settings.database)
    try:
        with reachable():
            migrate(database)
            show = show_of(settings, as_json=as_json)
            yield Desk(settings, database, clock_of(settings.clock), ZoneInfo(settings.timezone), show)
    finally:
        database.close()


@contextmanager
def reachable() -> Iterator[None]:
    """Tell of a database that does not answer in one line, without the address, which may hold a password."""
    from sqlalchemy.exc import OperationalError

    from cloudheal.record.database import DatabaseUnreachableError

    try:
        yield
    except OperationalError as problem:
        reason = str(problem.orig).partition("\n")[0]
        advice = "cloudheal check -c FILE says what is wrong with it."
        raise DatabaseUnreachableError(f"the database cannot be used: {reason}", what_to_do=advice) from problem


def operator() -> str:
    """Name the person at the keyboard, for the record: the user of the system, also behind sudo.

    Anybody can set the variables of their own environment, so only root is believed about who stands behind it.
    """
    user = os.getuid()
    if user == 0 and (behind := os.environ.get("SUDO_USER")):
        return behind
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container under a number without a name
        return f"uid {user}"


def approver(at: Desk, run: str, may: Sequence[str], whose: str) -> str:
    """Return who is about to answer for a run. Raises NotAnApproverError, and records it, when they may not.

    `may` is who may, none for everybody; `whose` says where that stands.
    """
    from cloudheal.record.approvals import refuse

    who = operator()
    if not may or who in may:
        return who
    with at.database.transaction() as connection:
        refuse(connection, run, who, at.clock.now())
    advice = "Ask one of them. The attempt is on record, and nothing else has changed."
    raise NotAnApproverError(f"{who} may not answer; approvers {whose} are: {', '.join(may)}", what_to_do=advice)
