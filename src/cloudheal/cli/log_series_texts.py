"""What `logs follow`, `logs query` and `logs top` say, in both languages."""

from __future__ import annotations

from typing import Final

LOG_SERIES_EN: Final[dict[str, str]] = {
    "title.logs.followed": "Lines that were read",
    "title.logs.query": "Series, those with the most lines first",
    "title.logs.top": "The busiest series",
    "column.lines": "lines",
    "column.counted": "counted",
    "column.late": "late",
    "column.metric": "metric",
    "column.minutes": "minutes",
    "column.chart": "over time",
    "column.last": "last",
    "column.least": "least",
    "column.most": "most",
    "column.rank": "#",
    "column.share": "share of lines",
    "logs.standing_by": "Another process of this host follows the logs of this database; nothing was read.",
    "logs.none_followed": "No file is there for {log} ({files}); cloudheal logs check looks again.",
    "logs.unreadable": "{path} of {log} cannot be read: {code}",
    "logs.no_metric": "The log has no metric {name}; it has {known}.",
    "logs.no_series": "Nothing of {log} is stored for this time. Minutes are stored once they are over and late lines"
    " are no longer waited for; until then: cloudheal logs top {log}",
    "logs.no_such_series": "No series of {log} of this time has {series} in its name; there are {known}.",
    "logs.no_top": "Nothing was counted in {log} in this time. It is counted while cloudheal run or"
    " cloudheal logs follow runs; whether its lines can be read: cloudheal logs preview {log}",
    "logs.no_figure": "The metric has no figure {figure}; it has {known}.",
}

LOG_SERIES_ZH: Final[dict[str, str]] = {
    "title.logs.followed": "已读取的行",
    "title.logs.query": "序列，行数多的在前",
    "title.logs.top": "最繁忙的序列",
    "column.lines": "行数",
    "column.counted": "计入",
    "column.late": "迟到",
    "column.metric": "监控项",
    "column.minutes": "分钟",
    "column.chart": "走势",
    "column.last": "最近",
    "column.least": "最小",
    "column.most": "最大",
    "column.rank": "名次",
    "column.share": "行数占比",
    "logs.standing_by": "本机的另一个进程正在跟踪这个数据库的日志；没有读取任何内容。",
    "logs.none_followed": "{log} 没有对应的文件（{files}）；改好后用 cloudheal logs check 再看。",
    "logs.unreadable": "{log} 的 {path} 无法读取：{code}",
    "logs.no_metric": "该日志没有监控项 {name}；有：{known}。",
    "logs.no_series": "{log} 在这段时间内没有已存储的数据。一分钟结束且不再等待迟到行之后才会存储；在此之前请用："
    "cloudheal logs top {log}",
    "logs.no_such_series": "{log} 在这段时间内没有名称含 {series} 的序列；有：{known}。",
    "logs.no_top": "{log} 在这段时间内没有计入任何行。cloudheal run 或 cloudheal logs follow 运行时才会计数；"
    "行能否读取，请用：cloudheal logs preview {log}",
    "logs.no_figure": "该监控项没有统计项 {figure}；有：{known}。",
}
