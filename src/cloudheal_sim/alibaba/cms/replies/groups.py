"""Wire out: application groups."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.replies.envelope import done, done_number, present

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudheal_sim.alibaba.cms.model.groups import Group, Member
    from cloudheal_sim.alibaba.events import InstanceFacts


def groups(
    rows: Iterable[tuple[Group, Sequence[tuple[int, int, int]]]],
    paging: tuple[int, int, int],
    *,
    contacts: bool,
    templates: bool,
) -> dict[str, object]:
    """Answer DescribeMonitorGroups; a row is a group and the (id, version, time) of templates applied to it."""
    number, size, total = paging
    resources = [_group(group, applied, contacts=contacts, templates=templates) for group, applied in rows]
    return done_number(PageNumber=number, PageSize=size, Total=total, Resources={"Resource": resources})


def _group(
    group: Group, applied: Sequence[tuple[int, int, int]], *, contacts: bool, templates: bool
) -> dict[str, object]:
    shown = {
        "GroupId": group.number,
        "GroupName": group.name,
        "Type": group.type,
        "ServiceId": group.service_id,
        "BindUrl": group.bind_url,
        "GmtCreate": group.created,
        "GmtModified": group.modified,
        "Tags": {"Tag": [{"Key": key, "Value": value} for key, value in group.tags.items()]},
        "TemplateIds": {"TemplateId": [str(id_) for id_, _version, _at in applied]},
        **present(DynamicTagRuleId=group.tag_rule),
    }
    if contacts:
        shown["ContactGroups"] = {"ContactGroup": [{"Name": name} for name in group.contact_groups]}
    if templates:
        infos = [{"TemplateId": str(id_), "Ver": str(version), "EffectTime": at} for id_, version, at in applied]
        shown["TemplateInfos"] = {"TemplateInfo": infos}
    return shown


def deleted(group: Group) -> dict[str, object]:
    """Answer DeleteMonitorGroup."""
    contacts = {"ContactGroup": [{"Name": name} for name in group.contact_groups]}
    return done_number(Group={"GroupName": group.name, "ContactGroups": contacts})


def members(rows: Sequence[Member], first: int, paging: tuple[int, int, int]) -> dict[str, object]:
    """Answer DescribeMonitorGroupInstances; rows are numbered from `first`."""
    number, size, total = paging
    resources = [
        {
            "Id": place,
            "Category": member.category,
            "InstanceId": member.instance_id,
            "InstanceName": member.instance_name,
            "RegionId": member.region,
        }
        for place, member in enumerate(rows, first)
    ]
    return done_number(PageNumber=number, PageSize=size, Total=total, Resources={"Resource": resources})


def attributes(
    rows: Iterable[tuple[Member, InstanceFacts | None]], paging: tuple[int, int, int | None]
) -> dict[str, object]:
    """Answer DescribeMonitorGroupInstanceAttribute; a total of None was not asked for."""
    number, size, total = paging
    resources = [_attribute(member, facts) for member, facts in rows]
    more = present(Total=total) if total is not None else {}
    return done_number(PageNumber=number, PageSize=size, Resources={"Resource": resources}, **more)


def _attribute(member: Member, facts: InstanceFacts | None) -> dict[str, object]:
    tags = facts.tags if facts else {}
    zone = {"AvailabilityZone": facts.zone} if facts else {}
    return {
        "Category": member.category,
        "InstanceId": member.instance_id,
        "InstanceName": member.instance_name,
        "Dimension": f'{{"instanceId":"{member.instance_id}"}}',
        "Region": {"RegionId": member.region, **zone},
        "Tags": {"Tag": [{"Key": key, "Value": value} for key, value in tags.items()]},
    }


def categories(group: Group, every: Iterable[Member]) -> dict[str, object]:
    """Answer DescribeMonitorGroupCategories."""
    counted = Counter(member.category for member in every)
    items = [{"Category": category, "Count": count} for category, count in sorted(counted.items())]
    return done_number(
        MonitorGroupCategories={"GroupId": group.number, "MonitorGroupCategory": {"CategoryItem": items}}
    )


def dynamic_rules(group: Group) -> dict[str, object]:
    """Answer DescribeMonitorGroupDynamicRules."""
    rules = [
        {
            "Category": rule.category,
            "FilterRelation": rule.relation,
            "Filters": {
                "Filter": [{"Function": one.function, "Name": one.name, "Value": one.value} for one in rule.filters]
            },
        }
        for rule in group.dynamic_rules
    ]
    return done_number(Resource={"Resource": rules})


def policies(rows: Iterable[Group], total: int) -> dict[str, object]:
    """Answer DescribeMonitorGroupNotifyPolicyList."""
    shown = [
        {
            "GroupId": str(group.number),
            "Id": str(group.number),
            "Type": group.notify_policy.type,
            "StartTime": group.notify_policy.start,
            "EndTime": group.notify_policy.end,
        }
        for group in rows
        if group.notify_policy is not None
    ]
    return done(Success="true", Total=total, NotifyPolicyList={"NotifyPolicy": shown})
