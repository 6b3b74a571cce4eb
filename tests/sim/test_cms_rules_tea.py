"""Alert rules, templates, probe tasks and log metrics, made with the vendor's current SDK."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from alibabacloud_cms20190101 import models
from alibabacloud_cms20190101.client import Client
from darabonba.exceptions import DaraException

from tests.sim.raw_mns import RawMns
from tests.sim.receiver import receiving
from tests.sim.simulator import RunningSimulator
from tests.sim.tea import config, refusal

NOW = "2026-03-02T03:00:00Z"
NOW_MS = 1772420400000
UID = "1000000000000001"


@pytest.fixture
def cms(stepped: RunningSimulator) -> Client:
    """The SDK's client, pointed at a simulator whose time stands still."""
    stepped.world({"now": NOW, "alibaba": {"queues": [{"name": "alarms", "region": "cn-hangzhou"}]}})
    return Client(config(stepped))


def escalations(**levels: tuple[str, str, int]) -> models.PutResourceMetricRuleRequestEscalations:
    """Return levels by their names: operator, threshold, times."""
    kinds = {
        "critical": models.PutResourceMetricRuleRequestEscalationsCritical,
        "warn": models.PutResourceMetricRuleRequestEscalationsWarn,
        "info": models.PutResourceMetricRuleRequestEscalationsInfo,
    }
    return models.PutResourceMetricRuleRequestEscalations(
        **{
            name: kinds[name](statistics="Average", comparison_operator=operator, threshold=threshold, times=times)
            for name, (operator, threshold, times) in levels.items()
        }
    )


def put_rule(cms: Client, rule_id: str = "r-1", **facts: Any) -> Any:
    """Put a rule on the CPU of every instance."""
    usual: dict[str, Any] = {
        "rule_name": "cpu high",
        "namespace": "acs_ecs_dashboard",
        "metric_name": "cpu_total",
        "contact_groups": "ops",
        "resources": '[{"resource":"_ALL"}]',
        "escalations": escalations(warn=("GreaterThanThreshold", "80", 3)),
    }
    return cms.put_resource_metric_rule(models.PutResourceMetricRuleRequest(rule_id=rule_id, **{**usual, **facts})).body


def rules(cms: Client, **query: Any) -> list[Any]:
    """List rules."""
    request = models.DescribeMetricRuleListRequest(**{"page_size": 100, **query})
    listed: list[Any] = cms.describe_metric_rule_list(request).body.alarms.alarm
    return listed


def group(cms: Client, name: str) -> int:
    """Create a group."""
    return int(cms.create_monitor_group(models.CreateMonitorGroupRequest(group_name=name)).body.group_id)


def template(cms: Client, name: str = "pods", *metrics: str) -> int:
    """Create a template of one rule for each metric of pods."""
    chosen = metrics or ("pod.cpu.usage_rate", "pod.network.rx_rate")
    request = models.CreateMetricRuleTemplateRequest(
        name=name, description="two rules", alert_templates=entries(*chosen)
    )
    return int(cms.create_metric_rule_template(request).body.id)


def entries(*metrics: str) -> list[models.CreateMetricRuleTemplateRequestAlertTemplates]:
    """Return rules of a template."""
    warn = models.CreateMetricRuleTemplateRequestAlertTemplatesEscalationsWarn(
        statistics="Average", comparison_operator="GreaterThanOrEqualToThreshold", threshold="80", times=3
    )
    return [
        models.CreateMetricRuleTemplateRequestAlertTemplates(
            category="k8s_pod",
            namespace="acs_k8s",
            metric_name=metric,
            rule_name=metric,
            escalations=models.CreateMetricRuleTemplateRequestAlertTemplatesEscalations(warn=warn),
        )
        for metric in metrics
    ]


def apply(cms: Client, number: int, template_id: int, mode: str = "GROUP_INSTANCE_FIRST", **facts: Any) -> list[Any]:
    """Apply a template to a group and return the results."""
    request = models.ApplyMetricRuleTemplateRequest(
        group_id=number, template_ids=str(template_id), apply_mode=mode, **facts
    )
    results: list[Any] = cms.apply_metric_rule_template(request).body.resource.alert_results
    return results


def alarm(sim: RunningSimulator, rule_id: str = "r-1", **facts: Any) -> Any:
    """Let a rule say something."""
    return sim.chaos("metric_alarm", rule_id, **facts)


def mailed(sim: RunningSimulator) -> list[dict[str, Any]]:
    """Take everything out of the queue of alarms."""
    client, found = RawMns(sim.address), []
    while (answer := client.receive("alarms", "?waitseconds=0")).status == 200:
        found.append(json.loads(base64.b64decode(answer.text("MessageBody"))))
        gone = client.ask("DELETE", f"/queues/alarms/messages?ReceiptHandle={answer.text('ReceiptHandle')}")
        assert gone.status == 204
    return found


