"""CloudMonitor's event calls, made with the vendor's current SDK (alibabacloud_cms20190101, ACS3 signature)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alibabacloud_cms20190101 import models
from alibabacloud_cms20190101.client import Client

from tests.sim.receiver import receiving
from tests.sim.simulator import RunningSimulator
from tests.sim.tea import config, refusal

NOW = "2026-03-02T03:00:00Z"
NOW_MS = 1772420400000


@pytest.fixture
def cms(sim: RunningSimulator) -> Client:
    """The SDK's client, pointed at the simulator."""
    return Client(config(sim))


def put_rule(cms: Client, name: str = "heal", **facts: Any) -> Any:
    """Create a rule that wants every state change of ECS, or what the facts say."""
    pattern = models.PutEventRuleRequestEventPattern(
        **{"product": "ECS", "name_list": ["Instance:StateChange"], "level_list": ["*"], **facts.pop("pattern", {})}
    )
    request = models.PutEventRuleRequest(**{"rule_name": name, "event_pattern": [pattern], **facts})
    return cms.put_event_rule(request).body


def rules(cms: Client, **query: Any) -> list[Any]:
    """List rules."""
    listed: list[Any] = cms.describe_event_rule_list(
        models.DescribeEventRuleListRequest(**query)
    ).body.event_rules.event_rule
    return listed


def happened(cms: Client, **query: Any) -> list[Any]:
    """List events that occurred."""
    request = models.DescribeSystemEventAttributeRequest(**query)
    listed: list[Any] = cms.describe_system_event_attribute(request).body.system_events.system_event
    return listed


def test_a_rule_is_read_back_as_it_was_put(sim: RunningSimulator, cms: Client) -> None:
    """Every part of a rule comes back in the SDK's own model."""
    body = put_rule(
        cms,
        description="stopped servers",
        event_type="SYSTEM",
        state="ENABLED",
        group_id="7301",
        silence_time=300,
        pattern={
            "level_list": ["INFO", "WARN"],
            "event_type_list": ["StatusNotification"],
            "status_list": ["Normal"],
            "custom_filters": "Stopped",
            "sqlfilter": "state: Stopped",
        },
    )
    assert (body.code, body.success, body.data) == ("200", True, "1")
    (rule,) = rules(cms)
    (pattern,) = rule.event_pattern.event_pattern
    assert (rule.name, rule.description, rule.event_type) == ("heal", "stopped servers", "SYSTEM")
    assert (rule.state, rule.group_id, rule.silence_time) == ("ENABLED", "7301", 300)
    assert (pattern.product, pattern.name_list.name_list) == ("ECS", ["Instance:StateChange"])
    assert (pattern.level_list.level_list, pattern.event_type_list.event_type_list) == (
        ["INFO", "WARN"],
        ["StatusNotification"],
    )
    assert (pattern.custom_filters, pattern.sqlfilter) == ("Stopped", "state: Stopped")
    attribute = cms.describe_event_rule_attribute(models.DescribeEventRuleAttributeRequest(rule_name="heal")).body
    assert attribute.result.event_pattern.status_list.status_list == ["Normal"]
    assert attribute.result.event_pattern.name_list.name_list == ["Instance:StateChange"]


def test_putting_a_rule_again_changes_it_and_keeps_what_is_not_named(sim: RunningSimulator, cms: Client) -> None:
    """A rule is addressed by its name; patterns are replaced, an absent description stays."""
    put_rule(cms, description="first", state="DISABLED")
    put_rule(cms, pattern={"name_list": ["*"]})
    (rule,) = rules(cms)
    assert (rule.description, rule.state) == ("first", "DISABLED")
    assert rule.event_pattern.event_pattern[0].name_list.name_list == ["*"]


