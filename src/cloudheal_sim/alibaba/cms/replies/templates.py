"""Wire out: alert templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.replies.envelope import done_number, present
from cloudheal_sim.alibaba.cms.replies.metric_rules import escalations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudheal_sim.alibaba.cms.model.metric_rules import MetricRule
    from cloudheal_sim.alibaba.cms.model.templates import Template


def listed(rows: Iterable[Template], total: int, names: Mapping[int, str] | None) -> dict[str, object]:
    """Answer DescribeMetricRuleTemplateList; `names` of groups when the history is asked for."""
    return done_number(Total=total, Templates={"Template": [_listed(one, names) for one in rows]})


def attribute(template: Template) -> dict[str, object]:
    """Answer DescribeMetricRuleTemplateAttribute, which writes numbers as text."""
    rules = [
        {
            "Category": one.category,
            "Namespace": one.namespace,
            "MetricName": one.metric,
            "RuleName": one.rule_name,
            "Escalations": escalations(one.escalations),
            **present(Selector=one.selector, Webhook=one.webhook, Period=one.period),
        }
        for one in template.rules
    ]
    return done_number(
        Resource={
            "TemplateId": str(template.number),
            "Name": template.name,
            "Description": template.description,
            "RestVersion": str(template.rest_version),
            "AlertTemplates": {"AlertTemplate": rules},
        }
    )


def applied(group: int, rules: Sequence[MetricRule]) -> dict[str, object]:
    """Answer ApplyMetricRuleTemplate; `AlertResults` is a plain array."""
    results = [
        {"Code": "200", "Message": "successful", "Success": True, "RuleId": rule.id, "RuleName": rule.name}
        for rule in rules
    ]
    return done_number(Resource={"GroupId": group, "AlertResults": results})


def _listed(template: Template, names: Mapping[int, str] | None) -> dict[str, object]:
    shown: dict[str, object] = {
        "TemplateId": template.number,
        "Name": template.name,
        "Description": template.description,
        "RestVersion": template.rest_version,
        "GmtCreate": template.created,
        "GmtModified": template.modified,
    }
    if names is not None:
        history = [
            {"GroupId": one.group, "GroupName": names.get(one.group, ""), "ApplyTime": one.at}
            for one in template.applied
        ]
        shown["ApplyHistories"] = {"ApplyHistory": history}
    return shown
