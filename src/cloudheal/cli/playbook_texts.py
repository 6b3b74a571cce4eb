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
    steps: tuple[str, ...] = ()


#: Parameters that several playbooks share.
_COMMAND = {
    "command": "完整的恢复命令，原样发送：先检查，一切正常时以 0 结束。",
    "check": "进程在运行时以 0 结束，例如 `pgrep -x app`；与 `start` 一起使用。",
    "start": "检查失败时启动进程；放在后台并重定向输出。",
    "unit": "未处于 active 状态时要启动的 systemd 单元。",
    "restart": "即使单元处于 active 状态也重启它。",
    "appears": "启动之后进程最多用多久开始运行。",
    "shell": "命令的类型：`sh` 或 `powershell`。",
    "user": "在服务器内以谁的身份执行；留空则为代理自己的用户。",
    "directory": "在哪个目录执行；留空则为代理执行命令的目录。",
    "command_timeout": "命令最多用多久。",
    "verify": "之后必须以 0 结束的第二条命令；它只查看。",
    "probe": "之后服务器必须应答的探测：`tcp` 或 `http`；不写则不探测。",
}
_RESTORE = {
    **_COMMAND,
    "limit": "服务器最多用多久就绪；超时则不发送任何命令。",
    "reach": "发送命令之前必须应答的探测：`tcp` 或 `http`；不写则代理在线即可。",
}
_DIAGNOSE = {**_COMMAND, "limit": "服务器最多用多久可以应答查询；超时则通知值班人员。"}
_REBOOTED = {
    **_DIAGNOSE,
    "limit": "服务器最多用多久重新应答；超时则通知值班人员。",
    "start_failed": "规则没有写明要启动什么时，启动处于 failed 状态的单元。",
}
_ANSWER = {
    "lasts": "预计在一台服务器上操作多久。",
    "too_late": "截止时间之前已没有时段时：`act_now` 立即处理，`ask` 询问，`platform` 交给云平台。",
    "leave": "由云平台自行处理；我们只查看并记录。",
    "take_out": "事前在负载均衡中把权重设为 0，之后恢复。",
    "drain": "做其他任何事之前权重为 0 的时间。",
    "remove_last": "即使是分组中最后一台健康的服务器也排空。",
    "command": "事前在服务器内执行；退出码必须为 0。",
    "shell": "命令的类型：`sh` 或 `powershell`。",
    "command_timeout": "命令最多用多久。",
    "if_not_prepared": "`abort`：什么都不做并通知；`continue`：继续并记录警告。",
    "probe": "之后、恢复服务之前，服务器必须应答的探测：`tcp` 或 `http`；不写则不探测。",
    "healthy_timeout": "之后负载均衡的健康检查最多用多久。",
    "unread_timeout": "读不到事件时再继续查询多久。",
}
_MENDED = (
    "在做任何改动之前，已把服务器内查到的情况保存为证据。",
    "修复命令执行了一次，退出码为 0。",
    "规则要求时，第二条命令和探测都成功。",
)
_WAITS = "等到服务器在运行、其代理在故障发生之后有过心跳、`reach` 有应答；最多等 `limit`。"
_RESTORES = (
    "执行恢复命令，一次执行中只执行一次，并读取退出码和输出的末尾。",
    "规则写明时，执行 `verify` 并询问 `probe`。",
    "其中任何一步不成功时，通知值班人员。",
)


def _diagnoses(subject: str, mends: str) -> tuple[str, ...]:
    """Return the steps of a playbook that finds out first."""
    return (
        "等到服务器内的代理在故障发生之后有过心跳；最多等 `limit`。",
        f"执行一条只查看的命令：{subject}。",
        "把查到的情况保存为证据。",
        mends,
        "没有办法修复或修复不成功时，把查到的情况通知值班人员。",
    )