def test_rules_are_listed_by_prefix_state_and_page(sim: RunningSimulator, cms: Client) -> None:
    """Filters narrow, pages follow the order of creation, Total counts what fits."""
    for number in range(12):
        put_rule(cms, f"heal-{number:02d}", group_id="1" if number < 3 else "2")
    put_rule(cms, "other", state="DISABLED")
    body = cms.describe_event_rule_list(
        models.DescribeEventRuleListRequest(name_prefix="heal", page_number="2", page_size="5")
    ).body
    assert [rule.name for rule in body.event_rules.event_rule] == [f"heal-{number:02d}" for number in range(5, 10)]
    assert body.total == 12
    assert len(rules(cms)) == 10, "the default page has ten entries"
    assert [rule.name for rule in rules(cms, is_enable=False)] == ["other"]
    assert len(rules(cms, group_id="1")) == 3


def test_rules_are_switched_and_deleted_by_name(sim: RunningSimulator, cms: Client) -> None:
    """Disabled is not deleted; deleted is gone; a name that nobody has is refused and nothing happens."""
    put_rule(cms, "a")
    put_rule(cms, "b")
    cms.disable_event_rules(models.DisableEventRulesRequest(rule_names=["a", "b"]))
    cms.enable_event_rules(models.EnableEventRulesRequest(rule_names=["b"]))
    assert {rule.name: rule.state for rule in rules(cms)} == {"a": "DISABLED", "b": "ENABLED"}
    error = refusal(cms.delete_event_rules, models.DeleteEventRulesRequest(rule_names=["a", "nobody"]))
    assert (error.code, error.status_code) == ("ResourceNotFound", 404)
    cms.delete_event_rules(models.DeleteEventRulesRequest(rule_names=["a"]))
    assert [rule.name for rule in rules(cms)] == ["b"]


def test_targets_of_every_kind_are_read_back(sim: RunningSimulator, cms: Client) -> None:
    """Functions, log stores, webhooks, contacts and API calls come back in the SDK's own model, with their ARNs."""
    put_rule(cms)
    body = cms.put_event_rule_targets(
        models.PutEventRuleTargetsRequest(
            rule_name="heal",
            fc_parameters=[
                models.PutEventRuleTargetsRequestFcParameters(
                    id="1", region="cn-hangzhou", service_name="heal", function_name="reboot"
                )
            ],
            sls_parameters=[
                models.PutEventRuleTargetsRequestSlsParameters(id="1", region="cn-hangzhou", project="p", log_store="l")
            ],
            webhook_parameters=[
                models.PutEventRuleTargetsRequestWebhookParameters(
                    id="1", protocol="http", method="GET", url="http://127.0.0.1:9/x"
                )
            ],
            contact_parameters=[
                models.PutEventRuleTargetsRequestContactParameters(id="1", contact_group_name="ops", level="3")
            ],
            open_api_parameters=[
                models.PutEventRuleTargetsRequestOpenApiParameters(
                    id="1", product="Ecs", action="RebootInstance", version="2014-05-26", region="cn-hangzhou"
                )
            ],
        )
    ).body
    assert (body.code, body.failed_parameter_count) == ("200", "0")
    listed = cms.describe_event_rule_target_list(models.DescribeEventRuleTargetListRequest(rule_name="heal")).body
    (function,) = listed.fc_parameters.fcparameter
    assert function.arn == "acs:fc:cn-hangzhou:1000000000000001:services/heal.LATEST/functions/reboot"
    assert listed.sls_parameters.sls_parameter[0].arn.endswith("project/p/logstore/l")
    assert listed.webhook_parameters.webhook_parameter[0].method == "GET"
    assert listed.contact_parameters.contact_parameter[0].contact_group_name == "ops"
    assert listed.open_api_parameters.open_api_parameters[0].action == "RebootInstance"


def test_a_target_is_replaced_by_its_id_and_deleted_by_it(sim: RunningSimulator, cms: Client) -> None:
    """The same id puts a target in the place of the old one; other ids stay."""
    put_rule(cms)

    def put(id_: str, function: str) -> None:
        parameter = models.PutEventRuleTargetsRequestFcParameters(
            id=id_, region="cn-hangzhou", service_name="heal", function_name=function
        )
        cms.put_event_rule_targets(models.PutEventRuleTargetsRequest(rule_name="heal", fc_parameters=[parameter]))

    def functions() -> list[str]:
        request = models.DescribeEventRuleTargetListRequest(rule_name="heal")
        return [
            one.function_name for one in cms.describe_event_rule_target_list(request).body.fc_parameters.fcparameter
        ]

    put("1", "old")
    put("2", "other")
    put("1", "new")
    assert functions() == ["new", "other"]
    cms.delete_event_rule_targets(models.DeleteEventRuleTargetsRequest(rule_name="heal", ids=["1"]))
    assert functions() == ["other"]


