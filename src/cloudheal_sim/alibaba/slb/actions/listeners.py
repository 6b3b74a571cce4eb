"""Calls for listeners. A new one is stopped; its health checks begin with its start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc import refusal as gateway
from cloudheal_sim.alibaba.slb import errors
from cloudheal_sim.alibaba.slb.model.balancer import RUNNING, STOPPED, Balancer, Listener
from cloudheal_sim.alibaba.slb.replies import listeners as replies
from cloudheal_sim.alibaba.slb.requests import listeners as requests
from cloudheal_sim.alibaba.slb.service import SERVICE

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.slb.state import Slb
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.kernel.health_checks import Check

_DRAIN_SECONDS = 300
_PAGE = 20


@SERVICE.action(requests.CreateLoadBalancerTCPListener)
def create_tcp(slb: Slb, request: requests.CreateLoadBalancerTCPListener, _exchange: Exchange) -> Reply:
    """Make a TCP listener."""
    listener = _created(slb, request, "tcp", request.backend_server_port)
    listener.tags = {tag.key: tag.value for tag in request.tag}
    return _put(slb, _applied_tcp(listener, request))


@SERVICE.action(requests.CreateLoadBalancerHTTPListener)
def create_http(slb: Slb, request: requests.CreateLoadBalancerHTTPListener, _exchange: Exchange) -> Reply:
    """Make an HTTP listener."""
    listener = _created(slb, request, "http", request.backend_server_port)
    listener.tags = {tag.key: tag.value for tag in request.tag}
    return _put(slb, _applied_http(listener, request))


@SERVICE.action(requests.SetLoadBalancerTCPListenerAttribute)
def set_tcp(slb: Slb, request: requests.SetLoadBalancerTCPListenerAttribute, _exchange: Exchange) -> Reply:
    """Change a TCP listener."""
    listener = _changeable(slb, request, "tcp")
    return _reset(slb, _applied_tcp(listener, request), request.v_server_group)


@SERVICE.action(requests.SetLoadBalancerHTTPListenerAttribute)
def set_http(slb: Slb, request: requests.SetLoadBalancerHTTPListenerAttribute, _exchange: Exchange) -> Reply:
    """Change an HTTP listener."""
    listener = _changeable(slb, request, "http")
    return _reset(slb, _applied_http(listener, request), request.v_server_group)


@SERVICE.action(requests.StartLoadBalancerListener)
def start(slb: Slb, request: requests.StartLoadBalancerListener, _exchange: Exchange) -> Reply:
    """Let a listener serve."""
    return _switch(slb, request, RUNNING)


@SERVICE.action(requests.StopLoadBalancerListener)
def stop(slb: Slb, request: requests.StopLoadBalancerListener, _exchange: Exchange) -> Reply:
    """Stop a listener."""
    return _switch(slb, request, STOPPED)


@SERVICE.action(requests.DeleteLoadBalancerListener)
def delete(slb: Slb, request: requests.DeleteLoadBalancerListener, _exchange: Exchange) -> Reply:
    """Delete a listener."""
    balancer = _balancer(slb, request.load_balancer_id, request.region_id)
    listener = _found(balancer, request.listener_port, request.listener_protocol)
    del balancer.listeners[listener.port]
    slb.kernel.journal.change("listener", f"{balancer.id}:{listener.port}", listener.protocol, None)
    slb.changed(balancer)
    return {}


@SERVICE.action(requests.DescribeLoadBalancerTCPListenerAttribute)
def describe_tcp(slb: Slb, request: requests.DescribeLoadBalancerTCPListenerAttribute, exchange: Exchange) -> Reply:
    """Show a TCP listener."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id, exchange.as_of)
    return replies.attribute(_found(balancer, request.listener_port, "tcp"))


