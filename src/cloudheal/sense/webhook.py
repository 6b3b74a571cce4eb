"""Who may push events to us over HTTP.

Our own senders sign: HMAC-SHA256 over source, timestamp, nonce and body, with a secret that both sides hold; a request
is good for five minutes and once. The vendors' pushes carry no signature: they show a user and password, or a secret
in the path, over https that ends in front of us. Whatever passes here is still only a hint: it can cause nothing that
a fresh read of the resource does not confirm. Secrets are compared in constant time and appear in no message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

#: How far a signed request's time may be off, either way.
WINDOW = timedelta(minutes=5)
TIMESTAMP, NONCE, SIGNATURE = "X-Cloudheal-Timestamp", "X-Cloudheal-Nonce", "X-Cloudheal-Signature"
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}")
_EPOCH = re.compile(r"[0-9]{9,11}")


class Proof(StrEnum):
    """How a source shows that it is who it says."""

    SIGNED = "signed"
    BASIC = "basic"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of itself, apart from its body; absent texts are empty."""

    path_secret: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)
    timestamp: str = ""
    nonce: str = ""
    signature: str = field(default="", repr=False)


def origin_of(source: str) -> str:
    """Return what messages of a source are kept under as their origin."""
    return f"webhook {source}"


def signature_of(secret: str, source: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Sign a request, as our own senders do; `timestamp` is epoch seconds, the result lower-case hex."""
    signed = b"\n".join((source.encode(), timestamp.encode(), nonce.encode(), body))
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def passes_unsigned(proof: Proof, secret: str, shown: Shown) -> bool:
    """Say whether a request of a source that does not sign shows the right secret; asked before its body is read."""
    match proof:
        case Proof.PATH:
            return _same(shown.path_secret, secret)
        case Proof.BASIC:
            return _same(_decoded(shown.authorization), secret)
    return False


def passes_signed(secret: str, source: str, shown: Shown, body: bytes, now: datetime) -> bool:
    """Say whether a request is signed rightly and of now; whether its nonce is new is for the database to say."""
    well_formed = _EPOCH.fullmatch(shown.timestamp) and _NONCE.fullmatch(shown.nonce)
    expected = signature_of(secret, source, shown.timestamp, shown.nonce, body)
    if not _same(shown.signature, expected) or not well_formed:
        return False
    return abs(now - datetime.fromtimestamp(int(shown.timestamp), UTC)) <= WINDOW


def _decoded(authorization: str) -> str:
    """Return `user:password` of a Basic header, or nothing."""
    scheme, _, text = authorization.partition(" ")
    try:
        shown = base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return shown if scheme.lower() == "basic" else ""


def _same(shown: str, secret: str) -> bool:
    """Compare without telling by the time it takes how much was right."""
    return hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), secret.encode())
