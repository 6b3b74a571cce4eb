"""What `backtest` says, in both languages."""

from __future__ import annotations

from typing import Final

BACKTEST_EN: Final[dict[str, str]] = {
    "title.backtest": "What the rules make of it",
    "title.backtest.later": "What becomes of runs that had waited",
    "title.backtest.would": "The first of what would be done, held or refused",
    "title.backtest.changes": "What became what",
    "title.backtest.differences": "The first differences",
    "column.outcome": "outcome",
    "column.would": "would",
    "column.other": "was",
    "column.event": "event",
    "backtest.read": "{events:event|events} from {first} to {last}; {duplicates} came twice, {unreadable} could not be"
    " read.",
    "backtest.without_contents": "{count:event is|events are} only known by name, because the inbox let go of"
    " what was said: left out.",
    "backtest.began": "{began:run|runs} would begin, at most {most_at_once} at one time.",
    "backtest.assumed": "Assumed of runs that the record does not have: each heals within {heal_time}.",
    "backtest.same": "No difference from what is recorded, in {compared:event|events}.",
    "backtest.differs": "{differing} of {compared:event|events} differ from what is recorded.",
    "backtest.same_rules": "Both files decide alike in all {compared:event|events}.",
    "backtest.differs_rules": "The files differ in {differing} of {compared:event|events}; `was` is what --against"
    " would do.",
    "backtest.differs_later_rules": "Both files decide alike in all {compared:event|events}; what becomes of runs"
    " that had waited differs, and `was` is what --against would do.",
    "backtest.no_record": "Messages say nothing of what was done: there is nothing to compare with.",
    "backtest.listed": "{count:decision|decisions} written to {file}.",
}

BACKTEST_ZH: Final[dict[str, str]] = {
    "title.backtest": "规则对历史的裁决",
    "title.backtest.later": "等待过的执行后来怎样",
    "title.backtest.would": "本会执行、保留或拒绝的（最前面的）",
    "title.backtest.changes": "由什么变成什么",
    "title.backtest.differences": "最前面的差异",
    "column.outcome": "结果",
    "column.would": "会是",
    "column.other": "曾是",
    "column.event": "事件",
    "backtest.read": "{first} 至 {last} 共 {events} 个事件；{duplicates} 个重复，{unreadable} 个无法读取。",
    "backtest.without_contents": "{count} 个事件只剩名称（收件箱已不再保存），未计入。",
    "backtest.began": "会开始 {began} 次执行，同时最多 {most_at_once} 个。",
    "backtest.assumed": "对记录中没有的执行的假设：每次在 {heal_time} 内修复。",
    "backtest.same": "与记录一致，共 {compared} 个事件。",
    "backtest.differs": "{compared} 个事件中有 {differing} 个与记录不同。",
    "backtest.same_rules": "两个文件对全部 {compared} 个事件的裁决相同。",
    "backtest.differs_rules": "两个文件在 {compared} 个事件中有 {differing} 个不同；“曾是”指 --against 的文件。",
    "backtest.differs_later_rules": "两个文件对全部 {compared} 个事件的裁决相同，等待过的执行后来不同；"
    "“曾是”指 --against 的文件。",
    "backtest.no_record": "消息不说明做过什么：没有可比较的内容。",
    "backtest.listed": "已将 {count} 条决策写入 {file}。",
}
