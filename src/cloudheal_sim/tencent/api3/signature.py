"""Both generations of signatures of API 3.0, computed afresh from the bytes that arrived.

TC3-HMAC-SHA256 signs named headers and the payload; the older one (HmacSHA1, HmacSHA256) signs all parameters as
text. Official clients differ in what they call the host (with and without the port), so that a claim holds as soon as
one of a few readings does; tencent.md 1.2 lists them. This module compares; it knows neither keys nor clocks.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.parameters import raw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudheal_sim.kernel.wire import HttpRequest

TC3 = "TC3-HMAC-SHA256"
HMAC_SHA1, HMAC_SHA256 = "HmacSHA1", "HmacSHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
#: Headers that every TC3 signature must cover.
MUST_SIGN = frozenset({"content-type", "host"})
_TERMINATOR = "tc3_request"
_AUTHORIZATION = re.compile(
    rf"{TC3}\s+Credential=(?P<id>[^,\s/]+)/(?P<date>[^,\s/]*)/(?P<service>[^,\s/]*)/(?P<end>[^,\s/]*)\s*,"
    r"\s*SignedHeaders=(?P<names>[^,\s]*)\s*,\s*Signature=(?P<signature>[0-9a-fA-F]+)\s*"
)


class MalformedAuthorizationError(ValueError):
    """The Authorization header cannot be read; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read what was signed."""

    canonical: str
    string_to_sign: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a call claims about itself: who signed it, when, for which service, and what would have been signed."""

    method: str
    secret_id: str
    timestamp: str
    token: str
    signature: str
    readings: tuple[Reading, ...]
    date: str = ""
    service: str = ""

    def holds(self, secret: str) -> bool:
        """Say whether the signature is the one that `secret` gives for any reading, each in constant time."""
        theirs = self.signature.encode("utf-8", "replace")
        matches = [hmac.compare_digest(self._expected(secret, one).encode(), theirs) for one in self.readings]
        return any(matches)

    def _expected(self, secret: str, reading: Reading) -> str:
        if self.method == TC3:
            return _tc3_digest(secret, self.date, self.service, reading.string_to_sign)
        algorithm = hashlib.sha256 if self.method == HMAC_SHA256 else hashlib.sha1
        return b64encode(hmac.new(secret.encode(), raw(reading.string_to_sign), algorithm).digest()).decode()


def claim_tc3(request: HttpRequest) -> Claim:
    """Read the claim of a TC3 call from its headers. Raises MalformedAuthorizationError."""
    found = _AUTHORIZATION.fullmatch(request.header("authorization").strip())
    if found is None or found["end"] != _TERMINATOR:
        msg = f"expected {TC3} Credential=ID/DATE/SERVICE/{_TERMINATOR}, SignedHeaders=..., Signature=..."
        raise MalformedAuthorizationError(msg)
    names = tuple(found["names"].lower().split(";"))
    if not set(names) >= MUST_SIGN:
        msg = "SignedHeaders must contain content-type and host"
        raise MalformedAuthorizationError(msg)
    timestamp = request.header("x-tc-timestamp")
    scope = f"{found['date']}/{found['service']}/{_TERMINATOR}"
    canonicals = dict.fromkeys(_canonicals(request, sorted(names), found["names"].lower()))
    return Claim(
        method=TC3,
        secret_id=found["id"],
        timestamp=timestamp,
        token=request.header("x-tc-token"),
        signature=found["signature"].lower(),
        readings=tuple(Reading(one, f"{TC3}\n{timestamp}\n{scope}\n{_sha256(raw(one))}") for one in canonicals),
        date=found["date"],
        service=found["service"],
    )


def _canonicals(request: HttpRequest, names: list[str], signed: str) -> Iterator[str]:
    """Write the canonical request in every reading: host with and without port, values lower-cased and as sent."""
    payload = request.body if request.method == "POST" else b""
    if request.header("x-tc-content-sha256") == UNSIGNED_PAYLOAD:
        payload = UNSIGNED_PAYLOAD.encode()
    query, digest = (request.query if request.method == "GET" else ""), _sha256(payload)
    for host in hosts_of(request):
        values = {name: (host if name == "host" else request.header(name)).strip() for name in names}
        for lines in (
            "".join(f"{name}:{value.lower()}\n" for name, value in values.items()),
            "".join(f"{name}:{value}\n" for name, value in values.items()),
        ):
            yield "\n".join((request.method, request.path or "/", query, lines, signed, digest))


def claim_v1(request: HttpRequest, parameters: Mapping[str, str]) -> Claim:
    """Read the claim of an older call from its query or form parameters, which are signed as text."""
    signed = {name: value for name, value in parameters.items() if name != "Signature"}
    readings: dict[str, None] = {}
    for host in hosts_of(request):
        for spelt in (signed, {name.replace("_", "."): value for name, value in signed.items()}):
            text = "&".join(f"{name}={spelt[name]}" for name in sorted(spelt))
            readings[f"{request.method}{host}{request.path or '/'}?{text}"] = None
    return Claim(
        method=parameters.get("SignatureMethod", "") or HMAC_SHA1,
        secret_id=parameters.get("SecretId", ""),
        timestamp=parameters.get("Timestamp", ""),
        token=parameters.get("Token", ""),
        signature=parameters.get("Signature", ""),
        readings=tuple(Reading(text, text) for text in readings),
    )


def hosts_of(request: HttpRequest) -> tuple[str, ...]:
    """Return what a client may have called the host: as it sent it, and without the port."""
    host = request.header("host").strip()
    bare, _, port = host.rpartition(":")
    return (host, bare) if bare and port.isdigit() else (host,)


def _tc3_digest(secret: str, date: str, service: str, text: str) -> str:
    key = f"TC3{secret}".encode()
    for part in (date, service, _TERMINATOR):
        key = hmac.new(key, raw(part), hashlib.sha256).digest()
    return hmac.new(key, raw(text), hashlib.sha256).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