def test_a_queue_that_does_not_exist_is_named_as_failed_and_the_rest_takes_effect(
    sim: RunningSimulator, cms: Client
) -> None:
    """Partial failure is a success with a count and the parameters that failed."""
    put_rule(cms)
    body = cms.put_event_rule_targets(
        models.PutEventRuleTargetsRequest(
            rule_name="heal",
            mns_parameters=[
                models.PutEventRuleTargetsRequestMnsParameters(id="1", region="cn-hangzhou", queue="nobody-made-me")
            ],
            fc_parameters=[
                models.PutEventRuleTargetsRequestFcParameters(
                    id="2", region="cn-hangzhou", service_name="s", function_name="f"
                )
            ],
        )
    ).body
    assert body.failed_parameter_count == "1"
    (failed,) = body.failed_mns_parameters.mns_parameter
    assert (failed.id, failed.queue, failed.region) == ("1", "nobody-made-me", "cn-hangzhou")
    listed = cms.describe_event_rule_target_list(models.DescribeEventRuleTargetListRequest(rule_name="heal")).body
    assert not listed.mns_parameters.mns_parameter
    assert [one.function_name for one in listed.fc_parameters.fcparameter] == ["f"]


def test_what_cannot_be_is_refused(sim: RunningSimulator, cms: Client) -> None:
    """Unknown rules, too many names, too many targets, an unreadable filter: each with its code, nothing changed."""
    targets = [
        models.PutEventRuleTargetsRequestFcParameters(id=str(n), region="r", service_name="s", function_name="f")
        for n in range(6)
    ]
    absent = models.PutEventRuleTargetsRequest(rule_name="heal", fc_parameters=targets[:1])
    assert refusal(cms.put_event_rule_targets, absent).code == "ResourceNotFound"
    names = models.PutEventRuleRequestEventPattern(product="ECS", name_list=[f"n{n}" for n in range(51)])
    many = models.PutEventRuleRequest(rule_name="heal", event_pattern=[names])
    assert refusal(cms.put_event_rule, many).code == "InvalidParameter"
    bare = models.PutEventRuleRequest(rule_name="heal")
    assert refusal(cms.put_event_rule, bare).code == "MissingParameter"
    filtered = models.PutEventRuleRequestEventPattern(product="ECS", sqlfilter="* | select 1")
    unreadable = models.PutEventRuleRequest(rule_name="heal", event_pattern=[filtered])
    assert refusal(cms.put_event_rule, unreadable).code == "ParameterInvalid"
    assert rules(cms) == []
    put_rule(cms)
    six = models.PutEventRuleTargetsRequest(rule_name="heal", fc_parameters=targets)
    assert refusal(cms.put_event_rule_targets, six).code == "InvalidParameter"


def test_the_catalogue_lists_every_state_of_every_event(sim: RunningSimulator, cms: Client) -> None:
    """DescribeSystemEventMetaList answers one row a state, with levels, types and names in both languages."""
    body = cms.describe_system_event_meta_list(models.DescribeSystemEventMetaListRequest()).body
    rows = {(row.product, row.name): row for row in body.data.resource}
    assert body.code == 200
    change = rows["ECS", "Instance:StateChange"]
    assert (change.level, change.event_type, change.status) == ("INFO", "StatusNotification", "Normal")
    states = {row.status for row in rows.values() if row.name.startswith("Instance:SystemMaintenance.Reboot:")}
    assert states == {"Scheduled", "Inquiring", "Executing", "Executed", "Avoided", "Canceled", "Failed"}
    expired = rows["ECS", "Instance:InstanceExpiration.Stop:Avoided"]
    assert (expired.level, expired.name_desc) == ("INFO", "因实例过期实例停止")
    assert rows["CloudMonitor", "Agent_Status_Stopped"].level == "CRITICAL"