@SERVICE.action(requests.DescribeLoadBalancerHTTPListenerAttribute)
def describe_http(slb: Slb, request: requests.DescribeLoadBalancerHTTPListenerAttribute, exchange: Exchange) -> Reply:
    """Show an HTTP listener."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id, exchange.as_of)
    return replies.attribute(_found(balancer, request.listener_port, "http"))


@SERVICE.action(requests.DescribeLoadBalancerListeners)
def describe_all(slb: Slb, request: requests.DescribeLoadBalancerListeners, exchange: Exchange) -> Reply:
    """List listeners over balancers; the token is the place in the list."""
    wanted = {tag.key: tag.value for tag in request.tag}
    found = [
        listener
        for balancer in slb.balancers.values()
        if balancer.existed(exchange.as_of)
        and request.region_id in {"", balancer.region}
        and (not request.load_balancer_id or balancer.id in request.load_balancer_id)
        for listener in balancer.listeners.values()
        if request.listener_port in {None, listener.port}
        and (request.listener_protocol or listener.protocol).lower() == listener.protocol
        and (request.description or "") in listener.description
        and wanted.items() <= dict(listener.tags).items()
    ]
    size, first = request.max_results or _PAGE, max(0, request.next_token or 0)
    page = [replies.entry(listener) for listener in found[first : first + size]]
    token = {"NextToken": str(first + size)} if first + size < len(found) else {}
    return {"Listeners": page, "MaxResults": size, "TotalCount": len(found), **token}


def _balancer(slb: Slb, id_: str, region: str) -> Balancer:
    return slb.refuse_while_configuring(slb.balancer(id_, region), errors.LISTENER_CONFIGURING)


def _found(balancer: Balancer, port: int, protocol: str | None) -> Listener:
    found = balancer.listeners.get(port)
    if found is None or (protocol or found.protocol).lower() != found.protocol:
        raise Refused(errors.UNKNOWN_LISTENER)
    return found


def _changeable(slb: Slb, request: requests.ListenerSettings, protocol: str) -> Listener:
    balancer = _balancer(slb, request.load_balancer_id, request.region_id)
    return replace(_found(balancer, request.listener_port, protocol))


def _created(slb: Slb, request: requests.ListenerSettings, protocol: str, backend_port: int | None) -> Listener:
    balancer = _balancer(slb, request.load_balancer_id, request.region_id)
    if request.listener_port in balancer.listeners:
        raise Refused(errors.LISTENER_EXISTS)
    if backend_port is None and not request.v_server_group_id:
        raise gateway.missing("BackendServerPort")
    return Listener(balancer.id, request.listener_port, protocol, backend_port=backend_port or 0)


def _applied(listener: Listener, request: requests.ListenerSettings, on: str | None) -> Listener:
    """Take over what was given; what was not given stays."""
    check = listener.check
    listener.group = request.v_server_group_id or listener.group
    listener.bandwidth = listener.bandwidth if request.bandwidth is None else request.bandwidth
    listener.scheduler = request.scheduler or listener.scheduler
    listener.description = listener.description if request.description is None else request.description
    listener.options = {**listener.options, **request.options}
    listener.check = replace(
        check,
        on=check.on if on is None else on == "on",
        interval=request.interval or check.interval,
        healthy=request.healthy_threshold or check.healthy,
        unhealthy=request.unhealthy_threshold or check.unhealthy,
    )
    return listener


def _applied_tcp(listener: Listener, request: requests.TcpSettings) -> Listener:
    if request.connection_drain is not None:
        seconds = request.connection_drain_timeout or listener.drain_seconds or _DRAIN_SECONDS
        listener.drain_seconds = seconds if request.connection_drain == "on" else None
    elif listener.drain_seconds is not None:
        listener.drain_seconds = request.connection_drain_timeout or listener.drain_seconds
    return _applied(listener, request, request.health_check_switch)


def _applied_http(listener: Listener, request: requests.HttpSettings) -> Listener:
    return _applied(listener, request, request.health_check)


def _put(slb: Slb, listener: Listener) -> Reply:
    """Add or replace a listener whose group is one of its balancer's. Raises Refused."""
    balancer = slb.balancers[listener.balancer]
    if listener.group and slb.group(listener.group, "").balancer != balancer.id:
        raise Refused(errors.UNKNOWN_GROUP)
    before = balancer.listeners.get(listener.port)
    balancer.listeners[listener.port] = listener
    slb.kernel.journal.change(
        "listener", f"{balancer.id}:{listener.port}", before and described(before), described(listener)
    )
    slb.changed(balancer)
    return {}


def _reset(slb: Slb, listener: Listener, with_group: str | None) -> Reply:
    if with_group == "off":
        listener.group = ""
    return _put(slb, listener)


def _switch(
    slb: Slb, request: requests.StartLoadBalancerListener | requests.StopLoadBalancerListener, status: str
) -> Reply:
    balancer = _balancer(slb, request.load_balancer_id, request.region_id)
    listener = _found(balancer, request.listener_port, request.listener_protocol)
    if listener.status != status:
        before, listener.status, listener.since = listener.status, status, slb.now
        slb.kernel.journal.change("listener.status", f"{balancer.id}:{listener.port}", before, status)
        slb.changed(balancer)
    return {}


def described(listener: Listener) -> dict[str, object]:
    """Write a listener as the journal shows it."""
    check: Check = listener.check
    return {
        "protocol": listener.protocol,
        "server_group": listener.group,
        "backend_port": listener.backend_port,
        "health_check": check.on,
        "interval": check.interval,
        "healthy_threshold": check.healthy,
        "unhealthy_threshold": check.unhealthy,
        "drain_seconds": listener.drain_seconds,
        "bandwidth": listener.bandwidth,
        "scheduler": listener.scheduler,
        "description": listener.description,
        "options": dict(listener.options),
    }
