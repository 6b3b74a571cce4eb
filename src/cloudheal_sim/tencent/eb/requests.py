"""Wire in: the parameters of the EventBridge calls."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from cloudheal_sim.tencent.api3 import Api3Request, Struct


class GivenEvent(Struct):
    """One event of one's own; `data` is JSON text."""

    IGNORED = "DataContentType"

    source: str
    data: str
    type: str
    subject: str
    time: int | None = None
    region: str = ""
    status: str = ""
    id: str = ""
    tag_list: tuple[dict[str, Any], ...] = ()


class PutEvents(Api3Request):
    """Put events on a custom bus."""

    event_bus_id: str
    event_list: tuple[GivenEvent, ...]


class PublishEvent(PutEvents):
    """The older name of PutEvents."""


class CheckRule(Api3Request):
    """Try a pattern on an event."""

    event: str
    event_pattern: str


class CreateEventBus(Api3Request):
    """Make a custom bus."""

    IGNORED = "SaveDays EnableStore LinkMode"

    event_bus_name: str
    description: str = ""


class GetEventBus(Api3Request):
    """One bus."""

    event_bus_id: str


class DeleteEventBus(GetEventBus):
    """Delete a custom bus with its rules."""


class _Page(Api3Request):
    """A page of a list."""

    IGNORED = "OrderBy Order Filters"

    limit: int = Field(20, ge=1, le=200)
    offset: int = Field(0, ge=0)


class ListEventBuses(_Page):
    """All buses."""


class ListRules(_Page):
    """The rules of a bus."""

    event_bus_id: str


class CreateRule(Api3Request):
    """Make a rule."""

    event_bus_id: str
    rule_name: str
    event_pattern: str
    description: str = ""
    enable: bool = True


class GetRule(Api3Request):
    """One rule."""

    event_bus_id: str
    rule_id: str


class UpdateRule(GetRule):
    """Change what is given of a rule."""

    rule_name: str | None = None
    event_pattern: str | None = None
    description: str | None = None
    enable: bool | None = None


class DeleteRule(GetRule):
    """Delete a rule with its targets."""


class CreateTarget(Api3Request):
    """Add a target to a rule; what describes it depends on its type."""

    event_bus_id: str
    rule_id: str
    type: str
    target_description: dict[str, Any]


class ListTargets(_Page):
    """The targets of a rule."""

    event_bus_id: str
    rule_id: str


class DeleteTarget(Api3Request):
    """Take a target off a rule."""

    event_bus_id: str
    rule_id: str
    target_id: str


class SearchLog(Api3Request):
    """Events that went over a bus; times are epoch milliseconds."""

    IGNORED = "Filter OrderFields OrderBy"

    start_time: int
    end_time: int
    event_bus_id: str
    page: int = Field(1, ge=1)
    limit: int = Field(20, ge=1, le=1000)


class ListPlatformEventNames(Api3Request):
    """The names of a product's events."""

    product_type: str


class GetPlatformEventTemplate(Api3Request):
    """What an event of a type looks like."""

    event_type: str
