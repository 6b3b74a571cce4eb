"""Which metrics exist: namespaces, dimensions, periods, statistics, units, and how their values behave by nature.

The lists follow the vendor's metric pages for the services that the simulator has, kept to what exporters and rules
commonly ask for. A metric that is not listed does not exist: asking for it is refused, as the real service does.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudheal_sim.kernel.metric_values import CELL_SECONDS, Nature

#: Periods of metrics that the agent inside the instance reports, and of those the hypervisor reports, in seconds.
AGENT_PERIODS = (15, 60, 300, 900, 3600)
BASIC_PERIODS = (60, 300, 900, 3600)
USUAL = ("Average", "Minimum", "Maximum")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one namespace. `parts` are the further dimensions of each instance, one series per part."""

    namespace: str
    name: str
    unit: str
    nature: Nature
    description: str = ""
    periods: tuple[int, ...] = BASIC_PERIODS
    statistics: tuple[str, ...] = USUAL
    dimensions: tuple[str, ...] = ("userId", "instanceId")
    parts: tuple[tuple[tuple[str, str], ...], ...] = ((),)

    @property
    def default_period(self) -> int:
        """The period that a call without one gets, in seconds."""
        return CELL_SECONDS if CELL_SECONDS in self.periods else self.periods[0]


@dataclass(frozen=True, slots=True)
class Namespace:
    """One product's metrics. `identity` is the dimension that names the resource."""

    name: str
    product: str
    description: str
    category: str
    identity: str
    metrics: tuple[Metric, ...]

    def find(self, name: str) -> Metric | None:
        """Return the metric of that name."""
        return next((metric for metric in self.metrics if metric.name == name), None)


ECS = "acs_ecs_dashboard"
SLB = "acs_slb_dashboard"
KUBERNETES = "acs_k8s"

_PERCENT = {"floor": 0.0, "ceiling": 100.0}
_CPU = Nature(24.0, 0.6, 9.0, **_PERCENT)
_IDLE = Nature(74.0, -0.2, 9.0, **_PERCENT)
_MEMORY = Nature(52.0, 0.1, 2.0, **_PERCENT)
_DISK = Nature(38.0, 0.01, 0.4, **_PERCENT)
_LOAD = Nature(0.9, 0.7, 0.5)
_RATE = Nature(2_400_000.0, 0.8, 500_000.0)
_IOPS = Nature(85.0, 0.6, 40.0)
_BYTES = Nature(1_600_000.0, 0.6, 700_000.0)
_COUNT = Nature(180.0, 0.7, 40.0)

_STATES = tuple((("state", state),) for state in ("ESTABLISHED", "LISTEN", "TCP_TOTAL"))
_DISKS = ((("device", "/dev/vda1"),),)


def _agent(name: str, unit: str, nature: Nature, description: str) -> Metric:
    return Metric(ECS, name, unit, nature, description, AGENT_PERIODS)


def _basic(name: str, unit: str, nature: Nature, description: str) -> Metric:
    return Metric(ECS, name, unit, nature, description)


_ECS_METRICS = (
    _basic("CPUUtilization", "%", _CPU, "CPU utilization seen by the hypervisor"),
    _agent("cpu_total", "%", _CPU, "CPU utilization seen by the agent"),
    _agent("cpu_idle", "%", _IDLE, "idle CPU seen by the agent"),
    _agent("cpu_system", "%", Nature(6.0, 0.5, 3.0, **_PERCENT), "CPU used by the kernel"),
    _agent("cpu_user", "%", Nature(17.0, 0.6, 6.0, **_PERCENT), "CPU used by programs"),
    _agent("memory_usedutilization", "%", _MEMORY, "memory in use"),
    _agent("memory_freeutilization", "%", Nature(48.0, -0.1, 2.0, **_PERCENT), "memory free"),
    _agent("load_1m", "", _LOAD, "load average of one minute"),
    _agent("load_5m", "", Nature(0.9, 0.7, 0.3), "load average of five minutes"),
    _agent("load_15m", "", Nature(0.9, 0.7, 0.2), "load average of fifteen minutes"),
    Metric(
        ECS,
        "net_tcpconnection",
        "count",
        _COUNT,
        "TCP connections by state",
        AGENT_PERIODS,
        dimensions=("userId", "instanceId", "state"),
        parts=_STATES,
    ),
    Metric(
        ECS,
        "diskusage_utilization",
        "%",
        _DISK,
        "file system in use",
        AGENT_PERIODS,
        dimensions=("userId", "instanceId", "device"),
        parts=_DISKS,
    ),
    _basic("InternetInRate", "bit/s", _RATE, "public inbound traffic"),
    _basic("InternetOutRate", "bit/s", _RATE, "public outbound traffic"),
    _basic("IntranetInRate", "bit/s", _RATE, "private inbound traffic"),
    _basic("IntranetOutRate", "bit/s", _RATE, "private outbound traffic"),
    _basic("DiskReadBPS", "Byte/s", _BYTES, "bytes read from all disks"),
    _basic("DiskWriteBPS", "Byte/s", _BYTES, "bytes written to all disks"),
    _basic("DiskReadIOPS", "Count/Second", _IOPS, "reads from all disks"),
    _basic("DiskWriteIOPS", "Count/Second", _IOPS, "writes to all disks"),
)