def test_a_rule_is_kept_as_it_was_put(cms: Client) -> None:
    """Every honoured part is read back; defaults are the documented ones."""
    levels = escalations(critical=("GreaterThanThreshold", "90", 5), info=("LessThanYesterday", "50", 1))
    put_rule(cms, escalations=levels, period="300", webhook="http://127.0.0.1:1/x", email_subject="cpu")
    (shown,) = rules(cms)
    assert (shown.rule_id, shown.rule_name, shown.period, shown.silence_time) == ("r-1", "cpu high", "300", 86400)
    assert (shown.enable_state, shown.alert_state, shown.effective_interval) == (True, "OK", "00:00-23:59")
    assert (shown.escalations.critical.threshold, shown.escalations.critical.times) == ("90", 5)
    assert shown.escalations.info.comparison_operator == "LessThanYesterday"
    assert shown.escalations.warn is None
    assert (shown.mail_subject, shown.contact_groups, shown.resources) == ("cpu", "ops", '[{"resource":"_ALL"}]')


def test_a_rule_may_have_a_composite_or_a_promql_condition(cms: Client) -> None:
    """The SDK packs both into JSON parameters; they are read back as structures and need no further level."""
    part = models.PutResourceMetricRuleRequestCompositeExpressionExpressionList(
        metric_name="cpu_total", comparison_operator="GreaterThanThreshold", statistics="Average", threshold="90"
    )
    composite = models.PutResourceMetricRuleRequestCompositeExpression(
        expression_list=[part], expression_list_join="&&", level="CRITICAL", times=3
    )
    note = models.PutResourceMetricRuleRequestPrometheusAnnotations(key="team", value="red")
    promql = models.PutResourceMetricRuleRequestPrometheus(prom_ql="up == 0", level="WARN", annotations=[note])
    put_rule(cms, "composite", escalations=None, composite_expression=composite)
    put_rule(cms, "promql", escalations=None, prometheus=promql)
    one, other = rules(cms)
    assert one.composite_expression.expression_list.expression_list[0].metric_name == "cpu_total"
    assert (one.composite_expression.level, one.composite_expression.times) == ("CRITICAL", 3)
    assert (other.prometheus.prom_ql, other.prometheus.annotations.annotations[0].value) == ("up == 0", "red")


@pytest.mark.parametrize(
    "facts",
    [
        {"escalations": models.PutResourceMetricRuleRequestEscalations()},
        {"escalations": escalations(warn=("Resembles", "1", 1))},
        {"no_data_policy": "SHRUG"},
        {"period": "soon"},
        {"effective_interval": "always"},
        {"resources": "i-a"},
        {
            "escalations": models.PutResourceMetricRuleRequestEscalations(
                warn=models.PutResourceMetricRuleRequestEscalationsWarn(statistics="Average", threshold="1")
            )
        },
    ],
)
def test_a_rule_that_cannot_be_is_refused(cms: Client, facts: dict[str, Any]) -> None:
    """No level, half a level, unknown operators and policies, times and resources that are none."""
    with pytest.raises(DaraException) as caught:
        put_rule(cms, **facts)
    assert caught.value.status_code == 400
    assert rules(cms) == []


def test_rules_are_filtered_counted_switched_and_deleted(cms: Client) -> None:
    """What lists and counts say follows every change."""
    for number in range(3):
        put_rule(cms, f"r-{number}", rule_name=f"rule {number}")
    cms.disable_metric_rules(models.DisableMetricRulesRequest(rule_id=["r-1"]))
    assert [rule.rule_id for rule in rules(cms, enable_state=False)] == ["r-1"]
    assert [rule.rule_id for rule in rules(cms, rule_ids="r-2,r-9")] == ["r-2"]
    assert [rule.rule_id for rule in rules(cms, rule_name="rule 0")] == ["r-0"]
    assert rules(cms, metric_name="load_1m") == []
    count = cms.describe_metric_rule_count(models.DescribeMetricRuleCountRequest()).body.metric_rule_count
    assert (count.total, count.ok, count.disable) == (3, 2, 1)
    cms.enable_metric_rules(models.EnableMetricRulesRequest(rule_id=["r-1"]))
    cms.delete_metric_rules(models.DeleteMetricRulesRequest(id=["r-0", "r-2", "r-9"]))
    assert [(rule.rule_id, rule.enable_state) for rule in rules(cms)] == [("r-1", True)]


