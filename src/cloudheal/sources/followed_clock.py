"""The time of a simulator, for rehearsals in which hours pass in seconds (`clock: {follow: URL}`).

The simulator is asked at most ten times a second; in between, and while it does not answer, its own pace is kept up.
Requests are still signed with this machine's time, so the simulator's `skew_check` is off in such a rehearsal.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta

from cloudheal.errors import SettingsError
from cloudheal.ports.clock import Clock, SystemClock
from cloudheal.settings.schema import ClockSettings

ASK_SECONDS, ANSWER_SECONDS = 0.1, 2.0


def clock_of(settings: ClockSettings) -> Clock:
    """Return the clock that the settings choose. Raises SettingsError when the one to follow is not there."""
    return FollowedClock(settings.follow) if settings.follow else SystemClock()


class FollowedClock:
    """A clock that follows another; never earlier than the answer before."""

    def __init__(self, url: str) -> None:
        """Raises SettingsError when nothing there tells the time."""
        self._url = f"{url.rstrip('/')}/_sim/clock"
        self._guard = threading.Lock()
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._asked = time.monotonic()
        try:
            self._told, self._pace = self._ask()
        except (OSError, ValueError, KeyError) as problem:
            message = f"clock.follow: {url} does not tell the time: {type(problem).__name__}"
            advice = "Name the address of a running simulator, or leave clock out."
            raise SettingsError(message, what_to_do=advice, field=("clock", "follow")) from problem

    def now(self) -> datetime:
        """Return the simulator's present."""
        with self._guard:
            if time.monotonic() - self._asked >= ASK_SECONDS:
                self._look()
            passed = timedelta(seconds=(time.monotonic() - self._asked) * self._pace)
            self._latest = max(self._latest, self._told + passed)
            return self._latest

    def _look(self) -> bool:
        """Ask again; while there is no answer the last one goes on at its pace. True when there was one."""
        try:
            told, pace = self._ask()
        except (OSError, ValueError, KeyError):
            return False
        self._told, self._pace, self._asked = told, pace, time.monotonic()
        return True

    def _ask(self) -> tuple[datetime, float]:
        with urllib.request.urlopen(self._url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - named by the settings
            document = json.load(answer)
        told = datetime.fromtimestamp(document["now_ms"] / 1000, UTC)
        paces = {"real": 1.0, "stepped": 0.0, "scaled": float(document["scale"])}
        return told, paces[document["mode"]]
