"""The playbooks that a process knows, by name, wherever they came from; all of them pass the same checks.

A playbook that names a verb which no cloud has, or a trouble that nothing opens, would fail at night; it is refused
when it is loaded.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import get_type_hints

from pydantic import BaseModel

from cloudheal.act.playbook import Playbook
from cloudheal.errors import SettingsError
from cloudheal.model.trigger import Trigger
from cloudheal.plugins import Found, named_once
from cloudheal.ports.cloud import Verbs

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TROUBLE = re.compile(r"[a-z][a-z0-9_.]{0,63}")
#: Fields that hold several, and of what.
_MANY: Mapping[str, type] = {
    "troubles": str,
    "verbs": str,
    "promises": str,
    "steps": str,
    "triggers": Trigger,
    "parts": ModuleType,
}


@dataclass(frozen=True, slots=True)
class Library:
    """Playbooks by name, with where each came from, and the triggers that they bring."""

    found: Mapping[str, Found[Playbook]]
    triggers: tuple[Trigger, ...] = field(init=False)
    """The triggers that playbooks bring, each once; every event is held against them."""

    def __post_init__(self) -> None:
        """Gather the triggers."""
        brought = (one for found in self.found.values() for one in found.thing.triggers)
        object.__setattr__(self, "triggers", tuple(dict.fromkeys(brought)))

    @property
    def playbooks(self) -> Mapping[str, Playbook]:
        """The playbooks by name."""
        return {name: one.thing for name, one in self.found.items()}


def library_of(found: Iterable[Found[Playbook]], known: Sequence[Trigger]) -> Library:
    """Check playbooks and return them; `known` are the triggers that need no playbook. Raises SettingsError."""
    everyone = [Found(one.thing.name, one.origin, one.thing) for one in found]
    for one in everyone:
        _refuse(one, _misshapen(one.thing))
    named = named_once(everyone)
    library = Library(named)
    troubles = {one.trouble for one in (*known, *library.triggers)}
    for one in named.values():
        _refuse(one, _problems(one.thing, troubles, known))
        # The digest is that of the file as it is loaded now.
        _ = one.thing.digest
    return library


def _refuse(one: Found[Playbook], problems: Iterator[str]) -> None:
    """Raise SettingsError for the first problem, if there is one."""
    problem = next(problems, "")
    if problem:
        raise SettingsError(f"{one.origin}: playbook {one.thing.name}: {problem}")


def verbs() -> frozenset[str]:
    """Return every verb that the cloud port has."""
    parts = get_type_hints(Verbs).values()
    return frozenset(name for part in parts for name in vars(part) if not name.startswith("_"))


def _misshapen(one: Playbook) -> Iterator[str]:
    """Yield what is declared in a form that nothing can use; mostly a comma was forgotten."""
    if not _NAME.fullmatch(str(one.name)):
        yield "its name must be lower case letters, digits and _"
    if not _takes_a_case(one.run):
        yield "run must be a function of a case and its hands"
    parameters: object = one.parameters
    if not (isinstance(parameters, type) and issubclass(parameters, BaseModel)):
        yield "parameters must be a class made of pydantic's BaseModel"
    for name, kind in _MANY.items():
        values: object = getattr(one, name)
        shape = tuple if name == "parts" else (tuple, list)  # sources are kept by their modules
        if not isinstance(values, shape) or not all(isinstance(each, kind) for each in values):
            yield f"{name} must be a tuple: one alone is written (x,)"


def _takes_a_case(run: object) -> bool:
    if not callable(run) or inspect.iscoroutinefunction(run) or inspect.isgeneratorfunction(run):
        return False
    try:
        inspect.signature(run).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return True  # what is written in C says nothing of what it takes
    return True


def _problems(one: Playbook, troubles: set[str], known: Sequence[Trigger]) -> Iterator[str]:
    unknown = sorted({*one.may_ask} - verbs())
    if unknown:
        yield f"no cloud has the verbs {', '.join(unknown)}; known are {', '.join(sorted(verbs()))}"
    if not one.troubles:
        yield "it names no troubles, so no event could start it"
    unopened = sorted({*one.troubles} - troubles)
    if unopened:
        yield f"nothing opens {', '.join(unopened)}: declare triggers, or use {', '.join(sorted(troubles))}"
    for trigger in one.triggers:
        if not _TROUBLE.fullmatch(trigger.trouble):
            yield f"a trouble's name must be lower case letters, digits, _ and ., not {trigger.trouble!r}"
        taken = [other for other in known if other.type == trigger.type and _overlap(other, trigger)]
        if taken and taken[0].trouble != trigger.trouble:
            yield f"{trigger} opens the trouble {taken[0].trouble} already; name that trouble instead"


def _overlap(one: Trigger, other: Trigger) -> bool:
    return not one.statuses or not other.statuses or bool({*one.statuses} & {*other.statuses})
