"""Which system events exist, and what is usual for each: type, level, states, names in both languages.

The rows are those of aliyun.md 7. The catalogue fills in what a publisher leaves out and answers
DescribeSystemEventMetaList; an event that is not listed may be published all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudheal_sim.alibaba.events import EXCEPTION, MAINTENANCE, STATUS_NOTIFICATION

#: States of an event with a life cycle; they end the event's name, others do not.
LIFE_CYCLE = {
    "Inquiring": "问询中",
    "Scheduled": "待执行",
    "Executing": "执行中",
    "Executed": "已执行",
    "Avoided": "已避免",
    "Canceled": "已取消",
    "Failed": "失败",
}
NORMAL = "Normal"
_LETTERS = dict(zip("QSXDACF", LIFE_CYCLE, strict=True))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event; `name` without a state. `levels` gives the states whose level is not the usual one."""

    product: str
    name: str
    event_type: str
    level: str
    statuses: tuple[str, ...]
    zh: str
    en: str
    levels: tuple[tuple[str, str], ...] = ()

    def level_at(self, status: str) -> str:
        """Return the level that the event has in `status`."""
        return dict(self.levels).get(status, self.level)


def base_name(name: str) -> str:
    """Return an event name without the life-cycle state at its end."""
    base, _, last = name.rpartition(":")
    return base if base and last in LIFE_CYCLE else name


def full_name(name: str, status: str) -> str:
    """Return an event name with its life-cycle state at the end; other states are no part of a name."""
    return f"{base_name(name)}:{status}" if status in LIFE_CYCLE else name


def find(product: str, name: str) -> Kind | None:
    """Return the kind of event of that product and name, with or without a state."""
    return _INDEX.get((product.upper(), base_name(name)))


def _states(text: str) -> tuple[str, ...]:
    return tuple(_LETTERS.get(word, word) for word in text.split())


def _ecs(name: str, event_type: str, level: str, states: str, zh: str, en: str) -> Kind:
    return Kind("ECS", name, event_type, level, _states(states), zh, en)


def _billing(name: str, zh: str, en: str) -> Kind:
    milder = (("Avoided", "INFO"), ("Canceled", "WARN"), ("Failed", "WARN"))
    return Kind("ECS", f"Instance:{name}", "", "CRITICAL", _states("S X D A C F"), zh, en, milder)


def _scaling(name: str, level: str, status: str, zh: str, en: str) -> Kind:
    return Kind("ESS", f"AUTOSCALING:{name}", STATUS_NOTIFICATION, level, (status,), zh, en)


def _maintenance(name: str, states: str, zh: str, en: str, level: str = "CRITICAL") -> Kind:
    return _ecs(f"Instance:SystemMaintenance.{name}", MAINTENANCE, level, states, zh, en)


def _exception(name: str, states: str, zh: str, en: str, level: str = "CRITICAL") -> Kind:
    return _ecs(name, EXCEPTION, level, states, zh, en)


def _notice(name: str, level: str, zh: str, en: str) -> Kind:
    return _ecs(name, STATUS_NOTIFICATION, level, NORMAL, zh, en)


