"""Application groups and contacts, made with the vendor's current SDK (alibabacloud_cms20190101)."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_cms20190101 import models
from alibabacloud_cms20190101.client import Client
from darabonba.exceptions import DaraException

from tests.sim.simulator import RunningSimulator
from tests.sim.tea import config, refusal

NOW = "2026-03-02T03:00:00Z"
NOW_MS = 1772420400000


@pytest.fixture
def cms(stepped: RunningSimulator) -> Client:
    """The SDK's client, pointed at a simulator whose time stands still."""
    stepped.world({"now": NOW})
    return Client(config(stepped))


def instance(number: int, name: str, **facts: Any) -> dict[str, Any]:
    """Return an instance of a world document."""
    return {"id": f"i-bp1g{number:04}", "region": "cn-hangzhou", "name": name, **facts}


def group(cms: Client, name: str = "web", contacts: str = "") -> int:
    """Create a group and return its id."""
    made = cms.create_monitor_group(models.CreateMonitorGroupRequest(group_name=name, contact_groups=contacts)).body
    assert (made.code, made.success) == (200, True)
    return int(made.group_id)


def groups(cms: Client, **query: Any) -> list[Any]:
    """List groups."""
    body = cms.describe_monitor_groups(models.DescribeMonitorGroupsRequest(**query)).body
    assert body.total == len(body.resources.resource)
    listed: list[Any] = body.resources.resource
    return listed


def members(cms: Client, number: int, **query: Any) -> set[str]:
    """Return the ids of a group's members."""
    request = models.DescribeMonitorGroupInstancesRequest(group_id=number, page_size=100, **query)
    return {one.instance_id for one in cms.describe_monitor_group_instances(request).body.resources.resource}


def match(cms: Client, number: int, *filters: tuple[str, str, str], relation: str = "and") -> Any:
    """Let instances join a group by rule."""
    rule = models.PutMonitorGroupDynamicRuleRequestGroupRules(
        category="ECS",
        filter_relation=relation,
        filters=[
            models.PutMonitorGroupDynamicRuleRequestGroupRulesFilters(name=name, function=function, value=value)
            for name, function, value in filters
        ],
    )
    request = models.PutMonitorGroupDynamicRuleRequest(group_id=number, group_rules=[rule])
    return cms.put_monitor_group_dynamic_rule(request).body


def contact(cms: Client, name: str, **channels: str) -> Any:
    """Create a contact."""
    channels = channels or {"mail": f"{name}@example.com"}
    request = models.PutContactRequest(
        contact_name=name, describe="a person", channels=models.PutContactRequestChannels(**channels)
    )
    return cms.put_contact(request).body


def contact_group(cms: Client, name: str, *people: str) -> Any:
    """Create a contact group."""
    request = models.PutContactGroupRequest(contact_group_name=name, contact_names=list(people))
    return cms.put_contact_group(request).body


def test_a_group_is_created_changed_and_deleted(cms: Client) -> None:
    """What is given changes, what is not given stays, and a deleted group is gone."""
    number = group(cms, "web", "ops,dev")
    cms.modify_monitor_group(models.ModifyMonitorGroupRequest(group_id=str(number), contact_groups="night"))
    (shown,) = groups(cms, group_id=str(number), select_contact_groups=True)
    assert (shown.group_name, [one.name for one in shown.contact_groups.contact_group]) == ("web", ["night"])
    gone = cms.delete_monitor_group(models.DeleteMonitorGroupRequest(group_id=number)).body
    assert (gone.group.group_name, gone.group.contact_groups.contact_group[0].name) == ("web", "night")
    assert groups(cms) == []


def test_only_the_named_groups_recipients_change(cms: Client) -> None:
    """Changing whom one application tells leaves the others as they were (requirement S4.28)."""
    one, other = group(cms, "a", "ops"), group(cms, "b", "ops")
    cms.modify_monitor_group(models.ModifyMonitorGroupRequest(group_id=str(one), contact_groups="dev"))
    told = {
        int(row.group_id): row.contact_groups.contact_group[0].name for row in groups(cms, select_contact_groups=True)
    }
    assert told == {one: "dev", other: "ops"}