_BY_RULE = "执行规则给出的命令，只执行一次，并加以证明。"
_RESTORED = ("恢复命令执行了一次，退出码为 0。", "规则要求时，第二条命令和探测都成功。")

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
            ("再次读取时，服务器状态为 Running。", "规则写明探测时，服务器应答了探测。"),
            {
                "start_timeout": "一次启动最多用多久。",
                "max_attempts": "一次故障中最多启动几次。",
                "backoff": "第二次启动之前的间隔；之后每次加倍。",
                "evidence": "在第一次启动之前保存当时的一切情况，包括控制台输出的末尾；启动会覆盖它。",
                "probe": "启动之后服务器必须应答的探测：`tcp` 或 `http`；不写则不探测。",
            },
        ),
        "restore_after_ping_loss": Said(
            "服务器失联之后恢复其业务进程：等到可以执行命令，按规则启动或重启服务器，并只恢复一次进程。",
            ("再次读取时，服务器状态为 Running，其代理在故障发生之后有过心跳。", *_RESTORED),
            {
                **_RESTORE,
                "power_on": "服务器已停止、且没有迹象表明是有人要停的：启动它。",
                "max_starts": "一次故障中最多启动几次。",
                "reboot": "服务器在运行却不应答时：`never` 继续等待，`soft` 重启，`force` 强制重启，可能丢失数据。",
                "reboot_after": "在此之前可以运行而不应答多久。",
            },
            (
                _WAITS,
                "启动已停止、且没有迹象表明是有人要停的服务器；无法判断时询问。",
                "`reboot` 要求时，重启在运行却不应答的服务器，只重启一次。",
                *_RESTORES,
            ),
        ),
        "rerun_process": Said(
            "在运行中的服务器内恢复进程：先检查，只启动缺少的，并加以证明。",
            (_RESTORED[0], "规则要求时，第二条命令和探测都成功，日志报警也已恢复。"),
            {**_RESTORE, "recovers": "之后日志报警最多还可以触发多久；不写则不等待。"},
            (_WAITS, *_RESTORES, "规则写明 `recovers` 时，等到引发故障的报警恢复。"),
        ),
        "connections_over_limit": Said(
            "查明服务器的连接为何过多，按规则调大内核的连接跟踪表，否则通知值班人员。",
            _MENDED,
            {**_DIAGNOSE, "conntrack_max": "把内核的连接跟踪表调大到这么多条。"},
            _diagnoses(
                "套接字状态、谁占用连接、内核连接跟踪表和丢包计数",
                "按规则调大内核的连接跟踪表（`conntrack_max`），或执行规则给出的命令，只执行一次。",
            ),
        ),
        "bandwidth_over_limit": Said(
            "查明什么占满了服务器的公网带宽，按规则停止一个单元，否则通知值班人员。",
            _MENDED,
            {**_DIAGNOSE, "stop_unit": "可以停止的 systemd 单元：备份、定时器等。"},
            _diagnoses(
                "网卡流量、谁在发送、定时器和任务",
                "停止规则写明的单元（`stop_unit`），或执行规则给出的命令，只执行一次。",
            ),
        ),
        "disk_read_only": Said(
            "查明服务器的哪块磁盘不可写及其原因，规则给出命令时执行它，否则通知值班人员。",
            _MENDED,
            _DIAGNOSE,
            _diagnoses("挂载、空间、内核日志和磁盘", _BY_RULE),
        ),
        "out_of_memory": Said(
            "查明谁用尽了服务器的内存、谁因此被终止，按规则重新启动它，否则通知值班人员。",
            _MENDED,
            _DIAGNOSE,
            _diagnoses("内存、谁被终止、谁占用最多，以及 failed 状态的单元", _BY_RULE),
        ),
        "kernel_fault": Said(
            "等内核出错的服务器重新应答，保存其内核日志，按规则启动其服务，否则通知值班人员。",
            _MENDED,
            {**_DIAGNOSE, "limit": _REBOOTED["limit"]},
            _diagnoses("内核、上次启动的日志、转储和模块", _BY_RULE),
        ),
        "machine_rebooted": Said(
            "查明服务器为何从内部重启、重启后缺少什么，按规则启动它们，否则通知值班人员。",
            _MENDED,
            _REBOOTED,
            _diagnoses(
                "历次启动、上次启动的错误、转储、failed 状态的单元和挂载",
                "执行规则给出的命令，或在 `start_failed` 要求时启动 failed 状态的单元，只执行一次。",
            ),
        ),
        "instance_rebooted": Said(
            "云平台重启服务器之后，启动其中缺少的服务，并保存查到的情况。",
            _MENDED,
            _REBOOTED,
            _diagnoses(
                "历次启动、上次启动的错误、转储、failed 状态的单元和挂载",
                "除非 `start_failed` 关闭，启动 failed 状态的单元，或执行规则给出的命令，只执行一次。",
            ),
        ),
        "spot_evacuate": Said(
            "在云厂商回收抢占式服务器之前，先把它摘出负载均衡，并补上一台新的。",
            (
                "再次读取时，该服务器已不在任何分组中；若只会被停止，则权重为 0。",
                "没有任何分组失去最后一台健康的服务器，除非规则写明 remove_last。",
                "使用 replace 时：新服务器已运行且健康，以相同端口和权重加入相同分组，并通过健康检查。",
            ),
            {
                "drain": "摘除之前权重为 0 的时间；0s 表示立即摘除。",
                "remove_last": "即使是分组中最后一台健康的服务器也摘除。",
                "confirm": "只处理云上显示正在回收的服务器。",
                "evidence": "在服务器消失之前保存一切情况，包括控制台输出的末尾；摘出分组之后才读取，不耽误步骤。",
                "replace": "订购另一台服务器并加入相同分组。",
                "candidates": "按顺序可订购的配置。",
                "pay_as_you_go": "抢占式无货时按全价订购。",
                "orders_per_hour": "一小时内最多订购多少台服务器，所有规则合计；超过则通知值守人员。",
                "replacement_timeout": "新服务器最多用多久开始运行并达到健康。",
                "healthy_timeout": "健康检查最多用多久通过；0s 表示不等待。",
            },
        ),
        "reboot_in_window": Said(
            "在计划的时段里抢先完成云厂商预告的重启，并加以证明。",
            (
                "按 ID 读到该事件的状态为 Avoided。",
                "已证明服务器重启过，并读到它处于 Running 且健康；由另一次执行完成的除外。",
                "规则要求探测时，服务器已应答探测；由另一次执行重启的除外。",
                "服务器在负载均衡中的权重与之前相同。",
            ),
            {
                **_ANSWER,
                "snapshot": "先为每块磁盘创建快照，并等待完成。",
                "snapshot_fresh": "不早于这个时间的快照即可。",
                "snapshot_timeout": "创建快照最多用多久。",
                "reboot_timeout": "服务器最多用多久恢复。",
                "force": "在此时间内没有停下时：再强制重启一次，可能丢失数据。",
                "avoided_timeout": "事件最多用多久变为已避免。",
                "settle": "另一次执行重启之后这段时间内不再重启。",
            },
        ),
        "repair_task_in_window": Said(
            "在计划的时段里授权云上计划的维修，等到它结束，并证明服务器已恢复。",
            (
                "授权一次之后，按 ID 读到该任务已结束。",
                "再次读取时，服务器状态为 Running，其代理在此之后有过心跳；规则写明没有代理的除外。",
                "规则要求探测时，服务器已应答探测。",
                "服务器在负载均衡中的权重与之前相同。",
            ),
            {
                **_ANSWER,
                "agent": "维修之后服务器内的代理必须有过心跳；服务器没有代理时写 false。",
                "repair_timeout": "维修最多用多久。",
                "back_timeout": "维修之后服务器最多用多久恢复。",
                "within": "批准之后等待并非由我们授权的任务结束的时间。",
            },
            (
                "按 ID 读取任务和服务器；只授权等待授权的任务。",
                "可能丢失数据、无法识别、已由他人授权或被云拒绝的，一律询问。",
                "按规则在负载均衡中把服务器的权重设为 0，并执行命令。",
                "再读取一次两者，然后授权任务，只授权一次；应答丢失时以任务状态为准。",
                "等到任务结束，服务器在运行、其代理有过心跳、探测有应答。",
                "恢复原来的权重，一个不多，一个不少。",
            ),
        ),
        "ask_about_disk": Said(
            "收集磁盘卡住或损坏的证据并询问值班人员，自己不做任何处理。",
            ("没有调用任何会改变资源的操作。", "按 ID 读取事件，直到它结束。"),
            {"within": "批准之后等待事件结束的时间。"},
        ),
        "ask_about_event": Said(
            "收集系统事件的证据并询问值班人员，自己不做任何处理。",
            ("没有调用任何会改变资源的操作。", "按 ID 读到了事件的结局。"),
            {"within": "批准之后等待事件结束的时间。"},
        ),
    }
}
