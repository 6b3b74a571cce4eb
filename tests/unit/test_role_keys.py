"""The short-lived keys of a role: shared, renewed while the old ones hold, and never shown."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest

from cloudheal.clouds.keys import Keys
from cloudheal.clouds.roles import LIFE, PAUSE, PENDING, SHORT_PAUSE, RoleKeys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.settings.discretion import discreet
from cloudheal.settings.secrets import MASK
from cloudheal.testing.clock import VirtualClock
from tests.flow.operators import until

ROLE = "acs:ram::1000000000000001:role/healer"
MOMENT = timedelta(seconds=1)


@dataclass
class Sts:
    """A service that lends numbered keys, refuses when told to, and can be held up."""

    given: int = 0
    asked: int = 0
    refuses: CloudTransientError | CloudPermanentError | None = None
    open: threading.Event = field(default_factory=threading.Event)

    def __call__(self, seconds: float) -> Keys:
        """Answer one AssumeRole."""
        self.asked += 1
        if not self.open.wait(seconds):
            raise CloudTransientError("late", vendor_code="Late", refused=True)
        if self.refuses:
            raise self.refuses
        self.given += 1
        return Keys(f"STS.number-{self.given}", f"secret-number-{self.given}", f"token-number-{self.given}")


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def sts() -> Sts:
    """A service that answers."""
    one = Sts()
    one.open.set()
    return one


@pytest.fixture
def keys(sts: Sts, clock: VirtualClock) -> RoleKeys:
    """The keys of a role."""
    return RoleKeys("prod", ROLE, sts, clock.now)


def number(keys: RoleKeys) -> str:
    """Return which of the keys are in use."""
    return keys.current().id.removeprefix("STS.number-")


def until_number(keys: RoleKeys, expected: str) -> None:
    """Wait until others are in use."""
    until(lambda: number(keys) == expected, 10, f"keys number {expected}")


def down(code: str = "ServiceUnavailable") -> CloudTransientError:
    """Return the error of a service that is down."""
    return CloudTransientError("down", vendor_code=code, what_to_do="wait", refused=True)


def test_all_who_ask_at_once_share_one_call(sts: Sts, keys: RoleKeys) -> None:
    """Thirty-two threads without keys cause one AssumeRole and get the same keys."""
    sts.open.clear()
    with ThreadPoolExecutor(32) as pool:
        asking = [pool.submit(keys.current) for _ in range(32)]
        until(lambda: sts.asked == 1, 10)
        sts.open.set()
        assert {one.result().id for one in asking} == {"STS.number-1"}
    assert sts.asked == 1


def test_keys_are_renewed_aside_and_nobody_waits(sts: Sts, keys: RoleKeys, clock: VirtualClock) -> None:
    """From half of their life on others are fetched, by one thread, while the old ones still serve."""
    assert number(keys) == "1"
    clock.advance(LIFE / 2 - MOMENT)
    assert (number(keys), sts.asked) == ("1", 1)
    clock.advance(MOMENT)
    sts.open.clear()
    assert [number(keys) for _ in range(20)] == ["1"] * 20
    until(lambda: sts.asked == 2, 10)
    sts.open.set()
    until_number(keys, "2")
    assert sts.asked == 2


def test_a_failed_renewal_keeps_what_holds_then_says_why(
    sts: Sts, keys: RoleKeys, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The old keys serve to their end; the failure is logged once, shown with its advice, and raised when none hold."""
    assert number(keys) == "1"
    until_end = keys.state().until

    def asked(tries: int) -> bool:
        return number(keys) == "1" and sts.asked == tries

    sts.refuses = CloudPermanentError("no", vendor_code="NoPermission", what_to_do="Grant sts:AssumeRole.")
    clock.advance(LIFE / 2)
    for tries in range(2, 5):
        assert number(keys) == "1"
        until(partial(asked, tries), 10)
        assert number(keys) == "1"
        assert asked(tries), "it rests after a failure"
        clock.advance(PAUSE)
    state = keys.state()
    assert (state.until, state.problem, state.what_to_do) == (until_end, "NoPermission", "Grant sts:AssumeRole.")
    clock.advance(LIFE / 2)
    with pytest.raises(CloudPermanentError, match="Grant sts:AssumeRole") as refused:
        keys.current()
    assert (refused.value.vendor_code, keys.state().until) == ("NoPermission", None)
    told = [one.getMessage() for one in caplog.records if one.getMessage().startswith("role.refused")]
    assert len(told) == 1
    assert "code=NoPermission" in told[0]
    sts.refuses = None
    clock.advance(SHORT_PAUSE)
    assert number(keys) == "2"
    assert keys.state().problem == ""


def test_a_service_that_is_down_is_not_asked_by_everybody(sts: Sts, keys: RoleKeys, clock: VirtualClock) -> None:
    """For a moment after a failure all who have no keys get the same answer; then it is tried again."""
    sts.refuses = down()
    for _ in range(5):
        with pytest.raises(CloudTransientError) as problem:
            keys.current()
        assert (problem.value.vendor_code, problem.value.refused) == ("ServiceUnavailable", True)
    assert sts.asked == 1
    sts.refuses = None
    clock.advance(SHORT_PAUSE)
    assert number(keys) == "1"


def test_whoever_waits_does_so_within_the_time_of_its_call(sts: Sts, keys: RoleKeys) -> None:
    """A call with little time is not sent, and says so; the one that fetches goes on."""
    sts.open.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(keys.current)
        until(lambda: sts.asked == 1, 10)
        with pytest.raises(CloudTransientError) as late:
            keys.current(0.01)
        assert (late.value.vendor_code, late.value.refused) == (PENDING, True)
        sts.open.set()
        assert first.result().id == "STS.number-1"


def test_what_the_cloud_took_for_expired_is_put_aside(keys: RoleKeys) -> None:
    """The next call has others; the word of a call that was signed by older ones changes nothing."""
    first = keys.current()
    assert keys.run_out(first)
    assert number(keys) == "2"
    assert keys.run_out(first)
    assert number(keys) == "2"


def test_a_clock_that_was_set_back_fetches_anew(sts: Sts, clock: VirtualClock) -> None:
    """Keys from what is now the future are not believed to hold."""
    told = [clock.now() + timedelta(days=1)]
    keys = RoleKeys("prod", ROLE, sts, lambda: told[-1])
    assert number(keys) == "1"
    told.append(clock.now())
    assert number(keys) == "2"


def test_lent_keys_are_secret_while_they_hold(
    sts: Sts, keys: RoleKeys, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a repr nor a log line shows them, texts lose them, and those that have run out are not kept."""
    caplog.set_level(logging.DEBUG)
    first = keys.current()
    for shown in (repr(keys), str(keys), repr(first), repr(keys.state()), caplog.text):
        assert not any(part in shown for part in (first.id, first.secret, first.token))
    assert discreet(f"{first.id} {first.secret} {first.token}") == f"{MASK} {MASK} {MASK}"
    for _ in range(2):
        clock.advance(LIFE)
        keys.current()
    assert discreet("secret-number-3 secret-number-2") == f"{MASK} {MASK}"
    assert discreet(first.secret) == first.secret
    assert sts.asked == 3


def test_a_machine_that_has_no_thread_to_spare_renews_later(
    keys: RoleKeys, sts: Sts, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys at hand serve, and the next call tries again: nobody waits for a renewal that never began."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    assert number(keys) == "1"
    clock.advance(LIFE * 0.6)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        assert number(keys) == "1"
    assert number(keys) == "1"
    until(lambda: number(keys) == "2", 10, "renewed keys")
    assert sts.given == 2