def test_several_rules_in_one_call_fail_one_by_one(cms: Client) -> None:
    """A rule without a level is named in FailedListResult; the others are kept."""
    warn = models.PutResourceMetricRulesRequestRulesEscalationsWarn(
        statistics="Average", comparison_operator="GreaterThanThreshold", threshold="1", times=1
    )
    usual = {
        "rule_name": "x",
        "namespace": "acs_ecs_dashboard",
        "metric_name": "cpu_total",
        "contact_groups": "ops",
        "resources": '[{"resource":"_ALL"}]',
    }
    good = models.PutResourceMetricRulesRequestRules(
        rule_id="good", escalations=models.PutResourceMetricRulesRequestRulesEscalations(warn=warn), **usual
    )
    bad = models.PutResourceMetricRulesRequestRules(rule_id="bad", **usual)
    body = cms.put_resource_metric_rules(models.PutResourceMetricRulesRequest(rules=[good, bad])).body
    assert [one.rule_id for one in body.failed_list_result.target] == ["bad"]
    assert [rule.rule_id for rule in rules(cms)] == ["good"]


def test_rules_of_a_group_fail_one_by_one_under_a_partial_batch_fault(stepped: RunningSimulator, cms: Client) -> None:
    """Half of the batch fails by itself, is named with its code, and is not kept."""
    number = group(cms, "web")
    warn = models.CreateGroupMetricRulesRequestGroupMetricRulesEscalationsWarn(
        statistics="Average", comparison_operator="GreaterThanThreshold", threshold="1", times=1
    )
    listed = [
        models.CreateGroupMetricRulesRequestGroupMetricRules(
            rule_id=f"g-{place}",
            rule_name="cpu",
            category="ECS",
            namespace="acs_ecs_dashboard",
            metric_name="cpu_total",
            escalations=models.CreateGroupMetricRulesRequestGroupMetricRulesEscalations(warn=warn),
        )
        for place in range(4)
    ]
    fault = {"match": {"action": "CreateGroupMetricRules"}, "fault": {"kind": "partial-batch", "share": 0.5}}
    stepped.control("PUT", "faults", [fault])
    request = models.CreateGroupMetricRulesRequest(group_id=number, group_metric_rules=listed)
    results = cms.create_group_metric_rules(request).body.resources.alert_result
    assert sorted(one.code for one in results) == [200, 200, 500, 500]
    assert [rule.rule_id for rule in rules(cms, group_id=str(number))] == [
        one.rule_id for one in results if one.success
    ]


def test_rules_of_a_group_go_with_the_group(cms: Client) -> None:
    """A rule put on a group names it and is deleted with it."""
    number = group(cms, "web")
    warn = models.PutGroupMetricRuleRequestEscalationsWarn(
        statistics="Average", comparison_operator="GreaterThanThreshold", threshold="1", times=1
    )
    request = models.PutGroupMetricRuleRequest(
        group_id=str(number),
        rule_id="g-1",
        rule_name="cpu",
        category="ECS",
        namespace="acs_ecs_dashboard",
        metric_name="cpu_total",
        escalations=models.PutGroupMetricRuleRequestEscalations(warn=warn),
    )
    assert cms.put_group_metric_rule(request).body.result.rule_id == "g-1"
    (shown,) = rules(cms, group_id=str(number))
    assert (shown.group_id, shown.group_name) == (str(number), "web")
    cms.delete_monitor_group(models.DeleteMonitorGroupRequest(group_id=number))
    assert rules(cms) == []


def test_an_alarm_reaches_the_rules_queue_in_the_documented_form(stepped: RunningSimulator, cms: Client) -> None:
    """The MNS target of a rule gets the alarm; an all-clear follows with the level before."""
    put_rule(cms)
    target = models.PutMetricRuleTargetsRequestTargets(id="1", arn=f"acs:mns:cn-hangzhou:{UID}:/queues/alarms/message")
    cms.put_metric_rule_targets(models.PutMetricRuleTargetsRequest(rule_id="r-1", targets=[target]))
    alarm(stepped, level="WARN", instance="i-bp1a", value=91.2)
    stepped.advance(60)
    alarm(stepped, level="OK", instance="i-bp1a", value=20)
    first, second = mailed(stepped)
    assert (first["ruleId"], first["curLevel"], first["preLevel"]) == ("r-1", "WARN", "OK")
    assert first["escalation"] == {
        "comparisonOperator": "GreaterThanThreshold",
        "level": 3,
        "statistics": "Average",
        "tag": "WARN",
        "threshold": "80",
        "times": 3,
    }
    assert json.loads(first["resources"]) == {"instanceId": "i-bp1a"}
    assert first["metricData"] == {
        "timestamp": NOW_MS,
        "userId": UID,
        "instanceId": "i-bp1a",
        "Average": 91.2,
        "Maximum": 91.2,
        "Minimum": 91.2,
    }
    assert (second["curLevel"], second["preLevel"]) == ("OK", "WARN")
    assert rules(cms)[0].alert_state == "OK"