def test_what_happened_can_be_asked_for(stepped: RunningSimulator, cms: Client) -> None:
    """Events are found by product, name, level, status, words and time; the newest comes first."""
    stepped.world({"now": NOW})
    for number in range(3):
        stepped.control(
            "POST",
            "events",
            {"name": "Instance:StateChange", "instance_id": f"i-bp1{number}", "content": {"state": "Stopped"}},
        )
        stepped.advance(60)
    stepped.control("POST", "events", {"name": "Instance:SystemMaintenance.Reboot", "instance_id": "i-bp1x"})
    changes = happened(cms, product="ECS", name="Instance:StateChange")
    assert [json.loads(one.content)["resourceId"] for one in changes] == ["i-bp12", "i-bp11", "i-bp10"]
    assert changes[2].time == NOW_MS
    assert changes[2].resource_id == "acs:ecs:cn-hangzhou:1000000000000001:instance/i-bp10"
    assert [one.name for one in happened(cms, level="critical")] == ["Instance:SystemMaintenance.Reboot:Scheduled"]
    assert len(happened(cms, name="Instance:SystemMaintenance.Reboot")) == 1
    assert len(happened(cms, event_type="StatusNotification", status="Normal")) == 3
    assert len(happened(cms, search_keywords="i-bp10 or i-bp11")) == 2
    assert len(happened(cms, search_keywords="Stopped and i-bp11")) == 1
    assert [one.time for one in happened(cms, page_number=2, page_size=3)] == [NOW_MS]


@pytest.mark.parametrize("factor", [1, 1000], ids=["seconds", "milliseconds"])
def test_times_may_be_seconds_or_milliseconds(stepped: RunningSimulator, cms: Client, factor: int) -> None:
    """The reference says one and shows the other; both select the same events."""
    stepped.world({"now": NOW})
    for _ in range(3):
        stepped.control("POST", "events", {"name": "Instance:StateChange", "instance_id": "i-bp1a"})
        stepped.advance(60)
    start = NOW_MS // 1000 + 30
    found = happened(cms, start_time=str(start * factor), end_time=str((start + 60) * factor))
    assert [one.time for one in found] == [NOW_MS + 60_000]
    error = refusal(cms.describe_system_event_attribute, models.DescribeSystemEventAttributeRequest(start_time="today"))
    assert error.code == "InvalidParameter"


def test_events_are_counted_by_name(stepped: RunningSimulator, cms: Client) -> None:
    """DescribeSystemEventCount gives one row a name and level, with the newest event's time."""
    stepped.world({"now": NOW})
    for _ in range(3):
        stepped.control("POST", "events", {"name": "Instance:StateChange", "instance_id": "i-bp1a"})
    stepped.control("POST", "events", {"name": "Disk:Stalled", "resource": "disk/d-bp1a"})
    body = cms.describe_system_event_count(models.DescribeSystemEventCountRequest(product="ECS")).body
    counts = {row.name: (row.num, row.level) for row in body.system_event_counts.system_event_count}
    assert counts == {"Instance:StateChange": (3, "INFO"), "Disk:Stalled:Executing": (1, "CRITICAL")}


def test_a_dry_run_fires_matching_rules_and_touches_nothing_else(stepped: RunningSimulator, cms: Client) -> None:
    """The rule's target hears of it, no instance changes, and nothing is said to have happened."""
    put_rule(cms, "wants-it", pattern={"name_list": ["Instance:SystemMaintenance.Reboot:Scheduled"]})
    put_rule(cms, "does-not", pattern={"name_list": ["Disk:Stalled:Executing"]})
    before = stepped.control("GET", "world")["alibaba"]
    cms.send_dry_run_system_event(
        models.SendDryRunSystemEventRequest(
            product="ECS",
            event_name="Instance:SystemMaintenance.Reboot:Scheduled",
            event_content=json.dumps({"product": "ECS", "resourceId": "i-bp1a", "regionId": "cn-beijing"}),
        )
    )
    (event,) = stepped.journal(kind="event")
    assert (event["verdict"], event["region"], event["details"]["rules"]) == ("dry run", "cn-beijing", ["wants-it"])
    assert happened(cms) == []
    assert stepped.control("GET", "world")["alibaba"] == before


