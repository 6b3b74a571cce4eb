"""The records keep what the design fixes: reasons have outcomes, codes are stable."""

from __future__ import annotations

from datetime import UTC

import cloudheal.errors
from cloudheal.model.decision import OUTCOMES, Reason, coded
from cloudheal.ports import SystemClock


def test_every_reason_has_an_outcome() -> None:
    """No reason is left without a consequence."""
    assert set(OUTCOMES) == set(Reason)


def test_a_lock_is_named_after_the_dot() -> None:
    """An operator reads `locked.security`, not only `locked`."""
    assert coded(Reason.LOCKED, "security") == "locked.security"


def test_every_error_has_a_code_of_its_own() -> None:
    """A runbook can cite a code without meaning two errors."""
    classes = [one for one in vars(cloudheal.errors).values() if isinstance(one, type)]
    errors = [one for one in classes if issubclass(one, cloudheal.errors.CloudhealError)]
    assert len({one.code for one in errors}) == len(errors)


def test_the_system_clock_is_aware_and_never_goes_back() -> None:
    """Two readings are UTC and in order."""
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.tzinfo is UTC
    assert first <= second
