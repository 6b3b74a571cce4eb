"""Log metrics as kept objects: which field of which log becomes a metric, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.store import Instant, Record, Store

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel

Operator = Literal["contain", "notContain", ">", "<", ">=", "<=", "="]


class Aggregate(Record):
    """One value per window: a function of a field under a name."""

    field: str
    function: str
    alias: str


class Grouping(Record):
    """One series per value of a field."""

    field: str
    alias: str = ""


class ValueFilter(Record):
    """Which lines count."""

    key: str
    operator: Operator
    value: str = ""


class LogMonitor(Record):
    """One log metric."""

    id: int | None = Field(None, ge=1)
    metric: Annotated[str, Field(min_length=1)]
    sls_region: str
    sls_project: str
    sls_logstore: str
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1, max_length=10)]
    groupings: Annotated[tuple[Grouping, ...], Field(max_length=10)] = ()
    filters: tuple[ValueFilter, ...] = ()
    relation: Literal["and", "or"] = "and"
    windows: tuple[int, ...] = (60,)
    express: str = ""
    unit: str = ""
    group: int | None = None
    created: Instant = None

    @property
    def number(self) -> int:
        """The id of a log metric that is in force."""
        if self.id is None:
            raise ValueError(f"log metric {self.metric!r} has no id yet")
        return self.id


class LogMonitors:
    """Every log metric of one account."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.store: Store[int, LogMonitor] = Store(kernel, "log_monitor")

    def put(self, monitor: LogMonitor) -> LogMonitor:
        """Keep a log metric, drawing its id when it has none."""
        made = self.completed(monitor)
        return self.store.put(made.number, made)

    def completed(self, monitor: LogMonitor) -> LogMonitor:
        """Return the log metric with an id and its time."""
        created = monitor.created or self._kernel.clock.now()
        return monitor.model_copy(update={"id": monitor.id or self._free_id(), "created": created})

    def _free_id(self) -> int:
        chance = self._kernel.chance.stream("log_monitors")
        return self.store.free(lambda: chance.randint(1000, 999_999))
