"""HTTP as the services see it: one request in, one reply out, both plain frozen records.

The target is kept exactly as it was sent (MNS signs the raw bytes); absolute-form targets are reduced to origin form,
so that clients with fixed hosts can be sent here through HTTP_PROXY.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Delivery(Enum):
    """How a reply leaves the server; anything but NORMAL is an injected fault."""

    NORMAL = "normal"
    RESET = "reset"
    TRUNCATED = "truncated"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target up to the question mark, undecoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target after the question mark, undecoded."""
        return self.target.partition("?")[2]

    def header(self, name: str, default: str = "") -> str:
        """Return a header by its lower-case name."""
        return self.headers.get(name, default)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One reply; `code` is the service's error code for the journal, empty on success."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    request_id: str = ""
    delivery: Delivery = Delivery.NORMAL
    hold_seconds: float = 0.0

    def delivered(self, delivery: Delivery, hold_seconds: float = 0.0) -> HttpReply:
        """Return the same reply, to be delivered in another way; HANG holds it back for real seconds, then resets."""
        return replace(self, delivery=delivery, hold_seconds=hold_seconds)


def origin_form(target: str) -> str:
    """Reduce an absolute-form request target (`http://host/path?query`) to `/path?query`."""
    if target.startswith("/"):
        return target
    scheme, mark, rest = target.partition("://")
    if not mark or scheme.lower() not in {"http", "https"}:
        return target
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=-1)
    if cut < 0:
        return "/"
    return rest[cut:] if rest[cut] == "/" else "/" + rest[cut:]
