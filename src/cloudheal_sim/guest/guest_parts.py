"""The inside of a server between the world document and the object that keeps it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from cloudheal_sim.guest.guest import FIRST_PID, Guest, Line, Mount, Process, fresh_guest
from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.world import Part


class ProcessPart(Part):
    """One process in a world document."""

    name: str = Field(min_length=1)
    running: bool = True
    starts_at_boot: bool = True
    port: int | None = Field(None, ge=1, le=65535)
    command: str = ""
    pid: int = 0
    passing: bool = False
    memory: int = Field(40, ge=0)
    leaked: int = Field(0, ge=0)
    connections: int = Field(0, ge=0)
    traffic: float = Field(0.0, ge=0)
    failed: bool = False


class MountPart(Part):
    """One file system."""

    target: str = Field(pattern="^/")
    source: str = Field(pattern="^/")
    kind: str = "ext4"
    read_only: bool = False
    mounted: bool = True
    stuck: bool = False


class LinePart(Part):
    """One line that the kernel said."""

    at: AwareDatetime
    text: str
    level: int = Field(6, ge=0, le=7)


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class GuestPart(Part):
    """The inside of a server in a world document; declared processes, in full or by name, are all there are."""

    booted: AwareDatetime | None = None
    processes: tuple[Annotated[ProcessPart, BeforeValidator(_named)], ...] | None = None
    files: dict[str, str] = Field(default_factory=dict)
    mounts: tuple[MountPart, ...] = ()
    read_only: bool = False
    out_of_memory: bool = False
    any_program: bool | None = None
    down: bool = False
    turn_due: AwareDatetime | None = None
    next_pid: int = FIRST_PID
    kernel: dict[str, str] = Field(default_factory=dict)
    log: tuple[LinePart, ...] | None = None
    last_log: tuple[LinePart, ...] = ()
    boots: tuple[AwareDatetime, ...] = ()
    memory: int = Field(4096, ge=64)
    connections: int = Field(40, ge=0)
    session_limit: int = Field(250_000, ge=1)
    bandwidth: float = Field(5.0, gt=0)


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
    guest.files, guest.kernel, guest.out_of_memory = dict(part.files), dict(part.kernel), part.out_of_memory
    guest.mounts = _mounts(part)
    guest.log = guest.log if part.log is None else _lines(part.log)
    guest.last_log, guest.boots = _lines(part.last_log), [to_millis(one) for one in part.boots]
    guest.memory, guest.connections = part.memory, part.connections
    guest.session_limit, guest.bandwidth = part.session_limit, part.bandwidth
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
        "mounts": [asdict(one) for one in guest.mounts],
        "out_of_memory": guest.out_of_memory,
        "any_program": guest.any_program,
        "down": guest.down,
        "turn_due": None if guest.turn_due is None else iso_millis(guest.turn_due),
        "next_pid": guest.next_pid,
        "kernel": dict(guest.kernel),
        "log": [_line_document(one) for one in guest.log],
        "last_log": [_line_document(one) for one in guest.last_log],
        "boots": [iso_millis(one) for one in guest.boots],
        "memory": guest.memory,
        "connections": guest.connections,
        "session_limit": guest.session_limit,
        "bandwidth": guest.bandwidth,
    }


def _mounts(part: GuestPart) -> list[Mount]:
    """Return the file systems of a part; the root is always one, and `read_only` is short for its state."""
    made = [Mount(**one.model_dump()) for one in part.mounts]
    root = next((one for one in made if one.target == "/"), None)
    if root is None:
        made.insert(0, root := Mount("/", "/dev/vda1"))
    root.read_only = root.read_only or part.read_only
    return made


def _lines(parts: tuple[LinePart, ...]) -> list[Line]:
    return [Line(to_millis(one.at), one.text, one.level) for one in parts]


def _line_document(line: Line) -> dict[str, object]:
    return {"at": iso_millis(line.at), "text": line.text, "level": line.level}
