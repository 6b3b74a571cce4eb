"""Wire in: `BackendServers`, a JSON list in a string, and the calls that carry it.

Numbers may be JSON strings. The single-quoted form that the vendor's own pages print is taken as well.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from cloudheal_sim.alibaba.rpc import Refusal, Refused, RpcRequest
from cloudheal_sim.alibaba.rpc.request import JsonText, Struct, Text
from cloudheal_sim.alibaba.slb import errors
from cloudheal_sim.alibaba.slb.model.backend import MOST_PORT, MOST_WEIGHT, Backend, Weighted

MOST_ENTRIES = 20


def _named(entry: object) -> object:
    """Take a lone server id for an entry: the first documentation and clients of its time write `["i-a","i-b"]`."""
    return {"ServerId": entry} if isinstance(entry, str) else entry


class BackendEntry(Struct):
    """One entry of `BackendServers`."""

    server_id: str = Field(min_length=1)
    port: int | None = Field(None, ge=1, le=MOST_PORT)
    weight: int | None = Field(None, ge=0, le=MOST_WEIGHT)
    type: Literal["ecs", "eni", "eci"] = "ecs"
    server_ip: Text = None
    description: Annotated[str | None, Field(max_length=80)] = None

    def weighted(self, *, with_port: bool) -> Weighted:
        """Return what the entry says of a member; default groups take no port."""
        backend = Backend(
            server_id=self.server_id,
            port=(self.port or 0) if with_port else 0,
            weight=MOST_WEIGHT if self.weight is None else self.weight,
            type=self.type,
            server_ip=self.server_ip or "",
            description=self.description or "",
        )
        return Weighted(backend, self.weight, self.description)


_ENTRIES: TypeAdapter[tuple[BackendEntry, ...]] = TypeAdapter(
    Annotated[tuple[Annotated[BackendEntry, BeforeValidator(_named)], ...], JsonText]
)
_BY_FIELD: dict[str | int, Refusal] = {
    "Port": errors.BACKEND_PORT,
    "Weight": errors.BACKEND_WEIGHT,
    "ServerId": errors.BACKEND_SERVER_EMPTY,
}


def entries(text: str, *, with_port: bool) -> tuple[Weighted, ...]:
    """Read `BackendServers`. Raises Refused as the service does; no entries are no error."""
    try:
        found = _ENTRIES.validate_python(text)
    except ValidationError as problem:
        place = problem.errors(include_url=False, include_context=False)[0]["loc"]
        raise Refused(_BY_FIELD.get(place[-1] if place else "", errors.BACKENDS_MALFORMED)) from problem
    if len(found) > MOST_ENTRIES:
        raise Refused(errors.TOO_MANY_BACKENDS)
    if with_port and any(entry.port is None for entry in found):
        raise Refused(errors.BACKEND_PORT)
    return tuple(entry.weighted(with_port=with_port) for entry in found)


class AddVServerGroupBackendServers(RpcRequest):
    """Add members to a server group."""

    v_server_group_id: str
    backend_servers: str


class RemoveVServerGroupBackendServers(RpcRequest):
    """Remove members from a server group."""

    v_server_group_id: str
    backend_servers: str


class ModifyVServerGroupBackendServers(RpcRequest):
    """Put members into the place of others, in one step."""

    v_server_group_id: str
    old_backend_servers: str = ""
    new_backend_servers: str = ""


class AddBackendServers(RpcRequest):
    """Add members to the default group."""

    load_balancer_id: str
    backend_servers: str = ""


class SetBackendServers(RpcRequest):
    """Set weights in the default group."""

    load_balancer_id: str
    backend_servers: str = ""


class RemoveBackendServers(RpcRequest):
    """Remove members from the default group."""

    load_balancer_id: str
    backend_servers: str


class DescribeHealthStatus(RpcRequest):
    """What the health checks of a balancer show."""

    load_balancer_id: str
    listener_port: Annotated[int | None, Field(ge=1, le=MOST_PORT)] = None
    listener_protocol: Text = None
