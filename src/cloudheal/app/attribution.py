"""Whose event it is: the account of the settings that a message means, by its number or by Tencent Cloud's APPID.

Callbacks of alarms about events name no account, and regions may be left out where an account has one only. What could
be meant by several is refused, so that no account's event is handled with another's key. So is what is no name of a
region: calls are signed with the account's key and go to a host that is named after the region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cloudheal.clouds.reading import event_of
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud, ResourceId, is_region, named
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.discretion import discreet


@dataclass(frozen=True, slots=True)
class Attribution:
    """Reads messages as events of the accounts of the settings."""

    accounts: Sequence[AccountSettings]
    _named: Mapping[tuple[Cloud, str], AccountSettings] = field(init=False, repr=False, compare=False)
    """By what messages call an account; every event is looked up."""

    def __post_init__(self) -> None:
        """File the accounts under their names; the first one listed goes first."""
        names = {(one.cloud, name): one for one in reversed(self.accounts) for name in (one.id, one.app_id) if name}
        object.__setattr__(self, "_named", names)

    def read(self, body: bytes, received: datetime, channel: Channel) -> Event:
        """Read a message. Raises NotAnEventError, also for events of accounts that the settings do not list."""
        try:
            event = event_of(body, received, channel)
        except NotAnEventError as problem:
            raise NotAnEventError(discreet(problem.args[0])) from None  # it may quote the message
        return self.owned(event)

    def read_any(self, body: bytes, received: datetime, channel: Channel) -> Event:
        """Read a message; a stranger's keeps the account that it names. Raises NotAnEventError for what is no event.

        What rules make of a message may be asked of any; only what is taken in must be of an account that is listed.
        """
        event = event_of(body, received, channel)
        try:
            return self.owned(event)
        except NotAnEventError:
            return event

    def owned(self, event: Event) -> Event:
        """Return an event under the number of the account that it belongs to. Raises NotAnEventError."""
        owner, subject = self.owner_of(event), event.subject
        if subject.region and not is_region(subject.region):
            raise NotAnEventError("the message's region is no name of a region")
        region = subject.region or (owner.regions[0] if len(owner.regions) == 1 else "")
        if owner.id == subject.account and region == subject.region:
            return event
        return event._replace(subject=named(subject.cloud, owner.id, region, subject.kind, subject.id))

    def owner_of(self, event: Event) -> AccountSettings:
        """Return the account that an event belongs to. Raises NotAnEventError."""
        subject = event.subject
        found = self._named.get((subject.cloud, subject.account))
        return self._only_one_of(subject) if found is None else found

    def _only_one_of(self, subject: ResourceId) -> AccountSettings:
        """Return the account that is meant where none is named; a name that is not known here is refused."""
        listed = () if subject.account else [one for one in self.accounts if one.cloud is subject.cloud]
        meant = [one for one in listed if subject.region in {"", *one.regions}]
        if len(meant) > 1:
            names = ", ".join(one.name for one in meant)
            raise NotAnEventError(f"the message names no account, and several could be meant: {names}")
        if not meant:
            raise NotAnEventError(discreet(f"account {subject.account or '(none)'} is not in the settings"))
        return meant[0]