def test_contact_groups_of_a_group_are_shown_only_on_request(cms: Client) -> None:
    """Without SelectContactGroups the list has no contact groups."""
    group(cms, "web", "ops")
    assert groups(cms)[0].contact_groups is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"group_name": "web"}, {"web-1", "web-2"}),
        ({"keyword": "-2"}, {"web-2"}),
        ({"type": "kubernetes"}, {"pods"}),
        ({"types": '["kubernetes","custom"]'}, {"web-1", "web-2", "pods"}),
        ({"instance_id": "i-bp1g0001"}, {"web-1"}),
        ({"tag": [models.DescribeMonitorGroupsRequestTag(key="team", value="red")]}, {"web-2"}),
        ({"group_name": "nobody"}, set()),
    ],
)
def test_groups_are_found_by_every_filter(
    stepped: RunningSimulator, cms: Client, query: dict[str, Any], found: set[str]
) -> None:
    """Each filter narrows the list to what it names."""
    listed = [
        {"name": "web-1", "instances": ["i-bp1g0001"]},
        {"name": "web-2", "tags": {"team": "red"}},
        {"name": "pods", "type": "kubernetes"},
    ]
    stepped.world({"now": NOW, "alibaba": {"monitor_groups": listed}})
    assert {row.group_name for row in groups(cms, **query)} == found


def test_groups_come_in_pages(cms: Client) -> None:
    """Page 2 of size 2 of five groups holds the third and fourth."""
    numbers = [group(cms, f"g{place}") for place in range(5)]
    body = cms.describe_monitor_groups(models.DescribeMonitorGroupsRequest(page_number=2, page_size=2)).body
    assert ([row.group_id for row in body.resources.resource], body.total) == (numbers[2:4], 5)


def test_named_members_are_added_replaced_and_removed(cms: Client) -> None:
    """Adding twice is once; what is taken out is out."""
    number = group(cms)

    def named(*ids: str) -> list[Any]:
        return [
            models.CreateMonitorGroupInstancesRequestInstances(
                category="ECS", instance_id=id_, instance_name=id_, region_id="cn-hangzhou"
            )
            for id_ in ids
        ]

    for _ in range(2):
        request = models.CreateMonitorGroupInstancesRequest(group_id=str(number), instances=named("i-a1", "i-b1"))
        cms.create_monitor_group_instances(request)
    assert members(cms, number) == {"i-a1", "i-b1"}
    gone = models.DeleteMonitorGroupInstancesRequest(group_id=number, category="ECS", instance_id_list="i-a1,i-zz")
    cms.delete_monitor_group_instances(gone)
    assert members(cms, number) == {"i-b1"}
    cms.modify_monitor_group_instances(
        models.ModifyMonitorGroupInstancesRequest(
            group_id=number,
            instances=[
                models.ModifyMonitorGroupInstancesRequestInstances(
                    category="SLB", instance_id="lb-1", instance_name="front", region_id="cn-hangzhou"
                )
            ],
        )
    )
    assert members(cms, number) == {"lb-1"}
    counted = cms.describe_monitor_group_categories(models.DescribeMonitorGroupCategoriesRequest(group_id=number)).body
    items = counted.monitor_group_categories.monitor_group_category.category_item
    assert [(one.category, one.count) for one in items] == [("SLB", 1)]


@pytest.mark.parametrize(
    ("filters", "relation", "found"),
    [
        ([("hostName", "contains", "web")], "and", {"i-bp1g0000", "i-bp1g0001"}),
        ([("hostName", "startWith", "web-a")], "and", {"i-bp1g0000"}),
        ([("hostName", "endWith", "b")], "and", {"i-bp1g0001", "i-bp1g0002"}),
        ([("hostName", "notContains", "web")], "and", {"i-bp1g0002"}),
        ([("hostName", "contains", "web"), ("hostName", "endWith", "b")], "and", {"i-bp1g0001"}),
        ([("hostName", "startWith", "db"), ("hostName", "endWith", "a")], "or", {"i-bp1g0000", "i-bp1g0002"}),
        ([("tag:team", "equals", "red")], "and", {"i-bp1g0001"}),
    ],
)
def test_instances_join_by_name_and_by_tag(
    stepped: RunningSimulator,
    cms: Client,
    filters: list[tuple[str, str, str]],
    relation: str,
    found: set[str],
) -> None:
    """Every function and both relations match as they say (requirement S4.26)."""
    fleet = [instance(0, "web-a"), instance(1, "web-b", tags={"team": "red"}), instance(2, "db-b")]
    stepped.world({"now": NOW, "alibaba": {"instances": fleet}})
    number = group(cms)
    assert match(cms, number, *filters, relation=relation).success
    assert members(cms, number) == found


