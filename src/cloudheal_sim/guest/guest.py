"""The system inside a server, as small as a healer's commands can see it: processes, files, uptime, boot id.

A guest is made when somebody first looks inside; until then a server needs none. Processes that do not start at
boot are gone after a reboot. Time comes in as epoch milliseconds; nothing here plans timers.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.world import Part

#: The first process id handed out; lower ones belong to the kernel.
FIRST_PID = 1001
#: Characters of all files together; what a command writes beyond that does not fit on the disk.
DISK_SIZE = 65_536
#: Processes that a guest can have.
MOST_PROCESSES = 500
#: What runs on every image.
_STOCK = ("sshd", "crond")


@dataclass(slots=True)
class Process:
    """One program: installed, and running or not."""

    name: str
    running: bool = True
    starts_at_boot: bool = True
    port: int | None = None
    """Where it answers HTTP, None when it does not."""
    command: str = ""
    """Its command line; empty is its name."""
    pid: int = 0
    passing: bool = False
    """True for what a command started and no document knows: it is forgotten when it ends."""

    @property
    def line(self) -> str:
        """The command line as `ps` shows it."""
        return self.command or self.name


@dataclass(slots=True, eq=False)
class Guest:
    """The inside of one server."""

    booted: int
    processes: list[Process] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    read_only: bool = False
    out_of_memory: bool = False
    any_program: bool = False
    """True when any program given by its path may be started in the background, none having been declared."""
    down: bool = False
    turn_due: int | None = None
    """When a reboot from inside takes the system down, or brings it up again."""
    next_pid: int = FIRST_PID

    @property
    def serving(self) -> bool:
        """True while its processes would answer a health check."""
        return not self.down and all(one.running for one in self.processes if not one.passing)

    def boot(self, now: int) -> Guest:
        """Come up: what starts at boot runs, the rest does not, passing processes are gone."""
        self.booted, self.down, self.turn_due, self.next_pid = now, False, None, FIRST_PID
        self.read_only = self.out_of_memory = False
        self.processes = [one for one in self.processes if not one.passing]
        for process in self.processes:
            process.running = process.starts_at_boot
            process.pid = self._new_pid() if process.running else 0
        return self

    def halt(self, due: int) -> Guest:
        """Go down until `due`."""
        self.down, self.turn_due = True, due
        return self

    def find(self, name: str) -> Process | None:
        """Return a process by name, running or not."""
        return next((one for one in self.processes if one.name == name), None)

    def alive(self) -> list[Process]:
        """Return the running processes."""
        return [one for one in self.processes if one.running]

    def start(self, process: Process) -> Process:
        """Have a process run."""
        if process not in self.processes:
            self.processes.append(process)
        if not process.running or not process.pid:
            process.running, process.pid = True, self._new_pid()
        return process

    def end(self, process: Process) -> Process:
        """Have a process end."""
        process.running, process.pid = False, 0
        if process.passing:
            self.processes.remove(process)
        return process

    def listening(self, port: int) -> Process | None:
        """Return the running process that answers on a port."""
        return next((one for one in self.alive() if one.port == port), None)

    def room_for(self, path: str, text: str) -> bool:
        """Say whether a file fits on the disk in place of what is there."""
        used = sum(len(name) + len(content) for name, content in self.files.items() if name != path)
        return used + len(path) + len(text) <= DISK_SIZE

    def _new_pid(self) -> int:
        self.next_pid += 1
        return self.next_pid - 1


def fresh_guest(booted: int) -> Guest:
    """Make the guest of a server of which nothing is known."""
    guest = Guest(booted, [Process(name) for name in _STOCK], any_program=True)
    return guest.boot(booted)


def boot_id(machine_id: str, booted: int) -> str:
    """Return what /proc/sys/kernel/random/boot_id shows: another one for every boot."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{machine_id}/{booted}"))


class ProcessPart(Part):
    """One process in a world document."""

    name: str = Field(min_length=1)
    running: bool = True
    starts_at_boot: bool = True
    port: int | None = Field(None, ge=1, le=65535)
    command: str = ""
    pid: int = 0
    passing: bool = False


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class GuestPart(Part):
    """The inside of a server in a world document; declared processes, in full or by name, are all there are."""

    booted: AwareDatetime | None = None
    processes: tuple[Annotated[ProcessPart, BeforeValidator(_named)], ...] | None = None
    files: dict[str, str] = Field(default_factory=dict)
    read_only: bool = False
    out_of_memory: bool = False
    any_program: bool | None = None
    down: bool = False
    turn_due: AwareDatetime | None = None
    next_pid: int = FIRST_PID


def load_guest(part: GuestPart | None, booted: int) -> Guest | None:
    """Make the guest of a part; `booted` is when its server last came up. None for no part."""
    if part is None:
        return None
    guest = fresh_guest(booted)
    if part.processes is not None:
        guest.processes, guest.next_pid = [Process(**one.model_dump()) for one in part.processes], part.next_pid
        for process in guest.alive():
            guest.start(process)
    guest.booted = booted if part.booted is None else to_millis(part.booted)
    guest.files, guest.read_only, guest.out_of_memory = dict(part.files), part.read_only, part.out_of_memory
    guest.any_program = part.processes is None if part.any_program is None else part.any_program
    guest.down = part.down
    guest.turn_due = None if part.turn_due is None else to_millis(part.turn_due)
    return guest


def dump_guest(guest: Guest | None) -> dict[str, object] | None:
    """Return the full form of a guest; None where nobody has looked inside."""
    if guest is None:
        return None
    return {
        "booted": iso_millis(guest.booted),
        "processes": [asdict(one) for one in guest.processes],
        "files": dict(guest.files),
        "read_only": guest.read_only,
        "out_of_memory": guest.out_of_memory,
        "any_program": guest.any_program,
        "down": guest.down,
        "turn_due": None if guest.turn_due is None else iso_millis(guest.turn_due),
        "next_pid": guest.next_pid,
    }
