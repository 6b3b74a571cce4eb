"""Metrics of instances: drawn from seed, metric, instance and time, and bent by what is wrong inside.

A point with timestamp t tells of the period that begins at t and can be seen a minute after that has ended. What is
wrong is remembered with its time (`Load`), so that the past stays as it was. An instance that is not RUNNING has no
points, one that hangs only those that its host measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.metric_values import CELL, Nature, Series, joined, series_key
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.tencent.cvm.model.instance import Instance, Status

if TYPE_CHECKING:
    from cloudheal_sim.guest.guest import Situation
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.metric_values import Cell
    from cloudheal_sim.tencent.cvm.state import Cvm
    from cloudheal_sim.tencent.happenings import Happening

NAMESPACE = "QCE/CVM"
PERIODS = (10, 60, 300, 3600, 86400)
#: A point can be seen so long after its period has ended, in milliseconds.
LAG = 60_000
#: What counts as much: MB of memory of all, connections, Mbit a second.
_MUCH_MEMORY, _MUCH_CONNECTIONS, _MUCH_TRAFFIC = 0.5, 1000, 1.0
_MEMORY = 4096


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of instances."""

    name: str
    unit: str
    title: str
    nature: Nature
    by_agent: bool = True
    """True when the agent inside measures it: a hung instance has none then."""
    peaks: bool = False
    """True when longer periods show the greatest value, not the average."""


_ALL = (
    Metric("CPUUsage", "%", "CPU 利用率", Nature(12, 0.4, 8, 0, 100), peaks=True),
    Metric("BaseCpuUsage", "%", "基础 CPU 使用率", Nature(12, 0.4, 8, 0, 100), by_agent=False, peaks=True),
    Metric("CpuLoadavg", "", "CPU 1分钟平均负载", Nature(0.4, 0.4, 0.3), peaks=True),
    Metric("MemUsed", "MB", "内存使用量", Nature(900, 0.1, 60, 64, _MEMORY)),
    Metric("MemUsage", "%", "内存利用率", Nature(22, 0.1, 2, 1, 100)),
    Metric("CvmDiskUsage", "%", "磁盘利用率", Nature(30, 0, 0.5, 1, 100)),
    Metric("LanOuttraffic", "Mbps", "内网出带宽", Nature(1.2, 0.4, 0.6), by_agent=False),
    Metric("LanIntraffic", "Mbps", "内网入带宽", Nature(1.2, 0.4, 0.6), by_agent=False),
    Metric("WanOuttraffic", "Mbps", "外网出带宽", Nature(0.6, 0.5, 0.4), by_agent=False),
    Metric("WanIntraffic", "Mbps", "外网入带宽", Nature(0.3, 0.5, 0.2), by_agent=False),
    Metric("WanOutpkg", "个/秒", "外网出包量", Nature(120, 0.5, 60), by_agent=False),
    Metric("WanInpkg", "个/秒", "外网入包量", Nature(90, 0.5, 40), by_agent=False),
    Metric("TcpCurrEstab", "个", "TCP 连接数", Nature(60, 0.4, 20)),
)
METRICS = {one.name.lower(): one for one in _ALL}


@dataclass(frozen=True, slots=True)
class Load:
    """What is out of the ordinary on one instance; None is as usual."""

    traffic: float | None = None
    memory: float | None = None
    """The share of memory in use, in percent."""
    connections: int | None = None
    hung: bool = False


USUAL = Load()


class Metrics:
    """The values of every instance of one account."""

    def __init__(self, kernel: Kernel, cvm: Cvm) -> None:
        self._kernel = kernel
        self._cvm = cvm
        self.loads: dict[str, Timeline[Load]] = {}
        cvm.guests.situations.append(self._situation)
        cvm.guests.changed.append(self._changed)
        cvm.lifecycle.moved.append(lambda instance, _before, _after: self.look(instance))

    def hear(self, happening: Happening) -> Load:
        """Hear of a happening: an instance that no longer answers, or does again, is looked at anew."""
        return self.look(happening.instance)

    def look(self, instance: Instance) -> Load:
        """Note what is out of the ordinary on an instance now."""
        load, known = _load(instance), self.loads.get(instance.id)
        now = self._kernel.clock.now()
        if known is None:
            if load != USUAL:
                known = self.loads[instance.id] = Timeline(USUAL, instance.created)
                known.set(load, now)
        elif known.value != load:
            known.set(load, now)
        return load

    def points(self, metric: Metric, instance: Instance, begin: int, end: int, period: int) -> dict[int, Cell]:
        """Return the points of one line between two instants, both included, by their timestamps in milliseconds."""
        newest = self._kernel.clock.now() - LAG - period
        key = series_key(self._kernel.chance.seed, NAMESPACE, metric.name, instance.id)
        series, first = Series(key, metric.nature), begin // period * period
        stamps = range(first, min(end // period * period, newest) + 1, period)
        found = {stamp: self._cell(metric, instance, series, stamp, period) for stamp in stamps}
        return {stamp: cell for stamp, cell in found.items() if cell is not None}

    def _cell(self, metric: Metric, instance: Instance, series: Series, stamp: int, period: int) -> Cell | None:
        if instance.status.at(stamp) is not Status.RUNNING or stamp < instance.created:
            return None
        known = self.loads.get(instance.id)
        load = USUAL if known is None else known.at(stamp + min(period, CELL) - 1) or USUAL
        if load.hung and metric.by_agent:
            return None
        steps = range(stamp + CELL, stamp + max(period, CELL) + 1, max(CELL, period // 60))
        drawn = joined([series.cell(-(-one // CELL) * CELL) for one in steps])
        bent = _bent(metric.name, load)
        return drawn if bent is None else drawn._replace(average=bent, minimum=bent * 0.98, maximum=bent)

    def _situation(self, instance: Instance, _situation: Situation, _begun: bool) -> None:  # noqa: FBT001 - a hook
        self.look(instance)

    def _changed(self, id_: str) -> None:
        instance = self._cvm.fleet.find(id_)
        if instance is not None:
            self.look(instance)


def _load(instance: Instance) -> Load:
    guest = instance.guest
    if guest is None or not instance.running:
        return Load(hung=instance.hung)
    share = guest.used / guest.memory
    return Load(
        traffic=guest.traffic if guest.traffic > _MUCH_TRAFFIC else None,
        memory=round(share * 100, 1) if share > _MUCH_MEMORY else None,
        connections=guest.sessions if guest.sessions > _MUCH_CONNECTIONS else None,
        hung=instance.hung,
    )


def _bent(name: str, load: Load) -> float | None:
    """Return what a metric shows because of what is out of the ordinary; None when it shows the usual."""
    if load.hung and name == "BaseCpuUsage":
        return 99.7
    traffic = load.traffic
    bent = {
        "WanOuttraffic": traffic,
        "WanOutpkg": None if traffic is None else traffic * 90,
        "MemUsage": load.memory,
        "MemUsed": None if load.memory is None else load.memory * _MEMORY / 100,
        "TcpCurrEstab": None if load.connections is None else float(load.connections),
    }
    return bent.get(name)