def test_an_alarm_calls_the_rules_webhook_with_a_form(stepped: RunningSimulator, cms: Client) -> None:
    """The callback has the documented fields; dimensions are in braces but are not JSON."""
    with receiving() as receiver:
        put_rule(cms, webhook=json.dumps({"method": "post", "url": f"{receiver.url}/alarm"}))
        alarm(stepped, level="WARN", instance="i-bp1a", value=91.5)
        (request,) = receiver.wait(1)
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert fields["dimensions"] == f"{{userId={UID}, instanceId=i-bp1a}}"
    assert (fields["alertName"], fields["alertState"], fields["curValue"]) == ("cpu high", "ALERT", "91.5")
    assert (fields["expression"], fields["triggerLevel"], fields["preTriggerLevel"]) == ("$Average>80", "WARN", "OK")
    assert (fields["metricName"], fields["ruleId"], fields["timestamp"]) == ("cpu_total", "r-1", str(NOW_MS))


def test_a_callback_that_waits_for_its_retry_is_in_the_world(stepped: RunningSimulator, cms: Client) -> None:
    """A refused callback is tried three times more, five seconds apart, also when a world is put back in between."""
    with receiving() as receiver:
        receiver.answers += [500] * 4
        put_rule(cms, webhook=f"{receiver.url}/alarm")
        alarm(stepped, level="WARN", instance="i-bp1a", value=91.5)
        for attempt in (2, 3, 4):
            receiver.wait(attempt - 1)
            letter = until_retry(stepped, attempt)
            assert letter["due"] == NOW_MS + 5000 * (attempt - 1)
            stepped.world(stepped.control("GET", "world"))
            stepped.advance(5)
        requests = receiver.wait(4)
        assert len({request.body for request in requests}) == 1
        while stepped.control("GET", "world")["alibaba"]["metric_alarm_deliveries"]:
            assert receiver.answers == []
    stepped.advance(60)
    assert len(receiver.wait(4)) == 4


def until_retry(sim: RunningSimulator, attempt: int) -> dict[str, Any]:
    """Ask until a letter waits for its n-th attempt: the answer of a webhook reaches the simulator by itself."""
    for _ in range(2000):
        letters: list[dict[str, Any]] = sim.control("GET", "world")["alibaba"]["metric_alarm_deliveries"]
        if [letter.get("attempt") for letter in letters] == [attempt]:
            return letters[0]
    pytest.fail(f"nothing waits for attempt {attempt}")


def test_an_alarm_is_muted_within_the_silence_time(stepped: RunningSimulator, cms: Client) -> None:
    """The same level about the same resource is sent again only after SilenceTime; another resource is not muted."""
    put_rule(cms, silence_time=3600)
    target = models.PutMetricRuleTargetsRequestTargets(id="1", arn=f"acs:mns:cn-hangzhou:{UID}:/queues/alarms/messages")
    cms.put_metric_rule_targets(models.PutMetricRuleTargetsRequest(rule_id="r-1", targets=[target]))
    alarm(stepped, level="WARN", instance="i-a")
    alarm(stepped, level="WARN", instance="i-a")
    alarm(stepped, level="WARN", instance="i-b")
    assert len(mailed(stepped)) == 2
    stepped.advance(3600)
    alarm(stepped, level="WARN", instance="i-b")
    assert len(mailed(stepped)) == 1


def test_a_paused_groups_alarms_are_logged_and_not_sent(stepped: RunningSimulator, cms: Client) -> None:
    """While PauseNotify lasts nothing is sent; afterwards it is."""
    number = group(cms, "web")
    document = stepped.control("GET", "world")
    level = {"statistics": "Average", "operator": "GreaterThanThreshold", "threshold": "80", "times": 1}
    document["alibaba"]["metric_rules"] = [
        {
            "id": "g-1",
            "name": "cpu",
            "namespace": "acs_ecs_dashboard",
            "metric": "cpu_total",
            "group": number,
            "escalations": {"critical": level},
            "targets": [{"id": "1", "arn": f"acs:mns:cn-hangzhou:{UID}:/queues/alarms/messages"}],
        }
    ]
    stepped.world(document)
    pause = models.CreateMonitorGroupNotifyPolicyRequest(
        group_id=str(number), policy_type="PauseNotify", start_time=NOW_MS, end_time=NOW_MS + 60_000
    )
    cms.create_monitor_group_notify_policy(pause)
    alarm(stepped, "g-1", instance="i-a")
    assert mailed(stepped) == []
    stepped.advance(60)
    alarm(stepped, "g-1", instance="i-a")
    assert len(mailed(stepped)) == 1
    logged = cms.describe_alert_log_list(models.DescribeAlertLogListRequest(rule_id="g-1")).body.alert_log_list
    assert [(one.send_status, one.level, one.instance_id) for one in logged] == [
        ("0", "CRITICAL", "i-a"),
        ("2", "CRITICAL", "i-a"),
    ]


