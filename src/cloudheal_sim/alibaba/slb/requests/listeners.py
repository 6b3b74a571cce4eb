"""Wire in: listeners for TCP and HTTP.

Health check, draining, group and ports have effects. The remaining settings are kept and shown again (`options`).
`healthCheckInterval` is no slip here: the TCP call has spelt it so since 2014, and some clients correct it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Numbered, Text, Whole
from cloudheal_sim.alibaba.slb.model.backend import MOST_PORT
from cloudheal_sim.alibaba.slb.requests.balancers import OnOff, Tags

Port = Annotated[int, Field(ge=1, le=MOST_PORT)]
MaybePort = Annotated[Annotated[int, Field(ge=1, le=MOST_PORT)] | None, Blank]
Threshold = Annotated[Annotated[int, Field(ge=1, le=10)] | None, Blank]
Seconds = Annotated[Annotated[int, Field(ge=1, le=50)] | None, Blank]
Bandwidth = Annotated[Annotated[int, Field(ge=-1, le=5000)] | None, Blank]


class ListenerSettings(RpcRequest):
    """What every call that makes or changes a listener takes."""

    #: Names of settings that are kept and shown again, by field.
    KEPT: ClassVar[frozenset[str]] = frozenset(
        {
            *("acl_id", "acl_status", "acl_type"),
            *("health_check_connect_port", "health_check_domain", "health_check_http_code", "health_check_uri"),
        }
    )

    load_balancer_id: str
    listener_port: Port
    acl_id: Text = None
    acl_status: OnOff = None
    acl_type: Text = None
    bandwidth: Bandwidth = None
    description: Annotated[Annotated[str, Field(max_length=256)] | None, Blank] = None
    health_check_connect_port: Annotated[Annotated[int, Field(ge=-520, le=MOST_PORT)] | None, Blank] = None
    health_check_domain: Text = None
    health_check_http_code: Text = None
    health_check_interval: Seconds = None
    health_check_uri: Text = Field(None, alias="HealthCheckURI")
    healthy_threshold: Threshold = None
    scheduler: Annotated[Literal["wrr", "wlc", "rr", "sch", "tch", "qch"] | None, Blank] = None
    unhealthy_threshold: Threshold = None
    v_server_group_id: Text = None

    @property
    def interval(self) -> int | None:
        """Seconds between health checks, when given."""
        return self.health_check_interval

    @property
    def options(self) -> dict[str, str | int | bool]:
        """The given settings without effect, by wire name."""
        fields = type(self).model_fields
        given = {fields[name].alias or name: getattr(self, name) for name in sorted(self.KEPT)}
        return {name: value for name, value in given.items() if value is not None}


class TcpSettings(ListenerSettings):
    """What the TCP calls take besides."""

    KEPT = ListenerSettings.KEPT | {
        *("established_timeout", "health_check_connect_timeout", "health_check_type"),
        *("master_slave_server_group_id", "persistence_timeout", "proxy_protocol_v2_enabled"),
    }

    connection_drain: OnOff = None
    connection_drain_timeout: Annotated[Annotated[int, Field(ge=10, le=900)] | None, Blank] = None
    established_timeout: Annotated[Annotated[int, Field(ge=10, le=900)] | None, Blank] = None
    health_check_connect_timeout: Annotated[Annotated[int, Field(ge=1, le=300)] | None, Blank] = None
    health_check_switch: OnOff = None
    health_check_type: Annotated[Literal["tcp", "http"] | None, Blank] = None
    master_slave_server_group_id: Text = None
    persistence_timeout: Annotated[Annotated[int, Field(ge=0, le=3600)] | None, Blank] = None
    proxy_protocol_v2_enabled: Flag = None


class HttpSettings(ListenerSettings):
    """What the HTTP calls take besides."""

    KEPT = ListenerSettings.KEPT | {
        *("cookie", "cookie_timeout", "gzip", "health_check_method", "health_check_timeout", "idle_timeout"),
        *("request_timeout", "sticky_session", "sticky_session_type", "x_forwarded_for", "x_client_port"),
        *("x_slb_id", "x_slb_ip", "x_slb_port", "x_proto"),
    }

    cookie: Text = None
    cookie_timeout: Annotated[Annotated[int, Field(ge=1, le=86400)] | None, Blank] = None
    gzip: OnOff = None
    health_check: OnOff = None
    health_check_method: Annotated[Literal["head", "get"] | None, Blank] = None
    health_check_timeout: Annotated[Annotated[int, Field(ge=1, le=300)] | None, Blank] = None
    idle_timeout: Annotated[Annotated[int, Field(ge=1, le=60)] | None, Blank] = None
    request_timeout: Annotated[Annotated[int, Field(ge=1, le=180)] | None, Blank] = None
    sticky_session: OnOff = None
    sticky_session_type: Annotated[Literal["insert", "server"] | None, Blank] = None
    x_forwarded_for: OnOff = Field(None, alias="XForwardedFor")
    x_client_port: OnOff = Field(None, alias="XForwardedFor_ClientSrcPort")
    x_slb_id: OnOff = Field(None, alias="XForwardedFor_SLBID")
    x_slb_ip: OnOff = Field(None, alias="XForwardedFor_SLBIP")
    x_slb_port: OnOff = Field(None, alias="XForwardedFor_SLBPORT")
    x_proto: OnOff = Field(None, alias="XForwardedFor_proto")


class CreateLoadBalancerTCPListener(TcpSettings):
    """A new TCP listener, stopped at first."""

    backend_server_port: MaybePort = None
    health_check_interval_as_spelt: Seconds = Field(None, alias="healthCheckInterval")
    tag: Tags = ()

    @property
    def interval(self) -> int | None:
        """Seconds between health checks, in either spelling."""
        return self.health_check_interval_as_spelt or self.health_check_interval


class CreateLoadBalancerHTTPListener(HttpSettings):
    """A new HTTP listener, stopped at first."""

    KEPT = HttpSettings.KEPT | {"forward_port", "listener_forward"}

    backend_server_port: MaybePort = None
    forward_port: MaybePort = None
    health_check: Literal["on", "off"]
    listener_forward: OnOff = None
    sticky_session: Literal["on", "off"]
    tag: Tags = ()


class SetLoadBalancerTCPListenerAttribute(TcpSettings):
    """Change a TCP listener; what is not given stays."""

    IGNORED = "DryRun MasterSlaveServerGroup SynProxy"

    v_server_group: OnOff = None


class SetLoadBalancerHTTPListenerAttribute(HttpSettings):
    """Change an HTTP listener; what is not given stays."""

    IGNORED = "DryRun"

    v_server_group: OnOff = None


class _OneListener(RpcRequest):
    load_balancer_id: str
    listener_port: Port


class StartLoadBalancerListener(_OneListener):
    """Let a listener serve."""

    listener_protocol: Text = None


class StopLoadBalancerListener(_OneListener):
    """Stop a listener."""

    listener_protocol: Text = None


class DeleteLoadBalancerListener(_OneListener):
    """Delete a listener."""

    listener_protocol: Text = None


class DescribeLoadBalancerTCPListenerAttribute(_OneListener):
    """One TCP listener."""


class DescribeLoadBalancerHTTPListenerAttribute(_OneListener):
    """One HTTP listener."""


class DescribeLoadBalancerListeners(RpcRequest):
    """The listeners of several balancers."""

    load_balancer_id: Numbered = ()
    listener_port: MaybePort = None
    listener_protocol: Text = None
    description: Text = None
    tag: Tags = ()
    max_results: Annotated[Annotated[int, Field(ge=1, le=100)] | None, Blank] = None
    next_token: Whole = None
