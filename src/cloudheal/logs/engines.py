"""Which engine counts here: the native one where it was compiled, else the fallback, which then says so once."""

from __future__ import annotations

import logging
import threading
from functools import cache

from cloudheal.errors import SettingsError
from cloudheal.logs.counting import Engine

_log = logging.getLogger(__name__)
_MISSING = (
    "logs.engine.fallback: the compiled engine is missing or does not load (%s): logs are counted more slowly;"
    " install a C compiler and then cloudheal again"
)
#: Every log has a thread, and all of them ask at the start.
_ASKING = threading.Lock()


def pick() -> Engine:
    """Return the engine for this process. Raises SettingsError when there is none."""
    with _ASKING:
        return picked()


@cache
def picked() -> Engine:
    """Choose the engine, once; `pick` is for threads."""
    try:
        from cloudheal.logs.native import NativeEngine  # noqa: PLC0415 - imported where it is used
    except ImportError as error:
        _log.warning(_MISSING, error)
        return fallback()
    return NativeEngine()


def fallback() -> Engine:
    """Return the engine that needs no compiler. Raises SettingsError when its packages are missing."""
    try:
        from cloudheal.logs.fallback import FallbackEngine  # noqa: PLC0415 - numpy and polars are the extra `logs`
    except ImportError as error:
        raise SettingsError(
            f"logs cannot be counted: {error.name or error} is not installed, and neither is the compiled engine",
            what_to_do="Install cloudheal[logs]; or install a C compiler and cloudheal again.",
        ) from error
    return FallbackEngine()
