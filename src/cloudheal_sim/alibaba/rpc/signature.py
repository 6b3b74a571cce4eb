"""Both signatures of the RPC gateways, computed afresh from the bytes that arrived.

Version 1 (HMAC-SHA1, or SHA256 where the call says so, over all parameters) is what the classic SDKs send,
ACS3-HMAC-SHA256 (over named headers and the query) what the Tea SDKs send. Sources: aliyun.md 1.2 and 1.3.
This module compares; it knows neither keys nor clocks.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.wire import HttpRequest

ACS3 = "ACS3-HMAC-SHA256"
HMAC_SHA1, HMAC_SHA256 = "HMAC-SHA1", "HMAC-SHA256"
_CREDENTIAL = re.compile(
    r"Credential=(?P<key>[^,\s]+)\s*,\s*SignedHeaders=(?P<names>[^,\s]*)\s*,\s*Signature=(?P<signature>[0-9a-fA-F]+)\s*$"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a call claims about itself: who signed it, when, with which nonce, and what would have been signed."""

    access_key: str
    timestamp: str
    nonce: str
    token: str
    signature: str
    string_to_sign: str
    canonical: str
    method: str

    def expected(self, secret: str) -> str:
        """Return the signature that `secret` gives."""
        if self.method == ACS3:
            return hmac.new(secret.encode(), self.string_to_sign.encode(), hashlib.sha256).hexdigest()
        algorithm = hashlib.sha256 if self.method == HMAC_SHA256 else hashlib.sha1
        digest = hmac.new(f"{secret}&".encode(), _bytes(self.string_to_sign), algorithm).digest()
        return b64encode(digest).decode()

    def holds(self, secret: str) -> bool:
        """Say whether the signature is the one that `secret` gives, in constant time."""
        mine, theirs = self.expected(secret), self.signature
        return hmac.compare_digest(mine.encode(), theirs.encode("utf-8", "replace"))


def percent_encoded(text: str) -> str:
    """Percent-encode all but unreserved characters, as both signatures want it."""
    return quote(_bytes(text), safe="~")


def claim_v1(method: str, parameters: Mapping[str, str]) -> Claim:
    """Read the claim of a version 1 call from its query and form parameters."""
    signed = {name: value for name, value in parameters.items() if name != "Signature"}
    canonical = canonical_query(signed)
    return Claim(
        access_key=parameters.get("AccessKeyId", ""),
        timestamp=parameters.get("Timestamp", ""),
        nonce=parameters.get("SignatureNonce", ""),
        token=parameters.get("SecurityToken", ""),
        signature=parameters.get("Signature", ""),
        string_to_sign=f"{method}&%2F&{percent_encoded(canonical)}",
        canonical=canonical,
        method=parameters.get("SignatureMethod", "").upper() or HMAC_SHA1,
    )


def claim_acs3(request: HttpRequest, query: Mapping[str, str]) -> Claim | None:
    """Read the claim of an ACS3 call from its headers, or None when its Authorization cannot be read."""
    found = _CREDENTIAL.search(request.header("authorization"))
    if found is None:
        return None
    names = found["names"].lower()
    lines = "".join(f"{name}:{request.header(name).strip()}\n" for name in names.split(";"))
    body_digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join((request.method, request.path or "/", canonical_query(query), lines, names, body_digest))
    return Claim(
        access_key=found["key"],
        timestamp=request.header("x-acs-date"),
        nonce=request.header("x-acs-signature-nonce"),
        token=request.header("x-acs-security-token"),
        signature=found["signature"].lower(),
        string_to_sign=f"{ACS3}\n{hashlib.sha256(_bytes(canonical)).hexdigest()}",
        canonical=canonical,
        method=ACS3,
    )


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Sort by name, percent-encode, join: the canonical form of both signatures."""
    ordered = sorted(parameters.items(), key=lambda item: _bytes(item[0]))
    return "&".join(f"{percent_encoded(name)}={percent_encoded(value)}" for name, value in ordered)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
