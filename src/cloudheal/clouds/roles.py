"""The short-lived keys of a role: fetched with an account's own keys, and anew while the old ones still hold.

All clients of an account share them, and one fetches at a time. While keys hold nobody waits: they are renewed aside,
from half of their life on, and when that fails the old ones serve until they end. Without any, whoever calls waits for
them within the time of the call, and a failure is remembered for a moment, so that a cloud that does not answer is not
asked by everybody at once. They stand in memory only.

When they end is told by the clock that is handed in, counted from the moment before they were asked for: that is never
later than the cloud's own end, and a clock that is wrong does not matter. Where that fails too (a clock that was set
back), the cloud's word that they have run out is heeded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cloudheal.clouds.keys import WAIT_SECONDS, Keys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.account import RoleState
from cloudheal.ports.findings import Code, Finding, Level
from cloudheal.settings.discretion import learn_lent

log = logging.getLogger("cloudheal.roles")

#: What the cloud's audit trail shows beside the role of whoever called.
SESSION = "cloudheal"
#: For how long keys are asked for: what every role allows unless somebody changed it.
LIFE = timedelta(hours=1)
#: How long after a failure the next try comes: while the old keys hold, and without any.
PAUSE, SHORT_PAUSE = timedelta(seconds=30), timedelta(seconds=2)
#: Keys that others are fetching did not come in time.
PENDING = "RoleKeysPending"


@dataclass(frozen=True, slots=True)
class _Lent:
    keys: Keys
    since: datetime
    until: datetime

    def holds(self, now: datetime) -> bool:
        return self.since <= now < self.until

    def is_old(self, now: datetime) -> bool:
        return now >= self.since + (self.until - self.since) / 2


@dataclass(frozen=True, slots=True)
class _Failed:
    problem: CloudTransientError | CloudPermanentError
    at: datetime

    def is_fresh(self, now: datetime, pause: timedelta) -> bool:
        return self.at <= now < self.at + pause


@dataclass(slots=True)
class RoleKeys:
    """The keys of one role of one account."""

    account: str
    role: str
    assume: Callable[[float], Keys] = field(repr=False)
    """Asks the cloud for keys that hold for LIFE, within so many seconds. Raises Cloud*Error."""
    now: Callable[[], datetime] = field(repr=False)
    _lent: _Lent | None = field(default=None, repr=False)
    _failed: _Failed | None = field(default=None, repr=False)
    _fetching: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def current(self, seconds: float = WAIT_SECONDS) -> Keys:
        """Return keys that hold, waited for no longer than that when there are none. Raises Cloud*Error."""
        lent, now = self._lent, self.now()
        if lent is None or not lent.holds(now):
            return self._awaited(seconds)
        if lent.is_old(now) and not self._rests(now, PAUSE):
            self._renew()
        return lent.keys

    def run_out(self, keys: Keys) -> bool:
        """Put keys aside that the cloud took for expired; the next call fetches others."""
        lent = self._lent
        if lent is not None and lent.keys == keys:
            self._lent = None
        return True

    def state(self) -> RoleState:
        """Say how it stands, for those who watch."""
        lent, failed = self._lent, self._failed
        until = lent.until if lent and lent.holds(self.now()) else None
        problem = failed.problem if failed else None
        return RoleState(
            self.role, until, problem.vendor_code if problem else "", problem.what_to_do if problem else ""
        )

    def _rests(self, now: datetime, pause: timedelta) -> bool:
        return self._failed is not None and self._failed.is_fresh(now, pause)

    def _awaited(self, seconds: float) -> Keys:
        if not self._fetching.acquire(timeout=max(seconds, 0.0)):
            message = f"the keys of {self.role} are still being fetched"
            raise CloudTransientError(message, vendor_code=PENDING, refused=True)
        try:
            lent, now = self._lent, self.now()
            if lent is not None and lent.holds(now):
                return lent.keys  # somebody else fetched them meanwhile
            if self._failed is not None and self._rests(now, SHORT_PAUSE):
                raise _again(self._failed.problem)
            return self._fetched(min(seconds, WAIT_SECONDS))
        finally:
            self._fetching.release()

    def _renew(self) -> bool:
        """Have keys fetched aside; False when somebody does, or no thread can be had: the next call tries again."""
        if not self._fetching.acquire(blocking=False):
            return False
        try:
            threading.Thread(target=self._renew_aside, name="cloudheal-role", daemon=True).start()
        except RuntimeError as problem:
            self._fetching.release()
            log.warning("role.not_renewed account=%s role=%s reason=%s", self.account, self.role, problem)
            return False
        return True

    def _renew_aside(self) -> None:
        """Fetch keys, with the lock in hand; a failure is told and leaves the old ones."""
        try:
            self._fetched(WAIT_SECONDS)
        except (CloudTransientError, CloudPermanentError):
            return  # it is logged, and shown by `state`
        finally:
            self._fetching.release()

    def _fetched(self, seconds: float) -> Keys:
        asked = self.now()
        try:
            keys = self.assume(seconds)
        except (CloudTransientError, CloudPermanentError) as problem:
            self._note(problem, asked)
            raise
        learn_lent(f"{self.account} {self.role}", (keys.id, keys.secret, keys.token))
        self._lent, self._failed = _Lent(keys, asked, asked + LIFE), None
        log.info("role.assumed account=%s role=%s until=%s", self.account, self.role, _told(asked + LIFE))
        return keys

    def _note(self, problem: CloudTransientError | CloudPermanentError, now: datetime) -> None:
        """Remember a failure, and log it unless it is the same as the one before it."""
        before, self._failed = self._failed, _Failed(problem, now)
        if before is None or before.problem.vendor_code != problem.vendor_code:
            until = _told(self._lent.until) if self._lent and self._lent.holds(now) else "none"
            text = "role.refused account=%s role=%s code=%s keys_until=%s what_to_do=%r"
            log.error(text, self.account, self.role, problem.vendor_code, until, problem.what_to_do)


def examined(keys: object) -> Finding | None:
    """Try to take an account's role on, for `check`; None when the account has none."""
    if not isinstance(keys, RoleKeys):
        return None
    try:
        keys.current()
    except (CloudTransientError, CloudPermanentError) as problem:
        facts = {"role": keys.role, "code": problem.vendor_code, "advice": problem.what_to_do}
        return Finding(Code.ROLE_REFUSED, Level.ERROR, facts)
    until = keys.state().until
    return Finding(Code.ROLE_OK, Level.OK, {"role": keys.role, "until": _told(until) if until else ""})


def _again(problem: CloudTransientError | CloudPermanentError) -> CloudTransientError | CloudPermanentError:
    """Return an error like one that was raised before: each raising needs one of its own."""
    facts = {"vendor_code": problem.vendor_code, "request_id": problem.request_id, "what_to_do": problem.what_to_do}
    if isinstance(problem, CloudPermanentError):
        return CloudPermanentError(problem.args[0], **facts)
    return CloudTransientError(problem.args[0], **facts, refused=True)


def _told(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
