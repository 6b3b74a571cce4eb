"""What the command line says about alarms on logs, in both languages."""

from __future__ import annotations

from typing import Final

LOG_ALARM_EN: Final[dict[str, str]] = {
    "title.log_alarms": "Alarms on logs; cloudheal explain ALARM says why",
    "log_alarms.none": "No log of the settings has alarms.",
    "log_alarms.all_well": "{alarms} alarms, nothing fires. With --all every series is listed.",
    "column.alarm": "alarm",
    "column.log": "log",
    "column.level": "level",
    "column.why_fires": "why",
    "column.period": "period",
    "column.muted_until": "muted until",
    "column.untold": "counted",
    "why.fires": "fires",
    "why.recovering": "recovering",
    "why.not_enough_periods": "not enough periods",
    "why.off_hours": "out of hours",
    "why.no_data": "no data",
    "why.no_reference": "nothing to compare with",
    "why.not_over_threshold": "not over the threshold",
    "why.not_evaluated": "not evaluated yet",
}
LOG_ALARM_ZH: Final[dict[str, str]] = {
    "title.log_alarms": "日志报警; cloudheal explain ALARM 说明原因",
    "log_alarms.none": "设置中没有任何日志定义报警.",
    "log_alarms.all_well": "{alarms} 个报警, 均未触发. 加 --all 列出所有序列.",
    "column.alarm": "报警",
    "column.log": "日志",
    "column.level": "级别",
    "column.why_fires": "原因",
    "column.period": "周期",
    "column.muted_until": "静默到",
    "column.untold": "计数",
    "why.fires": "触发",
    "why.recovering": "恢复中",
    "why.not_enough_periods": "周期数不足",
    "why.off_hours": "不在生效时间内",
    "why.no_data": "没有数据",
    "why.no_reference": "没有可比较的值",
    "why.not_over_threshold": "未超过阈值",
    "why.not_evaluated": "尚未评估",
}
