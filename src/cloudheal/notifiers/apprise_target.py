"""Targets through Apprise: DingTalk, WeCom, Feishu, Slack, mail, webhooks and a hundred more, each one URL.

What is sent is said to be plain text: names and reasons in it are what strangers wrote, and a mail or a chat that took
them for HTML would show their pictures and links, run the lines together, or refuse the message.

The URL holds the secret, so it comes from the environment and goes nowhere else. The library and the HTTP client under
it write addresses into their logs; those records are dropped here, and what is kept of a failure is a status number.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import apprise

from cloudheal.errors import SettingsError
from cloudheal.ports.notify import Letter

_STATUS = re.compile(r"error\W{0,3}(\d{3})\b")
_LIBRARY = logging.getLogger("apprise")
#: Writes the path of every request, which for a webhook is its secret, at this level and below.
_HTTP_CLIENT = logging.getLogger("urllib3.connectionpool")


class TargetSettings(Protocol):
    """What is read of a target's settings."""

    @property
    def name(self) -> str:
        """What operators call it."""

    @property
    def url_env(self) -> str:
        """The environment variable that holds its URL."""


@dataclass(frozen=True, slots=True)
class AppriseTarget:
    """One target; its service was made from a secret URL, which is not kept beside it and never shown."""

    name: str
    _service: apprise.NotifyBase = field(repr=False)

    def send(self, letter: Letter) -> str:
        """Send a message; returns why it was not taken, empty when it was."""
        with _discreet() as statuses:
            try:
                taken = self._service.notify(
                    body=letter.body,
                    title=letter.title,
                    notify_type=apprise.NotifyType(letter.severity.value),
                    body_format=apprise.NotifyFormat.TEXT,
                )
            except Exception as problem:  # noqa: BLE001 - a plugin of the library; its message may hold the address
                return f"raised {type(problem).__name__}"
        if taken:
            return ""
        return f"answered {statuses[-1]}" if statuses else "did not answer or refused"


def apprise_target(name: str, url: str) -> AppriseTarget:
    """Make a target from its URL. Raises SettingsError when no service understands it, without repeating it."""
    with _discreet():
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if not isinstance(service, apprise.NotifyBase):
        message = f"notify target {name}: the URL in its environment variable is none that Apprise understands"
        raise SettingsError(message, what_to_do="See the list of services: https://github.com/caronc/apprise")
    return AppriseTarget(name, service)


def targets_of(settings: Sequence[TargetSettings]) -> tuple[AppriseTarget, ...]:
    """Make every configured target. Raises SettingsError naming the variable that is missing, never its value."""
    return tuple(apprise_target(one.name, _url(one)) for one in settings)


def _url(one: TargetSettings) -> str:
    url = os.environ.get(one.url_env, "")
    if not url:
        message = f"notify target {one.name}: {one.url_env} is not set in the environment"
        raise SettingsError(message, what_to_do="Export the target's Apprise URL there, such as dingtalk://TOKEN.")
    return url


class _Discreet(logging.Filter):
    """Keeps the status numbers of failures, and nothing else, of what the library says in one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()
        self.statuses: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the record after reading its status number."""
        if threading.get_ident() == self.thread and record.levelno >= logging.WARNING:
            self.statuses.extend(_STATUS.findall(record.getMessage()))
        return False


@contextmanager
def _discreet() -> Iterator[list[str]]:
    quiet = _Discreet()
    _LIBRARY.addFilter(quiet)
    _HTTP_CLIENT.setLevel(max(_HTTP_CLIENT.level, logging.INFO))
    try:
        yield quiet.statuses
    finally:
        _LIBRARY.removeFilter(quiet)
