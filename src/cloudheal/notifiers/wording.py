"""Words for notices, in both languages. A bundle becomes one message: a line per thing, repeats as a number.

Names and reasons are what strangers wrote. A line break in one would let it look like a notice of ours, one that asks
for an answer, say; so a notice is one line, of what can be printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from cloudheal.model.instant import localised
from cloudheal.model.words import told
from cloudheal.ports.notify import Letter, Severity
from cloudheal.record.outbox import Notice, Topic
from cloudheal.settings.discretion import discreet

#: Lines in one message; chats cut long ones off.
MOST_LINES = 20

SEVERITIES: Final[Mapping[Topic, Severity]] = {
    Topic.NOT_HEALED: Severity.FAILURE,
    Topic.UNKNOWN: Severity.FAILURE,
    Topic.FAILURE_SURVIVED: Severity.INFO,
    Topic.STORM: Severity.FAILURE,
    Topic.ESCALATED: Severity.WARNING,
    Topic.APPROVAL_ASKED: Severity.WARNING,
    Topic.RUN_PARKED: Severity.WARNING,
    Topic.WORKER_DEAD: Severity.WARNING,
    Topic.DEAD_LETTER: Severity.INFO,
    Topic.CANARY_MISSING: Severity.FAILURE,
    Topic.CANARY_BACK: Severity.INFO,
    Topic.SOURCE_SILENT: Severity.WARNING,
    Topic.SOURCE_BACK: Severity.INFO,
    Topic.QUEUE_LATE: Severity.WARNING,
    Topic.QUEUE_CURRENT: Severity.INFO,
    Topic.WAITS_LONG: Severity.WARNING,
    Topic.LISTENER_FAILED: Severity.WARNING,
    Topic.PLAN_NO_SLOT: Severity.WARNING,
    Topic.PLAN_MISSED: Severity.WARNING,
    Topic.ALARM_CRITICAL: Severity.FAILURE,
    Topic.ALARM_WARN: Severity.WARNING,
    Topic.ALARM_INFO: Severity.INFO,
    Topic.ALARM_NO_DATA: Severity.WARNING,
    Topic.ALARM_AGAIN: Severity.WARNING,
    Topic.ALARM_STILL: Severity.WARNING,
    Topic.ALARM_RECOVERED: Severity.INFO,
    Topic.ALARM_CHANGED: Severity.INFO,
    Topic.ALARM_ESCALATED: Severity.FAILURE,
    Topic.ALARM_CALMED: Severity.INFO,
}

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "incident.not_healed": "{resource} ({trouble}) was not healed: {code}. {advice}",
        "incident.unknown": "It is not known whether {resource} ({trouble}) was healed: {code}. Please look. {advice}",
        "failure.survived": "{resource} or its host failed and is up again: {advice}.",
        "storm": "Many servers of one group are in trouble at once (rule {rule}, now {resource})."
        " The rest is held until somebody looks.",
        "escalated": "{resource} needs a person: rule {rule} ended with {reason}.",
        "approval.asked": "An answer is wanted before {expires}: {question} Say cloudheal approve {id} or"
        " cloudheal deny {id}.",
        "run.parked": "A run on {resource} is parked [{reason}]: a person must restart or abandon run {run}.",
        "worker.dead": "Worker {worker} is dead; {heir} took over {runs:run|runs} of it.",
        "dead_letter": "A message from {origin} could not be read (dead letter {number}): {reason}",
        "listener.failed": "The {origin} failed on an event for good: {reason}. Once it is mended, tell it again with"
        " cloudheal dead-letters replay {number}.",
        "plan.no_slot": "There is no slot for the maintenance of {resource} ({event}) before the cloud begins by"
        " itself: {binding}. What follows: {then}.",
        "plan.missed": "The slot of {resource} passed without a beginning ({reason}); another one is looked for.",
        "alarm.critical": "CRITICAL {alarm}: {alias} is {value} ({threshold}), {lasting}. Log {definition}{series}."
        " {advice}",
        "alarm.warn": "WARN {alarm}: {alias} is {value} ({threshold}), {lasting}. Log {definition}{series}. {advice}",
        "alarm.info": "INFO {alarm}: {alias} is {value} ({threshold}), {lasting}. Log {definition}{series}. {advice}",
        "alarm.no_data": "NO DATA {alarm}: no {alias} for {missing} min. Log {definition}{series}. {advice}",
        "alarm.again": "{alarm} has fired {times} since it was told last, and stands at {level} now:"
        " {alias} is {value}. Log {definition}{series}. {advice}",
        "alarm.still": "{alarm} still fires, at {level}: {alias} is {value} ({threshold}). Log {definition}{series}."
        " {advice}",
        "alarm.recovered": "RECOVERED {alarm}: {alias} is {value}. Log {definition}{series}.",
        "alarm.changed": "{alarm} fired and is not defined so any more; it begins anew. Log {definition}{series}.",
        "alarm.escalated": "ESCALATED {alarm}: fires for {limit}, at {level}, {count} series, and nobody has"
        " acknowledged it. Log {definition}. cloudheal explain {alarm} says why; cloudheal logs acknowledge {alarm}."
        " {advice}",
        "alarm.calmed": "RECOVERED {alarm}: nothing of it fires any more. Log {definition}.",
        "canary.missing": "A message of our own sent through queue {queue} did not come back within {limit}:"
        " events may not arrive either.",
        "canary.back": "Messages of our own come back through queue {queue} again.",
        "source.silent": "No event of account {account} has come for {limit}. Look at the event rule and its target:"
        " cloudheal check.",
        "source.back": "Events of account {account} come again.",
        "queue.late": "The oldest message of queue {queue} waits longer than {limit}: workers do not keep up.",
        "queue.current": "Queue {queue} is emptied in time again.",
        "run.waits_long": "{resource} has waited for {limit} ({reason}, rule {rule}): nothing is done until that ends.",
        "repeats": "{line} ({count:time|times} since {since})",
        "more": "and {count} more",
        "title": "cloudheal: {line}",
        "title.many": "cloudheal: {count:notice|notices}",
        "time": "{at}  {line}",
    },
    "zh": {
        "incident.not_healed": "{resource}（{trouble}）未能恢复：{code}。{advice}",
        "incident.unknown": "无法确定 {resource}（{trouble}）是否已恢复：{code}。请人工查看。{advice}",
        "failure.survived": "{resource} 或其宿主机发生故障，现已恢复运行：{advice}。",
        "storm": "同一分组有大量服务器同时发生故障（规则 {rule}，当前 {resource}）。其余操作已暂停，等待人工确认。",
        "escalated": "{resource} 需要人工处理：规则 {rule} 的结论是 {reason}。",
        "approval.asked": "请在 {expires} 之前答复：{question} 执行 cloudheal approve {id} 或 cloudheal deny {id}。",
        "run.parked": "{resource} 上的执行已搁置 [{reason}]：请人工重新开始或放弃执行 {run}。",
        "worker.dead": "工作进程 {worker} 已失联；{heir} 接管了它的 {runs} 个执行。",
        "dead_letter": "来自 {origin} 的消息无法解读（死信 {number}）：{reason}",
        "listener.failed": "{origin} 处理某个事件最终失败：{reason}。修复之后，执行 cloudheal dead-letters replay"
        " {number} 让它重新处理。",
        "plan.no_slot": "{resource} 的维护（{event}）在云平台自行开始之前没有可用时段：{binding}。随后：{then}。",
        "plan.missed": "{resource} 的时段已过而未开始（{reason}）；计划程序正在寻找其他时段。",
        "alarm.critical": "严重 {alarm}：{alias} 为 {value}（{threshold}），{lasting}。日志 {definition}{series}。"
        "{advice}",
        "alarm.warn": "警告 {alarm}：{alias} 为 {value}（{threshold}），{lasting}。日志 {definition}{series}。{advice}",
        "alarm.info": "提示 {alarm}：{alias} 为 {value}（{threshold}），{lasting}。日志 {definition}{series}。{advice}",
        "alarm.no_data": "无数据 {alarm}：已有 {missing} 分钟没有 {alias}。日志 {definition}{series}。{advice}",
        "alarm.again": "{alarm} 自上次通知以来又触发 {times}，当前级别 {level}：{alias} 为 {value}。日志"
        " {definition}{series}。{advice}",
        "alarm.still": "{alarm} 仍在触发，级别 {level}：{alias} 为 {value}（{threshold}）。日志 {definition}{series}。"
        "{advice}",
        "alarm.recovered": "已恢复 {alarm}：{alias} 为 {value}。日志 {definition}{series}。",
        "alarm.changed": "{alarm} 触发期间定义已被修改或删除；将重新开始判断。日志 {definition}{series}。",
        "alarm.escalated": "已升级 {alarm}：已触发 {limit}，级别 {level}，{count} 个序列，无人确认。日志 {definition}。"
        "原因见 cloudheal explain {alarm}；确认：cloudheal logs acknowledge {alarm}。{advice}",
        "alarm.calmed": "已恢复 {alarm}：不再触发。日志 {definition}。",
        "canary.missing": "经队列 {queue} 发出的自检消息在 {limit} 内没有回来：事件可能也收不到。",
        "canary.back": "经队列 {queue} 的自检消息恢复正常。",
        "source.silent": "账号 {account} 已有 {limit} 没有事件。请检查事件规则及其投递目标：cloudheal check。",
        "source.back": "账号 {account} 的事件恢复正常。",
        "queue.late": "队列 {queue} 中最早的消息等待已超过 {limit}：处理跟不上。",
        "queue.current": "队列 {queue} 的消息恢复及时处理。",
        "run.waits_long": "{resource} 已等待 {limit}（{reason}，规则 {rule}）：原因消除之前不会执行任何操作。",
        "repeats": "{line}（自 {since} 起共 {count} 次）",
        "more": "另有 {count} 条",
        "title": "cloudheal: {line}",
        "title.many": "cloudheal: {count} 条通知",
        "time": "{at}  {line}",
    },
}


@dataclass(frozen=True, slots=True)
class Wording:
    """Says notices in one language, with times of one zone."""

    language: str
    zone: tzinfo

    def letter(self, notices: Sequence[Notice]) -> Letter:
        """Return one message about all of these notices; there must be at least one."""
        told: dict[str, list[Notice]] = {}
        for notice in notices:
            told.setdefault(notice.key, []).append(notice)
        lines = [self._line(same) for same in told.values()]
        title = self._say("title", line=lines[0]) if len(lines) == 1 else self._say("title.many", count=str(len(lines)))
        shown = [
            self._say("time", at=self._clock(same[-1]), line=line)
            for same, line in zip(told.values(), lines, strict=True)
        ]
        more = len(shown) - MOST_LINES
        if more > 0:
            shown = [*shown[:MOST_LINES], self._say("more", count=str(more))]
        severities = list(Severity)
        worst = max((SEVERITIES[one.topic] for one in notices), key=severities.index)
        return Letter(title[:120], "\n".join(shown), worst)

    def _line(self, same: Sequence[Notice]) -> str:
        """Say the newest of several notices of one key, with their number."""
        line = localised(_one_line(discreet(self._say(same[-1].topic, **same[-1].facts))), self.zone)
        if len(same) == 1:
            return line
        return self._say("repeats", line=line, count=str(len(same)), since=self._clock(same[0]))

    def _say(self, text: str, **facts: str) -> str:
        """Fill a text; a fact that is a phrase itself may be there in other languages under its name and theirs."""
        mine = {name: facts.get(f"{name}_{self.language}", value) for name, value in facts.items()}
        return TEXTS[self.language][text].format_map(told(mine))

    def _clock(self, notice: Notice) -> str:
        return notice.at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _one_line(text: str) -> str:
    """Return a text as one line, without what a terminal or a chat would take for an instruction."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
