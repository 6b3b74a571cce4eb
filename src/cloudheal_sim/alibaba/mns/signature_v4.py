"""Version 4 of the MNS signature, which the vendor's current Java client and its samples can be set to.

It is HMAC-SHA256 under a key derived from the secret and the scope that the Authorization header names (day, region,
product). What is signed is the canonical request itself, not its digest. Source: the Java client 2.0.0; the
documentation describes the older form only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from datetime import datetime

    from cloudheal_sim.kernel.wire import HttpRequest

SCHEME = "MNS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    SCHEME + r"\s+Credential=(?P<key>[^/,\s]+)/(?P<scope>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-fA-F]+)"
)
_SIGNED = ("content-md5", "content-type")


@dataclass(frozen=True, slots=True)
class Credential:
    """What an Authorization header of version 4 says: whose key, for what (`DAY/REGION/mns/aliyun_v4_request`)."""

    access_key: str
    scope: str
    signature: str

    def expected(self, secret: str, text: str) -> str:
        """Return the signature that a secret gives."""
        key = f"aliyun_v4{secret}".encode()
        for part in self.scope.split("/"):
            key = hmac.new(key, part.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
        return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def read(authorization: str) -> Credential | None:
    """Read an Authorization header; None when it is none of version 4."""
    found = _AUTHORIZATION.fullmatch(authorization)
    return None if found is None else Credential(found["key"], found["scope"], found["signature"].lower())


def string_to_sign(request: HttpRequest, scope: str, instant: datetime) -> str:
    """Return what a request's signature is made of; `instant` (UTC) is that of its date header."""
    return "\n".join((SCHEME, instant.strftime("%Y%m%dT%H%M%SZ"), scope, _canonical(request)))


def _canonical(request: HttpRequest) -> str:
    names = sorted(name for name in request.headers if name.startswith("x-mns-") or name in _SIGNED)
    headers = "".join(f"{name}:{request.header(name).strip()}\n" for name in names)
    return "\n".join(
        (request.method, _encoded(unquote(request.path), "/"), _canonical_query(request.query), headers, "")
    )


def _canonical_query(query: str) -> str:
    pairs = (item.partition("=") for item in query.split("&") if item)
    named = {_encoded(unquote(name).strip().lower()): _encoded(unquote(value).strip()) for name, _, value in pairs}
    return "&".join(f"{name}={named[name]}" if named[name] else name for name in sorted(named))


def _encoded(text: str, also_safe: str = "") -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe=f"~{also_safe}")