def test_membership_follows_instances_as_they_appear_and_vanish(stepped: RunningSimulator, cms: Client) -> None:
    """A rule holds for instances that come after it; without the rule its members are out."""
    number = group(cms)
    match(cms, number, ("hostName", "contains", "web"))
    document = stepped.control("GET", "world")
    document["alibaba"]["instances"] = [instance(7, "web-new")]
    stepped.world(document)
    assert members(cms, number) == {"i-bp1g0007"}
    cms.delete_monitor_group_dynamic_rule(models.DeleteMonitorGroupDynamicRuleRequest(group_id=number, category="ecs"))
    assert members(cms, number) == set()


def test_rules_are_shown_as_they_were_put_and_replaced_by_category(cms: Client) -> None:
    """A second rule for the same category takes the place of the first."""
    number = group(cms)
    match(cms, number, ("hostName", "contains", "old"))
    match(cms, number, ("hostName", "startWith", "a"), ("hostName", "endWith", "z"), relation="or")
    request = models.DescribeMonitorGroupDynamicRulesRequest(group_id=number)
    (rule,) = cms.describe_monitor_group_dynamic_rules(request).body.resource.resource
    assert (rule.category, rule.filter_relation) == ("ECS", "or")
    assert [(one.name, one.function, one.value) for one in rule.filters.filter] == [
        ("hostName", "startWith", "a"),
        ("hostName", "endWith", "z"),
    ]


@pytest.mark.parametrize(
    "filters", [[("hostName", "resembles", "x")], [("colour", "contains", "x")], [("hostName", "contains", "x")] * 4]
)
def test_rules_that_cannot_be_are_refused(cms: Client, filters: list[tuple[str, str, str]]) -> None:
    """Unknown functions and fields, and more than three filters."""
    number = group(cms)
    with pytest.raises(DaraException) as caught:
        match(cms, number, *filters)
    assert caught.value.status_code == 400


def tag_rule(cms: Client, function: str = "all", value: str = "", **facts: Any) -> str:
    """Create a rule that makes a group for each value of the tag `team`."""
    express = models.CreateDynamicTagGroupRequestMatchExpress(tag_value=value, tag_value_match_function=function)
    request = models.CreateDynamicTagGroupRequest(
        tag_key="team", contact_group_list=["ops"], match_express=[express], **facts
    )
    return str(cms.create_dynamic_tag_group(request).body.id)


def test_a_group_is_made_for_each_value_of_a_tag(stepped: RunningSimulator, cms: Client) -> None:
    """Values met later get their group then; a group that was deleted does not come back."""
    fleet = [instance(number, f"m{number}", tags={"team": team}) for number, team in enumerate(("red", "blue", "red"))]
    stepped.world({"now": NOW, "alibaba": {"instances": fleet}})
    rule = tag_rule(cms)
    made = {row.group_name: row for row in groups(cms, dynamic_tag_rule_id=rule, select_contact_groups=True)}
    assert made.keys() == {"team-red", "team-blue"}
    assert made["team-red"].contact_groups.contact_group[0].name == "ops"
    assert members(cms, made["team-red"].group_id) == {"i-bp1g0000", "i-bp1g0002"}
    cms.delete_monitor_group(models.DeleteMonitorGroupRequest(group_id=made["team-blue"].group_id))
    document = stepped.control("GET", "world")
    document["alibaba"]["instances"] += [instance(3, "m3", tags={"team": "green"})]
    stepped.world(document)
    assert {row.group_name for row in groups(cms)} == {"team-red", "team-green"}


def test_a_tag_rule_takes_the_values_that_it_matches(stepped: RunningSimulator, cms: Client) -> None:
    """Only values that meet the condition are grouped; the rule is listed and goes with its groups."""
    fleet = [instance(number, f"m{number}", tags={"team": team}) for number, team in enumerate(("red", "blue"))]
    stepped.world({"now": NOW, "alibaba": {"instances": fleet}})
    rule = tag_rule(cms, "startWith", "b")
    assert [row.group_name for row in groups(cms)] == ["team-blue"]
    listed = cms.describe_dynamic_tag_rule_list(models.DescribeDynamicTagRuleListRequest(tag_key="team")).body
    (shown,) = listed.tag_group_list.tag_group
    assert (shown.dynamic_tag_rule_id, shown.match_express.match_express[0].tag_value) == (rule, "b")
    cms.delete_dynamic_tag_group(models.DeleteDynamicTagGroupRequest(dynamic_tag_rule_id=rule))
    assert groups(cms) == []


