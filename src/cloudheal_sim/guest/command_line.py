"""A command line as a program inside a guest meets it: what it was given, where it is, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from cloudheal_sim.guest.guest import Guest
    from cloudheal_sim.guest.shell import Session


#: Steps that commands may take before virtual time has to pass, shells inside shells included; keeps endless loops
#: from standing still.
BURST = 1000


@dataclass(slots=True)
class Fuel:
    """How many steps are left in this burst."""

    left: int = BURST

    def burn(self) -> bool:
        """Take a step; False when there is none left."""
        self.left -= 1
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Inside:
    """The guest at one instant, and the two things that commands may do to the server around it."""

    guest: Guest
    machine_id: str
    host_name: str
    now: int
    reboot: Callable[[], object]
    power_off: Callable[[], object]
    environment: Mapping[str, str] = field(default_factory=dict)
    fuel: Fuel = field(default_factory=Fuel)

    @property
    def uptime(self) -> float:
        """Seconds since the system came up."""
        return max(0, self.now - self.guest.booted) / MILLIS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Invoked:
    """A command line with its input."""

    words: tuple[str, ...]
    piped: str
    session: Session

    @property
    def name(self) -> str:
        """The program's name without its path."""
        return PurePosixPath(self.words[0]).name if self.words else ""

    @property
    def options(self) -> tuple[str, ...]:
        """The arguments that begin with a dash."""
        return tuple(word for word in self.words[1:] if word.startswith("-") and word != "-")

    @property
    def plain(self) -> tuple[str, ...]:
        """The arguments that do not."""
        return tuple(word for word in self.words[1:] if not word.startswith("-") or word == "-")

    def has(self, letter: str) -> bool:
        """Say whether a one-letter option is given, alone or among others."""
        return any(letter in option for option in self.options if not option.startswith("--"))

    def shifted(self, count: int = 1) -> Invoked:
        """Return the command line without its first words."""
        return Invoked(self.words[count:], self.piped, self.session)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program printed, how it ended and how long it took; `ends` ends the script."""

    status: int = 0
    shown: str = ""
    errors: str = ""
    wait: float = 0.0
    ends: bool = False


Program: TypeAlias = Callable[[Inside, Invoked], Outcome]