def test_what_is_in_alarm_is_listed_until_the_all_clear(stepped: RunningSimulator, cms: Client) -> None:
    """Two resources in alarm, one cleared: one is left."""
    put_rule(cms)
    for instance in ("i-a", "i-b"):
        alarm(stepped, level="WARN", instance=instance, value=90)
    alarm(stepped, level="OK", instance="i-a")
    request = models.DescribeAlertingMetricRuleResourcesRequest(rule_id="r-1")
    body = cms.describe_alerting_metric_rule_resources(request).body
    (shown,) = body.resources.resource
    assert (json.loads(shown.resource), shown.level, shown.threshold) == ({"instanceId": "i-b"}, 3, "80")


def test_an_alarm_on_its_way_survives_a_new_world(stepped: RunningSimulator, cms: Client) -> None:
    """A delayed delivery that is read with the world arrives after it was put back."""
    put_rule(cms)
    target = models.PutMetricRuleTargetsRequestTargets(id="1", arn=f"acs:mns:cn-hangzhou:{UID}:/queues/alarms/messages")
    cms.put_metric_rule_targets(models.PutMetricRuleTargetsRequest(rule_id="r-1", targets=[target]))
    fault = {"match": {"action": "metric_alarm"}, "fault": {"kind": "delayed-event", "delay_seconds": 30}}
    stepped.control("PUT", "faults", [fault])
    alarm(stepped, level="WARN", instance="i-a")
    assert mailed(stepped) == []
    stepped.world(stepped.control("GET", "world"))
    stepped.advance(30)
    assert [one["curLevel"] for one in mailed(stepped)] == ["WARN"]


def test_targets_are_listed_and_deleted(cms: Client) -> None:
    """Ids that a rule does not have are named when they are to be deleted."""
    put_rule(cms)
    arn = f"acs:mns:cn-hangzhou:{UID}:/queues/alarms/messages"
    targets = [models.PutMetricRuleTargetsRequestTargets(id=id_, arn=arn, level="WARN") for id_ in ("1", "2")]
    cms.put_metric_rule_targets(models.PutMetricRuleTargetsRequest(rule_id="r-1", targets=targets))
    removal = models.DeleteMetricRuleTargetsRequest(rule_id="r-1", target_ids=["1", "9"])
    assert cms.delete_metric_rule_targets(removal).body.fail_ids.target_ids.target_id == ["9"]
    listed = cms.describe_metric_rule_targets(models.DescribeMetricRuleTargetsRequest(rule_id="r-1")).body
    assert [(one.id, one.arn, one.level) for one in listed.targets.target] == [("2", arn, "WARN")]


def test_a_template_round_trips_and_its_version_guards_changes(cms: Client) -> None:
    """What was created is read back; a change with an old RestVersion is refused (requirement S4.24)."""
    number = template(cms)
    request = models.DescribeMetricRuleTemplateAttributeRequest(template_id=str(number))
    shown = cms.describe_metric_rule_template_attribute(request).body.resource
    assert (shown.name, shown.description, shown.rest_version) == ("pods", "two rules", "0")
    names = [one.metric_name for one in shown.alert_templates.alert_template]
    assert names == ["pod.cpu.usage_rate", "pod.network.rx_rate"]
    change = models.ModifyMetricRuleTemplateRequest(template_id=number, rest_version=0, name="renamed")
    cms.modify_metric_rule_template(change)
    assert refusal(cms.modify_metric_rule_template, change).status_code == 409
    listed = cms.describe_metric_rule_template_list(models.DescribeMetricRuleTemplateListRequest()).body
    assert [(one.name, one.rest_version) for one in listed.templates.template] == [("renamed", 1)]


def test_a_template_reaches_only_groups_with_its_resources_in_the_first_mode(
    stepped: RunningSimulator, cms: Client
) -> None:
    """Four groups get the rules, one without pods gets none; in the other mode it gets them too (S4.25)."""
    pods = [{"category": "k8s_pod", "instance_id": "pod-1"}]
    named: list[dict[str, Any]] = [
        {"id": 2_000_000 + number, "name": f"k8s-{number}", "instances": pods} for number in range(4)
    ]
    empty: dict[str, Any] = {"id": 2_000_009, "name": "empty", "instances": ["i-a"]}
    stepped.world({"now": NOW, "alibaba": {"monitor_groups": [*named, empty]}})
    number = template(cms)
    assert [len(apply(cms, one["id"], number)) for one in [*named, empty]] == [2, 2, 2, 2, 0]
    assert len(apply(cms, 2_000_009, number, "ALARM_TEMPLATE_FIRST")) == 2