def _balancer(name: str, unit: str, nature: Nature, description: str, *statistics: str) -> Metric:
    dimensions = ("userId", "instanceId", "port", "vip")
    return Metric(SLB, name, unit, nature, description, BASIC_PERIODS, statistics or USUAL, dimensions)


_SLB_METRICS = (
    _balancer("ActiveConnection", "Count", _COUNT, "active TCP connections of a listener"),
    _balancer("NewConnection", "Count/Second", Nature(45.0, 0.7, 15.0), "new TCP connections of a listener"),
    _balancer("HeathyServerCount", "Count", Nature(2.0, 0.0, 0.0), "healthy servers behind a listener"),
    _balancer("UnhealthyServerCount", "Count", Nature(0.0, 0.0, 0.0), "unhealthy servers behind a listener"),
    _balancer("Qps", "Count/Second", Nature(120.0, 0.8, 30.0), "requests a second of a listener", "Average"),
    _balancer("Rt", "ms", Nature(35.0, 0.3, 12.0), "response time of a listener", "Average"),
    _balancer("StatusCode5xx", "Count/Second", Nature(0.4, 0.5, 0.4), "answers with 5xx a second", "Average"),
    _balancer("TrafficRXNew", "bit/s", _RATE, "inbound traffic of a listener"),
    _balancer("TrafficTXNew", "bit/s", _RATE, "outbound traffic of a listener"),
)


def _pod(name: str, unit: str, nature: Nature, description: str, namespace: str = KUBERNETES) -> Metric:
    dimensions = ("userId", "cluster", "namespace", "pod")
    return Metric(namespace, name, unit, nature, description, BASIC_PERIODS, USUAL, dimensions)


def _pods(namespace: str) -> tuple[Metric, ...]:
    return (
        _pod("pod.cpu.usage_rate", "%", _CPU, "CPU use of a pod against its limit", namespace),
        _pod("pod.memory.usage_rate", "%", _MEMORY, "memory use of a pod against its limit", namespace),
        _pod("pod.network.rx_rate", "Byte/s", _BYTES, "bytes a pod receives", namespace),
        _pod("pod.network.tx_rate", "Byte/s", _BYTES, "bytes a pod sends", namespace),
        _pod("node.cpu.usage_rate", "%", _CPU, "CPU use of a node", namespace),
        _pod("node.memory.usage_rate", "%", _MEMORY, "memory use of a node", namespace),
    )


NAMESPACES = (
    Namespace(ECS, "ECS", "Elastic Compute Service", "ECS", "instanceId", _ECS_METRICS),
    Namespace(SLB, "SLB", "Server Load Balancer", "SLB", "instanceId", _SLB_METRICS),
    Namespace(KUBERNETES, "k8s", "Container Service for Kubernetes", "k8s_pod", "pod", _pods(KUBERNETES)),
    Namespace("acs_kubernetes", "k8s", "Container Service, old name", "k8s_pod", "pod", _pods("acs_kubernetes")),
)


def namespace_named(name: str) -> Namespace | None:
    """Return the product's namespace of that name."""
    return next((namespace for namespace in NAMESPACES if namespace.name == name), None)
