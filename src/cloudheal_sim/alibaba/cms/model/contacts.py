"""Alarm contacts and the groups they are told in.

A channel has to be confirmed by its owner. Nobody clicks links in a simulation, so mail and text message channels stay
pending unless a world says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from cloudheal_sim.alibaba.cms.model.store import Instant, Record, Store

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel

Name = Annotated[str, Field(min_length=1, max_length=128)]
MOST_CONTACTS = 100


class Channels(Record):
    """How a contact is reached; empty means not in this way."""

    mail: str = ""
    sms: str = ""
    ding_web_hook: str = ""
    ali_im: str = ""

    def named(self) -> dict[str, str]:
        """Return the channels in use, by their names."""
        return {name: value for name, value in self.model_dump().items() if value}


class Contact(Record):
    """One person or robot. `active` names the channels that were confirmed."""

    name: Name
    describe: str = ""
    lang: str = "zh-cn"
    channels: Channels = Channels()
    active: tuple[Literal["mail", "sms", "ding_web_hook", "ali_im"], ...] = ("ding_web_hook", "ali_im")
    created: Instant = None
    updated: Instant = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"name": data, "channels": {"mail": f"{data}@example.com"}} if isinstance(data, str) else data


class ContactGroup(Record):
    """Contacts that are told together."""

    name: Name
    describe: str = ""
    contacts: Annotated[tuple[str, ...], Field(max_length=MOST_CONTACTS)] = ()
    enable_subscribed: bool = True
    created: Instant = None
    updated: Instant = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data


class Contacts:
    """Every contact and contact group of one account, by name."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.people: Store[str, Contact] = Store(kernel, "contact")
        self.groups: Store[str, ContactGroup] = Store(kernel, "contact_group")

    def put(self, contact: Contact) -> Contact:
        """Keep a contact; one that is there already is changed and keeps its time of creation."""
        return self.people.put(contact.name, dated(contact, self.people.get(contact.name), self._kernel.clock.now()))

    def put_group(self, group: ContactGroup) -> ContactGroup:
        """Keep a contact group in the same way."""
        return self.groups.put(group.name, dated(group, self.groups.get(group.name), self._kernel.clock.now()))

    def groups_with(self, name: str, as_of: int | None = None) -> list[str]:
        """Return the names of the contact groups that a contact is in."""
        return [group.name for group in self.groups.all(as_of) if name in group.contacts]


def dated(record: Any, old: Any, now: int) -> Any:
    """Return the record with its times: created when it was, updated now."""
    created = old.created if old is not None else record.created
    return record.model_copy(update={"created": created if created is not None else now, "updated": now})