def test_the_same_template_twice_does_not_double_rules(cms: Client) -> None:
    """Applied again the rules are the same; applied after a change they follow it."""
    one = group(cms, "web")
    number = template(cms)
    first = apply(cms, one, number, "ALARM_TEMPLATE_FIRST", silence_time=7200, enable_start_time=8, enable_end_time=20)
    again = apply(cms, one, number, "ALARM_TEMPLATE_FIRST", silence_time=7200, enable_start_time=8, enable_end_time=20)
    assert {row.rule_id for row in first} == {row.rule_id for row in again}
    shown = rules(cms, group_id=str(one))
    assert len(shown) == 2
    assert {(rule.silence_time, rule.effective_interval) for rule in shown} == {(7200, "08:00-20:59")}
    changed = models.ModifyMetricRuleTemplateRequest(
        template_id=number,
        rest_version=0,
        alert_templates=[
            models.ModifyMetricRuleTemplateRequestAlertTemplates().from_map(row.to_map())
            for row in entries("pod.memory.usage_rate")
        ],
    )
    cms.modify_metric_rule_template(changed)
    apply(cms, one, number, "ALARM_TEMPLATE_FIRST")
    assert [rule.metric_name for rule in rules(cms, group_id=str(one))] == ["pod.memory.usage_rate"]


def test_appending_a_second_template_keeps_the_rules_of_the_first(cms: Client) -> None:
    """AppendMode append replaces only rules of the same template; all replaces those of every template."""
    one = group(cms, "web")
    cpu, memory = template(cms, "a", "pod.cpu.usage_rate"), template(cms, "b", "pod.memory.usage_rate")
    apply(cms, one, cpu, "ALARM_TEMPLATE_FIRST")
    apply(cms, one, memory, "ALARM_TEMPLATE_FIRST", append_mode="append")
    assert len(rules(cms, group_id=str(one))) == 2
    apply(cms, one, memory, "ALARM_TEMPLATE_FIRST", append_mode="all")
    assert [rule.metric_name for rule in rules(cms, group_id=str(one))] == ["pod.memory.usage_rate"]


def test_a_template_remembers_where_it_was_applied_and_its_rules_outlive_it(cms: Client) -> None:
    """The history names the group; deleting the template leaves the rules that were made of it."""
    one, number = group(cms, "web"), template(cms)
    apply(cms, one, number, "ALARM_TEMPLATE_FIRST")
    request = models.DescribeMetricRuleTemplateListRequest(template_id=number, history=True)
    (shown,) = cms.describe_metric_rule_template_list(request).body.templates.template
    assert [(row.group_id, row.group_name) for row in shown.apply_histories.apply_history] == [(one, "web")]
    gone = cms.delete_metric_rule_template(models.DeleteMetricRuleTemplateRequest(template_id=str(number))).body
    assert gone.resource.template_id == str(number)
    assert len(rules(cms, group_id=str(one))) == 2


def availability(number: int, **facts: Any) -> models.CreateHostAvailabilityRequest:
    """Return a request for a probe task of a group."""
    usual: dict[str, Any] = {
        "group_id": number,
        "task_name": "check_health",
        "task_type": "HTTP",
        "task_option": models.CreateHostAvailabilityRequestTaskOption(
            http_uri="http://localhost/check_health", http_method="GET", http_response_match_content="ok"
        ),
        "alert_config": models.CreateHostAvailabilityRequestAlertConfig(notify_type=1, web_hook="http://127.0.0.1:1/"),
        "alert_config_escalation_list": [threshold("HttpStatus", "400"), threshold("HttpLatency", "500")],
    }
    return models.CreateHostAvailabilityRequest(**{**usual, **facts})


def threshold(metric: str, value: str) -> models.CreateHostAvailabilityRequestAlertConfigEscalationList:
    """Return an alarm condition of a probe task."""
    return models.CreateHostAvailabilityRequestAlertConfigEscalationList(
        metric_name=metric, operator=">=", value=value, times=3
    )


def host_tasks(cms: Client, **query: Any) -> list[Any]:
    """List probe tasks."""
    request = models.DescribeHostAvailabilityListRequest(**query)
    listed: list[Any] = cms.describe_host_availability_list(request).body.task_list.node_task_config
    return listed


def test_a_probe_task_is_kept_switched_and_deleted(cms: Client) -> None:
    """What was asked for is read back (requirement S4.12)."""
    number = group(cms, "web")
    made = cms.create_host_availability(availability(number)).body.task_id
    (shown,) = host_tasks(cms, group_id=number)
    assert (shown.id, shown.task_name, shown.task_type, shown.group_name) == (made, "check_health", "HTTP", "web")
    assert (shown.task_option.http_uri, shown.task_option.interval) == ("http://localhost/check_health", 60)
    assert (shown.task_option.http_keyword, shown.disabled, shown.task_scope) == ("ok", False, "GROUP")
    conditions = shown.alert_config.escalation_list.escalation_list
    assert [(one.metric_name, one.aggregate, one.value, one.times) for one in conditions] == [
        ("HttpStatus", "Value", "400", "3"),
        ("HttpLatency", "Average", "500", "3"),
    ]
    cms.disable_host_availability(models.DisableHostAvailabilityRequest(id=[made]))
    assert host_tasks(cms)[0].disabled
    cms.delete_host_availability(models.DeleteHostAvailabilityRequest(id=[made]))
    assert host_tasks(cms) == []


