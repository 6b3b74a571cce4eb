"""Who is calling, and may this very request still be used: key, time, signature, nonce, in the real order.

A refused signature puts both strings to sign's material into the journal, so that the author of a client can compare;
the secret is never shown. The message of `SignatureDoesNotMatch` holds exactly one colon before the string to sign,
because the classic SDK splits there.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import refusal as refusals
from cloudheal_sim.alibaba.rpc.refusal import Refused
from cloudheal_sim.alibaba.rpc.signature import ACS3, HMAC_SHA1, HMAC_SHA256
from cloudheal_sim.kernel.clock import to_millis
from cloudheal_sim.kernel.keys import Vendor
from cloudheal_sim.kernel.parameters import raw, shown

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.rpc.signature import Claim
    from cloudheal_sim.kernel.clock import Clock
    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.keys import AccessKey, Keyring

#: How far a request's timestamp may be from the service's clock, in milliseconds.
TOLERANCE = 15 * 60 * 1000
#: Used nonces remembered; older ones are protected by their timestamp.
MOST_NONCES = 200_000
#: How much of a string to sign the journal keeps; a full one of a large call has some 10 kB.
MOST_SHOWN = 16 * 1024
#: The vendor's first client for JavaScript writes milliseconds, and is served.
_FRACTION = re.compile(r"\.[0-9]{1,9}(?=Z$)")


class Authenticator:
    """Admits calls; remembers the nonces it has seen."""

    def __init__(self, clock: Clock, keyring: Keyring) -> None:
        self._clock = clock
        self._keyring = keyring
        self._nonces: dict[bytes, None] = {}

    def restart(self) -> None:
        """Forget every nonce."""
        self._nonces.clear()

    def admit(self, claim: Claim | None, entry: Entry) -> AccessKey:
        """Return the key of a call that may be served. Raises Refused; writes the verdict into `entry`."""
        try:
            key = self._checked(claim, entry)
        except Refused as refused:
            entry.verdict = refused.refusal.code
            raise
        entry.verdict = "valid"
        return key

    def _checked(self, claim: Claim | None, entry: Entry) -> AccessKey:
        if claim is None:
            raise Refused(refusals.INCOMPLETE_SIGNATURE)
        entry.access_key = shown(claim.access_key, 200)
        key = self._key(claim)
        if not claim.signature:
            raise Refused(refusals.INCOMPLETE_SIGNATURE)
        if claim.method not in {ACS3, HMAC_SHA1, HMAC_SHA256}:
            raise Refused(refusals.UNSUPPORTED_SIGNATURE)
        self._check_time(claim)
        if not claim.holds(key.secret):
            entry.details = {
                "string_to_sign": shown(claim.string_to_sign, MOST_SHOWN),
                "canonical": shown(claim.canonical, MOST_SHOWN),
                "given": shown(claim.signature),
            }
            raise Refused(refusals.SIGNATURE_MISMATCH, refusals.SIGNATURE_MISMATCH.message + claim.string_to_sign)
        self._check_nonce(claim)
        return key

    def _key(self, claim: Claim) -> AccessKey:
        if not claim.access_key:
            raise Refused(refusals.MISSING_ACCESS_KEY)
        key = self._keyring.find(claim.access_key, Vendor.ALIBABA)
        if key is None:
            raise Refused(refusals.UNKNOWN_ACCESS_KEY)
        if key.token and not claim.token:
            raise Refused(refusals.TOKEN_MISSING)
        if claim.token != key.token:
            raise Refused(refusals.TOKEN_MALFORMED)
        if key.expires is not None and self._clock.now() >= key.expires:
            raise Refused(refusals.TOKEN_EXPIRED)
        return key

    def _check_time(self, claim: Claim) -> int:
        if not claim.timestamp:
            raise refusals.missing("Timestamp")
        try:
            text = _FRACTION.sub("", claim.timestamp)
            stamp = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError as problem:
            raise Refused(refusals.TIMESTAMP_FORMAT) from problem
        distance = abs(to_millis(stamp) - self._clock.now())
        if self._clock.skew_check and distance > TOLERANCE:
            raise Refused(refusals.TIMESTAMP_EXPIRED)
        return distance

    def _check_nonce(self, claim: Claim) -> int:
        if not claim.nonce:
            raise refusals.missing("SignatureNonce")
        seen = hashlib.sha1(raw(f"{claim.access_key}\n{claim.nonce}")).digest()
        if seen in self._nonces:
            raise Refused(refusals.NONCE_USED)
        self._nonces[seen] = None
        while len(self._nonces) > MOST_NONCES:
            del self._nonces[next(iter(self._nonces))]
        return len(self._nonces)
