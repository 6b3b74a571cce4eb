"""The calls about metric alert rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.actions.groups import group_of
from cloudheal_sim.alibaba.cms.errors import NO_ESCALATION, RESOURCE_NOT_FOUND
from cloudheal_sim.alibaba.cms.model import metric_rules as model
from cloudheal_sim.alibaba.cms.replies import metric_rules as replies
from cloudheal_sim.alibaba.cms.replies.envelope import done, done_number, page
from cloudheal_sim.alibaba.cms.requests import metric_rules as wire
from cloudheal_sim.alibaba.cms.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refusal, Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import INTERNAL_ERROR, invalid
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudheal_sim.alibaba.cms.model.metric_rules import MetricRule
    from cloudheal_sim.alibaba.cms.state import Cms
    from cloudheal_sim.kernel.core import Exchange

_USUAL_PERIOD = 60
_USUAL_SILENCE = 86_400
_ALL_DAY = "00:00-23:59"
_MOST_RULES_LISTED = 10


@SERVICE.action(wire.PutResourceMetricRule)
def put_resource_metric_rule(cms: Cms, request: wire.PutResourceMetricRule, _exchange: Exchange) -> Reply:
    """Create or replace a rule on resources."""
    rule = _rule(request, resources=request.resources or "", send_ok=request.send_ok)
    rule = rule.model_copy(
        update={"composite": _composite(request.composite_expression), "prometheus": _prometheus(request.prometheus)}
    )
    if not (rule.escalations.levels() or rule.composite or rule.prometheus):
        raise Refused(NO_ESCALATION)
    cms.monitoring.rules.put(rule)
    return done()


@SERVICE.action(wire.PutResourceMetricRules)
def put_resource_metric_rules(cms: Cms, request: wire.PutResourceMetricRules, exchange: Exchange) -> Reply:
    """Create or replace several rules; those that cannot be are named, the others take effect."""
    failed: list[dict[str, object]] = []
    failing = exchange.spoilt(len(request.rules))
    for place, one in enumerate(request.rules):
        refusal = model_refusal(one) if place not in failing else INTERNAL_ERROR
        if refusal is None:
            cms.monitoring.rules.put(_rule(one, resources=one.resources or "", send_ok=one.send_ok))
        else:
            result = {"Code": refusal.code, "Message": refusal.message, "Success": False}
            failed.append({"RuleId": one.rule_id, "Result": result})
    more = {"FailedListResult": {"Target": failed}} if failed else {}
    return done(**more)


@SERVICE.action(wire.PutGroupMetricRule)
def put_group_metric_rule(cms: Cms, request: wire.PutGroupMetricRule, _exchange: Exchange) -> Reply:
    """Create or replace a rule on a group."""
    group = group_of(cms, request.group_id)
    if (refusal := model_refusal(request)) is not None:
        raise Refused(refusal)
    rule = _rule(
        request,
        group=group.number,
        category=request.category or "",
        dimensions=request.dimensions or "",
        extra_dimensions=request.extra_dimension_json or "",
        options=request.options or "",
    )
    cms.monitoring.rules.put(rule)
    return done(Result={"RuleId": rule.id})


@SERVICE.action(wire.CreateGroupMetricRules)
def create_group_metric_rules(cms: Cms, request: wire.CreateGroupMetricRules, exchange: Exchange) -> Reply:
    """Create several rules on a group and say of each whether it worked."""
    group = group_of(cms, request.group_id)
    results: list[dict[str, object]] = []
    failing = exchange.spoilt(len(request.group_metric_rules))
    for place, one in enumerate(request.group_metric_rules):
        refusal = model_refusal(one) if place not in failing else INTERNAL_ERROR
        if refusal is None:
            own = {"category": one.category, "dimensions": one.dimensions or "", "options": one.options or ""}
            cms.monitoring.rules.put(_rule(one, group=group.number, **own))
        results.append(
            {
                "RuleId": one.rule_id,
                "RuleName": one.rule_name,
                "Code": 200 if refusal is None else refusal.status,
                "Message": "successful" if refusal is None else refusal.message,
                "Success": refusal is None,
            }
        )
    return done_number(Resources={"AlertResult": results})


@SERVICE.action(wire.DescribeMetricRuleList)
def describe_metric_rule_list(cms: Cms, request: wire.DescribeMetricRuleList, exchange: Exchange) -> Reply:
    """List rules; ids that do not exist are absent."""
    monitoring = cms.monitoring
    rows = [rule for rule in monitoring.rules.store.all(exchange.as_of) if _is_meant(rule, request)]
    shown = page(rows, request.page, request.page_size, _MOST_RULES_LISTED)
    return replies.rules(
        [(rule, monitoring.group(rule.group), monitoring.product(rule.namespace)) for rule in shown], len(rows)
    )


@SERVICE.action(wire.DescribeMetricRuleCount)
def describe_metric_rule_count(cms: Cms, request: wire.DescribeMetricRuleCount, exchange: Exchange) -> Reply:
    """Count rules by state."""
    return replies.counts(
        rule
        for rule in cms.monitoring.rules.store.all(exchange.as_of)
        if request.namespace in {None, rule.namespace} and request.metric_name in {None, rule.metric}
    )


@SERVICE.action(wire.EnableMetricRules)
def enable_metric_rules(cms: Cms, request: wire.EnableMetricRules, _exchange: Exchange) -> Reply:
    """Let rules speak."""
    return _switched(cms, request.rule_id, on=True)


@SERVICE.action(wire.DisableMetricRules)
def disable_metric_rules(cms: Cms, request: wire.DisableMetricRules, _exchange: Exchange) -> Reply:
    """Keep rules from speaking."""
    return _switched(cms, request.rule_id, on=False)


@SERVICE.action(wire.DeleteMetricRules)
def delete_metric_rules(cms: Cms, request: wire.DeleteMetricRules, _exchange: Exchange) -> Reply:
    """Delete rules; what is not there is not missed."""
    for id_ in request.id:
        cms.monitoring.rules.store.remove(id_)
    return done()


@SERVICE.action(wire.PutMetricRuleTargets)
def put_metric_rule_targets(cms: Cms, request: wire.PutMetricRuleTargets, _exchange: Exchange) -> Reply:
    """Add targets, or replace those of the same id."""
    rule = rule_of(cms, request.rule_id)
    added = [
        model.Target(id=one.id, arn=one.arn, level=one.level or "", json_params=one.json_params or "")
        for one in request.targets
    ]
    every = {one.id: one for one in (*rule.targets, *added)}
    if len(every) > model.MOST_TARGETS:
        raise invalid("Targets")
    cms.monitoring.rules.change(rule, targets=tuple(every.values()))
    return done(FailData={"Targets": {"Target": []}})


@SERVICE.action(wire.DescribeMetricRuleTargets)
def describe_metric_rule_targets(cms: Cms, request: wire.DescribeMetricRuleTargets, exchange: Exchange) -> Reply:
    """List the targets of a rule."""
    return replies.targets(rule_of(cms, request.rule_id, exchange.as_of).targets)


@SERVICE.action(wire.DeleteMetricRuleTargets)
def delete_metric_rule_targets(cms: Cms, request: wire.DeleteMetricRuleTargets, _exchange: Exchange) -> Reply:
    """Delete targets; ids that the rule does not have are named."""
    rule = rule_of(cms, request.rule_id)
    known = {one.id for one in rule.targets}
    left = tuple(one for one in rule.targets if one.id not in request.target_ids)
    cms.monitoring.rules.change(rule, targets=left)
    unknown = [id_ for id_ in request.target_ids if id_ not in known]
    return done(FailIds={"TargetIds": {"TargetId": unknown}})


@SERVICE.action(wire.DescribeAlertLogList)
def describe_alert_log_list(cms: Cms, request: wire.DescribeAlertLogList, _exchange: Exchange) -> Reply:
    """List what rules have said, the newest first."""
    stop = cms.kernel.clock.now() if request.end_time is None else request.end_time
    start = request.start_time or 0
    if request.last_min is not None:
        start = stop - request.last_min * 60 * MILLIS_PER_SECOND
    rows = [
        told
        for told in _told(cms, reversed(cms.monitoring.rules.alarms))
        if start <= told.alarm.at <= stop and _is_asked_for(told, request)
    ]
    number, size = request.page_number or 1, request.page_size or 10
    return replies.alert_log(page(rows, number, size), number, size)


@SERVICE.action(wire.DescribeAlertingMetricRuleResources)
def describe_alerting_metric_rule_resources(
    cms: Cms, request: wire.DescribeAlertingMetricRuleResources, exchange: Exchange
) -> Reply:
    """List the resources whose last alarm is not an all-clear."""
    before = request.alert_before_time
    rows = [
        told
        for rule in cms.monitoring.rules.store.all(exchange.as_of)
        if request.rule_id in {None, rule.id}
        and request.group_id in {None, rule.group}
        and request.namespace in {None, rule.namespace}
        for told in _told(cms, cms.monitoring.rules.latest(rule).values())
        if told.alarm.level in model.LEVEL_NUMBERS
        and (before is None or told.alarm.at <= before)
        and (not request.dimensions or any(one.items() <= told.alarm.dimensions.items() for one in request.dimensions))
    ]
    return replies.alerting(page(rows, request.page, request.page_size), len(rows))


def rule_of(cms: Cms, id_: str, as_of: int | None = None) -> MetricRule:
    """Return a rule by its id. Raises Refused when there is none."""
    found = cms.monitoring.rules.store.get(id_, as_of)
    if found is None:
        raise Refused(RESOURCE_NOT_FOUND)
    return found


def escalations(levels: wire.Levels) -> model.Escalations:
    """Return the levels that were given."""
    return model.Escalations(
        critical=_escalation(levels.critical), warn=_escalation(levels.warn), info=_escalation(levels.info)
    )


def model_refusal(fields: wire.RuleFields) -> Refusal | None:
    """Return why a rule cannot be, None when it can."""
    return None if escalations(fields.escalations).levels() else NO_ESCALATION


def _escalation(level: wire.Level | None) -> model.Escalation | None:
    if (
        level is None
        or level.statistics is None
        or level.comparison_operator is None
        or level.threshold is None
        or level.times is None
    ):
        return None
    return model.Escalation(
        statistics=level.statistics,
        operator=level.comparison_operator,
        threshold=level.threshold,
        times=level.times,
        pre_condition=level.pre_condition or "",
        n=level.n,
    )


def _rule(fields: wire.RuleFields, **own: object) -> MetricRule:
    rule = model.MetricRule(
        id=fields.rule_id,
        name=fields.rule_name,
        namespace=fields.namespace,
        metric=fields.metric_name or "",
        contact_groups=fields.contact_groups or "",
        period=fields.period or _USUAL_PERIOD,
        interval=fields.interval or "",
        silence_time=_USUAL_SILENCE if fields.silence_time is None else fields.silence_time,
        effective_interval=fields.effective_interval or _ALL_DAY,
        no_effective_interval=fields.no_effective_interval or "",
        no_data_policy=fields.no_data_policy or "KEEP_LAST_STATE",
        webhook=fields.webhook or "",
        email_subject=fields.email_subject or "",
        labels=tuple(model.Label(key=label.key, value=label.value) for label in fields.labels),
        escalations=escalations(fields.escalations),
    )
    return rule.model_copy(update=own)


def _composite(given: wire.CompositeExpression | None) -> model.Composite | None:
    if given is None:
        return None
    parts = tuple(
        model.Expression(
            metric=one.metric_name,
            operator=one.comparison_operator,
            statistics=one.statistics,
            threshold=one.threshold,
            period=one.period,
        )
        for one in given.expression_list
    )
    return model.Composite(
        level=given.level or "",
        join=given.expression_list_join or "",
        raw=given.expression_raw or "",
        times=given.times,
        expressions=parts,
    )


def _prometheus(given: wire.Prometheus | None) -> model.Prometheus | None:
    if given is None:
        return None
    notes = tuple(model.Label(key=note.key, value=note.value) for note in given.annotations)
    return model.Prometheus(prom_ql=given.prom_ql, level=given.level or "", times=given.times, annotations=notes)


def _switched(cms: Cms, ids: Iterable[str], *, on: bool) -> Reply:
    rules = [rule_of(cms, id_) for id_ in ids]
    for rule in rules:
        cms.monitoring.rules.change(rule, enabled=on)
    return done()


def _told(cms: Cms, alarms: Iterable[model.Alarm]) -> Iterator[replies.Told]:
    """Join alarms with their rules, groups and contacts; alarms of deleted rules have nothing to tell."""
    monitoring = cms.monitoring
    for alarm in alarms:
        rule = monitoring.rules.store.get(alarm.rule)
        if rule is None:
            continue
        group = monitoring.group(rule.group)
        names = rule.contact_groups.split(",") if rule.contact_groups else list(group.contact_groups if group else ())
        people = {
            name: person
            for contact_group in names
            for name in getattr(monitoring.contacts.groups.get(contact_group), "contacts", ())
            if (person := monitoring.contacts.people.get(name)) is not None
        }
        product = monitoring.product(rule.namespace)
        yield replies.Told(alarm, rule, product, group, names, list(people.values()))


def _is_meant(rule: MetricRule, request: wire.DescribeMetricRuleList) -> bool:
    return (
        (not request.rule_ids or rule.id in request.rule_ids)
        and (request.rule_name is None or request.rule_name in rule.name)
        and request.namespace in {None, rule.namespace}
        and request.metric_name in {None, rule.metric}
        and request.alert_state in {None, rule.state}
        and request.enable_state in {None, rule.enabled}
        and request.group_id in {None, rule.group}
        and (request.dimensions is None or request.dimensions in {rule.dimensions, rule.resources})
    )


def _is_asked_for(told: replies.Told, request: wire.DescribeAlertLogList) -> bool:
    alarm, rule = told.alarm, told.rule
    return (
        request.rule_id in {None, rule.id}
        and request.rule_name in {None, rule.name}
        and request.namespace in {None, rule.namespace}
        and request.metric_name in {None, rule.metric}
        and request.group_id in {None, rule.group}
        and (request.contact_group is None or request.contact_group in told.contact_groups)
        and request.level in {None, alarm.level}
        and request.product in {None, told.product}
        and request.send_status in {None, "0" if alarm.sent else "2"}
        and (request.search_key is None or request.search_key in f"{rule.name}\n{alarm.instance}")
    )
