"""Listeners of the old style: a class with `process(event)`, registered for event names (S0.3).

The smallest extension there is, and the way to keep a listener that was written after the vendor's sample. A listener
gets the event as the vendor's own document, a dictionary, with our record of it as the attribute `record`. It is called
at least once for each event, one event of a resource after the other; it acts on its own, past every guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from cloudheal.errors import SettingsError
from cloudheal.model.event import Event
from cloudheal.plugins import Found, named_once

#: What the vendor's sample registers for when it names no event.
DEFAULT_EVENT = "Instance:StateChange"


class EventDocument(dict[str, Any]):
    """An event as the vendor's document says it; `record` is what cloudheal made of it."""

    def __init__(self, document: Mapping[str, Any], record: Event) -> None:
        """`document` is in the form of CloudMonitor's messages, whatever the channel was."""
        super().__init__(document)
        self.record = record


class BasicListener:
    """Something that is told of events; a class of your own overrides `process`."""

    def process(self, event: EventDocument) -> object:
        """Do something about an event; what it returns is not looked at, what it raises is retried."""
        raise NotImplementedError


#: Says of an event's document whether a listener wants it.
Predicate = Callable[[EventDocument], bool]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A listener, and which events it is told of: by name or wildcard, or by a question to each event."""

    name: str
    listener: BasicListener
    pattern: str
    wants: Predicate | None = None

    def matches(self, names: Iterable[str]) -> bool:
        """Say whether one of an event's names is meant."""
        return any(fnmatchcase(name, self.pattern) for name in names)


@dataclass(slots=True)
class Listeners:
    """What a module registers; cloudheal finds every object of this class in it."""

    subscriptions: list[Subscription] = field(default_factory=list)

    def register(self, listener: BasicListener, event: str | Predicate = DEFAULT_EVENT, *, name: str = "") -> Listeners:
        """Register a listener for a name, a wildcard such as `Instance:SystemMaintenance.*:Scheduled`, or a question.

        Its name stands in the record of what it was told; by default it is that of its class.
        """
        name = name or self._name_of(listener)
        wants, pattern = (None, event) if isinstance(event, str) else (event, "*")
        self.subscriptions.append(Subscription(name, listener, pattern, wants))
        return self

    def regist_listener(self, listener: BasicListener, eventname: str = DEFAULT_EVENT) -> Listeners:
        """Register a listener, as the vendor's sample spells it."""
        return self.register(listener, eventname)

    def _name_of(self, listener: BasicListener) -> str:
        """Name a listener by its class; another one of the same class gets a number."""
        known = {id(one.listener): one.name for one in self.subscriptions}
        if id(listener) in known:
            return known[id(listener)]
        stem = type(listener).__name__
        same = {one.name for one in self.subscriptions if one.name == stem or one.name.startswith(f"{stem}-")}
        return f"{stem}-{len(same) + 1}" if same else stem


@dataclass(frozen=True, slots=True)
class Audience:
    """Every listener of a process, by a name that stays the same over restarts: `FILE.CLASS`."""

    subscriptions: Mapping[str, tuple[Subscription, ...]]

    def wanted_by(self, event: Event) -> list[str]:
        """Return who may want an event, by its name; questions are asked later, outside of the commit."""
        names = names_of(event)
        return [name for name, own in self.subscriptions.items() if any(one.matches(names) for one in own)]

    def deliver(self, name: str, document: EventDocument) -> bool:
        """Tell one listener of one event; False when it does not want it. Raises whatever the listener raises."""
        names = names_of(document.record)
        mine = [one for one in self.subscriptions[name] if one.matches(names)]
        if not any(one.wants is None or one.wants(document) for one in mine):
            return False
        mine[0].listener.process(document)
        return True


def names_of(event: Event) -> tuple[str, str]:
    """Return the names by which the vendor's documents call an event: with its status at the end, and without."""
    return event.type, f"{event.type}:{event.status}"


def audience_of(found: Iterable[Found[Listeners]]) -> Audience:
    """Collect what modules registered. Raises SettingsError naming what cannot be a listener."""
    named = named_once(one for module in found for one in _own(module))
    return Audience({name: one.thing for name, one in named.items()})


def _own(found: Found[Listeners]) -> Iterator[Found[tuple[Subscription, ...]]]:
    by_name: dict[str, list[Subscription]] = {}
    for one in found.thing.subscriptions:
        if not callable(getattr(one.listener, "process", None)) or isinstance(one.listener, type):
            message = f"{found.origin}: listener {one.name} is no object with a method process(event)"
            raise SettingsError(message, what_to_do="Register an instance, not the class.")
        by_name.setdefault(one.name, []).append(one)
    for name, own in by_name.items():
        if len({id(one.listener) for one in own}) > 1:
            message = f"{found.origin}: two listeners are named {name}"
            raise SettingsError(message, what_to_do="Give one of them another name; the record tells them apart by it.")
        yield Found(f"{found.name}.{name}", found.origin, tuple(own))
