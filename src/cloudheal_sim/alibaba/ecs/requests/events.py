"""Wire in: the calls about system events."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.model.event_types import Cycle
from cloudheal_sim.alibaba.ecs.model.health import Health
from cloudheal_sim.alibaba.ecs.requests.fields import Paged, Switch, TagPair
from cloudheal_sim.alibaba.ecs.requests.times import Instant, Range
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Numbered, Text

_Hundred = Annotated[Numbered, Field(max_length=100)]


class DescribeInstancesFullStatus(Paged):
    """Instances with their states and the events scheduled for them."""

    MISSING_STATUS = 404
    INVALID_STATUS = 403
    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "InstanceId": errors.INSTANCE_ID_LIMIT,
        "EventId": errors.EVENT_ID_LIMIT_403,
    }

    region_id: str
    instance_id: _Hundred = ()
    event_id: _Hundred = ()
    event_type: Text = None
    instance_event_type: Annotated[Numbered, Field(max_length=30)] = ()
    status: Annotated[Literal["Pending", "Starting", "Running", "Stopping", "Stopped"] | None, Blank] = None
    health_status: Annotated[Health | None, Blank] = None
    not_before: Range = Range()
    event_publish_time: Range = Range()


class DescribeInstanceHistoryEvents(Paged):
    """Events in any state, finished ones of the last 30 days by default."""

    IGNORED = "ImpactLevel"
    MISSING_STATUS = 404
    INVALID_STATUS = 403
    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "ResourceId": errors.INSTANCE_ID_LIMIT,
        "EventId": errors.EVENT_ID_LIMIT_403,
    }

    region_id: str
    resource_id: _Hundred = ()
    instance_id: Text = None
    resource_type: Annotated[Literal["instance", "ddh", "managedhost"] | None, Blank] = None
    event_id: _Hundred = ()
    event_type: Text = None
    instance_event_type: Annotated[Numbered, Field(max_length=30)] = ()
    event_cycle_status: Annotated[Cycle | None, Blank] = None
    instance_event_cycle_status: Annotated[
        tuple[Cycle, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
    ] = Field((), max_length=7)
    not_before: Range = Range()
    event_publish_time: Range = Range()
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = ()
    max_results: Annotated[int | None, Blank] = None
    next_token: Text = None


class DescribeDisksFullStatus(Paged):
    """Disks with their states and the events that are going on with them."""

    INVALID_STATUS = 403
    REFUSALS: ClassVar[dict[str, Refusal]] = {"EventId": errors.EVENT_ID_LIMIT_403}

    region_id: str
    disk_id: _Hundred = ()
    event_id: _Hundred = ()
    event_type: Text = None
    event_time: Range = Range()
    status: Text = None
    health_status: Annotated[Health | None, Blank] = None
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = ()


class CreateSimulatedSystemEvents(RpcRequest):
    """One drill event for each instance."""

    MISSING_STATUS = 404
    INVALID_STATUS = 403
    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceId": errors.INSTANCE_ID_LIMIT}

    region_id: str
    event_type: str
    not_before: Instant
    instance_id: Annotated[Numbered, Field(min_length=1, max_length=100)]
    trigger_real_ops: Switch = False


class CancelSimulatedSystemEvents(RpcRequest):
    """Takes drill events back, all of them or none."""

    MISSING_STATUS = 404
    INVALID_STATUS = 403
    REFUSALS: ClassVar[dict[str, Refusal]] = {"EventId": errors.EVENT_ID_LIMIT_400}

    region_id: str
    event_id: Annotated[Numbered, Field(min_length=1, max_length=100)]


class AcceptInquiredSystemEvent(RpcRequest):
    """Lets an inquiring event run."""

    IGNORED = "Choice"

    region_id: str
    event_id: str
