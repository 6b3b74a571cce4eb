"""Wire in: the parameters of the Cloud Monitor calls."""

from __future__ import annotations

from pydantic import Field

from cloudheal_sim.tencent.api3 import Api3Request, Struct


class Dimension(Struct):
    """A name and its value."""

    name: str
    value: str


class InstanceDimensions(Struct):
    """The dimensions of one line."""

    dimensions: tuple[Dimension, ...]


class GetMonitorData(Api3Request):
    """Points of one metric for some instances."""

    namespace: str
    metric_name: str
    instances: tuple[InstanceDimensions, ...]
    period: int = 300
    start_time: str = ""
    end_time: str = ""
    specify_statistics: int = Field(0, ge=0, le=7)


class DescribeBaseMetrics(Api3Request):
    """Which metrics there are."""

    IGNORED = "Dimensions"

    namespace: str
    metric_name: str = ""


class DescribeAlarmEvents(Api3Request):
    """Which events alarm policies can watch."""

    IGNORED = "MonitorType"

    module: str
    namespace: str


class DescribeAlarmHistories(Api3Request):
    """Alarms of the past, the latest first; times are epoch seconds."""

    IGNORED = (
        "MonitorTypes ProjectIds InstanceGroupIds ReceiverUids ReceiverGroups AlarmLevels ConvergenceHistoryIDs "
        "ShieldStatus Content Namespaces"
    )

    module: str
    page_number: int = Field(1, ge=1)
    page_size: int = Field(20, ge=1, le=100)
    order: str = "DESC"
    start_time: int | None = None
    end_time: int | None = None
    alarm_object: str = ""
    alarm_status: tuple[str, ...] = ()
    metric_names: tuple[str, ...] = ()
    policy_name: str = ""
    policy_ids: tuple[str, ...] = ()
    alarm_types: tuple[str, ...] = ()
