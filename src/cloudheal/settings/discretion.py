"""The secrets that this process knows, and the one way by which texts lose them.

Whoever reads a settings file learns its secrets here; from then on they are gone from every log line of every library,
arguments and tracebacks included, and from each text that goes through `discreet`. It is kept for the process, as
logging is: a secret is one whichever part of the program meets it. Nothing that has been learnt is forgotten but keys
that were lent for a while, when they have run out.

What is cut short must go through `discreet` first, because half a secret is not recognised.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from cloudheal.settings.schema import Settings
from cloudheal.settings.secrets import Scrubber, secrets_of

log = logging.getLogger("cloudheal")


class _Known:
    """What was learnt; replaced as a whole, so that readers need no lock."""

    secrets: frozenset[str] = frozenset()
    lent: Mapping[str, tuple[frozenset[str], ...]] = MappingProxyType({})
    """The keys that were lent for a while, by whose they are; of each the last two."""
    scrub: Scrubber = Scrubber()
    guard = threading.Lock()


def learn(settings: Settings, environment: Mapping[str, str]) -> None:
    """Know the secrets of these settings from now on, and take them out of what is logged."""
    with _Known.guard:
        secrets = _Known.secrets | secrets_of(settings, environment)
        if secrets != _Known.secrets:
            _Known.secrets = secrets
            _Known.scrub = _scrubber()
        factory = logging.getLogRecordFactory()
        if not isinstance(factory, _DiscreetRecords):
            logging.setLogRecordFactory(_DiscreetRecords(factory))


def learn_lent(owner: str, secrets: Iterable[str]) -> None:
    """Know what is secret for a while: with the next but one of the same owner it has run out, and is forgotten."""
    with _Known.guard:
        before = _Known.lent.get(owner, ())
        _Known.lent = {**_Known.lent, owner: (*before[-1:], frozenset(secrets))}
        _Known.scrub = _scrubber()


def _scrubber() -> Scrubber:
    lent = (one for generations in _Known.lent.values() for one in generations)
    return Scrubber.of(_Known.secrets.union(*lent))


def discreet(text: str) -> str:
    """Return a text without the secrets that this process knows; half a secret is not recognised, so cut it later."""
    return _Known.scrub(text)


def discreet_facts(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return facts, which must be JSON, without the secrets that this process knows, however deep they stand."""
    text = json.dumps(facts)
    shown = discreet(text)
    if shown == text:
        return facts
    masked: dict[str, Any] = json.loads(shown)
    return masked


def told(problem: BaseException) -> str:
    """Return the traceback of an error as it may be shown."""
    return discreet(_traceback(problem))


def is_discreet(problem: BaseException) -> bool:
    """Say whether an error, and what led to it, may be shown as it is."""
    text = _traceback(problem)
    return discreet(text) == text


class _DiscreetRecords:
    """Makes log records without secrets, for whichever handler: the libraries' own and the platform's too."""

    def __init__(self, inner: Callable[..., logging.LogRecord]) -> None:
        self._inner = inner

    def __call__(self, *args: Any, **named: Any) -> logging.LogRecord:
        record = self._inner(*args, **named)
        try:
            said = record.getMessage()
        except (TypeError, ValueError, KeyError):  # the handler would complain, and print the arguments
            said, record.args = f"{record.msg} (its arguments do not fit)", None
        if (shown := discreet(said)) != said or record.args is None:
            record.msg, record.args = shown, None
        problem = record.exc_info[1] if record.exc_info else None
        if problem is not None and not is_discreet(problem):
            record.exc_text, record.exc_info = told(problem), None
        return record


def tell_of_dead_threads() -> None:
    """Log what ends a thread because nobody caught it; by itself it would be printed as it is."""
    threading.excepthook = _thread_died


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None and not isinstance(died.exc_value, SystemExit):
        log.critical("thread.died name=%s", died.thread.name if died.thread else "", exc_info=died.exc_value)


def _traceback(problem: BaseException) -> str:
    return "".join(traceback.format_exception(problem)).rstrip("\n")