def test_members_are_shown_with_what_is_known_of_them(stepped: RunningSimulator, cms: Client) -> None:
    """An instance has its zone and tags; a total is given on request."""
    fleet = [instance(0, "web-a", zone="cn-hangzhou-h", tags={"team": "red"})]
    listed = [{"id": 2_000_001, "name": "web", "instances": ["i-bp1g0000", {"category": "SLB", "instance_id": "lb-1"}]}]
    stepped.world({"now": NOW, "alibaba": {"instances": fleet, "monitor_groups": listed}})
    request = models.DescribeMonitorGroupInstanceAttributeRequest(group_id=2_000_001, category="ECS", total=True)
    body = cms.describe_monitor_group_instance_attribute(request).body
    (shown,) = body.resources.resource
    assert (shown.instance_id, shown.region.availability_zone, body.total) == ("i-bp1g0000", "cn-hangzhou-h", 1)
    assert [(tag.key, tag.value) for tag in shown.tags.tag] == [("team", "red")]


def test_event_envelopes_name_the_groups_of_an_instance(stepped: RunningSimulator, cms: Client) -> None:
    """An event about a member by rule is logged with the group's id."""
    stepped.world({"now": NOW, "alibaba": {"instances": [instance(0, "web-a")]}})
    number = group(cms)
    match(cms, number, ("hostName", "contains", "web"))
    stepped.chaos("power_off", "i-bp1g0000")
    stepped.advance(60)
    request = models.DescribeSystemEventAttributeRequest(product="ECS", page_size=100)
    logged = cms.describe_system_event_attribute(request).body.system_events.system_event
    assert logged
    assert {event.group_id for event in logged} == {str(number)}


@pytest.mark.parametrize("action", ["modify", "delete", "members", "rule"])
def test_a_group_that_does_not_exist_is_not_found(cms: Client, action: str) -> None:
    """Calls on an unknown group are refused with 404 ResourceNotFound."""
    calls: dict[str, tuple[Any, Any]] = {
        "modify": (cms.modify_monitor_group, models.ModifyMonitorGroupRequest(group_id="1", group_name="x")),
        "delete": (cms.delete_monitor_group, models.DeleteMonitorGroupRequest(group_id=1)),
        "members": (cms.describe_monitor_group_instances, models.DescribeMonitorGroupInstancesRequest(group_id=1)),
        "rule": (
            cms.describe_monitor_group_dynamic_rules,
            models.DescribeMonitorGroupDynamicRulesRequest(group_id=1),
        ),
    }
    problem = refusal(*calls[action])
    assert (problem.status_code, problem.code) == (404, "ResourceNotFound")


def test_a_pause_is_listed_until_it_ends_or_is_taken_back(stepped: RunningSimulator, cms: Client) -> None:
    """PauseNotify has a start and an end."""
    number = str(group(cms))
    pause = models.CreateMonitorGroupNotifyPolicyRequest(
        group_id=number, policy_type="PauseNotify", start_time=NOW_MS, end_time=NOW_MS + 3_600_000
    )

    def listed() -> list[int]:
        request = models.DescribeMonitorGroupNotifyPolicyListRequest(policy_type="PauseNotify")
        rows = cms.describe_monitor_group_notify_policy_list(request).body.notify_policy_list.notify_policy
        return [row.end_time for row in rows]

    cms.create_monitor_group_notify_policy(pause)
    assert listed() == [NOW_MS + 3_600_000]
    removal = models.DeleteMonitorGroupNotifyPolicyRequest(group_id=number, policy_type="PauseNotify")
    cms.delete_monitor_group_notify_policy(removal)
    assert listed() == []
    cms.create_monitor_group_notify_policy(pause)
    stepped.advance(3600)
    assert listed() == []


