"""Ask whether a port takes connections. Nothing is sent: the connection is closed as soon as it stands."""

from __future__ import annotations

from cloudheal.ports.probes import Finding
from cloudheal.probes.line import Limit, connected, told


def tcp(host: str, port: int, seconds: float) -> Finding:
    """Say whether a port takes a connection within so many seconds."""
    try:
        connected(host, port, Limit(seconds)).close()
    except (OSError, ValueError) as problem:
        return Finding(answers=False, seen=told(problem))
    return Finding(answers=True, seen="connected")