CATALOGUE: tuple[Kind, ...] = (
    _notice("Instance:StateChange", "INFO", "实例状态改变通知", "Instance status changed"),
    _notice("Instance:PreemptibleInstanceInterruption", "WARN", "抢占式实例中断通知", "Spot instance interruption"),
    _maintenance("Reboot", "S Q X D A C F", "因系统维护实例重启", "Instance restart due to system maintenance"),
    _maintenance("Stop", "S X D A C F", "因系统维护实例停止", "Instance stop due to system maintenance"),
    _maintenance(
        "Redeploy", "S Q X D A C", "因系统维护实例重新部署", "Instance redeployment due to system maintenance"
    ),
    _maintenance(
        "RebootAndIsolateErrorDisk", "Q X D A C", "重启实例并隔离坏盘", "Restart and isolation of a damaged disk"
    ),
    _maintenance(
        "RebootAndReInitErrorDisk", "Q X D A C", "重启实例并恢复坏盘", "Restart and renewal of a damaged disk"
    ),
    _maintenance("IsolateErrorDisk", "Q X D A C F", "隔离坏盘", "Isolation of a damaged disk"),
    _maintenance("ReInitErrorDisk", "Q X D A C F", "恢复坏盘", "Renewal of a damaged disk"),
    _maintenance("CleanInactiveDisks", "S X D A C", "清理已释放的本地盘", "Removal of released local disks"),
    _maintenance("PerformanceImpact", "X D", "因系统维护性能受损", "Lower performance due to maintenance", "WARN"),
    _exception(
        "Instance:SystemFailure.Reboot", "X D F", "因系统错误实例重启", "Instance restart due to a system error"
    ),
    _exception("Instance:SystemFailure.Stop", "X D", "因系统错误实例停止", "Instance stop due to a system error"),
    _exception(
        "Instance:SystemFailure.Redeploy", "S X D A C", "因系统错误实例重新部署", "Redeployment due to a system error"
    ),
    _exception("Instance:SystemFailure.Delete", "X D A", "因创建失败实例释放", "Release after a failed creation"),
    _exception("Instance:InstanceFailure.Reboot", "X D", "因实例错误实例重启", "Restart due to an instance error"),
    _exception("Instance:Security.TpmAlert", "X D", "可信校验异常", "Trusted boot measurement differs", "WARN"),
    _billing("InstanceExpiration.Stop", "因实例过期实例停止", "Instance stop due to expiration"),
    _billing("InstanceExpiration.Delete", "因实例过期实例释放", "Instance release due to expiration"),
    _billing("AccountUnbalanced.Stop", "因账号欠费实例停止", "Instance stop due to overdue payment"),
    _billing("AccountUnbalanced.Delete", "因账号欠费实例释放", "Instance release due to overdue payment"),
    _billing("AccountUnbalanced.PerformanceAffect", "因账号欠费性能受限", "Lower performance due to overdue payment"),
    _notice("Instance:BurstablePerformanceRestricted", "WARN", "突发性能实例性能受限", "Burstable instance restricted"),
    _notice(
        "Instance:PerformanceModeChange", "INFO", "突发性能实例性能模式切换", "Performance mode of instance changed"
    ),
    _notice(
        "Instance:LiveMigrationAcrossDDH", "INFO", "实例在宿主机间热迁移", "Live migration between dedicated hosts"
    ),
    _exception("Disk:Stalled", "X D", "磁盘性能受到严重影响", "Disk performance severely affected"),
    _exception("Disk:ErrorDetected", "X D", "本地磁盘出现损坏", "Local disk damaged"),
    _notice("Disk:DiskOperationCompleted", "INFO", "磁盘操作完成", "Disk operation completed"),
    _notice("Disk:ConvertToPostpaidCompleted", "INFO", "磁盘转换为按量付费完成", "Disk converted to pay-as-you-go"),
    _notice("Disk:OverduePaymentRelease", "CRITICAL", "磁盘因欠费释放", "Disk released due to overdue payment"),
    _notice("Snapshot:CreateSnapshotCompleted", "INFO", "快照创建完成", "Snapshot created"),
    _notice("Disk:StateChange", "INFO", "磁盘状态改变通知", "Disk status changed"),
    _notice("Image:StateChange", "INFO", "镜像状态改变通知", "Image status changed"),
    _notice("NetworkInterface:StateChange", "INFO", "弹性网卡状态改变通知", "Network interface status changed"),
    *(
        Kind(
            "SLB",
            f"CertKeyExpired_{days}",
            STATUS_NOTIFICATION,
            "WARN",
            ("normal",),
            f"证书{days}天后过期",
            f"Certificate expires in {days} days",
        )
        for days in (60, 30, 15, 7, 3, 1)
    ),
    Kind(
        "CloudMonitor", "Agent_Status_Stopped", EXCEPTION, "CRITICAL", ("stopped",), "心跳停止", "Agent heartbeat lost"
    ),
    Kind(
        "CloudMonitor", "Agent_Status_Running", EXCEPTION, "CRITICAL", ("running",), "心跳恢复", "Agent heartbeat back"
    ),
    _scaling("SCALE_OUT_START", "INFO", "normal", "弹性扩张开始", "Scale-out started"),
    _scaling("SCALE_OUT_SUCCESS", "INFO", "normal", "弹性扩张成功", "Scale-out succeeded"),
    _scaling("SCALE_OUT_ERROR", "CRITICAL", "unnormal", "弹性扩张失败", "Scale-out failed"),
    _scaling("SCALE_IN_START", "INFO", "normal", "弹性收缩开始", "Scale-in started"),
    _scaling("SCALE_IN_SUCCESS", "INFO", "normal", "弹性收缩成功", "Scale-in succeeded"),
    _scaling("SCALE_IN_ERROR", "CRITICAL", "unnormal", "弹性收缩失败", "Scale-in failed"),
    _scaling("SCALE_REJECT", "WARN", "warn", "伸缩活动拒绝", "Scaling activity rejected"),
)
_INDEX = {(kind.product.upper(), kind.name): kind for kind in CATALOGUE}