def test_contacts_are_kept_and_listed(cms: Client) -> None:
    """A contact has its channels and their state; putting it again changes it."""
    contact(cms, "ada", mail="ada@example.com", ding_web_hook="http://127.0.0.1:1/hook")
    contact_group(cms, "ops", "ada")
    body = cms.describe_contact_list(models.DescribeContactListRequest(contact_name="ada")).body
    (shown,) = body.contacts.contact
    assert (shown.channels.mail, shown.channels_state.mail, shown.channels_state.ding_web_hook) == (
        "ada@example.com",
        "PENDING",
        "OK",
    )
    assert shown.contact_groups.contact_group == ["ops"]
    contact(cms, "ada", mail="new@example.com")
    by_channel = models.DescribeContactListRequest(chanel_type="Mail", chanel_value="new@example.com")
    assert [one.name for one in cms.describe_contact_list(by_channel).body.contacts.contact] == ["ada"]


def test_a_members_change_is_seen_by_every_user_of_the_contact_group(cms: Client) -> None:
    """PutContactGroup replaces the members (requirement S4.27)."""
    for name in ("ada", "bob"):
        contact(cms, name)
    contact_group(cms, "ops", "ada")
    contact_group(cms, "ops", "bob")
    listed = cms.describe_contact_group_list(models.DescribeContactGroupListRequest()).body
    assert listed.contact_groups.contact_group == ["ops"]
    assert listed.contact_group_list.contact_group[0].contacts.contact == ["bob"]
    request = models.DescribeContactListByContactGroupRequest(contact_group_name="ops")
    assert [one.name for one in cms.describe_contact_list_by_contact_group(request).body.contacts.contact] == ["bob"]


def test_contacts_without_channel_or_existence_are_refused(cms: Client) -> None:
    """At least one channel; a group's members exist; what is in use is not deleted."""
    nobody = models.PutContactRequest(contact_name="ada", describe="x", channels=models.PutContactRequestChannels())
    assert refusal(cms.put_contact, nobody).code == "ParameterInvalid"
    unknown = models.PutContactGroupRequest(contact_group_name="ops", contact_names=["ada"])
    assert refusal(cms.put_contact_group, unknown).code == "ContactNotExists"
    contact(cms, "ada")
    contact_group(cms, "ops", "ada")
    group(cms, "web", "ops")
    assert refusal(cms.delete_contact, models.DeleteContactRequest(contact_name="ada")).code == "ResourceConflict"
    in_use = models.DeleteContactGroupRequest(contact_group_name="ops")
    assert refusal(cms.delete_contact_group, in_use).code == "ResourceConflict"


def test_contacts_go_when_nothing_holds_them(cms: Client) -> None:
    """First the contact group, then the contact; a second time they are not there."""
    contact(cms, "ada")
    contact_group(cms, "ops", "ada")
    cms.delete_contact_group(models.DeleteContactGroupRequest(contact_group_name="ops"))
    cms.delete_contact(models.DeleteContactRequest(contact_name="ada"))
    gone = refusal(cms.delete_contact, models.DeleteContactRequest(contact_name="ada"))
    assert (gone.status_code, gone.code) == (404, "ContactNotExists")


def test_a_stale_read_shows_the_groups_of_before(stepped: RunningSimulator, cms: Client) -> None:
    """With a stale-read fault a new group is not there yet, and a changed one has its old name."""
    number = group(cms, "before")
    stepped.advance(60)
    cms.modify_monitor_group(models.ModifyMonitorGroupRequest(group_id=str(number), group_name="after"))
    group(cms, "young")
    fault = {"match": {"action": "DescribeMonitorGroups"}, "fault": {"kind": "stale-read", "age_seconds": 30}}
    stepped.control("PUT", "faults", [fault])
    assert [row.group_name for row in groups(cms)] == ["before"]


def test_the_world_of_groups_and_contacts_reads_back_as_it_was(stepped: RunningSimulator, cms: Client) -> None:
    """Short forms expand, and the full form put back is the same again."""
    rule = {"filters": [{"function": "contains", "name": "hostName", "value": "web"}]}
    document = {
        "monitor_groups": ["plain", {"name": "web", "instances": ["i-a1"], "dynamic_rules": [rule]}],
        "contacts": ["ada"],
        "contact_groups": [{"name": "ops", "contacts": ["ada"]}],
    }
    stepped.world({"now": NOW, "seed": 3, "alibaba": document})
    first = stepped.control("GET", "world")["alibaba"]
    stepped.world(stepped.control("GET", "world"))
    second = stepped.control("GET", "world")["alibaba"]
    assert {key: first[key] for key in document} == {key: second[key] for key in document}
    assert {row["name"] for row in first["monitor_groups"]} == {row.group_name for row in groups(cms)}
    assert first["contacts"][0]["channels"]["mail"] == "ada@example.com"
