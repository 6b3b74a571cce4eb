"""Wire out: contacts and contact groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.replies.envelope import done

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudheal_sim.alibaba.cms.model.contacts import Contact, ContactGroup

_WIRE = {"mail": "Mail", "sms": "SMS", "ding_web_hook": "DingWebHook", "ali_im": "AliIM"}


def contacts(rows: Iterable[tuple[Contact, Sequence[str]]], total: int | None) -> dict[str, object]:
    """Answer the lists of contacts; a row is a contact and the contact groups it is in. None: without a total."""
    more = {} if total is None else {"Total": total}
    return done(**more, Contacts={"Contact": [_contact(contact, groups) for contact, groups in rows]})


def contact_groups(rows: Sequence[ContactGroup], total: int) -> dict[str, object]:
    """Answer DescribeContactGroupList, which names the groups twice: with and without their contacts."""
    full = [
        {
            "Name": group.name,
            "Describe": group.describe,
            "Contacts": {"Contact": list(group.contacts)},
            "EnableSubscribed": group.enable_subscribed,
            "EnabledWeeklyReport": False,
            "CreateTime": group.created,
            "UpdateTime": group.updated,
        }
        for group in rows
    ]
    names = [group.name for group in rows]
    return done(Total=total, ContactGroups={"ContactGroup": names}, ContactGroupList={"ContactGroup": full})


def _contact(contact: Contact, groups: Sequence[str]) -> dict[str, object]:
    used = contact.channels.named()
    states = {name: "OK" if name in contact.active else "PENDING" for name in used}
    return {
        "Name": contact.name,
        "Desc": contact.describe,
        "Lang": contact.lang,
        "Channels": {_WIRE[name]: value for name, value in used.items()},
        "ChannelsState": {_WIRE[name]: state for name, state in states.items()},
        "ContactGroups": {"ContactGroup": list(groups)},
        "CreateTime": contact.created,
        "UpdateTime": contact.updated,
    }
