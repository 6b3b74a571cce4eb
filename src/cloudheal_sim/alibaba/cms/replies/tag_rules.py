"""Wire out: rules that make a group for each value of a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.replies.envelope import done

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.alibaba.cms.model.tag_rules import TagRule


def listed(rows: Iterable[TagRule], number: int, size: int, total: int) -> dict[str, object]:
    """Answer DescribeDynamicTagRuleList, whose page numbers are text."""
    shown = {"TagGroup": [_rule(row) for row in rows]}
    return done(PageNumber=str(number), PageSize=str(size), Total=total, TagGroupList=shown)


def _rule(rule: TagRule) -> dict[str, object]:
    expressions = [
        {"TagKey": one.name or rule.tag_key, "TagValue": one.value, "TagValueMatchFunction": one.function}
        for one in rule.expressions
    ]
    return {
        "DynamicTagRuleId": rule.id,
        "TagKey": rule.tag_key,
        "RegionId": rule.region,
        "Status": "FINISH",
        "MatchExpressFilterRelation": rule.relation,
        "MatchExpress": {"MatchExpress": expressions},
        "ContactGroupList": {"ContactGroupList": list(rule.contact_groups)},
        "TemplateIdList": {"TemplateIdList": [str(one) for one in rule.templates]},
        "TagValueBlacklist": {"TagValueBlacklist": []},
    }
