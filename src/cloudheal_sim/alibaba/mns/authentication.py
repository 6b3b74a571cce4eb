"""Who is calling: the MNS signature, computed afresh from the bytes that arrived.

It is `base64(HMAC-SHA1(secret, text))`, where the text is the method, content-md5, content-type, date, the `x-mns-*`
headers in order and the raw target. Clients send the time as `date`, as `x-mns-date` or as both, and sign one of them;
each is tried, the secret decides. The content digest comes in two forms: RFC 1864, and Base64 of the hexadecimal text,
which is what the vendor's clients send. Version 4 of the signature has a module of its own.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns import errors, signature_v4
from cloudheal_sim.alibaba.mns.requests import printable
from cloudheal_sim.alibaba.rpc import Refused
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime, to_millis
from cloudheal_sim.kernel.keys import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.keys import AccessKey
    from cloudheal_sim.kernel.wire import HttpRequest

#: How far a request's date may be from the service's clock.
TOLERANCE = 15 * 60 * MILLIS_PER_SECOND
VERSION = "2015-06-06"
_SCHEME = "MNS "


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about itself."""

    access_key: str
    signature: str
    instant: int
    strings_to_sign: tuple[str, ...]
    expected: Callable[[str, str], str]

    def holds(self, secret: str) -> bool:
        """Say whether the secret gives the signature, in constant time."""
        theirs = self.signature.encode("utf-8", "replace")
        return any(hmac.compare_digest(self.expected(secret, text).encode(), theirs) for text in self.strings_to_sign)


def signature(secret: str, string_to_sign: str) -> str:
    """Return the signature that a secret gives."""
    digest = hmac.new(secret.encode(), string_to_sign.encode("utf-8", "surrogateescape"), hashlib.sha1).digest()
    return b64encode(digest).decode()


def admit(kernel: Kernel, request: HttpRequest, entry: Entry) -> AccessKey:
    """Return the key of a request that may be served. Raises Refused; writes the verdict into `entry`."""
    try:
        key = _checked(kernel, request, entry)
        check_digest(request)
    except Refused as refused:
        entry.verdict = refused.refusal.code
        raise
    entry.verdict = "valid"
    return key


def _checked(kernel: Kernel, request: HttpRequest, entry: Entry) -> AccessKey:
    claim = read_claim(request)
    entry.access_key = printable(claim.access_key)
    key = kernel.keyring.find(claim.access_key, Vendor.ALIBABA)
    if key is None:
        raise Refused(errors.UNKNOWN_ACCESS_KEY)
    if kernel.clock.skew_check and abs(claim.instant - kernel.clock.now()) > TOLERANCE:
        raise Refused(errors.TIME_EXPIRED)
    if not claim.holds(key.secret):
        strings = [printable(text) for text in claim.strings_to_sign]
        entry.details = {"string_to_sign": strings, "given": printable(claim.signature)}
        raise Refused(errors.SIGNATURE_MISMATCH)
    return _with_token(key, request.header("security-token"), kernel.clock.now())


def _with_token(key: AccessKey, token: str, now: int) -> AccessKey:
    if key.token and not token:
        raise Refused(errors.TOKEN_MISSING)
    if token != key.token:
        raise Refused(errors.TOKEN_INVALID)
    if key.expires is not None and now >= key.expires:
        raise Refused(errors.TOKEN_EXPIRED)
    return key


def read_claim(request: HttpRequest) -> Claim:
    """Read what a request claims. Raises Refused when something is missing or cannot be read."""
    authorization = request.header("authorization").strip()
    if not authorization:
        raise Refused(errors.MISSING_AUTHORIZATION)
    newer = signature_v4.read(authorization)
    access_key, mark, given = authorization.removeprefix(_SCHEME).strip().partition(":")
    if newer is None and not (authorization.startswith(_SCHEME) and access_key and mark and given.strip()):
        raise Refused(errors.INVALID_AUTHORIZATION)
    dates = tuple(text for name in ("date", "x-mns-date") if (text := request.header(name).strip()))
    if not dates:
        raise Refused(errors.MISSING_DATE)
    if not request.header("x-mns-version"):
        raise Refused(errors.MISSING_VERSION)
    if request.header("x-mns-version") != VERSION:
        raise Refused(errors.INVALID_VERSION)
    instant = _instant(dates)
    if newer is not None:
        text = signature_v4.string_to_sign(request, newer.scope, to_datetime(instant))
        return Claim(newer.access_key, newer.signature, instant, (text,), newer.expected)
    strings = tuple(string_to_sign(request, date) for date in dict.fromkeys((*dates, "")))
    return Claim(access_key, given.strip(), instant, strings, signature)


def string_to_sign(request: HttpRequest, date: str) -> str:
    """Return what a request's signature is made of."""
    names = sorted(name for name in request.headers if name.startswith("x-mns-"))
    lines = "".join(f"{name}:{request.header(name).strip()}\n" for name in names)
    head = (request.method, request.header("content-md5"), request.header("content-type"), date)
    return "\n".join(head) + f"\n{lines}{request.target}"


def check_digest(request: HttpRequest) -> str:
    """Return the content digest that was sent, which must be the body's. Raises Refused."""
    given = request.header("content-md5").strip()
    if not given:
        return ""
    digest = hashlib.md5(request.body, usedforsecurity=False)
    accepted = {b64encode(digest.digest()).decode()}
    accepted |= {b64encode(text.encode()).decode() for text in (digest.hexdigest(), digest.hexdigest().upper())}
    if given not in accepted:
        raise Refused(errors.INVALID_DIGEST)
    return given


def _instant(dates: tuple[str, ...]) -> int:
    for text in dates:
        try:
            return to_millis(parsedate_to_datetime(text))
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    raise Refused(errors.INVALID_DATE)
