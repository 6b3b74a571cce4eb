"""The entrances for functions: `cloudheal.function.handler` in Function Compute, `main_handler` in Tencent's SCF.

An instance of a function is gone when it likes, so its database is PostgreSQL; SQLite is refused. By default the
handler commits and returns, and resident workers act. With `function: {act: inline}` it works itself until everything
has ended or ten seconds before its limit; what is not done then is given up in order, and whoever comes next (another
call, the one-minute timer, a worker) goes on with it. A call that raises was not committed, and the platform repeats
it. The settings file is named by CLOUDHEAL_CONFIG.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloudheal.app import App
from cloudheal.clouds.entrances import bodies_of, limit_of
from cloudheal.errors import PermanentError, SettingsError
from cloudheal.model.event import Channel
from cloudheal.settings import Settings, load_settings
from cloudheal.settings.discretion import is_discreet, told

#: What the end of an inline call is given, out of its limit.
RESERVE_SECONDS = 10.0
#: How often an inline call looks whether everything has ended.
LOOK_SECONDS = 0.2
ORIGIN = "function"


class FunctionFailedError(PermanentError):
    """A call of the function failed with an error that held a secret."""

    code = "function.failed"


def handler(event: object, context: object) -> str:
    """Take in what the platform hands over; returns the counts as JSON. Raises CloudhealError, naming what to do.

    The platform shows what is raised, and all that led to it: an error that holds a secret is told without it.
    """
    began = time.monotonic()
    try:
        settings = load_settings(Path(os.environ.get("CLOUDHEAL_CONFIG", "cloudheal.yaml")))
        return json.dumps(handle(settings, bodies_of(event), began + limit_of(context) - RESERVE_SECONDS))
    except Exception as problem:
        if is_discreet(problem):
            raise
        raise FunctionFailedError(told(problem)) from None


def main_handler(event: object, context: object) -> str:
    """Do the same under the name that SCF asks for, with its event and its context."""
    return handler(event, context)


def handle(settings: Settings, bodies: Sequence[bytes], until: float) -> Mapping[str, int]:
    """Commit messages and, if the settings say so, work on them until `until` on the monotonic clock."""
    if not settings.database.startswith("postgresql"):
        raise SettingsError(
            "database: a function needs postgresql://, because SQLite's file ends with the function's instance",
            what_to_do="Name a PostgreSQL database that the function's network reaches.",
        )
    # What a function cannot do anyway: nobody reaches a listener of its own.
    app = App(settings.model_copy(update={"listen": None}))
    if settings.function.act == "inline":
        with app.running():
            counts = _take(app, bodies)
            app.tend()
            while time.monotonic() < until and not app.stopping.is_set() and app.is_busy():
                app.stopping.wait(LOOK_SECONDS)
        return counts
    with app.entering():
        return _take(app, bodies)


def _take(app: App, bodies: Sequence[bytes]) -> Mapping[str, int]:
    taken = app.take(bodies, ORIGIN, Channel.FUNCTION)
    return {"new": taken.new, "duplicates": taken.duplicates, "dead": taken.dead, "acting": taken.acting}
