"""Whose event it is: the account of the settings that a message means, by its number or by Tencent Cloud's APPID.

Callbacks of alarms about events name no account, and regions may be left out where an account has one only. What could
be meant by several is refused, so that no account's event is handled with another's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cloudheal.clouds.reading import event_of
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.discretion import discreet


@dataclass(frozen=True, slots=True)
class Attribution:
    """Reads messages as events of the accounts of the settings."""

    accounts: Sequence[AccountSettings]

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
        owner = self.owner_of(event)
        region = event.subject.region or (owner.regions[0] if len(owner.regions) == 1 else "")
        if (owner.id, region) == (event.subject.account, event.subject.region):
            return event
        return replace(event, subject=replace(event.subject, account=owner.id, region=region))

    def owner_of(self, event: Event) -> AccountSettings:
        """Return the account that an event belongs to. Raises NotAnEventError."""
        subject = event.subject
        listed = [one for one in self.accounts if one.cloud is subject.cloud]
        meant = [one for one in listed if subject.account in {one.id, one.app_id or one.id}]
        if not subject.account:
            meant = [one for one in listed if subject.region in {"", *one.regions}]
            if len(meant) > 1:
                names = ", ".join(one.name for one in meant)
                raise NotAnEventError(f"the message names no account, and several could be meant: {names}")
        if not meant:
            raise NotAnEventError(discreet(f"account {subject.account or '(none)'} is not in the settings"))
        return meant[0]
