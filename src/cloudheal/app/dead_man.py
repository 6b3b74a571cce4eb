"""The dead man's switch: a watcher outside is called while all is well, and raises the alarm when the calls stop.

This is the one watch that works when the machine, the network or the process is gone. The URL is a secret: it comes
from the environment, and neither it nor an answer is logged. One worker calls for all, under a lease.
"""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cloudheal.errors import SettingsError
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.leases import take_lease
from cloudheal.settings.watch import DeadManSettings

log = logging.getLogger("cloudheal.watch")

CALL_SECONDS = 10
#: The pause after a call that failed, where calls are not made more often anyway.
RETRY = timedelta(seconds=15)
LEASE_NAME, LEASE_MILLIS = "dead_man", 30_000


@dataclass(slots=True)
class DeadMan:
    """Calls for one worker."""

    store: Store
    worker: str
    settings: DeadManSettings
    health: Callable[[], Mapping[str, object]]
    clock: Clock
    _url: str = field(default="", repr=False)
    _again: datetime | None = None
    _quiet: bool = False

    def __post_init__(self) -> None:
        """Read the URL. Raises SettingsError naming the variable, never its value."""
        self._url = os.environ.get(self.settings.url_env, "")
        if not self._url.startswith(("https://", "http://")):
            message = f"watch.dead_man: {self.settings.url_env} is not set in the environment to an http(s) URL"
            raise SettingsError(message, what_to_do="Export the URL that your watcher outside gave you.")

    def tick(self) -> bool:
        """Call when that is due and all is well; True when the watcher was reached."""
        now = self.clock.now()
        if self._again is not None and now < self._again:
            return False
        with self.store.transaction() as connection:
            if not take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS):
                return False
        found = self.health()
        if not found["ok"]:
            if not self._quiet:
                log.warning("dead_man.withheld problems=%s", found.get("problems"))
            self._quiet = True
            return False
        self._quiet = False
        problem = self._call()
        self._again = now + (min(self.settings.every, RETRY) if problem else self.settings.every)
        if problem:
            log.warning("dead_man.failed problem=%s", problem)
        return not problem

    def _call(self) -> str:
        """Call the watcher; returns why it was not reached, without any part of the URL."""
        body = b"" if self.settings.method == "POST" else None
        request = urllib.request.Request(self._url, data=body, method=self.settings.method)  # noqa: S310 - checked
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS):  # noqa: S310 - same
                return ""
        except urllib.error.HTTPError as problem:
            problem.close()
            return f"answered {problem.code}"
        except (OSError, ValueError) as problem:
            return type(problem).__name__