@pytest.mark.parametrize(
    "content",
    ['{"a": "\\ud800"}', "{'a': '\\ud800'}", "{'a': b'\\xff'}", '{"a": NaN}', '{"a": ' + "9" * 5000 + "}", "[1]", "{"],
)
def test_event_content_that_no_message_can_carry_is_refused(
    stepped: RunningSimulator, cms: Client, content: str
) -> None:
    """Nothing is sent, and the journal can still be read."""
    put_rule(cms, pattern={"name_list": ["*"]})
    request = models.SendDryRunSystemEventRequest(product="ECS", event_name="x", event_content=content)
    assert refusal(cms.send_dry_run_system_event, request).code == "InvalidParameter"
    assert stepped.journal(kind="event") == []


def test_custom_events_are_reported_found_and_counted(stepped: RunningSimulator, cms: Client) -> None:
    """PutCustomEvent is read back by name, group and time, and is not mixed with system events."""
    stepped.world({"now": NOW})
    info = models.PutCustomEventRequestEventInfo
    cms.put_custom_event(
        models.PutCustomEventRequest(
            event_info=[
                info(event_name="deploy", content="release 7", group_id="7301", time="20260302T105900.000+0800"),
                info(event_name="deploy", content="release 8", group_id="0"),
            ]
        )
    )
    found = cms.describe_custom_event_attribute(
        models.DescribeCustomEventAttributeRequest(name="deploy", group_id="7301")
    ).body.custom_events.custom_event
    assert [(one.content, one.group_id, one.time) for one in found] == [("release 7", "7301", str(NOW_MS - 60_000))]
    counts = cms.describe_custom_event_count(models.DescribeCustomEventCountRequest()).body
    assert [(row.name, row.num) for row in counts.custom_event_counts.custom_event_count] == [("deploy", 2)]
    assert happened(cms) == []


def test_custom_events_past_a_threshold_tell_the_webhook_once_a_period(stepped: RunningSimulator, cms: Client) -> None:
    """The third event of a group within the period rings, with the alarm's level; more of them do not ring again."""
    with receiving() as receiver:
        stepped.world({"now": NOW})
        cms.put_custom_event_rule(
            models.PutCustomEventRuleRequest(
                rule_id="a-1",
                rule_name="many deployments",
                event_name="deploy",
                group_id="7301",
                level="CRITICAL",
                threshold="3",
                period="300",
                contact_groups="ops",
                webhook=receiver.url,
            )
        )
        for group in ["7301", "0", "7301", "7301", "7301"]:
            info = models.PutCustomEventRequestEventInfo(event_name="deploy", content="x", group_id=group)
            cms.put_custom_event(models.PutCustomEventRequest(event_info=[info]))
            stepped.advance(1)
        (told,) = receiver.wait(1)
        assert (told.json()["name"], told.json()["level"], told.json()["groupId"]) == ("deploy", "CRITICAL", "7301")
        document = stepped.control("GET", "world")
        assert document["alibaba"]["custom_event_rules"][0]["threshold"] == 3
        stepped.world(document)
        assert stepped.control("GET", "world") == document


def test_a_stale_read_shows_the_rules_of_a_moment_ago(stepped: RunningSimulator, cms: Client) -> None:
    """Under the stale-read fault a new rule is not listed yet, then it is."""
    stepped.advance(60)
    put_rule(cms)
    fault = {"match": {"action": "DescribeEventRuleList"}, "when": {"times": 1}, "fault": "stale-read"}
    stepped.control("PUT", "faults", {"rules": [fault]})
    assert rules(cms) == []
    assert [rule.name for rule in rules(cms)] == ["heal"]
    fault = {"match": {"action": "DescribeEventRuleTargetList"}, "when": {"times": 1}, "fault": "stale-read"}
    stepped.control("PUT", "faults", {"rules": [fault]})
    targets = models.DescribeEventRuleTargetListRequest(rule_name="heal")
    assert refusal(cms.describe_event_rule_target_list, targets).code == "ResourceNotFound"
    assert cms.describe_event_rule_target_list(targets).body.code == "200"
