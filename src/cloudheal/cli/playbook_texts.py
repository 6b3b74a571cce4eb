"""What the built-in playbooks say of themselves in other languages than English, which stands in their declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Said:
    """A declaration in another language: its sentences in the order of the declaration, parameters by name."""

    summary: str
    promises: tuple[str, ...]
    parameters: Mapping[str, str]


TRANSLATED: Final[Mapping[str, Mapping[str, Said]]] = {
    "zh": {
        "check_after_failure": Said(
            "陪服务器度过由云自行修复的故障：等待其恢复运行并告知结果。从不重启。",
            (
                "再次读取时，服务器状态为 Running 且健康，云上的事件已经结束或已查不到。",
                "没有调用任何会改变资源的接口。",
            ),
            {"within": "故障之后服务器最多用多久恢复；云厂商称 10 分钟。"},
        ),
        "restart_stopped": Said(
            "把本应运行却停止了的服务器重新启动。",
            ("再次读取时，服务器状态为 Running。",),
            {
                "start_timeout": "一次启动最多用多久。",
                "max_attempts": "一次故障中最多启动几次。",
                "backoff": "第二次启动之前的间隔；之后每次加倍。",
            },
        ),
        "spot_evacuate": Said(
            "在云厂商回收抢占式服务器之前，先把它摘出负载均衡，并补上一台新的。",
            (
                "再次读取时，该服务器已不在任何分组中；若只会被停止，则权重为 0。",
                "没有任何分组失去最后一台健康的服务器，除非规则写明 remove_last。",
                "使用 replace 时：新服务器已运行，以相同端口和权重加入相同分组，并通过健康检查。",
            ),
            {
                "drain": "摘除之前权重为 0 的时间；0s 表示立即摘除。",
                "remove_last": "即使是分组中最后一台健康的服务器也摘除。",
                "confirm": "只处理云上显示正在回收的服务器。",
                "replace": "订购另一台服务器并加入相同分组。",
                "candidates": "按顺序可订购的配置。",
                "pay_as_you_go": "抢占式无货时按全价订购。",
                "replacement_timeout": "新服务器最多用多久开始运行。",
                "healthy_timeout": "健康检查最多用多久通过；0s 表示不等待。",
            },
        ),
    }
}
