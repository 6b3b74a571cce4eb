"""How a plan is told, in both languages: why a slot is where it is, why there is none, the words of the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from cloudheal.model.plan import Binding, Policy, TooLate, Why
from cloudheal.pipeline.plans import read
from cloudheal.record.plans import PlanRow

_EN: Final[dict[str, str]] = {
    "choice.window": "in the window from {opens} to {closes}",
    "choice.low_traffic": "little traffic: {load} of the mean; {busier} of the week is busier",
    "choice.earliest": "the earliest time that is left",
    "choice.pinned": "put there by an operator",
    "no_load": "{why}; usual traffic is not known: {problem}",
    "no_load.unread": "it cannot be read ({detail})",
    "no_load.old": "what was measured is too old (of {detail})",
    "no_load.empty": "nothing was measured",
    "no_load.too_little": "less than a day was measured",
    "binding.off_grid": "it does not begin on a step of five minutes",
    "binding.missed": "it has passed",
    "binding.too_early": "it lies before the earliest time",
    "binding.too_late": "there is no time left before the deadline",
    "binding.no_window": "no window is open long enough before the deadline",
    "binding.group_serial": "other members of the group take all the time there is",
    "binding.at_once": "as many servers as allowed are under maintenance all the time",
    "binding.per_hour": "as many servers as allowed begin in each hour",
    "unkept.too_late": "it begins after the deadline",
    "unkept.no_window": "it lies outside the windows of the group, or one closes before the work is done; --anywhere"
    " allows that",
    "unkept.group_serial": "this server or others of its group are under maintenance then",
    "unkept.at_once": "as many servers as allowed are under maintenance then",
    "unkept.per_hour": "as many servers as allowed begin in that hour",
    "then.act_now": "act now",
    "then.ask": "ask",
    "then.platform": "let the platform",
    "unplaced": "{binding}: {then}",
    "broken": "the slot at {begin} cannot be kept: {binding}",
    "row.waits": "the planner has not looked at it yet",
    "row.untimed": "the platform has not said when",
    "row.left": "the platform does it in its own time",
    "row.said": "said by {who}",
    "row.and": "{first}; {second}",
    "timeline.title": "Maintenance from {begin} to {end}",
    "timeline.legend": "█ slot   ? slot that asks first   | deadline   ░ window   times in {zone}",
    "timeline.slots": "slots: {count}",
    "timeline.missing": "without: {count}",
    "timeline.no_group": "(no group)",
    "timeline.more": "and {count} more groups",
    "timeline.nothing": "No maintenance is scheduled.",
}

_ZH: Final[dict[str, str]] = {
    "choice.window": "在时间窗 {opens} 至 {closes} 内",
    "choice.low_traffic": "流量低：为平均值的 {load}，一周中有 {busier} 的时间更忙",
    "choice.earliest": "剩余时间中最早的",
    "choice.pinned": "由运维人员指定",
    "no_load": "{why}；不了解通常的流量：{problem}",
    "no_load.unread": "无法读取（{detail}）",
    "no_load.old": "测量数据过旧（{detail}）",
    "no_load.empty": "没有测量数据",
    "no_load.too_little": "测量不足一天",
    "binding.off_grid": "没有从整五分钟开始",
    "binding.missed": "时间已过",
    "binding.too_early": "早于最早允许的时间",
    "binding.too_late": "截止时间之前已没有时间",
    "binding.no_window": "截止时间之前没有足够长的时间窗",
    "binding.group_serial": "可用的时间都被同组的其他服务器占用",
    "binding.at_once": "同时维护的服务器始终已达上限",
    "binding.per_hour": "每小时开始维护的服务器都已达上限",
    "unkept.too_late": "晚于截止时间",
    "unkept.no_window": "不在该组的时间窗内，或时间窗在完成之前关闭；--anywhere 允许这样做",
    "unkept.group_serial": "届时该服务器或同组的其他服务器正在维护",
    "unkept.at_once": "届时同时维护的服务器已达上限",
    "unkept.per_hour": "该小时内开始维护的服务器已达上限",
    "then.act_now": "立即处理",
    "then.ask": "询问",
    "then.platform": "交给平台",
    "unplaced": "{binding}：{then}",
    "broken": "无法保留 {begin} 的时段：{binding}",
    "row.waits": "尚未排入计划",
    "row.untimed": "平台尚未给出时间",
    "row.left": "由平台自行安排",
    "row.said": "由 {who} 指定",
    "row.and": "{first}；{second}",
    "timeline.title": "维护计划，{begin} 至 {end}",
    "timeline.legend": "█ 时段   ? 须先询问的时段   | 截止时间   ░ 时间窗   时区 {zone}",
    "timeline.slots": "时段：{count}",
    "timeline.missing": "无时段：{count}",
    "timeline.no_group": "（无分组）",
    "timeline.more": "另有 {count} 个分组",
    "timeline.nothing": "没有计划中的维护。",
}

#: By language; the settings' `language` chooses.
PLAN_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {"en": _EN, "zh": _ZH}


def _choice(why: Why, language: str, zone: tzinfo) -> str:
    opening = why.opening
    said = PLAN_TEXTS[language][f"choice.{why.choice}"].format(
        opens=_time(opening.begin, zone) if opening else "-",
        closes=_time(opening.end, zone) if opening else "-",
        load=f"{why.load or 0:.0%}",
        busier=f"{why.busier or 0:.0%}",
    )
    if not why.no_load:
        return said
    return PLAN_TEXTS[language]["no_load"].format(why=said, problem=why_no_load(why.no_load, language))


def why_no_load(problem: str, language: str) -> str:
    """Return why usual traffic is not known: a code and its details in words."""
    code, _, detail = problem.partition(" ")
    return PLAN_TEXTS[language].get(f"no_load.{code}", problem).format(detail=detail)


def why_row(row: PlanRow, language: str, zone: tzinfo) -> str:
    """Return why a row of the plan stands as it does, and who had it so."""
    texts = PLAN_TEXTS[language]
    if row.binding:
        why = texts["unplaced"].format(
            binding=_binding(Binding(row.binding), language), then=texts[f"then.{TooLate(row.then)}"]
        )
    elif row.policy == Policy.LEAVE:
        why = texts["row.left"]
    elif row.not_before is None:
        why = texts["row.untimed"]
    elif row.begin is None:
        why = texts["row.waits"]
    else:
        why = _choice(read(row.why), language, zone)
    return _and(why, _wished(row, language, zone), language)


def _wished(row: PlanRow, language: str, zone: tzinfo) -> str:
    """Return whose word a row follows, or why it cannot be followed; nothing where nobody's word stands."""
    if not row.said_by or not (row.left or row.pinned):
        return ""
    unkept = read(row.why).unkept
    broken = _broken(row.pinned, unkept, language, zone) if row.pinned and unkept else ""
    return _and(broken, PLAN_TEXTS[language]["row.said"].format(who=row.said_by), language)


def _and(first: str, second: str, language: str) -> str:
    both = PLAN_TEXTS[language]["row.and"].format(first=first, second=second)
    return both if first and second else first or second


def _broken(begin: datetime, binding: Binding, language: str, zone: tzinfo) -> str:
    """Return why an operator's slot cannot be kept: what is in the way of this slot, not of every one."""
    texts = PLAN_TEXTS[language]
    why = texts.get(f"unkept.{binding}", _binding(binding, language))
    return texts["broken"].format(begin=_time(begin, zone), binding=why)


def _binding(binding: Binding, language: str) -> str:
    return PLAN_TEXTS[language][f"binding.{binding}"]


def _time(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%m-%d %H:%M")
