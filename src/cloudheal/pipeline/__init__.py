"""The five stages joined.

    sense   read a batch of messages into events
    decide  walk the questions, from our own tables                 } one transaction; then the
    record  keep events, decisions, the incident, the run           } messages are acknowledged
    act     the engine begins a look: claim the run, run its playbook, each effect at most once
    verify  the playbook's end is the verdict, with its evidence; the incident is closed and the grant given back

`intake` is the first half, in which `deciding` says what new events come to, `healing` the second; `waking` takes up
what had to wait in between. Nothing here knows a cloud.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudheal.pipeline.healing import Healer
    from cloudheal.pipeline.intake import Intake, Lookup, Taken
    from cloudheal.pipeline.waking import Waker

__all__ = ["Healer", "Intake", "Lookup", "Taken", "Waker"]

#: Loaded when asked for: a process that only follows logs heals nothing.
_MODULES = {"Healer": "healing", **dict.fromkeys(("Intake", "Lookup", "Taken"), "intake"), "Waker": "waking"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
