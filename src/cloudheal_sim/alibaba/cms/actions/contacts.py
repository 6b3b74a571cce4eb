"""The calls about contacts and contact groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms import errors
from cloudheal_sim.alibaba.cms.model.contacts import Channels, Contact, ContactGroup
from cloudheal_sim.alibaba.cms.replies import contacts as replies
from cloudheal_sim.alibaba.cms.replies.envelope import done, page
from cloudheal_sim.alibaba.cms.requests import contacts as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange

_CHANNELS = {"mail": "mail", "sms": "sms", "dingwebhook": "ding_web_hook", "aliim": "ali_im"}


@SERVICE.action(wire.PutContact)
def put_contact(cms: Cms, request: wire.PutContact, _exchange: Exchange) -> Reply:
    """Create or change a contact; one without any channel could not be told anything and is refused."""
    given = {name: value for name, value in request.channels.model_dump().items() if value}
    if not given:
        raise Refused(errors.NO_CHANNEL)
    old = cms.monitoring.contacts.people.get(request.contact_name)
    contact = Contact(
        name=request.contact_name,
        describe=request.describe,
        lang=request.lang or (old.lang if old else "zh-cn"),
        channels=Channels(**given),
    )
    cms.monitoring.contacts.put(contact)
    return done()


@SERVICE.action(wire.DeleteContact)
def delete_contact(cms: Cms, request: wire.DeleteContact, _exchange: Exchange) -> Reply:
    """Delete a contact."""
    contacts = cms.monitoring.contacts
    if contacts.people.get(request.contact_name) is None:
        raise Refused(errors.CONTACT_NOT_EXISTS)
    if contacts.groups_with(request.contact_name):
        raise Refused(errors.CONTACT_IN_USE)
    contacts.people.remove(request.contact_name)
    return done()


@SERVICE.action(wire.DescribeContactList)
def describe_contact_list(cms: Cms, request: wire.DescribeContactList, exchange: Exchange) -> Reply:
    """List contacts by name, or by a channel's value."""
    kind = (request.chanel_type or "").lower()
    if kind and kind not in _CHANNELS:
        raise invalid("ChanelType")
    contacts = cms.monitoring.contacts
    rows = [
        contact
        for contact in contacts.people.all(exchange.as_of)
        if request.contact_name in {None, contact.name} and _is_reached(contact, kind, request.chanel_value)
    ]
    shown = page(rows, request.page_number, request.page_size)
    return replies.contacts([(one, contacts.groups_with(one.name, exchange.as_of)) for one in shown], len(rows))


@SERVICE.action(wire.PutContactGroup)
def put_contact_group(cms: Cms, request: wire.PutContactGroup, _exchange: Exchange) -> Reply:
    """Create or change a contact group; every member has to exist."""
    contacts = cms.monitoring.contacts
    for name in request.contact_names:
        if contacts.people.get(name) is None:
            raise Refused(errors.CONTACT_NOT_EXISTS, f"The contact {name} does not exist.")
    old = contacts.groups.get(request.contact_group_name)
    group = ContactGroup(
        name=request.contact_group_name,
        describe=(old.describe if old else "") if request.describe is None else request.describe,
        contacts=tuple(dict.fromkeys(request.contact_names)),
        enable_subscribed=(old is None or old.enable_subscribed)
        if request.enable_subscribed is None
        else request.enable_subscribed,
    )
    contacts.put_group(group)
    return done()


@SERVICE.action(wire.DeleteContactGroup)
def delete_contact_group(cms: Cms, request: wire.DeleteContactGroup, _exchange: Exchange) -> Reply:
    """Delete a contact group."""
    name = request.contact_group_name
    if cms.monitoring.contacts.groups.get(name) is None:
        raise Refused(errors.CONTACT_GROUP_NOT_EXISTS)
    if cms.monitoring.uses_contact_group(name):
        raise Refused(errors.CONTACT_GROUP_IN_USE)
    cms.monitoring.contacts.groups.remove(name)
    return done()


@SERVICE.action(wire.DescribeContactGroupList)
def describe_contact_group_list(cms: Cms, request: wire.DescribeContactGroupList, exchange: Exchange) -> Reply:
    """List contact groups."""
    rows = list(cms.monitoring.contacts.groups.all(exchange.as_of))
    return replies.contact_groups(page(rows, request.page_number, request.page_size), len(rows))


@SERVICE.action(wire.DescribeContactListByContactGroup)
def describe_contact_list_by_contact_group(
    cms: Cms, request: wire.DescribeContactListByContactGroup, exchange: Exchange
) -> Reply:
    """List the contacts of one contact group."""
    contacts = cms.monitoring.contacts
    group = contacts.groups.get(request.contact_group_name, exchange.as_of)
    if group is None:
        raise Refused(errors.CONTACT_GROUP_NOT_EXISTS)
    found = [one for name in group.contacts if (one := contacts.people.get(name, exchange.as_of)) is not None]
    return replies.contacts([(one, contacts.groups_with(one.name, exchange.as_of)) for one in found], None)


def _is_reached(contact: Contact, kind: str, value: str | None) -> bool:
    used = contact.channels.named()
    if kind:
        return _CHANNELS[kind] in used and value in {None, used[_CHANNELS[kind]]}
    return value is None or value in used.values()
