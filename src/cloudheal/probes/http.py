"""Ask whether a page answers with the status that is expected of it.

The status is all that is wanted, so the answer is read to the end of its head, within one limit of time and of size,
and the body is never read. A redirect is an answer like another and leads nowhere. No proxy stands in between. With
`https` the certificate must be trusted and name the host.
"""

from __future__ import annotations

import re
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

from cloudheal.ports.probes import Finding
from cloudheal.probes.line import Limit, connected, told

#: The most that is read of an answer.
MOST_BYTES = 65_536
_PART = 4096
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r\n]")
_END = re.compile(rb"\r?\n\r?\n")


def http(url: str, status: int, seconds: float) -> Finding:
    """Say whether an address answers with this status within so many seconds; redirects are not followed."""
    limit, parts = Limit(seconds), urlsplit(url)
    try:
        with _line(parts, limit) as line:
            line.settimeout(limit.left())
            line.sendall(_question(parts))
            head = _head(line, limit)
    except (OSError, ValueError) as problem:
        return Finding(answers=False, seen=told(problem))
    return _finding(head, status)


def _line(parts: SplitResult, limit: Limit) -> socket.socket:
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    line = connected(host, parts.port or (443 if secure else 80), limit)
    if not secure:
        return line
    try:
        line.settimeout(limit.left())
        return ssl.create_default_context().wrap_socket(line, server_hostname=host)
    except BaseException:
        line.close()
        raise


def _question(parts: SplitResult) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: cloudheal", "Accept: */*")
    return "\r\n".join((*lines, "Connection: close", "", "")).encode("ascii")


def _head(line: socket.socket, limit: Limit) -> bytes:
    """Read as far as the head goes; what ends or swells before that is returned as it is."""
    read = b""
    while len(read) < MOST_BYTES and not _END.search(read):
        line.settimeout(limit.left())
        part = line.recv(_PART)
        if not part:
            break
        read += part
    return read


def _finding(head: bytes, status: int) -> Finding:
    found = _HEAD.match(head)
    if found is None or not _END.search(head):
        return Finding(answers=False, seen="an answer that is not HTTP" if head else "closed without an answer")
    seen = int(found[1])
    return Finding(answers=seen == status, seen=f"status {seen}" + ("" if seen == status else f", not {status}"))
