"""Who is calling, and may this very request still be used: key, time, signature, token, in that order.

A refused signature puts both texts into the journal, the canonical request and the string to sign as this side sees
them, so that the author of a client can compare; the secret and the right signature are never shown, and of tokens and
passwords that stand in a text only the name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime
from cloudheal_sim.kernel.keys import Vendor
from cloudheal_sim.kernel.parameters import shown
from cloudheal_sim.tencent.api3 import refusal as refusals
from cloudheal_sim.tencent.api3.refusal import Refused
from cloudheal_sim.tencent.api3.signature import HMAC_SHA1, HMAC_SHA256, TC3

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloudheal_sim.kernel.clock import Clock
    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.keys import AccessKey, Keyring
    from cloudheal_sim.tencent.api3.signature import Claim

#: How far a request's timestamp may be from the service's clock, in seconds, either way.
TOLERANCE = 300
#: How much of a text that was signed the journal keeps.
MOST_SHOWN = 16 * 1024
#: The longest timestamp that is looked at; more digits are centuries away.
_MOST_DIGITS = 12
_SECRETS = re.compile(r"((?:Token|Password|SecretKey)=)[^&\n]*")


class Authenticator:
    """Admits calls."""

    def __init__(self, clock: Clock, keyring: Keyring) -> None:
        self._clock = clock
        self._keyring = keyring

    def admit(self, claim: Claim, products: Collection[str], product: str, entry: Entry) -> AccessKey:
        """Return the key of a call that may be served. Raises Refused; writes the verdict into `entry`.

        `product` is whose version the call names, one of `products` or empty: a signature for another is no good.
        """
        entry.access_key = shown(claim.secret_id, 200)
        try:
            key = self._checked(claim, products, product, entry)
        except Refused as refused:
            entry.verdict = refused.refusal.code
            raise
        entry.verdict = "valid"
        return key

    def _checked(self, claim: Claim, products: Collection[str], product: str, entry: Entry) -> AccessKey:
        if claim.method not in {TC3, HMAC_SHA1, HMAC_SHA256}:
            raise Refused(refusals.INVALID_AUTHORIZATION, reason=f"unknown SignatureMethod {shown(claim.method, 40)}")
        key = self._keyring.find(claim.secret_id, Vendor.TENCENT)
        if key is None:
            raise Refused(refusals.UNKNOWN_SECRET_ID)
        stamp = self._checked_time(claim)
        elsewhere = claim.service in products and product not in {"", claim.service}
        if elsewhere or not _is_of_the_day(claim, stamp) or not claim.holds(key.secret):
            entry.details = _both_texts(claim)
            raise Refused(refusals.SIGNATURE_MISMATCH)
        expired = key.expires is not None and self._clock.now() >= key.expires
        if claim.token != key.token or expired:
            raise Refused(refusals.TOKEN_FAILURE)
        return key

    def _checked_time(self, claim: Claim) -> int:
        """Return the call's timestamp, epoch seconds. Raises Refused when it is none, or too far from now."""
        text = claim.timestamp
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            raise Refused(refusals.INVALID_PARAMETER, name="Timestamp")
        stamp, now = int(text), self._clock.now() / MILLIS_PER_SECOND
        if self._clock.skew_check and abs(now - stamp) > TOLERANCE:
            raise Refused(refusals.SIGNATURE_EXPIRED, given=text, now=int(now))
        return stamp


def _is_of_the_day(claim: Claim, stamp: int) -> bool:
    """Say whether a TC3 scope names the UTC day of the timestamp; a local date is the usual mistake at night."""
    try:
        day = to_datetime(stamp * MILLIS_PER_SECOND).strftime("%Y-%m-%d")
    except OverflowError:
        return False
    return claim.method != TC3 or claim.date == day


def _both_texts(claim: Claim) -> dict[str, object]:
    first = claim.readings[0]
    return {
        "string_to_sign": _SECRETS.sub(r"\1***", shown(first.string_to_sign, MOST_SHOWN)),
        "canonical": _SECRETS.sub(r"\1***", shown(first.canonical, MOST_SHOWN)),
        "given": shown(claim.signature),
        "readings": len(claim.readings),
    }