def test_a_probe_task_is_changed_as_a_whole_and_stays_switched_off(cms: Client) -> None:
    """Modify replaces options and conditions; type, id and switch stay."""
    number = group(cms, "web")
    made = cms.create_host_availability(availability(number)).body.task_id
    cms.disable_host_availability(models.DisableHostAvailabilityRequest(id=[made]))
    condition = models.ModifyHostAvailabilityRequestAlertConfigEscalationList(
        metric_name="HttpLatency", operator=">", value="800", times=1
    )
    change = models.ModifyHostAvailabilityRequest(
        id=made,
        group_id=number,
        task_name="renamed_task",
        task_option=models.ModifyHostAvailabilityRequestTaskOption(http_uri="http://localhost/other", interval=300),
        alert_config=models.ModifyHostAvailabilityRequestAlertConfig(notify_type=0),
        alert_config_escalation_list=[condition],
    )
    cms.modify_host_availability(change)
    (shown,) = host_tasks(cms, id=made)
    assert (shown.task_name, shown.task_type, shown.disabled) == ("renamed_task", "HTTP", True)
    assert (shown.task_option.http_uri, shown.task_option.interval) == ("http://localhost/other", 300)
    assert [one.value for one in shown.alert_config.escalation_list.escalation_list] == ["800"]
    cms.enable_host_availability(models.EnableHostAvailabilityRequest(id=[made]))
    assert not host_tasks(cms)[0].disabled


@pytest.mark.parametrize(
    "facts",
    [
        {"task_name": "abc"},
        {"task_name": "with spaces"},
        {"task_type": "SMOKE"},
        {"task_option": models.CreateHostAvailabilityRequestTaskOption(http_method="GET")},
        {"task_option": models.CreateHostAvailabilityRequestTaskOption(http_uri="http://x", interval=61)},
        {"task_type": "PING", "task_option": models.CreateHostAvailabilityRequestTaskOption(http_uri="http://x")},
        {"task_scope": "GROUP_SPEC_INSTANCE"},
        {"alert_config_escalation_list": []},
        {"alert_config_escalation_list": [threshold("PingLostRate", "10")]},
        {"alert_config": models.CreateHostAvailabilityRequestAlertConfig(notify_type=9)},
        {"group_id": 1},
    ],
)
def test_a_probe_task_that_cannot_be_is_refused(cms: Client, facts: dict[str, Any]) -> None:
    """Names, types, options, conditions and groups are checked as documented."""
    number = group(cms, "web")
    assert refusal(cms.create_host_availability, availability(number, **facts)).status_code in {400, 404}
    assert host_tasks(cms) == []


def test_a_site_monitor_is_kept_switched_and_deleted(cms: Client) -> None:
    """A task of public probes answers with its id and is listed with its options as an object."""
    request = models.CreateSiteMonitorRequest(
        address="http://example.com",
        task_name="front_page",
        task_type="HTTP",
        interval="5",
        options_json='{"time_out":3}',
    )
    (made,) = cms.create_site_monitor(request).body.create_result_list.create_result_list
    listed = cms.describe_site_monitor_list(models.DescribeSiteMonitorListRequest(keyword="front")).body
    (shown,) = listed.site_monitors.site_monitor
    assert (shown.task_id, shown.task_state, shown.interval) == (made.task_id, "1", "5")
    assert shown.options_json.time_out == 3
    cms.disable_site_monitors(models.DisableSiteMonitorsRequest(task_ids=made.task_id))
    stopped = models.DescribeSiteMonitorListRequest(task_state="2")
    assert cms.describe_site_monitor_list(stopped).body.total_count == 1
    assert cms.delete_site_monitors(models.DeleteSiteMonitorsRequest(task_ids=made.task_id)).body.data.count == 1


def test_a_site_monitor_is_changed_in_what_is_given(cms: Client) -> None:
    """Address and interval change, the rest stays; enabling again is counted."""
    request = models.CreateSiteMonitorRequest(address="a.example.com", task_name="front_page", task_type="PING")
    (made,) = cms.create_site_monitor(request).body.create_result_list.create_result_list
    change = models.ModifySiteMonitorRequest(task_id=made.task_id, address="b.example.com", interval="15")
    assert cms.modify_site_monitor(change).body.data.count == 1
    cms.disable_site_monitors(models.DisableSiteMonitorsRequest(task_ids=made.task_id))
    enabled = cms.enable_site_monitors(models.EnableSiteMonitorsRequest(task_ids=f"{made.task_id},nothing"))
    assert enabled.body.data.count == 1
    listed = cms.describe_site_monitor_list(models.DescribeSiteMonitorListRequest(task_id=made.task_id)).body
    (shown,) = listed.site_monitors.site_monitor
    assert (shown.address, shown.interval, shown.task_name) == ("b.example.com", "15", "front_page")
    assert (shown.task_type, shown.task_state) == ("PING", "1")


