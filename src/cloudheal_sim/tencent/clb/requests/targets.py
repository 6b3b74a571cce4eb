"""Wire in: targets, their weights and their health."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cloudheal_sim.tencent.api3 import Api3Request, Struct
from cloudheal_sim.tencent.clb.model.target import MOST_WEIGHT

Port = Annotated[int, Field(ge=1, le=65535)]
Weight = Annotated[int, Field(ge=0, le=MOST_WEIGHT)]


class Filter(Struct):
    """One condition: a name, and values of which one must fit."""

    name: str
    values: tuple[str, ...]


class TargetParameter(Struct):
    """One target: by instance or by address, exactly one of the two."""

    IGNORED = "Type"

    port: Port
    instance_id: str | None = None
    eni_ip: str | None = None
    weight: Weight | None = None
    tag: str = ""


class BatchTarget(TargetParameter):
    """One target of a batch, with its listener."""

    IGNORED = ""

    listener_id: str
    location_id: str = ""


class DescribeTargets(Api3Request):
    """The targets behind a balancer."""

    load_balancer_id: str
    listener_ids: tuple[str, ...] = ()
    protocol: str = ""
    port: int | None = None
    filters: tuple[Filter, ...] = ()


class DescribeListeners(Api3Request):
    """The listeners of a balancer."""

    load_balancer_id: str
    listener_ids: tuple[str, ...] = ()
    protocol: str = ""
    port: int | None = None


class DescribeTargetHealth(Api3Request):
    """What the checks show of the targets of some balancers."""

    load_balancer_ids: tuple[str, ...]
    listener_ids: tuple[str, ...] = ()
    location_ids: tuple[str, ...] = ()


class _Placed(Struct):
    """Where targets stand: for layer 7 the rule is named by location, or by domain and URL."""

    listener_id: str
    targets: tuple[TargetParameter, ...]
    location_id: str = ""
    domain: str = ""
    url: str = ""


class _Write(Api3Request, _Placed):
    load_balancer_id: str


class RegisterTargets(_Write):
    """Add targets."""


class DeregisterTargets(_Write):
    """Take targets away."""


class ModifyTargetWeight(_Write):
    """Change weights; the weight of a target wins over the one beside it."""

    weight: Weight = 10


class WeightRule(_Placed):
    """New weights of the targets of one place."""

    weight: Weight = 10


class BatchModifyTargetWeight(Api3Request):
    """Change weights in several places."""

    load_balancer_id: str
    modify_list: tuple[WeightRule, ...]


class BatchDeregisterTargets(Api3Request):
    """Take targets away from several places; the answer tells the result."""

    load_balancer_id: str
    targets: tuple[BatchTarget, ...]


class DescribeTaskStatus(Api3Request):
    """How a change is getting on."""

    IGNORED = "DealName"

    task_id: str = ""
