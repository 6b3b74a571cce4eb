"""Whether a cloud's services can be reached, and whether our clock agrees with theirs; nothing is signed or changed."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from contextlib import closing
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cloudheal.ports.clock import Clock
from cloudheal.ports.findings import Code, Finding, Level


def reach(name: str, url: str, seconds: float) -> Finding:
    """Try to connect to a service."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    facts = {"name": name, "url": url}
    try:
        socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
    except OSError as problem:
        return Finding(Code.ENDPOINT_UNREACHABLE, Level.ERROR, {**facts, "reason": str(problem.strerror or problem)})
    return Finding(Code.ENDPOINT_OK, Level.OK, facts)


def skew(url: str, clock: Clock, seconds: float, most: float, refused: float) -> Finding:
    """Compare this machine's time, by which calls are signed, with the Date that any answer carries, also a refusal.

    Off by more than `most` seconds is worth a warning, by more than `refused` the service takes no calls.
    """
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 - the settings' own http(s) endpoint
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as refusal:
        with closing(refusal):
            date = refusal.headers.get("Date")
    except (OSError, ValueError):
        date = None
    try:
        theirs = parsedate_to_datetime(date or "").astimezone(UTC)
    except ValueError:
        return Finding(Code.CLOCK_OK, Level.UNKNOWN, {"seconds": "-"})
    off = round((clock.now() - theirs).total_seconds())
    level = Level.ERROR if abs(off) > refused else Level.WARNING
    bad = abs(off) > most
    return Finding(Code.CLOCK_SKEWED if bad else Code.CLOCK_OK, level if bad else Level.OK, {"seconds": str(off)})
