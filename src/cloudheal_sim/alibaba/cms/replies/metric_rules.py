"""Wire out: metric alert rules, targets, and the log of alarms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from cloudheal_sim.alibaba.cms.model.metric_rules import LEVEL_NUMBERS
from cloudheal_sim.alibaba.cms.replies.envelope import done, done_number, present

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudheal_sim.alibaba.cms.model.contacts import Contact
    from cloudheal_sim.alibaba.cms.model.groups import Group
    from cloudheal_sim.alibaba.cms.model.metric_rules import (
        Alarm,
        Composite,
        Escalation,
        Escalations,
        MetricRule,
        Prometheus,
        Target,
    )


class Told(NamedTuple):
    """One alarm with everything that the answers say about it."""

    alarm: Alarm
    rule: MetricRule
    product: str
    group: Group | None
    contact_groups: Sequence[str]
    contacts: Sequence[Contact]


def rules(rows: Iterable[tuple[MetricRule, Group | None, str]], total: int) -> dict[str, object]:
    """Answer DescribeMetricRuleList; a row is a rule, its group and its product."""
    return done_number(Total=str(total), Alarms={"Alarm": [_rule(*row) for row in rows]})


def counts(every: Iterable[MetricRule]) -> dict[str, object]:
    """Answer DescribeMetricRuleCount."""
    listed = list(every)
    speaking = [rule for rule in listed if rule.enabled]
    by_state = {state: sum(rule.state == state for rule in speaking) for state in ("OK", "ALARM", "INSUFFICIENT_DATA")}
    return done(
        MetricRuleCount={
            "Total": len(listed),
            "Ok": by_state["OK"],
            "Alarm": by_state["ALARM"],
            "Nodata": by_state["INSUFFICIENT_DATA"],
            "Disable": len(listed) - len(speaking),
        }
    )


def targets(listed: Iterable[Target]) -> dict[str, object]:
    """Answer DescribeMetricRuleTargets."""
    return done(Targets={"Target": [target(one) for one in listed]})


def target(one: Target) -> dict[str, object]:
    """Return one target; what was not given is not there."""
    return {"Id": one.id, "Arn": one.arn, **present(Level=one.level, JsonParams=one.json_params)}


def escalations(levels: Escalations) -> dict[str, object]:
    """Return the levels that are set."""
    named = {"Critical": levels.critical, "Warn": levels.warn, "Info": levels.info}
    return {name: _escalation(one) for name, one in named.items() if one is not None}


def alert_log(told: Iterable[Told], number: int, size: int) -> dict[str, object]:
    """Answer DescribeAlertLogList, a plain array."""
    return done(PageNumber=number, PageSize=size, AlertLogList=[_alert(one) for one in told])


def alerting(told: Iterable[Told], total: int) -> dict[str, object]:
    """Answer DescribeAlertingMetricRuleResources."""
    return done_number(Total=total, Resources={"Resource": [_alerting(one) for one in told]})


def _rule(rule: MetricRule, group: Group | None, product: str) -> dict[str, object]:
    contacts = rule.contact_groups or (",".join(group.contact_groups) if group else "")
    where = {"GroupId": str(group.number), "GroupName": group.name} if group else {}
    return {
        "RuleId": rule.id,
        "RuleName": rule.name,
        "Namespace": rule.namespace,
        "MetricName": rule.metric,
        "ContactGroups": contacts,
        "Resources": rule.resources,
        "Dimensions": rule.dimensions or rule.resources,
        "Period": str(rule.period),
        "SilenceTime": rule.silence_time,
        "EffectiveInterval": rule.effective_interval,
        "NoEffectiveInterval": rule.no_effective_interval,
        "NoDataPolicy": rule.no_data_policy,
        "EnableState": rule.enabled,
        "AlertState": rule.state,
        "Escalations": escalations(rule.escalations),
        "MailSubject": rule.email_subject,
        "Webhook": rule.webhook,
        "Labels": {"Labels": [{"Key": label.key, "Value": label.value} for label in rule.labels]},
        "ProductCategory": product,
        "SourceType": "METRIC",
        "GmtCreate": rule.created,
        "GmtUpdate": str(rule.updated),
        **where,
        **present(SendOK=rule.send_ok, Options=rule.options),
        **present(CompositeExpression=_composite(rule.composite), Prometheus=_prometheus(rule.prometheus)),
    }


def _escalation(one: Escalation) -> dict[str, object]:
    return {
        "Statistics": one.statistics,
        "ComparisonOperator": one.operator,
        "Threshold": one.threshold,
        "Times": one.times,
        **present(PreCondition=one.pre_condition, N=one.n),
    }


def _composite(composite: Composite | None) -> dict[str, object] | None:
    if composite is None:
        return None
    parts = [
        {
            "MetricName": one.metric,
            "ComparisonOperator": one.operator,
            "Statistics": one.statistics,
            "Threshold": one.threshold,
            **present(Period=one.period),
        }
        for one in composite.expressions
    ]
    head = present(
        Level=composite.level,
        ExpressionListJoin=composite.join,
        ExpressionRaw=composite.raw,
        Times=composite.times,
    )
    return {**head, "ExpressionList": {"ExpressionList": parts}}


def _prometheus(prometheus: Prometheus | None) -> dict[str, object] | None:
    if prometheus is None:
        return None
    notes = [{"Key": note.key, "Value": note.value} for note in prometheus.annotations]
    head = present(Level=prometheus.level, Times=prometheus.times)
    return {"PromQL": prometheus.prom_ql, **head, "Annotations": {"Annotations": notes}}


def _alert(told: Told) -> dict[str, object]:
    alarm, rule = told.alarm, told.rule
    level = rule.escalations.levels().get(alarm.level)
    reached = [contact.channels for contact in told.contacts]
    escalation = {"Escalation": _said(level, alarm.level)} if level else {}
    where = {"GroupId": str(told.group.number), "GroupName": told.group.name} if told.group else {}
    return {
        "AlertTime": str(alarm.at),
        "LogId": alarm.id,
        "RuleId": rule.id,
        "RuleName": rule.name,
        "Namespace": rule.namespace,
        "MetricName": rule.metric,
        "Product": told.product,
        "InstanceId": alarm.instance,
        "Level": alarm.level,
        "LevelChange": f"{alarm.previous}->{alarm.level}",
        "Message": json.dumps({"curValue": alarm.value, "alertName": rule.name}, separators=(",", ":")),
        "Dimensions": [{"Key": key, "Value": value} for key, value in alarm.dimensions.items()],
        "ContactGroups": list(told.contact_groups),
        "ContactMailList": [one.mail for one in reached if one.mail],
        "ContactSMSList": [one.sms for one in reached if one.sms],
        "ContactALIIWWList": [one.ali_im for one in reached if one.ali_im],
        "DingdingWebhookList": [one.ding_web_hook for one in reached if one.ding_web_hook],
        "SendStatus": "0" if alarm.sent else "2",
        "WebhookList": [{"code": "200", "message": "", "url": rule.webhook}] if rule.webhook and alarm.sent else [],
        **where,
        **escalation,
    }


def _said(level: Escalation, name: str) -> dict[str, object]:
    return {"Expression": level.expression, "Level": name, "Times": level.times}


def _alerting(told: Told) -> dict[str, object]:
    alarm, rule = told.alarm, told.rule
    level = rule.escalations.levels().get(alarm.level)
    number = LEVEL_NUMBERS.get(alarm.level, 0)
    shown: dict[str, object] = {
        "RuleId": rule.id,
        "RuleName": rule.name,
        "Namespace": rule.namespace,
        "MetricName": rule.metric,
        "ProductCategory": told.product,
        "Resource": json.dumps(alarm.dimensions, separators=(",", ":")),
        "Dimensions": json.dumps(alarm.dimensions, separators=(",", ":")),
        "Enable": "true" if rule.enabled else "false",
        "Level": number,
        "MetricValues": json.dumps({"value": alarm.value}),
        "StartTime": str(alarm.at),
        "LastAlertTime": str(alarm.at),
        "LastModifyTime": str(alarm.at),
        "RetryTimes": "0",
        **({"GroupId": str(rule.group)} if rule.group else {}),
    }
    if level is None:
        return shown
    condition = {
        "ComparisonOperator": level.operator,
        "Expression": level.expression,
        "Level": number,
        "Tag": alarm.level,
        "Threshold": level.threshold,
        "Times": level.times,
        "ExpressionList": {"ExpressionList": []},
    }
    more = {"Statistics": level.statistics, "Threshold": level.threshold, "Escalation": {"Resource": [condition]}}
    return {**shown, **more}
