"""What extends cloudheal, found and checked before anything runs; the built-in playbooks come by the same door."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cloudheal import playbooks
from cloudheal.act.library import Library, library_of
from cloudheal.act.listening import Audience, Listeners, audience_of
from cloudheal.act.playbook import Playbook
from cloudheal.errors import SettingsError
from cloudheal.model.event import Event
from cloudheal.model.incident import Trouble
from cloudheal.model.trigger import Trigger
from cloudheal.plugins import Found, in_entry_points, in_folder, in_package, of_kind
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.schema import ExtensionSettings, Settings

#: The groups under which packages offer what they have.
PLAYBOOKS, LISTENERS = "cloudheal.playbooks", "cloudheal.listeners"


@dataclass(frozen=True, slots=True)
class Extensions:
    """What one settings file makes of this installation."""

    library: Library
    audience: Audience

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """Every trigger in force."""
        return (*TRIGGERS, *self.library.triggers)

    def trouble_of(self, event: Event) -> Trouble | None:
        """Return the trouble that an event opens, by what the clouds say and by what playbooks brought."""
        return trouble_of(event, self.library.triggers)


def extensions_of(settings: Settings) -> Extensions:
    """Find and check every extension; once in a process. Raises SettingsError naming file and line."""
    return _extensions(settings.extensions)


@lru_cache(maxsize=16)
def _extensions(settings: ExtensionSettings) -> Extensions:
    files = [one for number, folder in enumerate(settings.folders) for one in _of_folder(folder, number)]
    groups = (PLAYBOOKS, LISTENERS) if settings.packages else ()
    packages = list(in_entry_points(*groups)) if groups else []
    ours = list(in_package(playbooks))
    _check_purpose([*files, *packages])
    library = library_of(of_kind([*ours, *files, *packages], Playbook), TRIGGERS)
    return Extensions(library, audience_of(of_kind([*files, *packages], Listeners)))


def _of_folder(folder: str, number: int) -> Iterator[Found[object]]:
    try:
        yield from in_folder(Path(folder))
    except SettingsError as problem:
        field = ("extensions", "folders", number)
        raise SettingsError(str(problem.args[0]), what_to_do=problem.what_to_do, field=field) from problem


def _check_purpose(found: Iterable[Found[object]]) -> None:
    """Refuse a file that declares nothing: its author believes that it does."""
    for one in found:
        if not any(of_kind([one], Playbook)) and not any(of_kind([one], Listeners)):
            raise SettingsError(
                f"{one.origin} declares no playbook and no listeners",
                what_to_do="Assign a Playbook or Listeners to a name of it, or begin the file's name with _.",
            )
