"""Wire out: listeners. TCP and HTTP name the same things differently; settings nobody gave show their defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.slb.replies.balancers import tag_set

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.slb.model.balancer import Listener

_TCP_DEFAULTS: dict[str, str | int | bool] = {
    "EstablishedTimeout": 900,
    "HealthCheckConnectTimeout": 5,
    "HealthCheckMethod": "",
    "HealthCheckType": "tcp",
    "PersistenceTimeout": 0,
    "ProxyProtocolV2Enabled": False,
    "SynProxy": "disable",
}
_HTTP_DEFAULTS: dict[str, str | int | bool] = {
    "Gzip": "on",
    "HealthCheckMethod": "head",
    "HealthCheckTimeout": 5,
    "HealthCheckURI": "/",
    "HealthCheckHttpCode": "http_2xx",
    "IdleTimeout": 15,
    "ListenerForward": "off",
    "RequestTimeout": 60,
    "SecurityStatus": "off",
    "StickySession": "off",
    "XForwardedFor": "on",
}
_ACL = ("AclId", "AclStatus", "AclType")


def attribute(listener: Listener) -> dict[str, object]:
    """Write one listener as the DescribeLoadBalancer...ListenerAttribute calls do."""
    written = {**_head(listener), **config(listener), "Tags": tag_set(listener.tags)}
    if listener.protocol == "http":
        written["Rules"] = {"Rule": []}
    return written


def entry(listener: Listener) -> dict[str, object]:
    """Write one entry of DescribeLoadBalancerListeners, where the settings of a protocol stand apart."""
    name = f"{listener.protocol.upper()}ListenerConfig"
    tags = [{"TagKey": key, "TagValue": value} for key, value in listener.tags.items()]
    balancer = {"LoadBalancerId": listener.balancer}
    inner = {key: value for key, value in config(listener).items() if key not in _ACL}
    return {**balancer, **_head(listener), name: inner, "Tags": tags}


def config(listener: Listener) -> dict[str, object]:
    """Write what is particular to the listener's protocol."""
    check = listener.check
    defaults = _TCP_DEFAULTS if listener.protocol == "tcp" else _HTTP_DEFAULTS
    written: dict[str, object] = {
        **defaults,
        **listener.options,
        "HealthCheck": "on" if check.on else "off",
        "HealthCheckInterval": check.interval,
        "HealthyThreshold": check.healthy,
        "UnhealthyThreshold": check.unhealthy,
    }
    if "HealthCheckConnectPort" not in written:
        written["HealthCheckConnectPort"] = listener.backend_port or -520
    if listener.protocol == "tcp":
        written["ConnectionDrain"] = "off" if listener.drain_seconds is None else "on"
        written["ConnectionDrainTimeout"] = listener.drain_seconds or 0
    return written


def _head(listener: Listener) -> dict[str, object]:
    written: dict[str, object] = {
        "ListenerPort": listener.port,
        "ListenerProtocol": listener.protocol,
        "Status": listener.status,
        "Bandwidth": listener.bandwidth,
        "Scheduler": listener.scheduler,
        "Description": listener.description,
        "AclStatus": listener.options.get("AclStatus", "off"),
        "BackendServerPort": listener.backend_port or None,
        "VServerGroupId": listener.group or None,
    }
    return {name: value for name, value in written.items() if value is not None}