def log_metric(**facts: Any) -> models.PutLogMonitorRequest:
    """Return a request for a log metric."""
    usual: dict[str, Any] = {
        "sls_region_id": "cn-hangzhou",
        "sls_project": "shop",
        "sls_logstore": "access",
        "metric_name": "errors",
        "aggregates": [
            models.PutLogMonitorRequestAggregates(field_name="status", function="count", alias="all"),
            models.PutLogMonitorRequestAggregates(field_name="cost", function="avg", alias="cost"),
        ],
        "groupbys": [models.PutLogMonitorRequestGroupbys(field_name="host", alias="host")],
        "value_filter": [models.PutLogMonitorRequestValueFilter(key="status", operator=">=", value="500")],
        "value_filter_relation": "and",
        "tumblingwindows": "60,300",
        "metric_express": '{"extend":{"errorPercent":"all/cost*100"}}',
    }
    return models.PutLogMonitorRequest(**{**usual, **facts})


def test_a_log_metric_is_kept_changed_and_deleted(cms: Client) -> None:
    """Its list is a plain array; putting it with its LogId changes it (requirement S4.2)."""
    made = cms.put_log_monitor(log_metric()).body.log_id
    (row,) = cms.describe_log_monitor_list(models.DescribeLogMonitorListRequest()).body.log_monitor_list
    assert (str(row.log_id), row.metric_name, row.value_filter[0].operator) == (made, "errors", ">=")
    request = models.DescribeLogMonitorAttributeRequest(metric_name="errors")
    shown = cms.describe_log_monitor_attribute(request).body.log_monitor
    assert [(one.field_name, one.function, one.alias) for one in shown.aggregates] == [
        ("status", "count", "all"),
        ("cost", "avg", "cost"),
    ]
    assert (shown.tumblingwindows, shown.groupbys) == (["60", "300"], ["host"])
    cms.put_log_monitor(log_metric(log_id=made, sls_logstore="other"))
    (row,) = cms.describe_log_monitor_list(models.DescribeLogMonitorListRequest()).body.log_monitor_list
    assert (str(row.log_id), row.sls_logstore) == (made, "other")
    cms.delete_log_monitor(models.DeleteLogMonitorRequest(log_id=int(made)))
    assert cms.describe_log_monitor_list(models.DescribeLogMonitorListRequest()).body.log_monitor_list == []


@pytest.mark.parametrize(
    "facts",
    [
        {"aggregates": []},
        {"aggregates": [models.PutLogMonitorRequestAggregates(field_name="状态", function="count", alias="a")]},
        {"aggregates": [models.PutLogMonitorRequestAggregates(field_name="status", function="guess", alias="a")]},
        {"value_filter": [models.PutLogMonitorRequestValueFilter(key="status", operator="~", value="5")]},
        {"value_filter_relation": None},
        {"tumblingwindows": "61"},
        {"metric_express": "all*2"},
        {"log_id": "77"},
    ],
)
def test_a_log_metric_that_cannot_be_is_refused(cms: Client, facts: dict[str, Any]) -> None:
    """Functions, operators, windows, formulas and ids are checked; a Chinese field name never matches (Q29)."""
    assert refusal(cms.put_log_monitor, log_metric(**facts)).status_code in {400, 404}


def test_the_world_of_rules_and_tasks_reads_back_as_it_was(stepped: RunningSimulator, cms: Client) -> None:
    """Everything that the calls make is in the document, and the document put back is the same again."""
    number = group(cms, "web")
    put_rule(cms)
    apply(cms, number, template(cms), "ALARM_TEMPLATE_FIRST")
    alarm(stepped, level="WARN", instance="i-a", value=90)
    cms.create_host_availability(availability(number))
    cms.create_site_monitor(
        models.CreateSiteMonitorRequest(address="example.com", task_name="front_page", task_type="PING")
    )
    cms.put_log_monitor(log_metric())
    kinds = ("metric_rules", "metric_templates", "metric_alarms", "host_availability", "site_monitors", "log_monitors")
    first = stepped.control("GET", "world")
    assert [len(first["alibaba"][kind]) for kind in kinds] == [3, 1, 1, 1, 1, 1]
    stepped.world(first)
    second = stepped.control("GET", "world")
    assert {kind: second["alibaba"][kind] for kind in kinds} == {kind: first["alibaba"][kind] for kind in kinds}
